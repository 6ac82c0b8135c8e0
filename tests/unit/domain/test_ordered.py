"""Adjustments that somebody ordered: when they are carried out, and what they come to."""

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal

import pytest

from paceline.domain.calendar import IST
from paceline.domain.copying.ordered import (
    POSITION_MAX,
    RATIO_MAX,
    ActionKind,
    CorporateAction,
    Ordered,
    OrderedKind,
    OrderedState,
    carry_out,
    problems_of_action,
    problems_of_ordered,
)
from paceline.domain.errors import Problem
from paceline.domain.ids import InstrumentId, SubscriptionId
from paceline.domain.ledger import Ledger
from tests.unit.domain.given import KEY, SBIN, d

HOLDS = Ledger(ideal=d("10.5"), entry_planned=d(10), entry_filled=d(10))
NEW = InstrumentId("NSE:NEW-EQ")
WORD = Ordered(
    "a1", SubscriptionId("s1"), KEY, OrderedKind.MANUAL, held=d(10), position=d(7), reason="counted"
)
SPLIT = replace(WORD, kind=OrderedKind.CORPORATE_ACTION, position=d(50), new=5)
NAMED = replace(WORD, kind=OrderedKind.CORPORATE_ACTION, position=d(10), new_instrument_id=NEW)
EX = date(2026, 11, 25)
ACTION = CorporateAction("c1", SBIN, ActionKind.SPLIT, EX, 5, 1, reason="notice 7")
RENAME = CorporateAction("c2", SBIN, ActionKind.SYMBOL_CHANGE, EX, new_instrument_id=NEW, reason="notice 8")


def at(day: int, hour: int) -> int:
    return int(datetime(2026, 11, day, hour, tzinfo=IST).timestamp()) * 1_000_000_000


def test_a_persons_word_is_what_is_held_and_wanted() -> None:
    verdict = carry_out(WORD, HOLDS, moving=False)
    ledger = HOLDS.with_lines(verdict.lines)
    assert verdict.state is OrderedState.DONE
    assert (ledger.position, ledger.ideal) == (d(7), d(7))
    assert {(line.cause, line.key, line.subscription_id) for line in verdict.lines} == {
        ("adjustment:a1:MANUAL", KEY, "s1")
    }


def test_a_word_that_changes_nothing_is_done_without_lines() -> None:
    flat = replace(WORD, held=d(0), position=d(0))
    verdict = carry_out(flat, Ledger(), moving=False)
    assert (verdict.state, verdict.lines) == (OrderedState.DONE, ())


@pytest.mark.parametrize(
    ("ledger", "moving"),
    [
        (HOLDS, True),
        (replace(HOLDS, entry_planned=d(12)), False),
        (replace(HOLDS, exit_planned=d(-4)), False),
    ],
)
def test_while_anything_is_on_its_way_it_waits(ledger: Ledger, moving: bool) -> None:
    verdict = carry_out(WORD, ledger, moving=moving)
    assert (verdict.state, verdict.lines, verdict.words) == (OrderedState.WAITING, (), "ORDERS")


def test_of_a_ledger_that_moved_since_nobody_said_anything() -> None:
    sold = replace(HOLDS, exit_planned=d(-4), exit_filled=d(-4))
    verdict = carry_out(WORD, sold, moving=False)
    assert (verdict.state, verdict.lines) == (OrderedState.REFUSED, ())
    assert verdict.words == "the ledger holds 6 by now"


def test_a_corporate_action_multiplies_or_names_anew() -> None:
    split = HOLDS.with_lines(carry_out(SPLIT, HOLDS, moving=False).lines)
    assert (split.position, split.ideal) == (d(50), d("52.5"))
    named = carry_out(NAMED, HOLDS, moving=False)
    assert {line.key.instrument_id for line in named.lines} == {SBIN, NEW}
    assert NAMED.new_key == replace(KEY, instrument_id=NEW)
    assert WORD.new_key is None


def test_what_no_person_may_say_is_told_by_field() -> None:
    assert problems_of_ordered(WORD) == ()
    beyond = POSITION_MAX + 1
    for field, wrong in (
        ("held", replace(WORD, held=-beyond)),
        ("position", replace(WORD, position=beyond)),
        ("position", replace(WORD, position=d("0.5"))),
        ("reason", replace(WORD, reason=" ")),
    ):
        assert [each.field for each in problems_of_ordered(wrong)] == [field]
    edge = replace(WORD, held=Decimal(POSITION_MAX), position=-POSITION_MAX)
    assert problems_of_ordered(edge) == ()


@pytest.mark.parametrize(
    ("day", "hour", "early"), [(24, 23, True), (25, 8, True), (25, 9, False), (26, 1, False)]
)
def test_an_action_is_announced_before_anybody_trades_at_the_new_price(
    day: int, hour: int, early: bool
) -> None:
    fields = [each.field for each in problems_of_action(ACTION, at(day, hour))]
    assert fields == ([] if early else ["ex_date"])


def rules_of(problems: tuple[Problem, ...]) -> set[str]:
    return {problem.rule for problem in problems}


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        (replace(WORD, held=POSITION_MAX + 1), f"must not be beyond {POSITION_MAX}"),
        (replace(WORD, position=d("0.5")), "must be a whole number"),
        (replace(WORD, reason=" "), "must be set: the audit keeps it"),
    ],
)
def test_what_no_person_may_say_is_told_by_rule(wrong: Ordered, rule: str) -> None:
    assert rules_of(problems_of_ordered(wrong)) == {rule}


@pytest.mark.parametrize(
    ("wrong", "rule"),
    [
        (
            replace(ACTION, ex_date=date(2026, 11, 22)),
            "must be a later day, or today before the exchange opens",
        ),
        (replace(ACTION, instrument_id=InstrumentId("")), "must be set"),
        (replace(ACTION, reason=""), "must be set: the audit keeps it"),
        (replace(ACTION, new=0), f"must be between 1 and {RATIO_MAX}"),
        (replace(ACTION, new=1), "must differ from ratio_old"),
        (
            replace(ACTION, kind=ActionKind.BONUS, new=1, old=2),
            "must be more than ratio_old: a bonus gives shares",
        ),
        (replace(ACTION, new_instrument_id=NEW), "must be empty: only a change of name has one"),
        (replace(RENAME, new_instrument_id=SBIN), "must be set, and another one"),
        (replace(RENAME, new=2), "must be 1 or absent: a change of name changes no quantity"),
    ],
)
def test_what_no_action_can_be_is_told_by_rule(wrong: CorporateAction, rule: str) -> None:
    assert rules_of(problems_of_action(wrong, at(23, 12))) == {rule}


def test_a_bonus_that_gives_nothing_breaks_two_rules() -> None:
    nothing = replace(ACTION, kind=ActionKind.BONUS, new=2, old=2)
    assert rules_of(problems_of_action(nothing, at(23, 12))) == {
        "must differ from ratio_old",
        "must be more than ratio_old: a bonus gives shares",
    }


def test_what_no_action_can_be_is_told_by_field() -> None:
    now = at(23, 12)
    assert problems_of_action(RENAME, now) == ()
    assert problems_of_action(replace(ACTION, new=RATIO_MAX, old=1), now) == ()
    assert problems_of_action(replace(ACTION, new=1, old=10), now) == ()
    bonus = replace(ACTION, kind=ActionKind.BONUS, new=3, old=2)
    assert problems_of_action(bonus, now) == ()
    for fields, wrong in (
        (["instrument_id"], replace(ACTION, instrument_id=InstrumentId(""))),
        (["reason"], replace(ACTION, reason="")),
        (["ratio_new"], replace(ACTION, new=0)),
        (["ratio_old"], replace(ACTION, old=RATIO_MAX + 1)),
        (["ratio_new"], replace(ACTION, new=1)),
        (["ratio_new"], replace(bonus, new=1)),
        (["new_instrument_id"], replace(ACTION, new_instrument_id=NEW)),
        (["new_instrument_id"], replace(RENAME, new_instrument_id=None)),
        (["new_instrument_id"], replace(RENAME, new_instrument_id=SBIN)),
        (["ratio_new"], replace(RENAME, new=2)),
        (["ratio_old"], replace(RENAME, old=2)),
    ):
        assert [each.field for each in problems_of_action(wrong, now)] == fields
