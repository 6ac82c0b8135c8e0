"""Sizes, the least, and the caps: given settings, when the leader fills, then so much."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest

from paceline.domain.copying.decision import Decision, Outcome, SkipReason
from paceline.domain.copying.plan import plan
from paceline.domain.copying.view import Copier, Equity, LeaderOrder, LeaderState, LotRule, Market
from paceline.domain.ids import BrokerOrderId, InstrumentId
from paceline.domain.instrument import InstrumentKey, Product
from paceline.domain.ledger import EntryKind, Ledger
from paceline.domain.order import OrderReport, OrderType, Side
from paceline.domain.subscription import (
    Caps,
    EquityFallback,
    InstrumentMapping,
    ProductMapping,
    Protection,
    ProtectionKind,
    Sizing,
    SizingMode,
    Subscription,
)
from tests.unit.domain.given import (
    KEY,
    LEADER,
    SBIN,
    SHARE,
    d,
    event,
    fill,
    instrument,
    report,
    subscription,
)

OTHER = InstrumentId("BSE:SBIN-A")


def sized(mode: str, value: str, **how: object) -> Subscription:
    return replace(subscription(), sizing=replace(Sizing(SizingMode(mode), d(value)), **how))  # type: ignore[arg-type]


def stop(price: str, *, side: Side = Side.SELL, order: str = "stop") -> OrderReport:
    return replace(
        report(order=order, side=side), type=OrderType.STOP, trigger_price=d(price), limit_price=d(0)
    )


def known(*orders: OrderReport) -> Mapping[BrokerOrderId, LeaderOrder]:
    return {order.order_id: LeaderOrder(order) for order in orders}


@dataclass
class Life:
    """Fills of one leader order of 100, one after the other, each with what was frozen and written before."""

    copier: Copier
    lot: int = 1
    leader: LeaderState = field(
        default_factory=lambda: LeaderState(LEADER, equity=Equity(d(10_000), 0), orders=known(report()))
    )
    market: Market | None = None
    trades: int = 0

    def fills(self, signed: int, price: int = 100, order: str = "1") -> Decision:
        self.trades += 1
        happened = event(fill(signed, trade=f"t{self.trades}", order=order, price=price), offset=self.trades)
        traded = self.market or Market({SBIN: instrument(lot=self.lot)}, happened.fact.broker_time_ns)
        (decision,) = plan(happened, self.leader, [self.copier], traded).decisions
        self.leader = self.leader.after(happened)
        frozen = self.copier.frozen or decision.sizing
        self.copier = replace(
            self.copier, ledger=self.copier.ledger.with_lines(decision.entries), frozen=frozen
        )
        return decision


def bought(decision: Decision) -> Decimal:
    return sum((order.spec.quantity for order in decision.orders), d(0))


def so_far(life: Life) -> Decimal:
    return life.copier.ledger.entry_planned


WHOLE = [
    ("FIXED_RATIO q x ratio", sized("FIXED_RATIO", "0.4"), 40),
    ("EQUITY_RATIO q x follower / leader x multiplier", sized("EQUITY_RATIO", "2"), 50),
    ("FIXED_QUANTITY for the whole order", sized("FIXED_QUANTITY", "30"), 30),
    ("FIXED_NOTIONAL for the whole order", sized("FIXED_NOTIONAL", "2550"), 25),
    ("RISK_PERCENT of equity at the distance of the stop", sized("RISK_PERCENT", "2"), 10),
]


@pytest.mark.parametrize(("rule", "settings", "whole"), WHOLE, ids=[rule for rule, _, _ in WHOLE])
def test_a_size_is_the_same_however_the_leaders_order_fills(
    rule: str, settings: Subscription, whole: int
) -> None:
    """Equity of the follower is 2,500; the stop is 5 away."""
    for parts in ([100], [50, 50], [1, 33, 66], [3] * 33 + [1]):
        life = Life(Copier(settings, equity=Equity(d(2_500), 0)))
        life.leader = replace(life.leader, orders=known(report(), stop("95")))
        for part in parts:
            life.fills(part)
        assert so_far(life) == whole, (rule, parts)


def test_a_fixed_size_is_frozen_at_the_first_fill_and_spread_by_filled_over_ordered() -> None:
    life = Life(Copier(sized("FIXED_NOTIONAL", "5000")))
    first = life.fills(10)
    assert bought(first) == 5
    assert first.sizing is not None
    assert (first.sizing.ratio, first.sizing.ordered, first.sizing.granted) == (d("0.5"), d(100), d(50))
    assert bought(life.fills(10, price=200)) == 5


def test_the_multiplier_of_a_contract_counts_in_money() -> None:
    life = Life(Copier(sized("FIXED_NOTIONAL", "5000")))
    life.market = Market({SBIN: replace(SHARE, multiplier=d(10))}, 0)
    assert bought(life.fills(100)) == 5


@pytest.mark.parametrize(
    ("orders", "quantity"),
    [
        ([stop("95")], 10),
        ([stop("95"), stop("90", order="farther")], 5),
        ([stop("95"), stop("105", order="beyond")], 10),
        ([stop("95"), stop("90", side=Side.BUY, order="same side")], 10),
        ([stop("95"), report(order="a limit", side=Side.SELL)], 10),
        ([stop("99.50")], 100),
    ],
)
def test_the_farthest_stop_of_the_other_side_is_the_risk(orders: list[OrderReport], quantity: int) -> None:
    life = Life(Copier(sized("RISK_PERCENT", "2"), equity=Equity(d(2_500), 0)))
    life.leader = replace(life.leader, orders=known(report(), *orders))
    assert bought(life.fills(100)) == quantity


REFUSED = [
    ("without a stop", sized("RISK_PERCENT", "2"), Equity(d(100), 0), SkipReason.NO_STOP),
    ("without equity", sized("RISK_PERCENT", "2"), None, SkipReason.EQUITY_UNKNOWN),
    ("at old risk", sized("RISK_PERCENT", "2"), Equity(d(9), 70_000, True), SkipReason.EQUITY_UNKNOWN),
    ("with old equity", sized("EQUITY_RATIO", "2"), Equity(d(9), 70_000, True), SkipReason.EQUITY_UNKNOWN),
    ("with nothing left", sized("EQUITY_RATIO", "2"), Equity(d(0), 0), SkipReason.EQUITY_UNKNOWN),
]


@pytest.mark.parametrize(("case", "settings", "equity", "reason"), REFUSED, ids=[case[0] for case in REFUSED])
def test_what_cannot_be_reckoned_is_skipped_by_name_and_tried_again_at_the_next_fill(
    case: str, settings: Subscription, equity: Equity | None, reason: SkipReason
) -> None:
    life = Life(Copier(settings, equity=equity))
    decision = life.fills(10)
    assert (decision.outcome, decision.reason, decision.entries) == (Outcome.SKIPPED, reason, ()), case
    assert decision.sizing is None


@pytest.mark.parametrize("mode", ["FIXED_QUANTITY", "FIXED_NOTIONAL", "RISK_PERCENT"])
def test_a_size_for_the_whole_of_an_unknown_order_is_skipped_by_name(mode: str) -> None:
    life = Life(Copier(sized(mode, "2"), equity=Equity(d(100), 0)))
    life.leader = replace(life.leader, orders={})
    assert life.fills(10).reason is SkipReason.LEADER_ORDER_UNKNOWN


def test_money_buys_nothing_without_a_price() -> None:
    assert Life(Copier(sized("FIXED_NOTIONAL", "500"))).fills(10, price=0).reason is SkipReason.PRICE_UNKNOWN


@pytest.mark.parametrize("price", [1, 2])
def test_money_buys_what_costs_little(price: int) -> None:
    assert bought(Life(Copier(sized("FIXED_NOTIONAL", "50"))).fills(100, price=price)) == 50 // price


def test_whose_equity_is_not_known_is_said() -> None:
    life = Life(Copier(sized("EQUITY_RATIO", "1")))
    assert life.fills(10).detail == "of the follower"
    life.leader = replace(life.leader, equity=None)
    assert life.fills(10).detail == "of the leader"


def test_an_old_equity_is_used_where_the_subscription_says_so_and_the_plan_says_it() -> None:
    settings = sized("EQUITY_RATIO", "1", equity_fallback=EquityFallback.LAST_KNOWN)
    decision = Life(Copier(settings, equity=Equity(d(5_000), 70_000, stale=True))).fills(100)
    assert bought(decision) == 50
    assert decision.detail == "sized with the last known equity of the follower, 70000 ms old"
    assert decision.sizing is not None
    assert decision.sizing.follower_equity_age_ms == 70_000
    both = Life(Copier(settings, equity=Equity(d(5_000), 70_000, stale=True)))
    both.leader = replace(both.leader, equity=Equity(d(10_000), 80_000, stale=True))
    assert both.fills(100).detail == (
        "sized with the last known equity of the leader, 80000 ms old and of the follower, 70000 ms old"
    )


def test_less_than_a_lot_is_rounded_up_once_for_the_leaders_order() -> None:
    """The first copied fill brings the lot, later ones nothing."""
    life = Life(Copier(sized("FIXED_RATIO", "0.05", round_up_to_one_lot=True)), lot=10)
    decisions = [life.fills(part) for part in (10, 40, 50)]
    assert [bought(each) for each in decisions] == [10, 0, 0]
    assert decisions[0].sizing is not None
    assert decisions[0].sizing.rounded_up
    assert [each.reason for each in decisions[1:]] == [SkipReason.BELOW_ONE_LOT] * 2
    life.leader = replace(life.leader, orders=known(replace(report(), order_id=BrokerOrderId("2"))))
    life.copier = replace(life.copier, frozen=None)
    assert bought(life.fills(10, order="2")) == 10, "every order of his anew"


def test_what_comes_to_a_lot_is_not_rounded_up() -> None:
    life = Life(Copier(sized("FIXED_RATIO", "0.15", round_up_to_one_lot=True)), lot=10)
    assert [bought(life.fills(part)) for part in (50, 50)] == [0, 10]


CAPS = [
    ("lots", Caps(max_lots_per_order=d(3)), 30, SkipReason.CAPPED_LOTS),
    ("money in one order", Caps(max_notional_per_order=d(2_500)), 20, SkipReason.CAPPED_NOTIONAL),
    ("money in everything", Caps(max_exposure=d(5_999)), 40, SkipReason.CAPPED_EXPOSURE),
    ("the strictest", Caps(d(5), d(4_000), d(1_000_000)), 40, SkipReason.CAPPED_NOTIONAL),
]


@pytest.mark.parametrize(("rule", "caps", "whole", "reason"), CAPS, ids=[case[0] for case in CAPS])
def test_a_cap_is_applied_once_to_the_leaders_whole_order_and_its_rest_is_forgone_by_name(
    rule: str, caps: Caps, whole: int, reason: SkipReason
) -> None:
    life = Life(Copier(replace(subscription(), caps=caps), exposure=d(1_000)), lot=10)
    decisions = [life.fills(part) for part in (25, 25, 50)]
    assert so_far(life) == whole, rule
    assert {each.reason for each in decisions} == {reason}
    forgone = [
        line
        for each in decisions
        for line in each.entries
        if line.kind is EntryKind.FORGONE and line.reason == reason
    ]
    assert sum(line.quantity for line in forgone) == whole - 100
    assert life.copier.ledger.ideal == whole


NOTHING_LEFT = [
    (
        "exposure used up",
        Copier(replace(subscription(), caps=Caps(max_exposure=d(1_000))), exposure=d(1_000)),
    ),
    ("money for less than a lot", Copier(replace(subscription(), caps=Caps(max_notional_per_order=d(999))))),
    (
        "positions",
        Copier(replace(subscription(), caps=Caps(max_open_positions=2)), other_positions=2),
    ),
]


@pytest.mark.parametrize(("rule", "copier"), NOTHING_LEFT, ids=[case[0] for case in NOTHING_LEFT])
def test_where_a_cap_leaves_nothing_the_whole_order_of_the_leader_is_skipped(
    rule: str, copier: Copier
) -> None:
    life = Life(copier, lot=10)
    first = life.fills(50)
    assert (first.outcome, first.entries) == (Outcome.SKIPPED, ()), rule
    assert first.reason in (
        SkipReason.CAPPED_EXPOSURE,
        SkipReason.CAPPED_NOTIONAL,
        SkipReason.CAPPED_POSITIONS,
    )
    life.copier = replace(life.copier, exposure=d(0), other_positions=0)
    assert life.fills(50).reason is first.reason, "also when there is room again"


def test_an_open_position_is_added_to_whatever_the_count() -> None:
    held = Ledger(ideal=d(5), entry_planned=d(5), entry_filled=d(5))
    copier = Copier(replace(subscription(), caps=Caps(max_open_positions=1)), held, other_positions=1)
    life = Life(copier, leader=LeaderState(LEADER).after(event(fill(5))))
    assert life.fills(5).orders


@pytest.mark.parametrize(
    ("caps", "exposure"), [(Caps(max_exposure=d(5)), None), (Caps(max_notional_per_order=d(5)), d(0))]
)
def test_money_without_a_price_is_no_cap_but_a_skip(caps: Caps, exposure: Decimal | None) -> None:
    life = Life(Copier(replace(subscription(), caps=caps), exposure=exposure))
    assert life.fills(10, price=100 if exposure is None else 0).reason is SkipReason.PRICE_UNKNOWN


GROUPS = [
    ("most", LotRule(most=d(2)), 20, SkipReason.CAPPED_LOTS),
    ("step", LotRule(step=d(4)), 80, SkipReason.LOT_STEP),
    ("least, which it reaches", LotRule(least=d(10)), 100, None),
]


@pytest.mark.parametrize(("rule", "lots", "whole", "reason"), GROUPS, ids=[case[0] for case in GROUPS])
def test_what_a_group_asks_of_lots_holds_for_the_whole_order(
    rule: str, lots: LotRule, whole: int, reason: SkipReason | None
) -> None:
    life = Life(Copier(subscription(), lot_rule=lots), lot=10)
    reasons = {life.fills(50).reason for _ in range(2)}
    assert so_far(life) == whole, rule
    assert reasons == {reason}


def test_less_than_a_groups_least_is_skipped_or_rounded_up_to_it() -> None:
    rule = LotRule(least=d(20))
    life = Life(Copier(subscription(), lot_rule=rule), lot=10)
    assert life.fills(100).reason is SkipReason.BELOW_MINIMUM
    up = Copier(sized("FIXED_RATIO", "1", round_up_to_one_lot=True), lot_rule=rule)
    assert bought(Life(up, lot=10).fills(100)) == 200


def test_a_step_that_leaves_nothing_is_skipped_by_name() -> None:
    life = Life(Copier(subscription(), lot_rule=LotRule(step=d(20))), lot=10)
    assert life.fills(100).reason is SkipReason.LOT_STEP


def test_a_cap_below_a_groups_least_leaves_nothing() -> None:
    copier = Copier(replace(subscription(), caps=Caps(max_lots_per_order=d(2))), lot_rule=LotRule(least=d(3)))
    assert Life(copier, lot=10).fills(100).reason is SkipReason.CAPPED_LOTS


PROTECTED = [
    (Protection(), "101.00", "99.00"),
    (Protection(ProtectionKind.TICKS, 3), "100.15", "99.85"),
    (Protection(ProtectionKind.BAND), "110.00", "90.00"),
]


@pytest.mark.parametrize(("protection", "buys", "sells"), PROTECTED, ids=lambda value: str(value)[:40])
def test_a_protected_limit_goes_by_percent_ticks_or_the_band(
    protection: Protection, buys: str, sells: str
) -> None:
    settings = replace(subscription(), protection=protection)
    banded = Market({SBIN: instrument(band=(90, 110))}, 0)
    prices = []
    for signed in (10, -10):
        life = Life(Copier(settings), market=banded)
        prices.append(life.fills(signed).orders[0].spec.limit_price)
    assert prices == [d(buys), d(sells)]


def test_without_a_band_the_allowance_protects() -> None:
    settings = replace(subscription(), protection=Protection(ProtectionKind.BAND))
    assert Life(Copier(settings)).fills(10).orders[0].spec.limit_price == d("101.00")


def mapped() -> Subscription:
    return replace(
        subscription(),
        instrument_mappings=(InstrumentMapping(SBIN, OTHER),),
        product_mappings=(ProductMapping(Product.INTRADAY, Product.MARGIN),),
    )


def two_markets(fresh: int = 0, older: int = 0) -> Market:
    instruments = {SBIN: SHARE, OTHER: replace(SHARE, instrument_id=OTHER)}
    return Market(instruments, 0, {OTHER: d(fresh)} if fresh else {}, {OTHER: d(older)} if older else {})


def test_a_mapped_instrument_and_product_is_traded_under_its_own_name_and_price() -> None:
    decision = Life(Copier(mapped()), market=two_markets(fresh=200)).fills(10)
    order = decision.orders[0]
    assert decision.key == order.spec.key == InstrumentKey(OTHER, Product.MARGIN)
    assert (order.spec.limit_price, order.leader_price) == (d("202.00"), d(0))


def test_an_entry_without_the_price_of_what_it_is_mapped_to_is_skipped() -> None:
    decision = Life(Copier(mapped()), market=two_markets()).fills(10)
    assert (decision.reason, decision.detail) == (SkipReason.PRICE_UNKNOWN, OTHER)


def test_an_exit_of_what_is_mapped_takes_an_old_price() -> None:
    held = Ledger(ideal=d(10), entry_planned=d(10), entry_filled=d(10))
    leader = LeaderState(LEADER).after(event(fill(10)))
    life = Life(Copier(mapped(), held), leader=leader, market=two_markets(older=200))
    assert life.fills(-10).orders[0].spec.limit_price == d("198.00")


def test_what_another_is_mapped_to_is_not_copied_beside_it() -> None:
    swapped = replace(subscription(), instrument_mappings=(InstrumentMapping(OTHER, SBIN),))
    assert Life(Copier(swapped)).fills(10).reason is SkipReason.MAPPED_ELSEWHERE
    product = replace(subscription(), product_mappings=(ProductMapping(Product.MARGIN, KEY.product),))
    assert Life(Copier(product)).fills(10).reason is SkipReason.MAPPED_ELSEWHERE
