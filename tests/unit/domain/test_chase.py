"""What becomes of a protected limit that rests: a table of cases, and laws over random prices."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.domain.copy_order import CopyOrder, CopyStatus, Intent
from paceline.domain.copying.build import shape
from paceline.domain.copying.chase import (
    Chase,
    Chased,
    ChasePolicy,
    ChaseReason,
    GiveUp,
    LastPrice,
    Modify,
    Replace,
    Wait,
    as_limit,
    chase,
)
from paceline.domain.copying.fold import fold_result
from paceline.domain.copying.mirror import chasing, mirrored
from paceline.domain.copying.protect import protected_limit
from paceline.domain.instrument import Exchange, Instrument
from paceline.domain.ledger import EntryKind, Ledger
from paceline.domain.order import BrokerStatus, OrderType, Side
from paceline.domain.subscription import ExecutionStyle, Protection, ProtectionKind
from tests.unit.domain.given import KEY, NOW, SHARE, d, instrument, report, subscription
from tests.unit.executor.given import an_exit, order

MS = 1_000_000
POLICY = ChasePolicy()
BAND = instrument(band=(90, 110))
TICKS = Protection(ProtectionKind.TICKS, 4)


def at_rest(an_order: CopyOrder, limit: str, of: Instrument = SHARE, **options: Any) -> Chased:
    """Since just so long that it may be moved; he traded at 100, and 1 % is allowed."""
    spec = replace(an_order.spec, limit_price=d(limit), protected=True)
    working = replace(an_order, spec=spec, status=CopyStatus.WORKING)
    began_ns = NOW - POLICY.rest_ms * MS
    return replace(
        Chased(working, of, began_ns, began_ns, allowance_bps=d(100), protection=TICKS),
        **options,
    )


def bought(limit: str = "100.20", **options: Any) -> Chased:
    return at_rest(order(), limit, **options)


def sold(limit: str = "99", **options: Any) -> Chased:
    return at_rest(an_exit(), limit, **options)


def test_a_rest_is_twice_as_long_each_time_up_to_the_longest() -> None:
    assert [POLICY.rest_ns(steps) // MS for steps in range(6)] == [
        2_000,
        4_000,
        8_000,
        16_000,
        30_000,
        30_000,
    ]
    assert POLICY.rest_ns(10_000) == 30_000 * MS


def seen(last: str, *, age_ms: int = 0, stale: bool = False) -> LastPrice:
    return LastPrice(d(last), NOW - age_ms * MS, stale)


def entering(side: Side, leader_price: int, limit: str) -> Chased:
    an_order = order()
    return at_rest(
        replace(an_order, spec=replace(an_order.spec, side=side), leader_price=d(leader_price)), limit
    )


def test_a_stop_that_is_chased_is_a_protected_limit_from_then_on() -> None:
    spec = order().spec
    stop = replace(spec, type=OrderType.STOP_LIMIT, trigger_price=d(99), protected=False)
    chased = replace(spec, type=OrderType.LIMIT, limit_price=d(101), trigger_price=d(0), protected=True)
    assert as_limit(stop, d(101)) == chased


LONG_AGO: dict[str, Any] = {"began_ns": NOW - POLICY.entry_max_ms * MS}
TABLE = [
    pytest.param(bought(), seen("100.40"), Modify(d("100.60")), id="an entry follows by its ticks"),
    pytest.param(bought(), seen("100.95"), Modify(d("101")), id="but no further than its allowance"),
    pytest.param(bought(), seen("103"), Modify(d("101")), id="also where the price is beyond it"),
    pytest.param(bought("101"), seen("103"), Wait(ChaseReason.OUT_OF_ALLOWANCE), id="there it waits"),
    pytest.param(bought("101"), seen("100"), Wait(ChaseReason.FILLS_BY_ITSELF), id="nearer is never needed"),
    pytest.param(
        bought("101.50"), seen("103"), Wait(ChaseReason.OUT_OF_ALLOWANCE), id="a wider limit may stand"
    ),
    pytest.param(
        bought(steps=5, touched_ns=0), seen("100.40"), GiveUp(ChaseReason.STEPS_USED_UP), id="so many steps"
    ),
    pytest.param(bought(**LONG_AGO), seen("100.40"), GiveUp(ChaseReason.TIME_USED_UP), id="and so long"),
    pytest.param(
        bought("101", **LONG_AGO),
        seen("103"),
        GiveUp(ChaseReason.OUT_OF_ALLOWANCE),
        id="by what it waited for",
    ),
    pytest.param(
        bought(**LONG_AGO), None, GiveUp(ChaseReason.PRICE_STALE), id="time goes on without a price"
    ),
    pytest.param(bought(), None, Wait(ChaseReason.PRICE_STALE), id="no price"),
    pytest.param(bought(), seen("100.40", stale=True), Wait(ChaseReason.PRICE_STALE), id="a stale price"),
    pytest.param(bought(), seen("100.40", age_ms=5001), Wait(ChaseReason.PRICE_STALE), id="an old price"),
    pytest.param(bought(), seen("100.40", age_ms=5000), Modify(d("100.60")), id="one just new enough"),
    pytest.param(entering(Side.BUY, 1, "0.90"), seen("0.95"), Modify(d(1)), id="up to a price of one"),
    pytest.param(
        entering(Side.SELL, 0, "100"),
        seen("99"),
        Wait(ChaseReason.OUT_OF_ALLOWANCE),
        id="without a price of his it is where it was planned",
    ),
    pytest.param(sold("2000"), seen("1900"), Modify(d(1881)), id="a step of an exit is a step to the tick"),
    pytest.param(sold(), seen("95", stale=True), Wait(ChaseReason.PRICE_STALE), id="stale, for exits too"),
    pytest.param(sold(touched_ns=NOW), seen("95"), Wait(ChaseReason.RESTING), id="it rests first"),
    pytest.param(
        sold(steps=2, touched_ns=NOW - 7999 * MS),
        seen("95"),
        Wait(ChaseReason.RESTING),
        id="longer each time",
    ),
    pytest.param(sold(), seen("95"), Modify(d("94.05")), id="an exit follows without allowance"),
    pytest.param(sold(), seen("100"), Modify(d("98")), id="and reaches further where nobody takes it"),
    pytest.param(sold("90"), seen("100"), Wait(ChaseReason.OUT_OF_REACH), id="but not without end"),
    pytest.param(sold("0.50"), seen("0.50"), Modify(d("0.45")), id="at least a tick"),
    pytest.param(sold("0.05"), seen("0.05"), Wait(ChaseReason.OUT_OF_REACH), id="never to nothing"),
    pytest.param(sold(steps=900, touched_ns=0, began_ns=0), seen("95"), Modify(d("94.05")), id="for ever"),
    pytest.param(sold(of=BAND), seen("90.50"), Modify(d("90")), id="the band clamps"),
    pytest.param(sold(of=BAND), seen("90"), Wait(ChaseReason.CIRCUIT_LOCKED), id="nobody buys at its end"),
    pytest.param(
        bought(of=BAND, **LONG_AGO), seen("110"), GiveUp(ChaseReason.CIRCUIT_LOCKED), id="locked, and over"
    ),
]


@pytest.mark.parametrize(("chased", "price", "expected"), TABLE)
def test_what_is_done_next(chased: Chased, price: LastPrice | None, expected: Chase) -> None:
    assert chase(chased, price, NOW, POLICY) == expected


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"protected": False}, id="the leader's own limit"),
        pytest.param({"type": OrderType.MARKET}, id="a market order"),
    ],
)
def test_only_protected_limits_are_chased(spec: dict[str, object]) -> None:
    chased = sold()
    standing = replace(chased.order, spec=replace(chased.order.spec, **spec))  # type: ignore[arg-type]
    assert chase(replace(chased, order=standing), seen("95"), NOW, POLICY) == Wait(ChaseReason.NOT_CHASED)


def test_what_has_ended_is_left_alone() -> None:
    ended = replace(sold(), order=replace(sold().order, status=CopyStatus.FILLED))
    assert chase(ended, seen("95"), NOW, POLICY) == Wait(ChaseReason.NOT_CHASED)


def stop(intent: Intent = Intent.EXIT, **options: Any) -> Chased:
    """Sold at 98 once the price falls to 99; untouched for hours."""
    chased = sold("98", touched_ns=0, began_ns=0, **options)
    spec = replace(chased.order.spec, type=OrderType.STOP_LIMIT, trigger_price=d(99))
    return replace(chased, order=replace(chased.order, spec=spec, intent=intent))


@pytest.mark.parametrize(
    ("chased", "price", "expected"),
    [
        pytest.param(stop(), seen("100"), Wait(ChaseReason.WAITS_FOR_TRIGGER), id="before its trigger"),
        pytest.param(stop(), None, Wait(ChaseReason.WAITS_FOR_TRIGGER), id="who knows"),
        pytest.param(stop(), seen("98.50"), Wait(ChaseReason.WAITS_FOR_TRIGGER), id="the exchange fills it"),
        pytest.param(stop(), seen("95"), Modify(d("94.05")), id="the price went through it"),
        pytest.param(stop(), seen("95", stale=True), Wait(ChaseReason.PRICE_STALE), id="perhaps"),
        pytest.param(stop(of=BAND), seen("90"), Wait(ChaseReason.CIRCUIT_LOCKED), id="nobody buys"),
        pytest.param(
            stop(Intent.ENTRY), seen("95"), Wait(ChaseReason.WAITS_FOR_TRIGGER), id="its leader's end decides"
        ),
    ],
)
def test_a_stop_is_chased_once_the_price_went_through_it(
    chased: Chased, price: LastPrice | None, expected: Chase
) -> None:
    assert chase(chased, price, NOW, POLICY) == expected


def test_what_is_chased_is_a_stop_no_more() -> None:
    spec = as_limit(stop().order.spec, d("94.05"))
    assert (spec.type, spec.limit_price, spec.trigger_price) == (OrderType.LIMIT, d("94.05"), d(0))
    assert spec.protected


@pytest.mark.parametrize("most", [0, 3])
def test_what_its_broker_changes_no_more_is_replaced(most: int) -> None:
    policy = replace(POLICY, modifications_max=most)
    assert chase(sold(modifications=most), seen("95"), NOW, policy) == Replace(d("94.05"))
    entry = chase(bought(modifications=most), seen("100.40"), NOW, policy)
    assert entry == GiveUp(ChaseReason.STEPS_USED_UP), "an entry is not worth another order"


prices = st.lists(st.integers(1_800, 2_200).map(lambda ticks: ticks * SHARE.tick), min_size=1, max_size=40)


def walk(chased: Chased, path: list[Decimal]) -> tuple[list[Decimal], Chase]:
    """The limits it had, one look after the other, until it is given up."""
    now_ns, limits = chased.touched_ns, [chased.order.spec.limit_price]
    following: Chase = Wait(ChaseReason.RESTING)
    for last in path:
        now_ns += POLICY.rest_ns(chased.steps)
        following = chase(chased, LastPrice(last, now_ns), now_ns, POLICY)
        if isinstance(following, GiveUp):
            return limits, following
        if isinstance(following, Modify):
            limits.append(following.price)
            spec = replace(chased.order.spec, limit_price=following.price)
            moved = replace(chased.order, spec=spec)
            chased = replace(chased, order=moved, steps=chased.steps + 1, touched_ns=now_ns)
    return limits, following


@given(prices, st.sampled_from(list(Side)), st.sampled_from(list(ProtectionKind)))
def test_an_entry_makes_few_steps_one_way_and_never_leaves_its_allowance(
    path: list[Decimal], side: Side, kind: ProtectionKind
) -> None:
    protection = Protection(kind, 4 if kind is ProtectionKind.TICKS else 0)
    first = protected_limit(BAND, side, d(100), d(100), protection)
    entry = at_rest(order(side=side), str(first), of=BAND, protection=protection)
    limits, following = walk(entry, path)
    assert limits == sorted(limits, reverse=side is Side.SELL)
    assert len(set(limits)) == len(limits) <= POLICY.entry_steps_max + 1
    bound = max(first * side, protected_limit(BAND, side, d(100), d(100)) * side)
    assert all(limit * side <= bound and limit % BAND.tick == 0 for limit in limits)
    assert len(path) < 16 or isinstance(following, GiveUp), "time is over by then"


@given(prices, st.sampled_from(list(Side)))
def test_an_exit_goes_one_way_inside_its_reach_and_is_never_given_up(path: list[Decimal], side: Side) -> None:
    leaving = at_rest(order(intent=Intent.EXIT, side=side), str(100 + side), of=BAND)
    limits, following = walk(leaving, path)
    assert limits == sorted(limits, reverse=side is Side.SELL)
    assert not isinstance(following, GiveUp | Replace)
    farthest = max(last * (10 + side) / 10 * side for last in path)
    assert all(limit * side <= max(farthest, limits[0] * side) for limit in limits)
    assert all(BAND.lower_band <= limit <= BAND.upper_band for limit in limits)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("kind", "chased"),
    [
        pytest.param(OrderType.LIMIT, False, id="the leader's own limit stays where he put it"),
        pytest.param(OrderType.MARKET, True, id="what stands for a market order follows"),
        pytest.param(OrderType.STOP, True, id="so does a stop, once the price is gone beyond it"),
    ],
)
def test_a_mirrored_order_is_chased_only_where_it_stands_for_a_market_order(
    kind: OrderType, *, chased: bool
) -> None:
    theirs = replace(report(limit=100), type=kind)
    looks = mirrored(theirs, SHARE, subscription(), Intent.ENTRY, 1, last=d(100), quantity=d(10))
    assert (looks.protected, looks.spec(KEY, d(10)).protected) == (chased, chased)
    assert chasing(SHARE, Side.BUY, Intent.ENTRY, 1, d(100), subscription()).protected


@pytest.mark.parametrize(("style", "where", "chased"), [("MARKET", "NSE", True), ("MARKET", "CRYPTO", False)])
def test_a_copied_fill_is_chased_unless_its_exchange_fills_market_orders(
    style: str, where: str, *, chased: bool
) -> None:
    looks = shape(
        instrument(exchange=Exchange(where)),
        Side.BUY,
        Intent.ENTRY,
        1,
        reference=d(100),
        style=ExecutionStyle(style),
        allowance_bps=d(100),
    )
    assert looks.protected is chased


@pytest.mark.parametrize(
    ("ends_as", "reason"), [("CHASE_TIME_USED_UP", "CHASE_TIME_USED_UP"), ("", "by hand")]
)
def test_what_is_given_up_is_forgone_by_the_name_of_the_chase(ends_as: str, reason: str) -> None:
    given_up = replace(bought().order, ends_as=ends_as)
    ledger = Ledger(ideal=d(10), entry_planned=d(10))
    told = replace(report(BrokerStatus.CANCELLED, quantity=10), message="by hand")
    folded = fold_result(given_up, told, ledger, SHARE.lot, ())
    assert {(each.kind, each.reason) for each in folded.lines} == {
        (EntryKind.RELEASED, reason),
        (EntryKind.FORGONE, reason),
    }
