"""Whose position a fill takes down that no copy asked for, and what the ledgers then say."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given as hypothesis_given
from hypothesis import strategies as st

from paceline.domain.copy_order import Intent
from paceline.domain.copying.adjustments import (
    Adjusted,
    Adjustment,
    AdjustmentKind,
    closed,
    ended,
    multiplied,
    renamed,
    set_by_hand,
)
from paceline.domain.copying.attribution import Held, attribute
from paceline.domain.ids import InstrumentId, SubscriptionId
from paceline.domain.ledger import EntryKind, Ledger
from paceline.domain.subscription import AttributionPolicy
from tests.unit.domain.given import KEY, d

A, B, C = (SubscriptionId(name) for name in "abc")
LAST = AttributionPolicy.OWN_FIRST

CASES = [
    ("pro rata, the largest remainder first", {A: 10, B: 20}, 5, -10, {A: -3, B: -7}, 0),
    ("then the follower's own", {A: 10}, 5, -13, {A: -10}, -3),
    ("the other side is left alone", {A: 10, B: -10}, 0, -4, {A: -4}, 0),
    ("what opposes nothing is his own", {A: 10}, 0, 7, {}, 7),
    ("shorts are bought back alike", {A: -10, B: -10}, 0, 5, {A: 3, B: 2}, 0),
    ("nothing copied", {}, 5, -5, {}, -5),
    ("a lot at most beside the whole part", {A: 3, B: 3, C: 3}, 0, -5, {A: -2, B: -2, C: -1}, 0),
    ("a single one too", {A: -10}, 0, 1, {A: 1}, 0),
]


@pytest.mark.parametrize(
    ("rule", "held", "own", "traded", "copies", "rest"), CASES, ids=[c[0] for c in CASES]
)
def test_an_untagged_fill_reduces_copies_first(
    rule: str,
    held: dict[SubscriptionId, int],
    own: int,
    traded: int,
    copies: dict[SubscriptionId, int],
    rest: int,
) -> None:
    found = attribute(d(traded), {name: Held(d(each)) for name, each in held.items()}, d(own), d(1))
    assert {name: int(each) for name, each in found.copies.items()} == copies, rule
    assert int(found.own) == rest


def test_parts_are_whole_lots() -> None:
    found = attribute(d(-15), {A: Held(d(10)), B: Held(d(20))}, d(0), d(5))
    assert found.copies == {A: -5, B: -10}


def test_what_comes_in_fractions_is_attributed_alike() -> None:
    held = {A: Held(d("0.5"))}
    assert attribute(d("0.5"), held, d(0), d("0.1")).copies == {}
    assert attribute(d("-0.2"), held, d(0), d("0.1")).copies == {A: d("-0.2")}


def test_his_own_goes_first_where_it_is_set() -> None:
    held = {A: Held(d(10), LAST), B: Held(d(10))}
    found = attribute(d(-18), held, d(5), d(1))
    assert {name: int(each) for name, each in found.copies.items()} == {B: -10, A: -3}
    assert int(found.own) == -5


@hypothesis_given(
    st.dictionaries(st.sampled_from([A, B, C]), st.tuples(st.integers(-9, 9), st.booleans())),
    st.integers(-9, 9),
    st.integers(-40, 40).filter(bool),
    st.sampled_from([1, 3]),
)
def test_no_copy_loses_more_than_it_has_and_all_of_it_is_somebodys(
    held: dict[SubscriptionId, tuple[int, bool]], own: int, traded: int, lot: int
) -> None:
    books = {
        name: Held(d(lots * lot), LAST if last else AttributionPolicy.COPIES_FIRST)
        for name, (lots, last) in held.items()
    }
    found = attribute(d(traded * lot), books, d(own * lot), d(lot))
    assert sum(found.copies.values(), d(0)) + found.own == traded * lot
    for name, taken in found.copies.items():
        assert books[name].position * taken < 0
        assert abs(taken) <= abs(books[name].position)
        assert taken % lot == 0


HOLDS = Ledger(ideal=d("10.5"), entry_planned=d(10), entry_filled=d(10))


def of(ledger: Ledger = HOLDS) -> Adjusted:
    return Adjusted(A, KEY, ledger, d(1), "fact-1", "row 7 of the position book")


def written(adjustment: Adjustment | None) -> dict[EntryKind, Decimal]:
    assert adjustment is not None
    assert adjustment.evidence
    for line in adjustment.lines:
        assert (line.cause, line.reason) == (f"fact-1:{adjustment.kind}", adjustment.kind)
        assert line.intent is (Intent.EXIT if line.kind is EntryKind.ADJUSTED else Intent.ENTRY)
    return {line.kind: line.quantity for line in adjustment.lines}


def after(adjustment: Adjustment | None, ledger: Ledger = HOLDS) -> Ledger:
    assert adjustment is not None
    return ledger.with_lines(adjustment.lines)


def test_what_was_closed_by_hand_is_forgone_and_never_planned_again() -> None:
    adjustment = closed(of(), AdjustmentKind.CLOSED_BY_HAND, d(-4))
    assert written(adjustment) == {EntryKind.ADJUSTED: d(-4), EntryKind.FORGONE: d(-4)}
    ledger = after(adjustment)
    assert (ledger.position, ledger.target(d(1)), ledger.surplus(d(1))) == (d(6), d(6), d(0))


def test_what_was_held_too_much_is_closed_without_being_forgone() -> None:
    above = replace(HOLDS, ideal=d(6))
    assert written(closed(of(above), AdjustmentKind.SQUARED_OFF, d(-4))) == {EntryKind.ADJUSTED: d(-4)}


def test_no_more_is_closed_than_is_held_and_nothing_on_the_other_side() -> None:
    assert after(closed(of(), AdjustmentKind.SQUARED_OFF, d(-99))).position == 0
    assert closed(of(), AdjustmentKind.SQUARED_OFF, d(4)) is None
    short = Ledger(ideal=d(-10), entry_planned=d(-10), entry_filled=d(-10))
    assert after(closed(of(short), AdjustmentKind.LIQUIDATED, d(99)), short).position == 0


def test_nothing_is_closed_of_nothing_and_nothing_grows() -> None:
    assert closed(of(Ledger()), AdjustmentKind.SQUARED_OFF, d(4)) is None
    coin = Ledger(ideal=d(1), entry_planned=d(1), entry_filled=d(1))
    half = after(closed(of(coin), AdjustmentKind.SQUARED_OFF, d("-0.5")), coin)
    assert half.position == d("0.5")
    assert closed(of(half), AdjustmentKind.SQUARED_OFF, d("0.5")) is None


def test_what_expired_is_gone_with_all_that_was_wanted_of_it() -> None:
    ledger = after(ended(of(), AdjustmentKind.EXPIRED))
    assert ledger.idle
    assert ended(of(Ledger()), AdjustmentKind.EXPIRED) is None


def test_a_split_multiplies_what_is_held_and_wanted() -> None:
    adjustment = multiplied(of(), 5, 1)
    assert written(adjustment) == {EntryKind.ADJUSTED: d(40), EntryKind.IDEAL: d(42)}
    assert (adjustment.before, adjustment.after) == (d(10), d(50)) if adjustment else False
    assert multiplied(of(Ledger()), 5, 1) is None


def test_several_become_one_without_fractions_of_a_share() -> None:
    thirty = Ledger(ideal=d(30), entry_planned=d(30), entry_filled=d(30))
    assert after(multiplied(of(thirty), 1, 3), thirty).position == 10
    third = after(multiplied(of(), 1, 3))
    assert (third.position, third.ideal) == (d(3), d("3.5"))
    short = Ledger(ideal=d(-10), entry_planned=d(-10), entry_filled=d(-10))
    assert after(multiplied(of(short), 1, 3), short).position == -3


def test_under_another_name_all_goes_over_as_it_is() -> None:
    other = replace(KEY, instrument_id=InstrumentId("NSE:NEW-EQ"))
    adjustment = renamed(of(), other)
    assert adjustment is not None
    there = Ledger().with_lines(line for line in adjustment.lines if line.key == other)
    assert after(Adjustment(adjustment.kind, adjustment.lines[::2], d(10), d(0), "e")).idle
    assert (there.position, there.ideal) == (d(10), d("10.5"))
    assert {line.key for line in adjustment.lines[::2]} == {KEY}
    assert renamed(of(Ledger()), other) is None


def test_a_person_says_what_is_held_and_that_is_wanted_then() -> None:
    ledger = after(set_by_hand(of(), d(7)))
    assert (ledger.position, ledger.ideal) == (d(7), d(7))
    assert set_by_hand(of(Ledger()), d(0)) is None
