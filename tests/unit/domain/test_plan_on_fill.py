"""ON_FILL, rule by rule: given a ledger, when the leader trades, then this is planned."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given as hypothesis_given
from hypothesis import strategies as st

from paceline.domain.copy_order import CauseKind, CommandKind, CopyOrder, CopyStatus, Intent, Lane
from paceline.domain.copying.changes import OpenRow
from paceline.domain.copying.decision import Decision, Outcome, SizingInputs, SkipReason
from paceline.domain.copying.plan import plan, plan_chunk, rotated
from paceline.domain.copying.tags import TAG_LENGTH, kind_of, tag_of
from paceline.domain.copying.view import Copier
from paceline.domain.ids import Tag
from paceline.domain.ledger import EntryKind, Ledger
from paceline.domain.order import OrderType, Side
from paceline.domain.subscription import SizingMode
from tests.unit.domain.given import (
    NOW,
    S,
    copier,
    d,
    event,
    fill,
    instrument,
    leader,
    market,
    subscription,
)

COPY_TAG = tag_of(
    plan(event(fill(1)), leader(), [copier()], market()).decisions[0].orders[0].cause,
    None,
    leg=1,
    slice_=0,
)


def held(quantity: int | str, *, ideal: int | str | None = None) -> Ledger:
    return Ledger(
        ideal=d(quantity if ideal is None else ideal), entry_planned=d(quantity), entry_filled=d(quantity)
    )


def decided(
    signed: int | str,
    follower: Copier,
    *,
    position: int | str = 0,
    lot: int = 1,
    tag: str = "",
    trade: str = "t1",
) -> Decision:
    (decision,) = plan(
        event(fill(signed, tag=tag, trade=trade)), leader(position), [follower], market(instrument(lot=lot))
    ).decisions
    return decision


def working(order: CopyOrder, filled: int = 0) -> OpenRow:
    return OpenRow(replace(order, status=CopyStatus.WORKING, filled=d(filled)))


def changes(decision: Decision) -> list[tuple[Tag, CommandKind, Decimal | None]]:
    return [(each.tag, each.kind, each.spec.quantity if each.spec else None) for each in decision.commands]


def quantities(decision: Decision) -> list[tuple[Intent, Decimal]]:
    """Signed, as they would trade."""
    return [(order.intent, order.spec.quantity * int(order.spec.side)) for order in decision.orders]


def lines(decision: Decision) -> dict[tuple[EntryKind, Intent], Decimal]:
    return {(entry.kind, entry.intent): entry.quantity for entry in decision.entries}


def test_opening_copies_the_ratio() -> None:
    decision = decided(100, copier("0.5"))
    assert quantities(decision) == [(Intent.ENTRY, d(50))]
    assert lines(decision) == {
        (EntryKind.IDEAL, Intent.ENTRY): d(50),
        (EntryKind.PLANNED, Intent.ENTRY): d(50),
    }
    assert (decision.outcome, decision.quantity, decision.side) == (Outcome.PLANNED, d(50), Side.BUY)


def test_rounding_is_cumulative_and_does_not_drift() -> None:
    follower, position = copier("0.1"), 0
    ledger = Ledger()
    for number in range(1, 38):
        happened = event(fill(3, trade=str(number)), offset=number)
        (decision,) = plan(happened, leader(position), [replace(follower, ledger=ledger)], market()).decisions
        ledger = ledger.with_lines(decision.entries)
        position += 3
    assert ledger.entry_planned == 11  # of 11.1 ideal
    assert ledger.ideal == d("11.1")


def test_less_than_a_lot_keeps_its_residue_in_the_ideal() -> None:
    decision = decided(3, copier("0.1"))
    assert (decision.outcome, decision.reason) == (Outcome.SKIPPED, SkipReason.BELOW_ONE_LOT)
    assert lines(decision) == {(EntryKind.IDEAL, Intent.ENTRY): d("0.3")}


def test_thirds_are_whole_again_after_they_were_divided() -> None:
    follower = replace(copier(), ledger=held(1, ideal="0.333333333333333333"))
    tripled = decided(200, replace(follower, subscription=subscription(ratio="0.003333333333333333333333")))
    assert tripled.orders == ()
    third = replace(copier(), ledger=held(90))
    assert quantities(decided(-60, third, position=90)) == [(Intent.EXIT, d(-60))]


def test_a_flip_is_an_exit_and_then_an_entry_in_one_decision() -> None:
    follower = replace(copier("0.5"), ledger=held(5))
    decision = decided(-30, follower, position=10)
    assert quantities(decision) == [(Intent.EXIT, d(-5)), (Intent.ENTRY, d(-10))]
    assert [order.leg for order in decision.orders] == [0, 1]
    assert decision.quantity == 15
    assert [order.lane for order in decision.orders] == [Lane.EXIT, Lane.ENTRY]
    assert len({order.tag for order in decision.orders}) == 2
    after = follower.ledger.with_lines(decision.entries)
    assert (after.ideal, after.held) == (d(-10), d(0))


def test_a_flip_whose_entry_is_withheld_still_exits_and_says_why() -> None:
    follower = replace(copier(), ledger=held(10), account_frozen=True)
    decision = decided(-30, follower, position=10)
    assert quantities(decision) == [(Intent.EXIT, d(-10))]
    assert (decision.outcome, decision.reason) == (Outcome.PLANNED, SkipReason.ACCOUNT_FROZEN)


def test_a_flip_of_which_the_follower_held_nothing_is_an_entry_without_a_reproach() -> None:
    decision = decided(-30, copier(), position=10)
    assert quantities(decision) == [(Intent.ENTRY, d(-20))]
    assert (decision.outcome, decision.reason) == (Outcome.PLANNED, None)
    small = decided(-11, copier("0.5"), position=10)
    assert (small.outcome, small.reason) == (Outcome.SKIPPED, SkipReason.BELOW_ONE_LOT)


def test_a_flip_with_its_exit_held_says_so() -> None:
    follower = replace(copier(), ledger=held(10), market_open=False)
    assert decided(-30, follower, position=10).reason is SkipReason.MARKET_CLOSED


def test_only_entries_are_sized_and_exits_say_what_the_leader_kept() -> None:
    leaving = decided(-5, replace(copier(), ledger=held(10)), position=10)
    assert (leaving.sizing, leaving.detail) == (None, "the leader kept 5 of 10")
    flipping = decided(-30, replace(copier(), ledger=held(10)), position=10)
    assert flipping.sizing is not None
    assert (flipping.sizing.ratio, flipping.sizing.unrounded) == (d(1), d(-20))


def test_entries_count_what_a_refused_exit_left_behind() -> None:
    left = Ledger(ideal=d(5), entry_planned=d(10), entry_filled=d(10))
    assert quantities(decided(10, replace(copier(), ledger=left), position=5)) == [(Intent.ENTRY, d(5))]


def test_an_exit_before_any_fill_only_withdraws() -> None:
    ledger = Ledger(ideal=d(10), entry_planned=d(10))
    row = working(decided(10, copier()).orders[0])
    decision = decided(-10, replace(copier(), ledger=ledger, open_rows=(row,)), position=10)
    assert (decision.orders, decision.outcome) == ((), Outcome.PLANNED)
    assert changes(decision) == [(row.order.tag, CommandKind.CANCEL, None)]


def test_an_exit_shrinks_what_is_working_to_what_is_still_wanted() -> None:
    ledger = Ledger(ideal=d(10), entry_planned=d(10))
    row = working(decided(10, copier()).orders[0])
    decision = decided(-4, replace(copier(), ledger=ledger, open_rows=(row,)), position=10)
    assert changes(decision) == [(row.order.tag, CommandKind.MODIFY, d(6))]
    shrunk = OpenRow(row.order, decision.commands[0])
    lower = replace(ledger, ideal=d(6))
    again = decided(-2, replace(copier(), ledger=lower, open_rows=(shrunk,)), position=6)
    assert changes(again) == [(row.order.tag, CommandKind.MODIFY, d(4))]


def test_who_wants_nothing_and_has_nothing_to_take_back_is_skipped() -> None:
    """An earlier exit took back all of it, or whoever has ended is not known yet to have."""
    ledger = Ledger(ideal=d(0), entry_planned=d(10))
    row = working(decided(10, copier()).orders[0])
    first = decided(-4, replace(copier(), ledger=ledger, open_rows=(row,)), position=6)
    assert changes(first) == [(row.order.tag, CommandKind.CANCEL, None)]
    for rows in ((OpenRow(row.order, first.commands[0]),), ()):
        again = decided(-2, replace(copier(), ledger=ledger, open_rows=rows), position=2)
        assert (again.outcome, again.reason, again.orders, again.commands, again.entries) == (
            Outcome.SKIPPED,
            SkipReason.BELOW_ONE_LOT,
            (),
            (),
            (),
        )


def test_what_is_being_cancelled_is_not_taken_back_twice() -> None:
    ledger = Ledger(ideal=d(10), entry_planned=d(10))
    row = working(decided(10, copier()).orders[0])
    first = decided(-10, replace(copier(), ledger=ledger, open_rows=(row,)), position=10)
    leaving = OpenRow(row.order, first.commands[0])
    after = replace(ledger, ideal=d(5))
    again = decided(-5, replace(copier(), ledger=after, open_rows=(leaving,)), position=5)
    assert (again.commands, again.orders) == ((), ())


def test_the_newest_entries_are_taken_back_first() -> None:
    ledger = Ledger(ideal=d(10), entry_planned=d(10))
    orders = [decided(5, copier(), trade=trade).orders[0] for trade in ("t1", "t2")]
    rows = tuple(working(replace(order, planned_ns=NOW + n)) for n, order in enumerate(orders))
    decision = decided(-6, replace(copier(), ledger=ledger, open_rows=rows), position=10)
    assert changes(decision) == [
        (orders[1].tag, CommandKind.CANCEL, None),
        (orders[0].tag, CommandKind.MODIFY, d(4)),
    ]


def test_reverse_trades_the_other_side_both_ways() -> None:
    sub = replace(subscription(), reverse=True)
    opening = decided(10, Copier(sub))
    assert quantities(opening) == [(Intent.ENTRY, d(-10))]
    assert opening.side is Side.SELL
    closing = decided(-10, Copier(sub, held(-10)), position=10)
    assert quantities(closing) == [(Intent.EXIT, d(10))]


def test_freezing_quantities_are_sliced_each_under_its_own_tag() -> None:
    (decision,) = plan(
        event(fill(250)), leader(), [copier()], market(instrument(lot=20, freeze=101))
    ).decisions
    assert [order.spec.quantity for order in decision.orders] == [100, 100, 40]
    assert len({order.tag for order in decision.orders}) == 3
    assert len({order.copy_order_id for order in decision.orders}) == 3
    assert lines(decision)[EntryKind.PLANNED, Intent.ENTRY] == 240


def test_a_leader_flat_again_starts_a_new_ideal() -> None:
    stray = Ledger(ideal=d("0.9"))
    assert lines(decided(1, replace(copier("0.5"), ledger=stray)))[EntryKind.IDEAL, Intent.ENTRY] == d("-0.4")


def test_an_entry_against_what_this_subscription_wants_is_skipped() -> None:
    turned = replace(copier(), subscription=replace(subscription(), reverse=True), ledger=held(10))
    assert decided(5, turned, position=10).reason is SkipReason.OPPOSITE_HELD


def test_nothing_held_is_nothing_sold() -> None:
    decision = decided(-10, copier(), position=50)
    assert (decision.outcome, decision.reason, decision.entries) == (
        Outcome.SKIPPED,
        SkipReason.NOTHING_HELD,
        (),
    )
    assert decision.intent is Intent.EXIT


def test_an_exit_too_small_to_sell_a_lot_lowers_the_ideal_only() -> None:
    decision = decided(-1, replace(copier("0.1"), ledger=held(1, ideal="1.9")), position=19)
    assert (decision.outcome, decision.reason) == (Outcome.SKIPPED, SkipReason.BELOW_ONE_LOT)
    assert lines(decision) == {(EntryKind.IDEAL, Intent.EXIT): d("-0.1")}


@pytest.mark.parametrize(
    ("follower", "reason"),
    [
        (replace(copier(), ledger=held(10), session_usable=False), SkipReason.SESSION_UNUSABLE),
        (replace(copier(), ledger=held(10), market_open=False), SkipReason.MARKET_CLOSED),
    ],
)
def test_an_exit_is_held_and_not_dropped(follower: Copier, reason: SkipReason) -> None:
    decision = decided(-10, follower, position=10)
    assert (decision.outcome, decision.reason) == (Outcome.PLANNED, reason)
    assert decision.orders[0].expires_ns == 0


def test_a_running_liquidation_absorbs_exits() -> None:
    decision = decided(-10, replace(copier(), ledger=held(10), liquidating=True), position=10)
    assert (decision.outcome, decision.reason, decision.orders) == (
        Outcome.SKIPPED,
        SkipReason.LIQUIDATING,
        (),
    )
    assert lines(decision) == {(EntryKind.IDEAL, Intent.EXIT): d(-10)}


def test_a_leaders_liquidation_is_left_to_the_cascade() -> None:
    decision = decided(-10, replace(copier(), ledger=held(10)), position=10, tag="PL" + "A" * 18)
    assert (decision.outcome, decision.reason, decision.entries) == (
        Outcome.SKIPPED,
        SkipReason.LIQUIDATING,
        (),
    )


def test_what_is_skipped_names_the_side_and_what_it_would_have_been() -> None:
    entry = decided(10, copier(), tag=COPY_TAG)
    assert (entry.side, entry.intent) == (Side.BUY, Intent.ENTRY)
    leaving = decided(-10, copier(), position=10, tag=COPY_TAG)
    assert (leaving.side, leaving.intent) == (Side.SELL, Intent.EXIT)
    turned = decided(10, Copier(replace(subscription(), reverse=True)), tag=COPY_TAG)
    assert turned.side is Side.SELL


def test_a_leaders_order_through_the_platform_is_copied() -> None:
    assert quantities(decided(10, copier(), tag="PM" + "A" * 18)) == [(Intent.ENTRY, d(10))]


def test_an_unknown_instrument_is_skipped_by_name() -> None:
    empty = replace(market(), instruments={})
    (decision,) = plan(event(fill(10)), leader(), [copier()], empty).decisions
    assert decision.reason is SkipReason.INSTRUMENT_UNKNOWN


def test_a_copy_is_a_protected_limit_that_knows_its_origin() -> None:
    order = decided(10, copier()).orders[0]
    assert (order.spec.type, order.spec.limit_price) == (OrderType.LIMIT, d("101.00"))
    assert (order.leader_price, order.leader_time_ns, order.planned_ns) == (d(100), NOW, NOW)
    assert order.expires_ns == NOW + 30 * S
    assert (order.cause.kind, order.traceparent) == (CauseKind.EVENT, "trace-1")
    assert (len(order.tag), order.tag.isalnum(), kind_of(order.tag)) == (TAG_LENGTH, True, CauseKind.EVENT)


def test_every_fill_yields_one_decision_per_copier_approved_or_not() -> None:
    followers = [copier(name=f"s{n}") for n in range(5)]
    followers[2] = replace(followers[2], subscription=replace(followers[2].subscription, auto_copy=False))
    decisions = plan(event(fill(10)), leader(), followers, market()).decisions
    assert {x.subscription_id for x in decisions} == {f"s{n}" for n in range(5)}
    assert [x.reason for x in decisions if x.outcome is Outcome.SKIPPED] == [SkipReason.AUTO_COPY_OFF]


def test_followers_are_served_in_an_order_that_rotates() -> None:
    followers = [copier(name=name) for name in "abc"]
    served = [
        [x.subscription_id for x in plan(event(fill(1), offset=n), leader(), followers, market()).decisions]
        for n in range(3)
    ]
    assert served == [["a", "b", "c"], ["b", "c", "a"], ["c", "a", "b"]]
    assert rotated([], 7) == []


def test_a_chunk_is_planned_in_the_order_given() -> None:
    followers = [copier(name=name) for name in "abc"]
    decisions = plan_chunk(event(fill(1), offset=2), leader(), followers, market()).decisions
    assert [x.subscription_id for x in decisions] == ["a", "b", "c"]


def test_equity_sizes_by_the_ratio_of_equities() -> None:
    sized = replace(
        Copier(subscription(ratio=2, mode=SizingMode.EQUITY_RATIO)), equity=leader(equity=100).equity
    )
    (decision,) = plan(event(fill(10)), leader(equity=400), [sized], market()).decisions
    assert quantities(decision) == [(Intent.ENTRY, d(5))]
    assert decision.sizing is not None
    assert (decision.sizing.leader_equity, decision.sizing.follower_equity) == (d(400), d(100))


@pytest.mark.parametrize(("leads", "follows"), [(None, 100), (100, None), (0, 100), (100, 0)])
def test_equity_that_is_unknown_or_gone_is_no_ratio(leads: int | None, follows: int | None) -> None:
    sized = replace(Copier(subscription(mode=SizingMode.EQUITY_RATIO)), equity=leader(equity=follows).equity)
    (decision,) = plan(event(fill(10)), leader(equity=leads), [sized], market()).decisions
    assert decision.reason is SkipReason.EQUITY_UNKNOWN


def test_the_ratio_of_a_leader_order_stays_as_it_was_frozen() -> None:
    frozen = SizingInputs(SizingMode.EQUITY_RATIO, d(1), d("0.25"), d(1), d(400), 5, d(100), 7)
    richer = replace(copier(9), frozen=frozen)
    decision = decided(100, richer)
    assert quantities(decision) == [(Intent.ENTRY, d(25))]
    assert decision.sizing == replace(frozen, unrounded=d(25))


@hypothesis_given(
    st.lists(st.integers(-50, 50).filter(bool), max_size=30),
    st.sampled_from(["0.1", "0.5", "1", "1.7", "0.333333333333"]),
    st.sampled_from([1, 3]),
)
def test_no_drift_when_everything_fills(trades: list[int], ratio: str, lot: int) -> None:
    """With nothing forgone, what is filled stays within one lot of the ideal after every fill."""
    ledger, position = Ledger(), 0
    for number, signed in enumerate(trades):
        happened = event(fill(signed, trade=str(number)), offset=number)
        (decision,) = plan(
            happened, leader(position), [replace(copier(ratio), ledger=ledger)], market(instrument(lot=lot))
        ).decisions
        position += signed
        ledger = ledger.with_lines(decision.entries)
        ledger = replace(ledger, entry_filled=ledger.entry_planned, exit_filled=ledger.exit_planned)
        assert abs(ledger.position - ledger.ideal) < lot
        assert (ledger.position == 0) or position
        assert abs(ledger.ideal - position * d(ratio)) < d("0.000001")
