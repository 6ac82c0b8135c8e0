"""What the executor learns, and what becomes of the order and its ledger."""

from dataclasses import replace

import pytest

from paceline.domain.copy_order import CopyOrder, CopyStatus, Intent
from paceline.domain.copying.fold import (
    Folded,
    GivenUp,
    Placed,
    Resized,
    SurelyAbsent,
    Told,
    Withdrawn,
    fold_result,
)
from paceline.domain.copying.plan import plan
from paceline.domain.copying.surplus import sell_surplus
from paceline.domain.copying.tags import decision_id_of
from paceline.domain.errors import (
    BrokerAuthFailed,
    BrokerNeverSent,
    BrokerOutcomeUnknown,
    BrokerRateLimited,
    BrokerRejected,
)
from paceline.domain.ids import BrokerOrderId, CommandId
from paceline.domain.ledger import EntryKind, Ledger
from paceline.domain.order import BrokerStatus, OrderReport, Side
from paceline.domain.order_states import IllegalTransition
from tests.unit.domain.given import FOLLOWER, NOW, SHARE, copier, d, event, fill, leader, market, report

ENTRY = plan(event(fill(10)), leader(), [copier()], market()).decisions[0]
ORDER = ENTRY.orders[0]
PLANNED = Ledger().with_lines(ENTRY.entries)
HELD = Ledger(ideal=d(10), entry_planned=d(10), entry_filled=d(10))
EXIT = plan(event(fill(-10)), leader(10), [replace(copier(), ledger=HELD)], market()).decisions[0]
LEAVING = HELD.with_lines(EXIT.entries)


def fold(
    told: Told, order: CopyOrder = ORDER, ledger: Ledger = PLANNED, *others: CopyOrder, growing: int = 0
) -> Folded:
    folded = fold_result(order, told, ledger, d(1), others, growing=d(growing))
    assert folded.ledger == ledger.with_lines(folded.lines)
    return folded


def sized(signed: int, order: CopyOrder = ORDER) -> CopyOrder:
    side = Side.BUY if signed > 0 else Side.SELL
    return replace(order, spec=replace(order.spec, side=side, quantity=d(abs(signed))))


def trade(signed: int, name: str = "f1") -> Told:
    return fill(signed, trade=name, order="b1", account=FOLLOWER, tag=ORDER.tag)


def said(status: BrokerStatus, filled: int = 0, quantity: int = 10) -> OrderReport:
    return report(status, order="b1", quantity=quantity, filled=filled, account=FOLLOWER, tag=ORDER.tag)


def line_quantities(folded: Folded) -> dict[EntryKind, int]:
    return {line.kind: int(line.quantity) for line in folded.lines}


def test_an_answer_makes_it_working_under_the_brokers_number() -> None:
    folded = fold(Placed(BrokerOrderId("b1")))
    assert (folded.order.status, folded.order.broker_order_id) == (CopyStatus.WORKING, "b1")
    assert folded.lines == ()


def test_the_socket_may_beat_the_answer() -> None:
    filled = fold(trade(10))
    assert (filled.order.status, filled.order.broker_order_id) == (CopyStatus.FILLED, "b1")
    assert fold(Placed(BrokerOrderId("b1")), filled.order).order.status is CopyStatus.FILLED


def test_fills_are_lines_of_their_own_and_average_the_price() -> None:
    first = fold(trade(4))
    assert (first.order.status, line_quantities(first)) == (CopyStatus.PARTIAL, {EntryKind.FILLED: 4})
    last = fill(6, trade="f2", price=105, account=FOLLOWER)
    second = fold(last, first.order, first.ledger)
    assert (second.order.status, second.order.filled) == (CopyStatus.FILLED, d(10))
    assert second.order.average_price == 103
    assert {line.cause for line in (*first.lines, *second.lines)} == {f"{ORDER.tag}:f1", f"{ORDER.tag}:f2"}


def test_a_rejection_releases_and_forgoes_with_the_brokers_words() -> None:
    folded = fold(BrokerRejected("no margin", code="-99"))
    assert folded.order.status is CopyStatus.REJECTED
    assert line_quantities(folded) == {EntryKind.RELEASED: 10, EntryKind.FORGONE: -10}
    assert {line.reason for line in folded.lines} == {"-99: no margin"}
    assert folded.ledger.target(d(1)) == 0


def test_a_cancel_releases_only_what_no_report_counts_as_filled() -> None:
    partly = fold(trade(2))
    ended = fold(said(BrokerStatus.CANCELLED, filled=5), partly.order, partly.ledger)
    assert line_quantities(ended) == {EntryKind.RELEASED: 5, EntryKind.FORGONE: -5}
    lagging = fold(trade(3, "f2"), ended.order, ended.ledger)
    assert (lagging.order.status, line_quantities(lagging)) == (
        CopyStatus.CANCELLED,
        {EntryKind.FILLED: 3},
    )


def test_an_end_told_twice_releases_once() -> None:
    once = fold(said(BrokerStatus.EXPIRED))
    again = fold(said(BrokerStatus.EXPIRED), once.order, once.ledger)
    assert again.lines == ()
    assert again.ledger == once.ledger


def test_a_fill_after_the_end_is_the_truth_and_takes_the_release_back() -> None:
    ended = fold(said(BrokerStatus.CANCELLED))
    late = fold(trade(10), ended.order, ended.ledger)
    assert late.order.status is CopyStatus.FILLED
    assert line_quantities(late) == {EntryKind.FILLED: 10, EntryKind.RELEASED: -10}
    assert [line.reason for line in late.lines] == ["", "FILLED_AFTER_END"]
    assert late.ledger.surplus(d(1)) == 10  # forgone meanwhile, so it is sold


def test_what_is_still_to_be_told_of_an_ended_order_is_reckoned_beside_the_others() -> None:
    both = replace(PLANNED, ideal=d(14), entry_planned=d(14))
    ended = fold(said(BrokerStatus.CANCELLED), ORDER, both, sized(4))
    late = fold(trade(10), ended.order, ended.ledger, sized(4))
    assert line_quantities(late) == {EntryKind.FILLED: 10, EntryKind.RELEASED: -10}
    leaving = fold(said(BrokerStatus.CANCELLED, filled=5), EXIT.orders[0], LEAVING)
    lagging = fold(trade(-3), leaving.order, leaving.ledger)
    assert line_quantities(lagging) == {EntryKind.FILLED: -3}


def test_the_last_share_is_released_too() -> None:
    assert line_quantities(fold(said(BrokerStatus.CANCELLED, filled=9))) == {
        EntryKind.RELEASED: 1,
        EntryKind.FORGONE: -1,
    }


@pytest.mark.parametrize(
    ("ends_as", "status", "message", "reason"),
    [
        ("LEADER_ORDER_ENDED", BrokerStatus.CANCELLED, "by user", "LEADER_ORDER_ENDED"),
        ("LEADER_ORDER_ENDED", BrokerStatus.REJECTED, "no margin", "no margin"),
        ("", BrokerStatus.CANCELLED, "by user", "by user"),
        ("", BrokerStatus.CANCELLED, "", "CANCELLED"),
    ],
)
def test_an_end_is_named_by_us_where_we_asked_for_it_else_by_the_broker(
    ends_as: str, status: BrokerStatus, message: str, reason: str
) -> None:
    folded = fold(replace(said(status), message=message), replace(ORDER, ends_as=ends_as))
    assert {line.reason for line in folded.lines} == {reason}


def test_traded_releases_nothing_even_where_the_report_leaves_the_number_out() -> None:
    folded = fold(said(BrokerStatus.TRADED, filled=0))
    assert (folded.order.status, folded.lines) == (CopyStatus.FILLED, ())


def test_traded_at_a_quantity_cut_by_hand_releases_the_rest() -> None:
    folded = fold(said(BrokerStatus.TRADED, filled=6, quantity=6))
    assert line_quantities(folded) == {EntryKind.RELEASED: 4, EntryKind.FORGONE: -4}


def test_a_report_in_transit_says_only_its_number() -> None:
    folded = fold(said(BrokerStatus.IN_TRANSIT))
    assert (folded.order.status, folded.order.broker_order_id) == (CopyStatus.PLANNED, "b1")


def test_pending_is_working_or_partial() -> None:
    assert fold(said(BrokerStatus.PENDING)).order.status is CopyStatus.WORKING
    assert fold(said(BrokerStatus.PENDING, filled=1)).order.status is CopyStatus.PARTIAL


def test_a_lost_answer_is_unknown_until_it_is_surely_absent() -> None:
    unknown = fold(BrokerOutcomeUnknown("read timed out"))
    assert unknown.order.status is CopyStatus.UNKNOWN
    assert fold(SurelyAbsent(), unknown.order).order == ORDER


@pytest.mark.parametrize(
    "error",
    [
        BrokerNeverSent("refused"),
        BrokerRateLimited("slow down", retry_after_ms=1000),
        BrokerAuthFailed("token expired"),
    ],
)
def test_what_never_happened_changes_nothing(
    error: BrokerNeverSent | BrokerRateLimited | BrokerAuthFailed,
) -> None:
    assert fold(error) == Folded(ORDER, (), PLANNED)


def test_giving_up_is_a_failure_with_its_reason() -> None:
    folded = fold(GivenUp("ENTRY_TOO_OLD"))
    assert folded.order.status is CopyStatus.FAILED
    assert {line.reason for line in folded.lines} == {"ENTRY_TOO_OLD"}
    assert line_quantities(folded) == {EntryKind.RELEASED: 10, EntryKind.FORGONE: -10}


def test_what_is_withdrawn_because_the_leader_left_is_not_forgone() -> None:
    left = replace(PLANNED, ideal=d(0))
    folded = fold(Withdrawn(), ORDER, left)
    assert folded.order.status is CopyStatus.CANCELLED
    assert line_quantities(folded) == {EntryKind.RELEASED: 10}


def test_a_refused_exit_releases_and_keeps_the_surplus_to_be_sold() -> None:
    folded = fold(BrokerRejected("circuit"), EXIT.orders[0], LEAVING)
    assert line_quantities(folded) == {EntryKind.RELEASED: -10}
    assert folded.ledger.surplus(d(1)) == 10


def test_only_the_part_that_no_other_order_brings_is_forgone() -> None:
    other = replace(ORDER, spec=replace(ORDER.spec, quantity=d(4)))
    both = replace(PLANNED, entry_planned=d(14))
    folded = fold(BrokerRejected("no"), ORDER, both, other)
    assert line_quantities(folded) == {EntryKind.RELEASED: 10, EntryKind.FORGONE: -6}
    grows = fold(BrokerRejected("no"), ORDER, both, other, growing=6)
    assert line_quantities(grows) == {EntryKind.RELEASED: 10}


def test_an_entry_that_a_flip_left_behind_does_not_count_for_the_new_side() -> None:
    """10 long are still on their way when 5 short are wanted, of which 2 fill."""
    flipped = Ledger(ideal=d(-5), entry_planned=d(5))
    folded = fold(trade(-2), replace(sized(-5), status=CopyStatus.WORKING), flipped, sized(10))
    assert line_quantities(folded) == {EntryKind.FILLED: -2}


def test_a_late_fill_that_nets_away_what_a_flip_wants_is_forgone_by_name() -> None:
    flipped = Ledger(ideal=d(-5), entry_planned=d(5), entry_filled=d(-5))
    folded = fold(trade(10), replace(ORDER, status=CopyStatus.WORKING), flipped)
    assert line_quantities(folded) == {EntryKind.FILLED: 10, EntryKind.FORGONE: 5}
    assert [line.reason for line in folded.lines] == ["", "NETTED"]
    assert folded.ledger.surplus(d(1)) == 5


def test_orders_without_a_subscription_write_no_ledger() -> None:
    manual = replace(ORDER, subscription_id=None)
    assert fold(trade(10), manual, Ledger()).lines == ()
    assert fold(BrokerRejected("no"), manual, Ledger()).lines == ()


def test_what_the_table_rules_out_is_an_error() -> None:
    filled = replace(ORDER, status=CopyStatus.FILLED)
    with pytest.raises(IllegalTransition):
        fold(SurelyAbsent(), filled)


def test_a_surplus_is_sold_once_under_the_name_of_what_revealed_it() -> None:
    ledger = replace(HELD, ideal=d(4))
    correction = sell_surplus(
        ORDER, "fact", ledger, SHARE, reference=d(100), allowance_bps=d(100), now_ns=NOW
    )
    assert correction is not None
    (sale,) = correction.orders
    assert (sale.intent, sale.spec.quantity, sale.spec.limit_price) == (Intent.EXIT, d(6), d(99))
    assert (sale.cause.identity, correction.lines[0].cause) == ("fact", "fact:surplus")
    after = ledger.with_lines(correction.lines)
    again = sell_surplus(ORDER, "next", after, SHARE, reference=d(100), allowance_bps=d(100), now_ns=NOW)
    assert again is None


def test_a_short_surplus_is_bought_back() -> None:
    short = Ledger(entry_planned=d(-3), entry_filled=d(-3))
    correction = sell_surplus(ORDER, "fact", short, SHARE, reference=d(100), allowance_bps=d(0), now_ns=NOW)
    assert correction is not None
    assert correction.lines[0].quantity == 3


@pytest.mark.parametrize(("held", "side"), [("0.5", Side.SELL), ("-0.5", Side.BUY)])
def test_a_fraction_too_much_is_closed_under_the_name_of_its_decision(held: str, side: Side) -> None:
    ledger = Ledger(entry_planned=d(held), entry_filled=d(held))
    coin = replace(SHARE, lot=d("0.1"))
    correction = sell_surplus(ORDER, "fact", ledger, coin, reference=d(100), allowance_bps=d(0), now_ns=NOW)
    assert correction is not None
    (sale,) = correction.orders
    assert (sale.spec.side, sale.spec.quantity, sale.leg) == (side, d("0.5"), 2)
    assert sale.decision_id == decision_id_of("fact", ORDER.subscription_id)


def test_an_exit_that_is_being_cancelled_leaves_what_it_would_have_sold() -> None:
    leaving = replace(HELD, ideal=d(4), exit_planned=d(-6))
    sale = sell_surplus(
        ORDER, "fact", leaving, SHARE, reference=d(100), allowance_bps=d(0), now_ns=NOW, leaving=d(-6)
    )
    assert sale is not None
    assert sale.orders[0].spec.quantity == 6
    assert (
        sell_surplus(ORDER, "fact", leaving, SHARE, reference=d(100), allowance_bps=d(0), now_ns=NOW) is None
    )


def test_no_ledger_no_surplus() -> None:
    manual = replace(ORDER, subscription_id=None)
    sale = sell_surplus(manual, "fact", HELD, SHARE, reference=d(1), allowance_bps=d(0), now_ns=NOW)
    assert sale is None


def resized(quantity: int) -> Resized:
    return Resized(replace(ORDER.spec, quantity=d(quantity), limit_price=d(99)), CommandId("c1"))


@pytest.mark.parametrize(("quantity", "lines"), [(6, {EntryKind.RELEASED: 4}), (11, {EntryKind.PLANNED: 1})])
def test_a_quantity_moves_in_the_ledger_when_its_row_moves(
    quantity: int, lines: dict[EntryKind, int]
) -> None:
    folded = fold(resized(quantity), ledger=replace(PLANNED, ideal=d(quantity)))
    assert (folded.order.spec.quantity, folded.order.spec.limit_price) == (d(quantity), d(99))
    assert line_quantities(folded) == lines
    assert [line.reason for line in folded.lines] == ["RESIZED"]


def test_a_price_alone_moves_no_line() -> None:
    folded = fold(resized(10))
    assert (folded.order.spec.limit_price, folded.lines) == (d(99), ())


def test_what_has_ended_is_not_changed_any_more() -> None:
    ended = fold(trade(10)).order
    assert fold(resized(6), ended).order == ended


def test_the_brokers_word_of_a_quantity_is_taken_over() -> None:
    folded = fold(said(BrokerStatus.PENDING, quantity=6), ledger=replace(PLANNED, ideal=d(6)))
    assert (folded.order.status, folded.order.spec.quantity) == (CopyStatus.WORKING, d(6))
    assert line_quantities(folded) == {EntryKind.RELEASED: 4}


def test_a_report_without_a_quantity_or_after_the_end_changes_none() -> None:
    assert fold(said(BrokerStatus.PENDING, quantity=0)).order.spec.quantity == 10
    ended = fold(said(BrokerStatus.CANCELLED))
    again = fold(said(BrokerStatus.CANCELLED, quantity=6), ended.order, ended.ledger)
    assert (again.order.spec.quantity, again.lines) == (d(10), ())


def test_exits_that_are_being_cancelled_will_not_take_the_position_down() -> None:
    """Of two exits one is being cancelled; when the other ends unfilled, nothing is missing."""
    both = HELD.with_lines(EXIT.entries)
    wanted = replace(both, ideal=d(10))
    order = replace(EXIT.orders[0], spec=replace(EXIT.orders[0].spec, quantity=d(4)))
    other = replace(order, tag=ENTRY.orders[0].tag, spec=replace(order.spec, quantity=d(6)))
    told = fold_result(order, Withdrawn(), wanted, d(1), [other], d(-6))
    assert line_quantities(told) == {EntryKind.RELEASED: -4}
    unaware = fold_result(order, Withdrawn(), wanted, d(1), [other])
    assert line_quantities(unaware) == {EntryKind.RELEASED: -4, EntryKind.FORGONE: -6}
