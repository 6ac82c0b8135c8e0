"""Waiting longer each time, never longer than the bound, never in step with others."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.runtime.retry import Backoff, retried
from tests.fakes.clock import FakeClock


class FlakyError(Exception):
    """Goes away by itself."""


class Flaky:
    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.failures:
            raise FlakyError(self.calls)
        return "done"


def is_flaky(error: Exception) -> bool:
    return isinstance(error, FlakyError)


@given(st.integers(1, 10_000), st.integers())
def test_a_wait_is_within_its_step_s_jitter_and_the_bound(attempt: int, seed: int) -> None:
    backoff = Backoff(first_s=0.1, factor=2, longest_s=5, jitter=0.5)
    step = min(0.1 * 2 ** min(attempt - 1, 64), 5)
    assert step * 0.5 <= backoff.wait_s(attempt, Random(seed)) <= step


def test_without_jitter_waits_double_up_to_the_bound() -> None:
    waits = Backoff(first_s=1, longest_s=5, jitter=0).waits(Random(0))
    assert [next(waits) for _ in range(5)] == [1, 2, 4, 5, 5]


async def test_what_fails_twice_succeeds_at_the_third_attempt() -> None:
    call, clock = Flaky(2), FakeClock(auto_jump=True)
    backoff = Backoff(first_s=1, jitter=0)
    assert await retried(call, retry_on=is_flaky, clock=clock, random=Random(0), backoff=backoff) == "done"
    assert call.calls == 3
    assert clock.monotonic_ns() == 3_000_000_000


async def test_the_last_failure_is_raised_as_it_is() -> None:
    call = Flaky(9)
    with pytest.raises(FlakyError, match="3"):
        await retried(call, retry_on=is_flaky, clock=FakeClock(auto_jump=True), random=Random(0), attempts=3)


async def test_what_may_not_be_retried_is_raised_at_once() -> None:
    call = Flaky(9)
    with pytest.raises(FlakyError):
        await retried(call, retry_on=lambda _: False, clock=FakeClock(), random=Random(0))
    assert call.calls == 1
