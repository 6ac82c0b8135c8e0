"""What is a drift, what is not, and what heals it: case by case, and over random accounts."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.domain.copying.plan import plan_chunk
from paceline.domain.day_end import BookRead
from paceline.domain.drift import (
    HEALS_MAX,
    Difference,
    DriftKind,
    Look,
    Share,
    Standing,
    cause_of,
    converted,
    doubtful,
    evidence_of,
    judge,
    lowered,
    sold,
    under,
)
from paceline.domain.ids import SubscriptionId
from paceline.domain.instrument import InstrumentKey, Product
from paceline.domain.ledger import Ledger
from paceline.domain.subscription import AttributionPolicy, DriftPolicy
from tests.unit.domain.given import FOLLOWER, KEY, SHARE, copier, d, event, fill, leader, market

S = 1_000_000_000
SETTLE_NS = 2 * S
ONE_LOT = {KEY: d(1)}
HEAL, REPORT = DriftPolicy.HEAL, DriftPolicy.REPORT


def share(held: int, *, wanted: int | None = None, name: str = "s1", policy: DriftPolicy = HEAL) -> Share:
    ideal = held if wanted is None else wanted
    ledger = Ledger(ideal=d(ideal), entry_planned=d(held), entry_filled=d(held))
    return Share(SubscriptionId(name), ledger, AttributionPolicy.COPIES_FIRST, policy)


def standing(*shares: Share, journal: int = 0, unrest: str = "", heals: int = 0) -> Standing:
    return Standing(shares, d(journal), unrest, heals)


def look(stands: Standing, net: int, *, at_s: int = 0, whole: bool = True, key: InstrumentKey = KEY) -> Look:
    return Look(BookRead(at_s * S, whole, {key: d(net)} if net else {}), {key: stands})


def judged(stands: Standing, net: int) -> Difference | None:
    return judge(look(stands, net), look(stands, net, at_s=2), ONE_LOT, SETTLE_NS)[KEY]


@pytest.mark.parametrize(
    ("stands", "net", "kind", "amount"),
    [
        pytest.param(standing(share(10), journal=10), 10, None, 0, id="agreed"),
        pytest.param(standing(share(10), journal=15), 15, None, 0, id="his own beside it"),
        pytest.param(standing(share(10), journal=10), 15, DriftKind.UNEXPLAINED, 5, id="more, untold"),
        pytest.param(standing(share(10), journal=10), 4, DriftKind.MISSING, 6, id="less"),
        pytest.param(standing(share(10), journal=0), 0, DriftKind.MISSING, 10, id="closed by hand"),
        pytest.param(standing(share(10), journal=-3), -3, DriftKind.MISSING, 10, id="sold through zero"),
        pytest.param(standing(share(-10), journal=-4), -4, DriftKind.MISSING, -6, id="less of a short"),
        pytest.param(standing(share(10, wanted=4), journal=10), 10, DriftKind.SURPLUS, 6, id="not wanted"),
        pytest.param(standing(share(10, wanted=4), journal=8), 8, DriftKind.MISSING, 2, id="both"),
        pytest.param(standing(share(10), share(-4, name="s2"), journal=6), 6, None, 0, id="two that net"),
    ],
)
def test_what_is_a_drift(stands: Standing, net: int, kind: DriftKind | None, amount: int) -> None:
    found = judged(stands, net)
    assert (found.kind if found else None) is kind
    assert (found.amount if found else d(0)) == d(amount)
    assert doubtful(look(stands, net), ONE_LOT) == (kind is not None)


LONG = standing(share(10), journal=0)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(look(LONG, 0), look(LONG, 0, at_s=1), id="too near"),
        pytest.param(look(LONG, 0, at_s=90), look(LONG, 0, at_s=91), id="too near at any time"),
        pytest.param(look(LONG, 0, whole=False), look(LONG, 0, at_s=2), id="the first not whole"),
        pytest.param(look(LONG, 0), look(LONG, 0, at_s=2, whole=False), id="the second not whole"),
        pytest.param(look(LONG, 4), look(LONG, 0, at_s=2), id="the book moved"),
        pytest.param(look(standing(share(9)), 0), look(LONG, 0, at_s=2), id="the ledger moved"),
        pytest.param(look(replace(LONG, journal=d(1)), 0), look(LONG, 0, at_s=2), id="the journal moved"),
        pytest.param(
            look(replace(LONG, unrest="working"), 0),
            look(replace(LONG, unrest="working"), 0, at_s=2),
            id="unrest",
        ),
        pytest.param(look(LONG, 0), look(replace(LONG, unrest="a fill"), 0, at_s=2), id="a fill between"),
    ],
)
def test_nothing_is_said_while_anything_moves_or_cannot_be_read(first: Look, second: Look) -> None:
    assert judge(first, second, ONE_LOT, SETTLE_NS) == {}


def test_an_order_that_ended_before_its_trades_were_told_is_in_flight() -> None:
    told = Share(SubscriptionId("s1"), replace(share(10).ledger, exit_planned=d(-10)), policy=HEAL)
    stands = standing(told, journal=0)
    assert judge(look(stands, 0), look(stands, 0, at_s=2), ONE_LOT, SETTLE_NS) == {}


def test_of_delivery_a_position_book_proves_nothing() -> None:
    key = InstrumentKey(KEY.instrument_id, Product.CNC)
    assert judge(look(LONG, 0, key=key), look(LONG, 0, at_s=2, key=key), {key: d(1)}, SETTLE_NS) == {}


def test_what_was_converted_is_not_gone() -> None:
    found = judged(LONG, 0)
    assert found is not None
    carried = InstrumentKey(KEY.instrument_id, Product.MARGIN)
    assert converted(KEY, found, {carried: d(10)})
    assert not converted(KEY, found, {carried: d(-10)})
    assert not converted(KEY, found, {KEY: d(10)})


def test_what_is_gone_is_taken_pro_rata_from_those_that_heal() -> None:
    stands = standing(share(10), share(20, name="s2", policy=REPORT), journal=15)
    found = judged(stands, 15)
    assert found is not None
    (adjustment,) = lowered(KEY, stands, found, d(1), "c", "e").adjustments
    assert {line.subscription_id for line in adjustment.lines} == {"s1"}
    assert (adjustment.before, adjustment.after, adjustment.evidence) == (d(10), d(5), "e")


def test_what_is_gone_is_taken_last_from_those_whose_own_goes_first() -> None:
    own_first = replace(share(10, name="s2"), attribution=AttributionPolicy.OWN_FIRST)
    stands = standing(share(10), own_first, journal=15)
    found = judged(stands, 15)
    assert found is not None
    (adjustment,) = lowered(KEY, stands, found, d(1), "c", "e").adjustments
    assert {line.subscription_id for line in adjustment.lines} == {"s1"}
    assert (adjustment.before, adjustment.after) == (d(10), d(5))


def test_a_book_that_the_journal_does_not_bear_out_heals_nothing() -> None:
    stands = standing(share(10), journal=10)
    found = judged(stands, 0)
    assert found is not None
    assert found.kind is DriftKind.MISSING
    assert lowered(KEY, stands, found, d(1), "c", "e").adjustments == ()


def _sale(stands: Standing, net: int) -> list[int]:
    found = judged(stands, net)
    assert found is not None
    entry = plan_chunk(event(fill(10)), leader(), [copier()], market()).decisions[0].orders[0]
    newest = {
        each.subscription_id: replace(entry, subscription_id=each.subscription_id) for each in stands.shares
    }
    healing = sold(stands, found, SHARE, newest, "c", d(500), 1)
    return [
        int(order.spec.quantity) * int(order.spec.side)
        for each in healing.corrections
        for order in each.orders
    ]


def test_a_surplus_is_sold_and_never_more_than_the_book_shows() -> None:
    assert _sale(standing(share(10, wanted=4), journal=10), 10) == [-6]
    assert _sale(standing(share(-10, wanted=-4), journal=-10), -10) == [6]
    crossed = standing(share(10, wanted=0), share(-4, name="s2"), journal=6)
    assert _sale(crossed, 6) == [], "it would open the other side"
    assert _sale(standing(share(10, wanted=4, policy=REPORT), journal=10), 10) == []
    assert _sale(standing(share(10, wanted=4), journal=10, heals=HEALS_MAX), 10) == []


def test_each_that_heals_sells_its_own_surplus_while_the_book_shows_enough() -> None:
    two = (share(6, wanted=2), share(6, wanted=1, name="s2"))
    assert _sale(standing(*two, journal=12), 12) == [-4, -5]
    reports = replace(two[0], policy=REPORT)
    assert _sale(standing(reports, two[1], journal=12), 12) == [-5]
    crossed = standing(share(6, wanted=0), share(6, wanted=1, name="s2"), share(-4, name="s3"), journal=8)
    assert _sale(crossed, 8) == [-6], "two are left of the book, and five would be sold"


def test_a_policy_for_all_replaces_each_ones_own() -> None:
    stands = standing(share(10), share(5, name="s2", policy=REPORT), journal=15)
    assert [each.policy for each in under(stands, REPORT).shares] == [REPORT, REPORT]
    assert [each.policy for each in under(stands, HEAL).shares] == [HEAL, HEAL]
    assert under(stands, None) == stands


def test_evidence_and_cause_name_the_books_they_stand_on() -> None:
    first, second = BookRead(0, True, {}), BookRead(61 * S, True, {})
    found = Difference(DriftKind.MISSING, d(10), d(4), d(6))
    words = "copies hold 10, the broker's book at 05:30:00 and 05:31:01 IST says 4"
    assert evidence_of(first, second, found) == words
    assert cause_of(FOLLOWER, KEY, second) == "drift:fyers:FOLLOWER:NSE:SBIN-EQ:INTRADAY:61000000000"


QUANTITIES = st.integers(-50, 50)


@given(st.lists(st.tuples(QUANTITIES, st.booleans()), min_size=1, max_size=4), QUANTITIES)
def test_healing_lowers_only_and_where_all_heal_nothing_is_missing_afterwards(
    held: list[tuple[int, bool]], net: int
) -> None:
    shares = tuple(
        share(quantity, name=f"s{number}", policy=HEAL if heals else REPORT)
        for number, (quantity, heals) in enumerate(held)
    )
    stands = Standing(shares, d(net))
    found = judged(stands, net)
    if found is None or found.kind is not DriftKind.MISSING:
        return
    after: dict[SubscriptionId, Decimal] = {each.subscription_id: each.ledger.position for each in shares}
    for adjustment in lowered(KEY, stands, found, d(1), "c", "e").adjustments:
        assert abs(adjustment.after) < abs(adjustment.before)
        assert adjustment.after * adjustment.before >= 0
        after[adjustment.lines[0].subscription_id] = adjustment.after
    if all(heals for _, heals in held):
        copied = sum(after.values(), Decimal(0))
        assert abs(copied) <= abs(net)
        assert copied * net >= 0
