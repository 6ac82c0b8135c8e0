"""What a follower trades himself takes copies down once, by the rule, and no exit sells it again."""

from dataclasses import replace

import pytest
from hypothesis import given as hypothesis_given
from hypothesis import settings
from hypothesis import strategies as st

from paceline.domain.copy_order import Cause, CauseKind, CommandKind, Intent
from paceline.domain.copying.changes import OpenRow
from paceline.domain.copying.strays import closed_by, is_stray, oversold
from paceline.domain.copying.tags import decision_id_of, tag_of
from paceline.domain.ids import EventIdentity, SubscriptionId, Tag
from paceline.domain.ledger import Ledger
from paceline.domain.subscription import AttributionPolicy
from tests.unit.domain.given import NOW, d, fill
from tests.unit.domain.test_ending import working

A, B = SubscriptionId("a"), SubscriptionId("b")
EVENT = EventIdentity("fill:1")
FIRST, LAST = AttributionPolicy.COPIES_FIRST, AttributionPolicy.OWN_FIRST


def held(quantity: int) -> Ledger:
    return Ledger(ideal=d(quantity), entry_planned=d(quantity), entry_filled=d(quantity))


@pytest.mark.parametrize(
    ("kind", "stray"),
    [(None, True), (CauseKind.MANUAL, True), (CauseKind.EVENT, False), (CauseKind.LIQUIDATION, False)],
)
def test_strays_are_what_no_copy_asked_for(kind: CauseKind | None, stray: bool) -> None:
    tag = "" if kind is None else tag_of(Cause(kind, "x"), None, leg=0, slice_=0)
    assert is_stray(fill(5, tag=tag)) is stray


CASES = [
    ("copies first", FIRST, 10, 5, -8, 2, 5),
    ("the rest is his own", FIRST, 10, 5, -12, 0, 3),
    ("his own first, where asked", LAST, 10, 5, -8, 7, 0),
    ("what adds is his own", FIRST, 10, 0, 4, 10, 4),
    ("a short is bought back", FIRST, -10, 0, 4, -6, 0),
]


@pytest.mark.parametrize(
    ("policy", "position", "own", "traded", "left", "his"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_whose_position_goes_down(
    policy: AttributionPolicy, position: int, own: int, traded: int, left: int, his: int
) -> None:
    ledger = held(position)
    closed = closed_by(fill(traded), EVENT, {A: (ledger, policy)}, d(own), d(1))
    lines = [line for each in closed.adjustments.values() for line in each.lines]
    after = ledger.with_lines(lines)
    assert (after.position, after.ideal, closed.own) == (d(left), d(left), d(his))
    assert all(line.cause == "fill:1:CLOSED_BY_HAND" for line in lines)


def test_an_exit_on_its_way_sells_no_more_than_is_left() -> None:
    ledger = replace(held(10), ideal=d(0), exit_planned=d(-10), adjusted=d(-4))
    row = OpenRow(working(-10, Intent.EXIT))
    (shrinks,) = oversold(A, EVENT, ledger, [row], NOW)
    assert shrinks.spec is not None
    assert shrinks.spec.quantity == 6
    (cancels,) = oversold(A, EVENT, replace(ledger, adjusted=d(-10)), [row], NOW)
    assert cancels.kind is CommandKind.CANCEL
    assert oversold(A, EVENT, replace(ledger, adjusted=d(0)), [row], NOW) == ()


def test_what_closed_a_copy_is_told_by_its_order_and_price() -> None:
    closed = closed_by(fill(-4, order="77", price="99.5"), EVENT, {A: (held(10), FIRST)}, d(0), d(1))
    assert closed.adjustments[A].evidence == "4 at 99.5 by order 77"


def test_of_an_odd_lot_no_more_is_taken_than_there_is() -> None:
    """Both hold a lot and a half; 29 of their 30 are sold, in lots of ten as far as these go."""
    copies = {name: (held(15), FIRST) for name in (A, B)}
    closed = closed_by(fill(-29), EVENT, copies, d(0), d(10))
    assert {name: each.after for name, each in closed.adjustments.items()} == {A: d(0), B: d(1)}


def exits(*sold: int) -> list[OpenRow]:
    """Oldest first."""
    return [
        OpenRow(replace(working(-quantity, Intent.EXIT), planned_ns=NOW + number, tag=Tag(f"exit{number}")))
        for number, quantity in enumerate(sold)
    ]


@pytest.mark.parametrize(
    ("left", "taken"),
    [
        (10, {}),
        (9, {"exit2": "MODIFY 1"}),
        (8, {"exit2": "CANCEL"}),
        (6, {"exit2": "CANCEL", "exit1": "MODIFY 1"}),
        (0, {"exit2": "CANCEL", "exit1": "CANCEL", "exit0": "CANCEL"}),
    ],
)
def test_the_newest_exit_is_taken_back_first(left: int, taken: dict[str, str]) -> None:
    rows = exits(5, 3, 2)
    ledger = replace(held(10), ideal=d(0), exit_planned=d(-10), adjusted=d(left - 10))
    found: dict[str, str] = {}
    for command in oversold(A, EVENT, ledger, rows[1:] + rows[:1], NOW):
        assert command.decision_id == decision_id_of(EVENT, A)
        size = f" {command.spec.quantity}" if command.spec else ""
        found[command.tag] = f"{command.kind}{size}"
    assert found == taken


def test_an_exit_that_lowers_nothing_that_is_held_is_left_alone() -> None:
    short = replace(held(-10), exit_planned=d(-5))
    assert oversold(A, EVENT, short, exits(5), NOW) == ()


@settings(deadline=None)
@hypothesis_given(
    one=st.integers(0, 40), other=st.integers(0, 40), own=st.integers(-20, 20), sold=st.integers(1, 120)
)
def test_only_what_was_copied_is_taken_and_together_it_is_the_fill(
    one: int, other: int, own: int, sold: int
) -> None:
    ledgers = {A: held(one), B: held(other)}
    copies = {A: (ledgers[A], FIRST), B: (ledgers[B], LAST)}
    closed = closed_by(fill(-sold), EVENT, copies, d(own), d(1))
    after = {
        name: ledger.with_lines(closed.adjustments[name].lines if name in closed.adjustments else ())
        for name, ledger in ledgers.items()
    }
    assert all(0 <= each.position <= ledgers[name].position for name, each in after.items())
    assert sum(each.position for each in after.values()) + closed.own == one + other + own - sold
    assert all(each.missing(d(1), d(0)) == 0 for each in after.values())
