"""ON_ORDER: how the leader's order ends, and what becomes of its copy."""

from dataclasses import replace

import pytest

from paceline.domain.copy_order import CommandKind, CopyStatus, Intent
from paceline.domain.copying.decision import SkipReason
from paceline.domain.ledger import EntryKind
from paceline.domain.order import BrokerStatus, OrderType, Side
from paceline.domain.subscription import (
    ShortfallPolicy,
)
from tests.unit.domain.given import (
    d,
    report,
)
from tests.unit.domain.mirror_day import Day, asked, changed, mirroring, numbers


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
    assert command.spec.protected, "and goes on being chased"


def test_a_chase_counts_what_trades_have_not_told_yet() -> None:
    day = Day(mirroring(shortfall=ShortfallPolicy.CHASE))
    day.places()
    day.at_broker()
    assert changed(day.says(BrokerStatus.TRADED, filled=d(100))) == [(CommandKind.MODIFY, 50)]


def test_a_chase_does_not_count_what_his_other_orders_are_copied_by() -> None:
    """Twenty-three and seven at a tenth: two lots and one. What the second brings is its own."""
    day = Day(mirroring("0.1", shortfall=ShortfallPolicy.CHASE))
    day.places(23, order="o1")
    first, copied = day.last, day.at_broker()
    day.places(7, order="o2")
    second = day.last
    day.fills(23, "t1", "o1")
    day.last = first
    chased = day.says(BrokerStatus.TRADED, filled=d(23))
    assert chased is not None
    assert [(each.tag, each.spec and each.spec.quantity) for each in chased.commands] == [(copied.tag, d(2))]
    day.fills(7, "t2", "o2")
    day.last = second
    day.says(BrokerStatus.TRADED, filled=d(7))
    assert day.books.ledger.ideal == 3
    assert not [line for line in day.books.lines if line.kind is EntryKind.FORGONE]


CHASES = mirroring(shortfall=ShortfallPolicy.CHASE)


@pytest.mark.parametrize("side", Side)
def test_a_chase_wants_what_is_neither_held_nor_covered(side: Side) -> None:
    """Of 60 he filled 30 are wanted, 20 are held: 10 are chased, of the 30 that still rest."""
    day = Day(CHASES)
    day.places(100, side)
    copy = day.at_broker()
    day.world.broker_fills(day.books, copy.tag, d(20))
    day.fills(60 * int(side), "t1")
    decision = day.says(BrokerStatus.CANCELLED, filled=d(60))
    assert decision is not None
    assert changed(decision) == [(CommandKind.MODIFY, 30)]


@pytest.mark.parametrize("side", Side)
def test_what_another_order_may_still_bring_is_left_to_its_own_copy(side: Side) -> None:
    day = Day(CHASES)
    day.places(100, side, order="2")
    day.at_broker()
    day.places(100, side, order="1")
    day.at_broker()
    day.fills(60 * int(side), "t1")
    decision = day.says(BrokerStatus.CANCELLED, filled=d(60))
    assert decision is not None
    assert changed(decision) == [(CommandKind.MODIFY, 30)]


@pytest.mark.parametrize("side", Side)
def test_a_copy_of_another_order_that_filled_stands_in_for_what_would_be_chased(side: Side) -> None:
    """80 are wanted of both; the copy of the one that traded whole still rests with 50 and covers these."""
    day = Day(CHASES)
    day.places(100, side, order="2")
    day.at_broker()
    day.fills(100 * int(side), "t2", "2")
    day.says(BrokerStatus.TRADED, filled=d(100))
    day.places(100, side, order="1")
    day.at_broker()
    day.fills(60 * int(side), "t1")
    decision = day.says(BrokerStatus.CANCELLED, filled=d(60))
    assert decision is not None
    assert changed(decision) == [(CommandKind.MODIFY, 30)]


def test_a_cancelled_exit_gives_nothing_up() -> None:
    day = Day()
    day.holds(100, 50)
    day.places(100, Side.SELL)
    day.at_broker()
    decision = day.says(BrokerStatus.CANCELLED)
    assert decision is not None
    assert changed(decision) == [(CommandKind.CANCEL, None)]
    assert day.books.ledger.ideal == 50


def test_a_sale_that_rests_is_not_taken_back_because_he_may_buy_again() -> None:
    day = Day()
    day.places(100, Side.SELL, order="2")
    day.at_broker()
    day.fills(-100, "t2", "2")
    day.says(BrokerStatus.TRADED, filled=d(100))
    assert changed(day.places(100, order="1")) == []


def test_what_is_too_much_is_sold_and_waits_by_name_where_it_must() -> None:
    day = Day()
    day.places()
    copy = day.at_broker()
    day.world.broker_fills(day.books, copy.tag, d(50))
    day.books.copier = replace(day.books.copier, session_usable=False)
    decision = day.says(BrokerStatus.CANCELLED)
    assert decision is not None
    assert (asked(decision), decision.reason) == ([(Intent.EXIT, -50)], SkipReason.SESSION_UNUSABLE)


def test_from_flat_only_what_he_opens_is_wanted() -> None:
    day = Day()
    day.holds(0, 7)
    day.places()
    day.fills(100, "t1")
    assert day.books.ledger.ideal == 50


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
    assert (decision.side, decision.intent) == (Side.BUY, Intent.EXIT)
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


def test_leader_flat_takes_back_copies_of_ended_orders_alone() -> None:
    day = Day(mirroring(shortfall=ShortfallPolicy.CHASE))
    day.places(order="in")
    chased = day.at_broker()
    day.fills(100, "t1", "in")
    day.says(BrokerStatus.TRADED, filled=d(100))
    day.places(order="again", limit_price=d(99))
    day.at_broker()
    day.places(100, Side.SELL, order="out")
    decision = day.fills(-100, "t2", "out")
    assert decision is not None
    assert [(each.tag, each.kind) for each in decision.commands] == [(chased.tag, CommandKind.CANCEL)]


def test_a_single_one_too_much_is_sold() -> None:
    day = Day(mirroring("1"))
    day.places(10)
    day.world.broker_fills(day.books, day.at_broker().tag, d(10))
    day.fills(9, "t1")
    decision = day.says(BrokerStatus.CANCELLED, filled=d(9))
    assert decision is not None
    assert (asked(decision), decision.intent) == ([(Intent.EXIT, -1)], Intent.EXIT)


def test_what_still_sells_for_an_ended_order_is_not_sold_again() -> None:
    day = Day()
    day.holds(100, 50)
    day.places(40, Side.SELL, "first", limit_price=d(110))
    day.at_broker()
    day.fills(-40, "t1", "first")
    assert changed(day.says(BrokerStatus.TRADED, filled=d(40))) == [(CommandKind.MODIFY, 20)]
    assert asked(day.places(60, Side.SELL, "second")) == [(Intent.EXIT, -30)]


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
