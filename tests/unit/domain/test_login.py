"""When a token is renewed, and what one that is missing leads to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.domain.errors import (
    BrokerAuthFailed,
    BrokerError,
    BrokerLoginNeeded,
    BrokerNeverSent,
    BrokerOutcomeUnknown,
    BrokerRateLimited,
    BrokerRejected,
)
from paceline.domain.login import Ahead, Lifetime, Standing, Step, Verdict, due_ns, next_step, verdict

MIN = 60_000_000_000
HOUR = 60 * MIN
AHEAD = Ahead(expiry_ns=30 * MIN, opening_ns=60 * MIN, spread_ns=10 * MIN)


def standing(
    version: int = 3,
    *,
    usable: bool = False,
    renews: bool = True,
    failed: int = 0,
    retry: int = 0,
    claimed: bool = False,
) -> Standing:
    return Standing(version, usable, renews, failed, retry, claimed)


@pytest.mark.parametrize(
    ("known", "step"),
    [
        (standing(4, usable=True), Step.USE),
        (standing(3, usable=True), Step.LOG_IN),
        (standing(4), Step.LOG_IN),
        (standing(claimed=True), Step.WAIT),
        (standing(retry=1), Step.LATER),
        (standing(failed=1, retry=0), Step.LOG_IN),
        (standing(renews=False), Step.PERSON),
        (standing(renews=False, claimed=True), Step.PERSON),
        (standing(failed=2), Step.SUSPENDED),
        (standing(4, usable=True, failed=2), Step.SUSPENDED),
    ],
)
def test_one_logs_in_for_all_and_two_failures_end_it(known: Standing, step: Step) -> None:
    assert next_step(known, after=3) is step


@pytest.mark.parametrize(
    ("problem", "meant"),
    [
        (BrokerNeverSent("refused"), Verdict.UNTRIED),
        (BrokerRateLimited("slow", retry_after_ms=1), Verdict.UNTRIED),
        (BrokerLoginNeeded("-15"), Verdict.REFUSED),
        (BrokerAuthFailed("-8"), Verdict.FAILED),
        (BrokerRejected("the app is blocked"), Verdict.FAILED),
        (BrokerOutcomeUnknown("HTTP 502"), Verdict.FAILED),
    ],
)
def test_only_what_the_broker_judged_is_a_failure(problem: BrokerError, meant: Verdict) -> None:
    assert verdict(problem) is meant


def test_a_token_is_renewed_ahead_of_its_end_and_spread() -> None:
    token = Lifetime(0, 10 * HOUR)
    assert due_ns(token, None, 0, AHEAD, 0) == 10 * HOUR - 30 * MIN
    assert due_ns(token, None, 0, AHEAD, 0.5) == 10 * HOUR - 35 * MIN


def test_a_token_that_would_not_outlive_the_day_is_renewed_before_it_opens_and_only_once() -> None:
    opening, day_end = 9 * HOUR, 24 * HOUR
    assert due_ns(Lifetime(0, 20 * HOUR), opening, day_end, AHEAD, 0) == opening - 60 * MIN
    assert due_ns(Lifetime(0, 30 * HOUR), opening, day_end, AHEAD, 0) == 30 * HOUR - 30 * MIN
    for since in (opening - 60 * MIN, opening - 59 * MIN):
        assert due_ns(Lifetime(since, 20 * HOUR), opening, day_end, AHEAD, 0) == 20 * HOUR - 30 * MIN
    spread = due_ns(Lifetime(0, 20 * HOUR), opening, day_end, AHEAD, 0.5)
    assert spread == opening - 65 * MIN
    before = Lifetime(opening - 60 * MIN - 1, 20 * HOUR)
    assert due_ns(before, opening, day_end, AHEAD, 0) == opening - 60 * MIN


def test_a_token_that_lives_to_the_end_of_the_day_outlives_it() -> None:
    opening, day_end = 9 * HOUR, 24 * HOUR
    assert due_ns(Lifetime(0, day_end), opening, day_end, AHEAD, 0) == day_end - 30 * MIN
    assert due_ns(Lifetime(0, day_end - 1), opening, day_end, AHEAD, 0) == opening - 60 * MIN


def test_a_token_is_not_renewed_in_the_first_half_of_its_life() -> None:
    assert due_ns(Lifetime(HOUR, HOUR + 40 * MIN), None, 0, AHEAD, 0) == HOUR + 20 * MIN


@given(
    st.integers(0, 100 * HOUR),
    st.integers(2 * MIN, 30 * HOUR),
    st.none() | st.integers(0, 200 * HOUR),
    st.floats(0, 0.999),
)
def test_renewing_makes_no_loop(since: int, lives: int, opening: int | None, share: float) -> None:
    """Half a life passes between two renewals, but for one that an opening asks for."""
    day_end = (opening or 0) + 15 * HOUR
    first = due_ns(Lifetime(since, since + lives), opening, day_end, AHEAD, share)
    if opening is None or since >= opening - 60 * MIN:
        assert first >= since + lives // 2
    got = max(since, first)
    assert due_ns(Lifetime(got, got + lives), opening, day_end, AHEAD, share) >= got + lives // 2
