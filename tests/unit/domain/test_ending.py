"""What becomes of orders and copies when a subscription ends."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given as hypothesis_given
from hypothesis import settings
from hypothesis import strategies as st

from paceline.domain.copy_order import CommandKind, CopyOrder, CopyStatus, Intent
from paceline.domain.copying.changes import OpenRow
from paceline.domain.copying.ending import Copied, Step, Waits, closing_lines, ending_event, wind_down
from paceline.domain.copying.plan import plan
from paceline.domain.copying.tags import decision_id_of
from paceline.domain.copying.view import Copier
from paceline.domain.event import Event, EventKind, Fact
from paceline.domain.ids import BrokerOrderId, EventIdentity, Offset, Partition, SubscriptionId
from paceline.domain.instrument import Exchange, Segment
from paceline.domain.ledger import EntryKind, Ledger, fold
from paceline.domain.order import Side
from paceline.domain.position import PositionReport
from paceline.domain.subscription import (
    EndPolicy,
    Protection,
    ProtectionKind,
    Subscription,
    SubscriptionState,
)
from tests.unit.domain.given import KEY, NOW, SHARE, S, d, event, fill, leader, market, subscription

ENDS = replace(subscription(), state=SubscriptionState.ENDING)
FLATTEN, LEAVE, HAND_OVER = (replace(ENDS, ending=policy) for policy in EndPolicy)
HELD = Ledger(ideal=d(10), entry_planned=d(10), entry_filled=d(10))


def copied(ledger: Ledger = HELD, *rows: OpenRow, price: int | None = 100) -> Copied:
    return Copied(KEY, ledger, rows, 0, 0, SHARE, None if price is None else d(price))


def working(quantity: int, intent: Intent = Intent.ENTRY, *, mirrors: str = "") -> CopyOrder:
    """Bought when positive; 10 of it rest at the broker."""
    (decision,) = plan(event(fill(quantity)), leader(), [Copier(subscription())], market()).decisions
    (order,) = decision.orders
    return replace(
        order,
        intent=intent,
        status=CopyStatus.WORKING,
        leader_order_id=BrokerOrderId(mirrors) if mirrors else None,
    )


def test_flat_wants_nothing_any_more_and_sells_all_that_is_held() -> None:
    step = wind_down(FLATTEN, copied(), NOW)
    assert step.decision is not None
    (order,) = step.decision.orders
    assert (order.spec.side, order.spec.quantity, order.intent) == (Side.SELL, d(10), Intent.EXIT)
    assert order.spec.limit_price == 99
    after = HELD.with_lines(step.decision.entries)
    assert (after.ideal, after.held) == (d(0), d(0))
    assert {line.reason for line in step.decision.entries} == {"ENDED", ""}
    assert (step.decision.side, step.decision.quantity) == (Side.SELL, d(10))
    assert step.decision.detail == "the subscription ends"
    assert step.waits is Waits.ORDERS


def test_a_single_one_is_sold_with_the_protection_of_the_subscription() -> None:
    one = Ledger(ideal=d(1), entry_planned=d(1), entry_filled=d(1))
    by_ticks = replace(FLATTEN, protection=Protection(ProtectionKind.TICKS, 4))
    step = wind_down(by_ticks, copied(one), NOW)
    assert step.decision is not None
    spec = step.decision.orders[0].spec
    assert (spec.side, spec.quantity, spec.limit_price) == (Side.SELL, d(1), d("99.80"))


def test_a_step_names_where_it_is_traded() -> None:
    option = replace(SHARE, exchange=Exchange.BSE, segment=Segment.EQUITY_DERIVATIVES)
    for known, exchange, segment in (
        (option, option.exchange, option.segment),
        (None, Exchange.NSE, Segment.CAPITAL_MARKET),
    ):
        body = ending_event(FLATTEN, replace(copied(), instrument=known), Partition(1), NOW).fact.body
        assert (body.exchange, body.segment) == (exchange, segment)


def test_shorts_are_bought_back() -> None:
    short = Ledger(ideal=d(-4), entry_planned=d(-4), entry_filled=d(-4))
    step = wind_down(FLATTEN, copied(short), NOW)
    assert step.decision is not None
    assert step.decision.orders[0].spec.side is Side.BUY
    assert (step.decision.side, step.decision.quantity) == (Side.BUY, d(4))


def test_what_is_being_sold_is_not_sold_again() -> None:
    step = wind_down(FLATTEN, copied(), NOW)
    assert step.decision is not None
    after = HELD.with_lines(step.decision.entries)
    again = wind_down(FLATTEN, copied(after, OpenRow(working(-10, Intent.EXIT))), NOW)
    assert (again.decision, again.waits) == (None, Waits.ORDERS)


TAKEN_BACK = [
    ("entries, where all is sold", FLATTEN, working(10), True),
    ("sales go on, where all is sold", FLATTEN, working(-10, Intent.EXIT), False),
    ("a mirrored exit might rest for ever", FLATTEN, working(-10, Intent.EXIT, mirrors="L1"), True),
    ("entries, where all is left", LEAVE, working(10), True),
    ("sales, where all is left", LEAVE, working(-10, Intent.EXIT), True),
    ("sales, where all is handed over", HAND_OVER, working(-10, Intent.EXIT), True),
]


@pytest.mark.parametrize(
    ("ends", "order", "back"), [each[1:] for each in TAKEN_BACK], ids=[each[0] for each in TAKEN_BACK]
)
def test_what_is_on_its_way_is_taken_back(ends: Subscription, order: CopyOrder, back: bool) -> None:
    ledger = Ledger(entry_planned=d(10)) if order.intent is Intent.ENTRY else Ledger(exit_planned=d(-10))
    step = wind_down(ends, copied(replace(ledger, entry_filled=d(0)), OpenRow(order)), NOW)
    commands = step.decision.commands if step.decision else ()
    assert [each.kind for each in commands] == [CommandKind.CANCEL] * back
    assert step.waits is Waits.ORDERS


def test_what_is_leaving_is_not_cancelled_twice() -> None:
    order = working(10)
    first = wind_down(LEAVE, copied(Ledger(entry_planned=d(10)), OpenRow(order)), NOW)
    assert first.decision is not None
    row = OpenRow(order, first.decision.commands[0])
    again = wind_down(LEAVE, copied(Ledger(entry_planned=d(10)), row), NOW)
    assert (again.decision, again.waits) == (None, Waits.ORDERS)


def test_while_a_mirrored_exit_may_still_fill_what_it_sells_is_not_sold() -> None:
    resting = working(-10, Intent.EXIT, mirrors="L1")
    step = wind_down(FLATTEN, copied(replace(HELD, exit_planned=d(-10)), OpenRow(resting)), NOW)
    assert step.decision is not None
    assert (step.decision.orders, len(step.decision.commands)) == ((), 1)


def test_an_exit_that_sells_more_than_is_left_is_not_bought_back_before_it_is_taken_back() -> None:
    closed_by_hand = replace(HELD, ideal=d(0), exit_planned=d(-10), adjusted=d(-4))
    step = wind_down(FLATTEN, copied(closed_by_hand, OpenRow(working(-10, Intent.EXIT))), NOW)
    assert (step.decision, step.waits) == (None, Waits.ORDERS)


HINDRANCES = [
    (replace(copied(), session_usable=False), Waits.SESSION_UNUSABLE),
    (replace(copied(), market_open=False), Waits.MARKET_CLOSED),
    (copied(price=None), Waits.PRICE_UNKNOWN),
    (replace(copied(), instrument=None), Waits.INSTRUMENT_UNKNOWN),
    (replace(copied(), sales=3, last_ns=NOW - 7 * S), Waits.AGAIN),
]


@pytest.mark.parametrize(("hindered", "waits"), HINDRANCES, ids=[each[1] for each in HINDRANCES])
def test_what_cannot_be_sold_now_waits_by_name(hindered: Copied, waits: Waits) -> None:
    first = wind_down(FLATTEN, hindered, NOW)
    assert first.decision is not None, "nothing is wanted any more, whatever hinders the sale"
    assert (first.decision.orders, first.waits) == ((), waits)
    then = replace(hindered, ledger=hindered.ledger.with_lines(first.decision.entries))
    assert wind_down(FLATTEN, then, NOW) == replace(first, decision=None)


def test_a_sale_that_came_to_nothing_is_tried_again_later_and_later() -> None:
    rejected = replace(copied(replace(HELD, ideal=d(0))), sales=3, last_ns=NOW)
    assert wind_down(FLATTEN, rejected, NOW + 7 * S).decision is None
    again = wind_down(FLATTEN, rejected, NOW + 8 * S).decision
    first = wind_down(FLATTEN, copied(), NOW).decision
    assert again is not None
    assert first is not None
    assert again.orders[0].tag != first.orders[0].tag


def test_who_holds_nothing_waits_for_no_price() -> None:
    assert wind_down(FLATTEN, copied(Ledger(), price=None), NOW).waits is None


def test_where_copies_are_left_nothing_is_traded() -> None:
    step = wind_down(LEAVE, copied(), NOW)
    assert (step.decision, step.waits) == (None, None)


def test_what_the_leaders_working_orders_may_still_do_is_not_waited_for() -> None:
    pledged = replace(HELD, buy_pledged=d(5), sell_pledged=d(-10))
    step = wind_down(LEAVE, copied(pledged), NOW)
    assert step.decision is not None
    after = pledged.with_lines(step.decision.entries)
    assert (after, step.decision.orders) == (HELD, ())
    assert wind_down(LEAVE, copied(after), NOW).waits is None


def test_what_is_left_is_the_followers_own() -> None:
    lines = closing_lines(LEAVE, copied(), handed=False)
    after = HELD.with_lines(lines)
    assert after.idle
    assert {each.reason for each in lines} == {"LEFT"}


def test_what_is_handed_over_is_copied_by_the_other_subscription() -> None:
    taker = SubscriptionId("taker")
    lines = closing_lines(replace(HAND_OVER, successor=taker), copied(), handed=True)
    mine = [each for each in lines if each.subscription_id != taker]
    theirs = fold(each for each in lines if each.subscription_id == taker)
    assert HELD.with_lines(mine).idle
    assert {each.reason for each in lines} == {"HANDED_OVER"}
    assert {each.cause for each in lines} == {"ended:s1:HANDED_OVER"}
    assert (theirs.position, theirs.ideal, theirs.surplus(d(1))) == (d(10), d(10), d(0))


def test_without_a_successor_that_lives_it_is_the_followers_own() -> None:
    lines = closing_lines(replace(HAND_OVER, successor=SubscriptionId("gone")), copied(), handed=False)
    assert {(each.subscription_id, each.reason) for each in lines} == {(ENDS.subscription_id, "LEFT")}


def test_a_step_is_decided_on_an_event_of_its_own() -> None:
    name = EventIdentity("ending:s1:NSE:SBIN-EQ:INTRADAY:3")
    body = PositionReport(ENDS.follower, KEY, SHARE.exchange, SHARE.segment, d(10), d(0))
    fact = Fact(name, ENDS.follower, EventKind.POSITION, body, NOW, NOW, recovered=False, raw=b"")
    again = replace(copied(), sales=3)
    assert ending_event(FLATTEN, again, Partition(7), NOW) == Event(Partition(7), Offset(0), 0, NOW, fact)
    decision = wind_down(FLATTEN, again, NOW + 9 * S).decision
    assert decision is not None
    assert decision.decision_id == decision_id_of(name, ENDS.subscription_id)
    assert {(each.cause.identity, each.traceparent) for each in decision.orders} == {(name, "")}


def test_what_cannot_be_sold_now_is_no_quantity_of_the_decision() -> None:
    decision = wind_down(FLATTEN, copied(price=None), NOW).decision
    assert decision is not None
    assert (decision.side, decision.quantity) == (Side.SELL, d(0))


def test_a_fraction_is_sold_like_a_whole() -> None:
    half = Ledger(ideal=d("0.5"), entry_planned=d("0.5"), entry_filled=d("0.5"))
    coin = replace(copied(half), instrument=replace(SHARE, lot=d("0.1")))
    decision = wind_down(FLATTEN, coin, NOW).decision
    assert decision is not None
    assert (decision.side, decision.quantity) == (Side.SELL, d("0.5"))
    assert decision.orders[0].spec.side is Side.SELL


def test_rows_and_ledger_are_both_waited_for() -> None:
    unread = Ledger(entry_planned=d(10))
    assert wind_down(LEAVE, copied(unread), NOW) == Step(None, Waits.ORDERS)
    leaving = OpenRow(working(-10, Intent.EXIT))
    assert wind_down(FLATTEN, copied(Ledger(), leaving), NOW) == Step(None, Waits.ORDERS)
    assert wind_down(FLATTEN, copied(Ledger()), NOW) == Step(None, None)


def test_a_step_stands_on_what_the_follower_still_has() -> None:
    body = ending_event(FLATTEN, copied(), Partition(1), NOW).fact.body
    assert isinstance(body, PositionReport)
    assert (body.account_id, body.quantity) == (ENDS.follower, d(10))


@settings(deadline=None)
@hypothesis_given(
    filled=st.integers(0, 60),
    entering=st.integers(0, 60),
    late=st.integers(0, 60),
    sold=st.integers(0, 60),
    short=st.booleans(),
)
def test_flat_is_flat_and_never_the_other_side(
    filled: int, entering: int, late: int, sold: int, short: bool
) -> None:
    """Whatever part of an entry fills before its cancellation, and however much of a sale comes through."""
    side = Decimal(-1 if short else 1)
    late = min(late, entering)
    ledger = Ledger(
        ideal=side * (filled + entering),
        entry_planned=side * (filled + entering),
        entry_filled=side * filled,
    )
    ledger, exits = _stepped(ledger)
    assert ledger.position * side >= 0
    ledger = replace(ledger, entry_filled=side * (filled + late), entry_released=side * (entering - late))
    part = min(Decimal(sold), abs(exits))
    ledger = replace(ledger, exit_filled=-side * part, exit_released=exits + side * part)
    assert ledger.position * side >= 0
    ledger, rest = _stepped(ledger)
    assert ledger.with_lines(()).held == 0
    assert replace(ledger, exit_filled=ledger.exit_filled + rest).position == 0


def _stepped(ledger: Ledger) -> tuple[Ledger, Decimal]:
    """With what a step plans, and how much of it is to be sold, signed."""
    step = wind_down(FLATTEN, copied(ledger), NOW)
    lines = step.decision.entries if step.decision else ()
    sales = [each.quantity for each in lines if each.kind is EntryKind.PLANNED]
    return ledger.with_lines(lines), sum(sales, Decimal(0))
