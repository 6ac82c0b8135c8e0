"""The ledger is the fold of its lines, and its sums say what is held, wanted and on its way."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.domain.copy_order import Intent
from paceline.domain.ids import SubscriptionId
from paceline.domain.ledger import EntryKind, Ledger, LedgerEntry, beyond, fold, toward
from tests.unit.domain.given import KEY, d

LINES = st.builds(
    LedgerEntry,
    st.just(SubscriptionId("s")),
    st.just(KEY),
    st.sampled_from(EntryKind),
    st.sampled_from(Intent),
    st.decimals(-1_000_000, 1_000_000, places=18),
    st.just("cause"),
)


@given(st.lists(LINES, max_size=40), st.integers(0, 40))
def test_folding_in_steps_is_folding_at_once(entries: list[LedgerEntry], cut: int) -> None:
    assert fold(entries[:cut]).with_lines(entries[cut:]) == fold(entries)


def test_every_kind_of_line_has_its_column() -> None:
    ledger = fold(
        LedgerEntry(SubscriptionId("s"), KEY, kind, intent, d(1), "c")
        for kind in EntryKind
        for intent in Intent
    )
    assert ledger == Ledger(d(4), d(1), d(1), d(1), d(1), d(1), d(1), d(2), d(2), d(2))


def test_no_lines_change_nothing() -> None:
    ledger = Ledger(ideal=d(1))
    assert ledger.with_lines(()) is ledger


def test_what_is_held_is_what_remains_when_exits_are_filled() -> None:
    ledger = Ledger(
        entry_planned=d(10),
        entry_filled=d(8),
        exit_planned=d(-5),
        exit_filled=d(-2),
        exit_released=d(-1),
        adjusted=d(-1),
    )
    assert (ledger.position, ledger.held) == (d(5), d(3))
    assert (ledger.entries_working, ledger.exits_working) == (d(2), d(-2))
    assert not ledger.idle


def test_an_empty_ledger_is_idle() -> None:
    assert Ledger().idle
    assert Ledger(entry_planned=d(3), entry_released=d(3)).idle


@pytest.mark.parametrize(
    ("ideal", "held", "surplus"),
    [("5.9", 5, 0), ("5", 8, 3), ("0", 8, 8), ("-2", 8, 8), ("-2", -5, -3), ("9", 5, 0), ("2", -5, -5)],
)
def test_surplus_is_what_is_held_and_not_wanted(ideal: str, held: int, surplus: int) -> None:
    ledger = Ledger(ideal=d(ideal), entry_planned=d(held), entry_filled=d(held))
    assert ledger.surplus(d(1)) == surplus


@pytest.mark.parametrize(
    ("ideal", "held", "coming", "missing"),
    [(10, 4, 3, 3), (10, 10, 3, 0), (10, -4, 3, 7), (-10, -4, -3, -3), (0, 4, 0, 0)],
)
def test_missing_is_what_is_wanted_and_neither_held_nor_coming(
    ideal: int, held: int, coming: int, missing: int
) -> None:
    ledger = Ledger(ideal=d(ideal), entry_planned=d(held), entry_filled=d(held))
    assert ledger.missing(d(1), d(coming)) == missing


def test_unwanted_is_what_works_beyond_the_target() -> None:
    ledger = Ledger(ideal=d(6), entry_planned=d(10), entry_filled=d(4))
    assert ledger.unwanted(d(1)) == 4


def holds(ideal: int, held: int, **how: Decimal) -> Ledger:
    return replace(Ledger(ideal=d(ideal), entry_planned=d(held), entry_filled=d(held)), **how)


PLEDGED = [
    ("what may be bought is no surplus", holds(0, 1, buy_pledged=d(1)), 0, (0, 0)),
    ("nor what may be sold", holds(0, -5, sell_pledged=d(-5)), 0, (0, 0)),
    ("exits that leave sell nothing", holds(4, 10, exit_planned=d(-10)), -10, (6, 0)),
    ("entries that leave are not taken back twice", Ledger(d(6), d(10)), 4, (0, 0)),
    ("a single one may still be bought", Ledger(d(0), d(1), buy_pledged=d(1)), 0, (0, 0)),
    ("so many may still be sold", Ledger(d(-6), d(-10), sell_pledged=d(-4)), 0, (0, 0)),
]


@pytest.mark.parametrize(
    ("rule", "ledger", "leaving", "beyond_it"), PLEDGED, ids=[case[0] for case in PLEDGED]
)
def test_what_the_leaders_orders_may_still_do_bounds_what_is_too_much(
    rule: str, ledger: Ledger, leaving: int, beyond_it: tuple[int, int]
) -> None:
    exits, entries = (leaving, 0) if leaving < 0 else (0, leaving)
    assert (ledger.surplus(d(1), d(exits)), ledger.unwanted(d(1), d(entries))) == tuple(map(d, beyond_it)), (
        rule
    )


def test_a_single_one_is_needed() -> None:
    assert Ledger(ideal=d(1)).missing(d(1), d(0)) == 1


@pytest.mark.parametrize(
    ("quantity", "bound", "over"), [(5, 3, 2), (5, -3, 5), (-5, -3, -2), (-5, 3, -5), (2, 3, 0), (0, 0, 0)]
)
def test_beyond_counts_from_the_bound_on_its_own_side(quantity: int, bound: int, over: int) -> None:
    assert beyond(d(quantity), d(bound)) == over


def test_toward_drops_what_lies_on_the_other_side() -> None:
    assert [toward(d(1), Decimal(x)) for x in (2, -2, 0)] == [2, 0, 0]
    assert [toward(d(0), Decimal(x)) for x in (2, -2, 0)] == [0, 0, 0]
