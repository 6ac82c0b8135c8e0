"""ON_ORDER, rule by rule: the leader's order, its copy, and what its life does to it."""

from dataclasses import replace
from typing import Any

import pytest

from paceline.domain.copy_order import CommandKind, Intent
from paceline.domain.copying.decision import Outcome, SkipReason
from paceline.domain.copying.fold import Placed
from paceline.domain.copying.on_order import concerns_copies
from paceline.domain.copying.plan import plan
from paceline.domain.copying.view import (
    Copier,
    Equity,
    LeaderOrder,
    LeaderState,
    Market,
    fold_orders,
)
from paceline.domain.event import Event, EventKind, Fact
from paceline.domain.ids import BrokerOrderId, EventIdentity, Offset, Partition
from paceline.domain.instrument import Exchange, Product, Segment
from paceline.domain.ledger import Ledger
from paceline.domain.order import BrokerStatus, Fill, OrderReport, OrderType, Side, Validity
from paceline.domain.position import PositionReport
from paceline.domain.subscription import (
    Caps,
    EquityFallback,
    ProductMapping,
    Protection,
    ProtectionKind,
    Sizing,
    SizingMode,
)
from tests.unit.domain.given import (
    KEY,
    LEADER,
    NOW,
    SBIN,
    S,
    d,
    event,
    fill,
    instrument,
    report,
    subscription,
)
from tests.unit.domain.mirror_day import Day, asked, changed, mirroring, numbers

HELD_BEFORE = PositionReport(LEADER, KEY, Exchange.NSE, Segment.CAPITAL_MARKET, d(5), d(100))


def test_what_the_leader_held_before_is_nothing_to_copy() -> None:
    copiers = [Copier(mirroring()), Copier(subscription(name="s2"))]
    fact = Fact(EventIdentity("b"), LEADER, EventKind.POSITION, HELD_BEFORE, 1, 1, False, b"")
    baseline = Event(Partition(1), Offset(1), 1, 1, fact)
    assert plan(baseline, LeaderState(LEADER), copiers, Market({}, NOW)).decisions == ()
    assert fold_orders({}, baseline) == {}
    assert LeaderOrder(traded=d(5)).remaining == 0


def test_an_accepted_order_is_copied_as_an_order_of_the_same_kind() -> None:
    decision = Day().places(
        type=OrderType.STOP_LIMIT,
        limit_price=d("101.5"),
        trigger_price=d(101),
        validity=Validity.IOC,
        disclosed=d(20),
        offline=True,
    )
    (order,) = decision.orders
    spec = order.spec
    assert (spec.type, spec.limit_price, spec.trigger_price) == (OrderType.STOP_LIMIT, d("101.5"), d(101))
    assert (spec.quantity, spec.validity, spec.disclosed, spec.offline) == (d(50), Validity.IOC, d(10), True)
    assert (order.leader_order_id, order.intent, order.expires_ns) == ("1", Intent.ENTRY, NOW + 30 * S)
    assert not spec.protected, "his own limit is nobody's to chase"
    assert (decision.intent, decision.side, order.leg) == (Intent.ENTRY, Side.BUY, 1)


@pytest.mark.parametrize(
    ("said", "kind", "limit"),
    [
        ({"type": OrderType.MARKET, "average_price": d(100), "limit_price": d(0)}, OrderType.LIMIT, "101.00"),
        (
            {"type": OrderType.STOP, "trigger_price": d(200), "limit_price": d(0)},
            OrderType.STOP_LIMIT,
            "202.00",
        ),
    ],
)
def test_what_needs_protection_gets_a_protected_limit(
    said: dict[str, Any], kind: OrderType, limit: str
) -> None:
    spec = Day().places(**said).orders[0].spec
    assert (spec.type, spec.limit_price) == (kind, d(limit))
    assert spec.protected


def test_protection_is_the_subscriptions() -> None:
    by_ticks = mirroring(protection=Protection(ProtectionKind.TICKS, 4))
    spec = Day(by_ticks).places(type=OrderType.MARKET, average_price=d(100), limit_price=d(0)).orders[0].spec
    assert spec.limit_price == d("100.20")


def test_plain_market_orders_stand_where_the_exchange_fills_them() -> None:
    day = Day()
    day.world.instrument = instrument(exchange=Exchange.CRYPTO)
    spec = day.places(type=OrderType.MARKET, average_price=d(100), limit_price=d(0)).orders[0].spec
    assert (spec.type, spec.limit_price) == (OrderType.MARKET, d(0))


@pytest.mark.parametrize("before", [(), (BrokerStatus.IN_TRANSIT,)])
def test_rejected_is_never_copied(before: tuple[BrokerStatus, ...]) -> None:
    day = Day()
    for status in (*before, BrokerStatus.REJECTED):
        assert day.tells(report(status)) is None


@pytest.mark.parametrize("trade_first", [True, False])
def test_first_seen_traded_counts_as_accepted(trade_first: bool) -> None:
    day = Day()
    told = report(BrokerStatus.TRADED, filled=100)
    bodies: list[Fill | OrderReport] = [fill(100), told] if trade_first else [told, fill(100)]
    placed = [each for each in [day.tells(body) for body in bodies] if each and each.orders]
    assert [asked(each) for each in placed] == [[(Intent.ENTRY, 50)]]
    assert numbers(day.books.ledger.ideal, day.books.ledger.buy_pledged) == (50, 0)


def test_a_skipped_order_stays_skipped_and_its_fills_join_nothing() -> None:
    day = Day()
    day.books.copier = replace(day.books.copier, account_frozen=True)
    assert day.places().reason is SkipReason.ACCOUNT_FROZEN
    day.books.copier = replace(day.books.copier, account_frozen=False)
    assert day.says(limit_price=d(99)) is None
    assert day.fills(100, "t1") is None
    assert day.books.ledger == Ledger()


def test_the_cap_of_an_order_is_named_on_its_copy() -> None:
    decision = Day(mirroring("1", caps=Caps(max_lots_per_order=d(30)))).places()
    assert (asked(decision), decision.reason) == ([(Intent.ENTRY, 30)], SkipReason.CAPPED_LOTS)


def test_an_order_for_which_a_cap_leaves_nothing_is_skipped_by_its_name() -> None:
    day = Day(mirroring("1", caps=Caps(max_open_positions=2)))
    day.books.copier = replace(day.books.copier, other_positions=2)
    decision = day.places()
    assert (decision.orders, decision.reason) == ((), SkipReason.CAPPED_POSITIONS)


def test_a_mirrored_exit_is_held_while_the_session_is_unusable() -> None:
    day = Day()
    day.holds(100, 50)
    day.books.copier = replace(day.books.copier, session_usable=False)
    decision = day.places(100, Side.SELL)
    assert (asked(decision), decision.reason) == ([(Intent.EXIT, -50)], SkipReason.SESSION_UNUSABLE)
    assert (decision.intent, decision.side, decision.orders[0].leg) == (Intent.EXIT, Side.SELL, 0)


PENDING, TRANSIT = report(), report(BrokerStatus.IN_TRANSIT)


@pytest.mark.parametrize(
    ("known", "told", "concerned"),
    [
        (None, fill(10), True),
        (None, PENDING, True),
        (None, TRANSIT, False),
        (TRANSIT, PENDING, True),
        (PENDING, report(BrokerStatus.CANCELLED), True),
        (None, report(BrokerStatus.REJECTED), False),
        (report(BrokerStatus.CANCELLED), report(BrokerStatus.CANCELLED), False),
    ],
    ids=["a trade", "accepted", "in transit", "accepted then", "ended", "rejected", "ended before"],
)
def test_what_may_concern_copies(
    known: OrderReport | None, told: Fill | OrderReport, concerned: bool
) -> None:
    orders = {} if known is None else {known.order_id: LeaderOrder(known)}
    assert concerns_copies(orders, event(told)) is concerned


def test_less_than_a_lot_is_skipped_by_name() -> None:
    decision = Day(mirroring("0.001")).places()
    assert (decision.outcome, decision.orders) == (Outcome.PLANNED, ())
    assert decision.reason is SkipReason.BELOW_ONE_LOT


def test_without_any_price_a_market_order_cannot_be_protected() -> None:
    decision = Day().places(type=OrderType.MARKET, limit_price=d(0))
    assert (decision.outcome, decision.reason) == (Outcome.SKIPPED, SkipReason.PRICE_UNKNOWN)
    assert decision.detail == SBIN


def test_the_last_price_protects_however_old_it_is() -> None:
    day = Day()
    day.world.around["older_prices"] = {SBIN: d(100)}
    decision = day.places(type=OrderType.MARKET, limit_price=d(0))
    assert decision.orders[0].spec.limit_price == 101


@pytest.mark.parametrize("side", Side)
def test_what_works_on_the_same_side_is_rounded_together(side: Side) -> None:
    day = Day()
    assert asked(day.places(1, side, "first")) == []
    assert asked(day.places(1, side, "second")) == [(Intent.ENTRY, int(side))]


def test_a_modification_is_mirrored_with_the_frozen_ratio() -> None:
    day = Day()
    day.places()
    copy = day.at_broker()
    decision = day.says(limit_price=d(98), trigger_price=d(97), quantity=d(60))
    assert decision is not None
    (command,) = decision.commands
    assert command.spec is not None
    assert (command.tag, command.kind) == (copy.tag, CommandKind.MODIFY)
    assert numbers(command.spec.quantity, command.spec.limit_price, command.spec.trigger_price) == (
        30,
        98,
        97,
    )
    grown = day.says(quantity=d(200))
    assert changed(grown) == [(CommandKind.MODIFY, 100)]


def test_a_modification_of_an_unsent_copy_folds_into_it() -> None:
    day = Day()
    (order,) = day.places().orders
    day.says(quantity=d(40))
    assert day.books.orders[order.tag].spec.quantity == 20
    assert day.books.ledger.entries_working == 20
    assert not day.books.commands


def test_a_copy_that_is_filled_grows_by_another_order() -> None:
    day = Day()
    day.places()
    day.world.broker_fills(day.books, day.at_broker().tag, d(50))
    decision = day.says(quantity=d(140))
    assert decision is not None
    assert asked(decision) == [(Intent.ENTRY, 20)]


def test_what_may_not_enter_does_not_grow_and_is_priced_anew_all_the_same() -> None:
    day = Day()
    day.places()
    day.at_broker()
    day.books.copier = replace(day.books.copier, account_frozen=True)
    decision = day.says(quantity=d(140), limit_price=d(99))
    assert decision is not None
    assert (changed(decision), decision.reason) == (
        [(CommandKind.MODIFY, 50)],
        SkipReason.ACCOUNT_FROZEN,
    )
    cheaper = day.says(limit_price=d(98))
    assert cheaper is not None
    assert (changed(cheaper), cheaper.reason) == ([(CommandKind.MODIFY, 50)], None)


def test_not_even_a_single_lot_more_is_entered_by_whom_may_not_enter() -> None:
    day = Day()
    day.places()
    day.at_broker()
    day.books.copier = replace(day.books.copier, account_frozen=True)
    decision = day.says(quantity=d(102), limit_price=d(99))
    assert decision is not None
    assert (changed(decision), decision.reason) == ([(CommandKind.MODIFY, 50)], SkipReason.ACCOUNT_FROZEN)


def test_a_price_that_changes_needs_no_reason_whatever_the_session() -> None:
    day = Day()
    day.places()
    day.at_broker()
    day.books.copier = replace(day.books.copier, session_usable=False)
    decision = day.says(limit_price=d(98))
    assert decision is not None
    assert (changed(decision), decision.reason) == ([(CommandKind.MODIFY, 50)], None)


def test_an_exit_of_what_is_not_held_is_named_so_whatever_the_session() -> None:
    day = Day()
    day.holds(100, 0)
    day.books.copier = replace(day.books.copier, session_usable=False)
    decision = day.places(100, Side.SELL)
    assert (decision.orders, decision.reason) == ((), SkipReason.NOTHING_HELD)


def test_an_order_whose_trades_closed_it_all_before_it_was_told_leaves_nothing_to_do() -> None:
    day = Day()
    day.holds(100, 50)
    day.fills(-100, "t1")
    decision = day.tells(report(BrokerStatus.TRADED, side=Side.SELL, filled=100))
    assert decision is not None
    assert (decision.outcome, decision.reason) == (Outcome.SKIPPED, SkipReason.BELOW_ONE_LOT)


def test_an_order_against_what_others_hold_is_not_mirrored() -> None:
    day = Day()
    day.books.copier = replace(day.books.copier, others_held=d(-5))
    decision = day.places()
    assert (decision.orders, decision.reason) == ((), SkipReason.OPPOSITE_HELD)


def test_a_sale_that_has_nothing_left_to_sell_is_taken_back_when_he_changes_it() -> None:
    day = Day()
    day.holds(100, 50)
    day.places(100, Side.SELL, "1")
    day.at_broker()
    day.fills(-100, "t2", "2")
    decision = day.says(limit_price=d(99))
    assert decision is not None
    assert (CommandKind.CANCEL, None) in changed(decision)


def test_what_was_rounded_up_is_there_also_where_trades_came_first() -> None:
    day = Day(replace(mirroring(), sizing=Sizing(SizingMode.FIXED_RATIO, d("0.001"), True)))
    day.fills(100, "t1")
    day.tells(report(BrokerStatus.TRADED, filled=100))
    assert day.books.ledger.ideal == 1


def test_an_old_equity_that_sized_an_order_is_told() -> None:
    settings = replace(
        mirroring(), sizing=Sizing(SizingMode.EQUITY_RATIO, d(1), equity_fallback=EquityFallback.LAST_KNOWN)
    )
    day = Day(settings)
    day.world.leaders[LEADER] = LeaderState(LEADER, equity=Equity(d(10_000), 0))
    day.books.copier = replace(day.books.copier, equity=Equity(d(5_000), 70_000, stale=True))
    decision = day.places()
    assert asked(decision) == [(Intent.ENTRY, 50)]
    assert decision.detail == "sized with the last known equity of the follower, 70000 ms old"


def test_what_does_not_fit_into_a_grown_order_is_placed_beside_it() -> None:
    day = Day(mirroring("1"), freeze=101)
    day.places(60)
    day.at_broker()
    decision = day.says(quantity=d(130))
    assert decision is not None
    assert changed(decision) == [(CommandKind.MODIFY, 100)]
    assert asked(decision) == [(Intent.ENTRY, 30)]


def test_what_has_filled_counts_for_the_largest_order() -> None:
    day = Day(mirroring("1"), freeze=101)
    day.places(60)
    day.world.broker_fills(day.books, day.at_broker().tag, d(20))
    decision = day.says(quantity=d(130))
    assert decision is not None
    assert (changed(decision), asked(decision)) == ([(CommandKind.MODIFY, 100)], [(Intent.ENTRY, 30)])


def test_slices_are_modified_each_and_shrunk_from_the_newest() -> None:
    day = Day(mirroring("1"), freeze=41)
    day.places(100)
    for order in day.books.open:
        day.world.tell(day.books, order.tag, Placed(BrokerOrderId(order.tag)))
    decision = day.says(quantity=d(50))
    assert changed(decision) == [(CommandKind.MODIFY, 10), (CommandKind.CANCEL, None)]
    decision = day.says(quantity=d(30))
    assert changed(decision) == [(CommandKind.MODIFY, 30), (CommandKind.CANCEL, None)]


def test_slices_that_nobody_wants_any_more_are_all_cancelled() -> None:
    day = Day(mirroring("1"), freeze=41)
    day.places(100)
    for order in day.books.open:
        day.world.tell(day.books, order.tag, Placed(BrokerOrderId(order.tag)))
    decision = day.says(quantity=d(30))
    assert changed(decision) == [
        (CommandKind.MODIFY, 30),
        (CommandKind.CANCEL, None),
        (CommandKind.CANCEL, None),
    ]


def test_the_same_words_again_change_nothing() -> None:
    day = Day()
    day.places()
    assert day.says() is None


def test_a_running_liquidation_absorbs_mirrored_exits() -> None:
    day = Day()
    day.holds(100, 50)
    day.books.copier = replace(day.books.copier, liquidating=True)
    decision = day.places(100, Side.SELL)
    assert (decision.orders, decision.reason) == ((), SkipReason.LIQUIDATING)


@pytest.mark.parametrize(("tag", "reason"), [("PC" + "A" * 18, "OWN_COPY"), ("PL" + "A" * 18, "LIQUIDATING")])
def test_orders_that_are_nobodys_own_are_not_mirrored(tag: str, reason: str) -> None:
    day = Day()
    decision = day.places(tag=tag)
    assert decision.reason == reason
    assert day.says(limit_price=d(90)) is None


def test_an_instrument_nobody_knows_is_skipped_by_name() -> None:
    day = Day()
    happened = event(report())
    state = LeaderState(LEADER)
    (decision,) = plan(happened, state, [day.books.copier], Market({}, NOW)).decisions
    assert decision.reason is SkipReason.INSTRUMENT_UNKNOWN


def test_a_fixed_size_is_for_the_leaders_whole_order() -> None:
    day = Day(replace(mirroring(), sizing=Sizing(SizingMode.FIXED_QUANTITY, d(30))))
    assert asked(day.places()) == [(Intent.ENTRY, 30)]
    day.fills(50, "t1")
    assert day.books.ledger.ideal == 15


def test_what_was_rounded_up_keeps_its_size_whatever_is_modified() -> None:
    settings = replace(mirroring(), sizing=Sizing(SizingMode.FIXED_RATIO, d("0.001"), True))
    day = Day(settings)
    assert asked(day.places()) == [(Intent.ENTRY, 1)]
    day.at_broker()
    assert day.says(quantity=d(5_000)) is None


@pytest.mark.parametrize("side", Side)
def test_what_was_rounded_up_is_all_there_with_the_first_fill(side: Side) -> None:
    settings = replace(mirroring(), sizing=Sizing(SizingMode.FIXED_RATIO, d("0.001"), True))
    day = Day(settings)
    day.places(100, side)
    for number in range(2):
        day.fills(50 * int(side), f"t{number}")
        assert day.books.ledger.ideal == int(side)


def test_mapped_products_are_mirrored_under_their_own_name() -> None:
    settings = mirroring(product_mappings=(ProductMapping(Product.INTRADAY, Product.MARGIN),))
    assert Day(settings).places().key.product is Product.MARGIN
    taken = mirroring(product_mappings=(ProductMapping(Product.MARGIN, Product.INTRADAY),))
    assert Day(taken).places().reason is SkipReason.MAPPED_ELSEWHERE


def test_who_mirrors_orders_and_who_follows_fills_are_served_side_by_side() -> None:
    copiers = [Copier(mirroring()), Copier(subscription(name="s2"))]
    state = LeaderState(LEADER, orders={BrokerOrderId("1"): LeaderOrder(report())})
    accepted = plan(event(report()), LeaderState(LEADER), copiers, Market({SBIN: instrument()}, NOW))
    assert [each.subscription_id for each in accepted.decisions] == ["s1"]
    filled = plan(event(fill(10)), state, copiers, Market({SBIN: instrument()}, NOW))
    assert [each.subscription_id for each in filled.decisions] == ["s2"]
