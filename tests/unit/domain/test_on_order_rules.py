"""ON_ORDER, rule by rule: the leader's order, its copy, and what its life does to it."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from paceline.domain.copy_order import CommandKind, CopyOrder, CopyStatus, Intent
from paceline.domain.copying.decision import Decision, Outcome, SkipReason
from paceline.domain.copying.fold import Placed
from paceline.domain.copying.plan import plan
from paceline.domain.copying.view import Copier, LeaderOrder, LeaderPosition, LeaderState, Market
from paceline.domain.ids import BrokerOrderId
from paceline.domain.instrument import Exchange, Product
from paceline.domain.ledger import EntryKind, Ledger
from paceline.domain.order import BrokerStatus, Fill, OrderReport, OrderType, Side, Validity
from paceline.domain.subscription import (
    Caps,
    CopyMode,
    ProductMapping,
    ShortfallPolicy,
    Sizing,
    SizingMode,
    Subscription,
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
from tests.unit.domain.trading_world import World


def mirroring(ratio: str = "0.5", **how: object) -> Subscription:
    return replace(subscription(ratio=ratio), mode=CopyMode.ON_ORDER, **how)  # type: ignore[arg-type]


class Day:
    """A leader, one follower who mirrors him, and the follower's broker."""

    def __init__(self, settings: Subscription | None = None, lot: int = 1, freeze: int | None = None) -> None:
        self.world = World(instrument(lot=lot, freeze=freeze), [settings or mirroring()])
        (self.books,) = self.world.books.values()
        self.last = report()

    def tells(self, body: OrderReport | Fill) -> Decision | None:
        decisions = self.world.leader_tells(body)
        return decisions[0] if decisions else None

    def says(self, status: BrokerStatus = BrokerStatus.PENDING, **said: object) -> Decision | None:
        """The same order again, a moment later."""
        self.last = replace(self.last, status=status, broker_time_ns=self.last.broker_time_ns + 1, **said)  # type: ignore[arg-type]
        return self.tells(self.last)

    def places(
        self, quantity: int = 100, side: Side = Side.BUY, order: str = "1", **said: object
    ) -> Decision:
        self.last = replace(report(order=order, side=side, quantity=quantity), **said)  # type: ignore[arg-type]
        decision = self.tells(self.last)
        assert decision is not None
        return decision

    def fills(self, signed: int, trade: str, order: str = "1") -> Decision | None:
        return self.tells(fill(signed, trade=trade, order=order))

    def holds(self, leader: int, follower: int) -> None:
        """Both held this before."""
        state = LeaderState(LEADER, {KEY: LeaderPosition(d(leader))})
        self.world.leaders[LEADER] = state
        self.books.ledger = Ledger(ideal=d(follower), entry_planned=d(follower), entry_filled=d(follower))

    def at_broker(self) -> CopyOrder:
        """The newest copy, taken by the broker."""
        order = self.books.open[-1]
        self.world.tell(self.books, order.tag, Placed(BrokerOrderId(order.tag)))
        return self.books.orders[order.tag]


def asked(decision: Decision) -> list[tuple[Intent, int]]:
    return [(order.intent, int(order.spec.quantity) * int(order.spec.side)) for order in decision.orders]


def changed(decision: Decision | None) -> list[tuple[CommandKind, int | None]]:
    assert decision is not None
    return [(each.kind, int(each.spec.quantity) if each.spec else None) for each in decision.commands]


def numbers(*values: Decimal) -> tuple[float, ...]:
    return tuple(map(float, values))


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


def test_plain_market_orders_stand_where_the_exchange_fills_them() -> None:
    day = Day()
    day.world.instrument = instrument(exchange=Exchange.CRYPTO)
    spec = day.places(type=OrderType.MARKET, average_price=d(100), limit_price=d(0)).orders[0].spec
    assert (spec.type, spec.limit_price) == (OrderType.MARKET, d(0))


def test_in_transit_is_not_yet_accepted() -> None:
    day = Day()
    day.last = report(BrokerStatus.IN_TRANSIT)
    assert day.tells(day.last) is None
    placed = day.says()
    assert placed is not None
    assert asked(placed) == [(Intent.ENTRY, 50)]


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


def test_less_than_a_lot_is_skipped_by_name() -> None:
    decision = Day(mirroring("0.001")).places()
    assert (decision.outcome, decision.orders) == (Outcome.PLANNED, ())
    assert decision.reason is SkipReason.BELOW_ONE_LOT


def test_without_any_price_a_market_order_cannot_be_protected() -> None:
    decision = Day().places(type=OrderType.MARKET, limit_price=d(0))
    assert (decision.outcome, decision.reason) == (Outcome.SKIPPED, SkipReason.PRICE_UNKNOWN)


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


def test_what_does_not_fit_into_a_grown_order_is_placed_beside_it() -> None:
    day = Day(mirroring("1"), freeze=101)
    day.places(60)
    day.at_broker()
    decision = day.says(quantity=d(130))
    assert decision is not None
    assert changed(decision) == [(CommandKind.MODIFY, 100)]
    assert asked(decision) == [(Intent.ENTRY, 30)]


def test_slices_are_modified_each_and_shrunk_from_the_newest() -> None:
    day = Day(mirroring("1"), freeze=41)
    day.places(100)
    for order in day.books.open:
        day.world.tell(day.books, order.tag, Placed(BrokerOrderId(order.tag)))
    decision = day.says(quantity=d(50))
    assert changed(decision) == [(CommandKind.MODIFY, 10), (CommandKind.CANCEL, None)]


def test_the_same_words_again_change_nothing() -> None:
    day = Day()
    day.places()
    assert day.says() is None


def test_a_cancellation_is_mirrored_by_the_order_it_names() -> None:
    day = Day()
    day.places(order="1")
    day.at_broker()
    other = day.places(order="2", limit_price=d(99)).orders[0]
    day.at_broker()
    decision = day.says(BrokerStatus.CANCELLED)
    assert decision is not None
    assert [(each.tag, each.kind) for each in decision.commands] == [(other.tag, CommandKind.CANCEL)]


def test_a_cancellation_that_finds_its_order_unsent_removes_it_unsent() -> None:
    day = Day()
    (order,) = day.places().orders
    day.says(BrokerStatus.CANCELLED)
    assert day.books.orders[order.tag].status is CopyStatus.CANCELLED
    assert day.books.ledger.idle


@pytest.mark.parametrize("status", [BrokerStatus.REJECTED, BrokerStatus.EXPIRED])
def test_a_refusal_or_an_expiry_after_the_copies_were_placed_cancels_them(status: BrokerStatus) -> None:
    day = Day()
    day.places()
    day.at_broker()
    assert changed(day.says(status)) == [(CommandKind.CANCEL, None)]


def test_a_cancel_that_loses_against_a_fill_is_followed_by_the_ledger_and_sold() -> None:
    day = Day()
    day.places()
    copy = day.at_broker()
    day.says(BrokerStatus.CANCELLED)
    day.world.broker_fills(day.books, copy.tag, d(50))
    (correction,) = day.books.open
    assert (correction.intent, correction.spec.quantity, correction.spec.side) == (
        Intent.EXIT,
        d(50),
        Side.SELL,
    )


def test_a_copy_may_be_ahead_of_its_leaders_order_or_behind() -> None:
    day = Day()
    day.places()
    copy = day.at_broker()
    day.world.broker_fills(day.books, copy.tag, d(50))
    assert day.books.open == [], "ahead is not too much"
    assert day.fills(40, "t1") is not None
    assert numbers(day.books.ledger.ideal, day.books.ledger.buy_pledged) == (20, 30)


def test_at_the_end_what_is_held_beyond_the_leaders_fill_is_flattened() -> None:
    day = Day()
    day.places()
    day.world.broker_fills(day.books, day.at_broker().tag, d(50))
    day.fills(40, "t1")
    decision = day.says(BrokerStatus.CANCELLED, filled=d(40))
    assert decision is not None
    assert asked(decision) == [(Intent.EXIT, -30)]
    assert decision.orders[0].spec.limit_price == d("99.00")


def test_at_the_end_a_shortfall_is_forgone_by_name() -> None:
    day = Day()
    day.places()
    copy = day.at_broker()
    day.fills(100, "t1")
    assert changed(day.says(BrokerStatus.TRADED, filled=d(100))) == [(CommandKind.CANCEL, None)]
    day.world.broker_reports(day.books, copy.tag, BrokerStatus.CANCELLED)
    forgone = [line for line in day.books.lines if line.kind is EntryKind.FORGONE]
    assert [(int(line.quantity), bool(line.reason)) for line in forgone] == [(-50, True)]


def test_at_the_end_a_shortfall_is_chased_within_the_allowance_where_it_is_set() -> None:
    day = Day(mirroring(shortfall=ShortfallPolicy.CHASE))
    day.places()
    copy = day.at_broker()
    day.world.broker_fills(day.books, copy.tag, d(10))
    day.fills(60, "t1")
    decision = day.says(BrokerStatus.CANCELLED, filled=d(60))
    assert decision is not None
    (command,) = decision.commands
    assert command.spec is not None
    assert (command.kind, command.spec.quantity, command.spec.limit_price) == (
        CommandKind.MODIFY,
        d(30),
        d("101.00"),
    )


def test_an_exit_order_is_mirrored_for_the_part_that_the_leader_gives_up() -> None:
    day = Day()
    day.holds(100, 50)
    decision = day.places(40, Side.SELL, limit_price=d(110))
    assert asked(decision) == [(Intent.EXIT, -20)]
    assert (decision.orders[0].spec.limit_price, decision.orders[0].expires_ns) == (d(110), 0)


def test_a_stop_and_a_target_for_the_same_position_are_both_mirrored() -> None:
    """Attaching, moving and removing a leader's stop-loss or take-profit."""
    day = Day()
    day.holds(100, 50)
    stop = day.places(100, Side.SELL, "stop", type=OrderType.STOP_LIMIT, trigger_price=d(90))
    day.at_broker()
    moved = day.says(trigger_price=d(95))
    target = day.places(100, Side.SELL, "target", limit_price=d(120))
    assert [asked(each) for each in (stop, target)] == [[(Intent.EXIT, -50)]] * 2
    assert moved is not None
    assert moved.commands[0].spec is not None
    assert moved.commands[0].spec.trigger_price == 95
    day.world.broker_fills(day.books, day.at_broker().tag, d(50))
    day.fills(-100, "t1", "target")
    assert day.books.open[0].leader_order_id == "stop", "the other works on, as the leader's does"
    day.last = replace(report(order="stop", side=Side.SELL), status=BrokerStatus.CANCELLED)
    assert changed(day.tells(day.last)) == [(CommandKind.CANCEL, None)]


def test_both_filled_at_the_follower_is_bought_back() -> None:
    day = Day()
    day.holds(100, 50)
    for name in ("stop", "target"):
        day.places(100, Side.SELL, name)
        day.at_broker()
    for order in list(day.books.open):
        day.world.broker_fills(day.books, order.tag, d(50))
    decision = day.fills(-100, "t1", "target")
    assert decision is not None
    assert asked(decision) == [(Intent.EXIT, 50)]
    day.tells(report(BrokerStatus.TRADED, order="target", side=Side.SELL, filled=100))
    assert day.tells(report(BrokerStatus.CANCELLED, order="stop", side=Side.SELL)) is None


def test_an_exit_goes_on_at_the_market_when_the_leaders_has_filled() -> None:
    day = Day()
    day.holds(100, 50)
    day.places(100, Side.SELL, limit_price=d(110))
    day.at_broker()
    day.fills(-100, "t1")
    decision = day.says(BrokerStatus.TRADED, filled=d(100))
    assert decision is not None
    (command,) = decision.commands
    assert command.spec is not None
    assert (command.kind, command.spec.quantity, command.spec.limit_price) == (
        CommandKind.MODIFY,
        d(50),
        d("108.90"),
    )


def test_leader_flat_working_entry_copies_of_ended_orders_are_cancelled() -> None:
    day = Day(mirroring(shortfall=ShortfallPolicy.CHASE))
    day.places(100, order="in")
    day.at_broker()
    day.fills(100, "t1", "in")
    day.says(BrokerStatus.TRADED, filled=d(100))
    exiting = day.places(100, Side.SELL, order="out")
    assert exiting.reason is SkipReason.NOTHING_HELD
    assert changed(day.fills(-100, "t2", "out")) == [(CommandKind.CANCEL, None)]


def test_an_order_that_turns_the_position_round_is_an_exit_and_an_entry() -> None:
    day = Day()
    day.holds(40, 20)
    decision = day.places(100, Side.SELL)
    assert asked(decision) == [(Intent.EXIT, -20), (Intent.ENTRY, -30)]
    assert len({order.tag for order in decision.orders}) == 2


def test_a_copy_that_was_refused_leaves_a_named_gap_when_the_leader_fills() -> None:
    day = Day()
    day.places()
    copy = day.at_broker()
    day.world.broker_reports(day.books, copy.tag, BrokerStatus.REJECTED)
    decision = day.fills(100, "t1")
    assert decision is not None
    (line,) = [each for each in decision.entries if each.kind is EntryKind.FORGONE]
    assert (int(line.quantity), SkipReason(line.reason)) == (-50, SkipReason.COPY_ENDED)


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


def test_an_entry_against_another_copy_is_skipped() -> None:
    day = Day()
    day.books.copier = replace(day.books.copier, others_held=d(-1))
    assert day.places().reason is SkipReason.OPPOSITE_HELD


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
    assert day.says(quantity=d(500)) is None


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
