"""The clock of the machine and the clock of the tests keep one contract."""

import asyncio
import time

import pytest

from paceline.adapters.clock import SystemClock
from paceline.ports.clock import Clock
from tests.fakes.clock import FakeClock


@pytest.mark.parametrize("clock", [SystemClock(), FakeClock(auto_jump=True)])
async def test_time_passes_by_sleeping(clock: Clock) -> None:
    before = (clock.monotonic_ns(), clock.boottime_ns(), clock.now_ns())
    await clock.sleep(0.01)
    await clock.sleep(-1)
    after = (clock.monotonic_ns(), clock.boottime_ns(), clock.now_ns())
    assert all(late - early >= 9_000_000 for early, late in zip(before, after, strict=True))


def test_the_system_clock_tells_utc_since_the_epoch() -> None:
    assert abs(SystemClock().now_ns() - time.time_ns()) < 1_000_000_000


async def test_a_fake_clock_stands_still_until_it_is_advanced() -> None:
    clock = FakeClock()
    sleeper = asyncio.create_task(clock.sleep(5))
    await clock.settle()
    clock.advance(4.9)
    await clock.settle()
    assert not sleeper.done()
    clock.advance(0.1)
    await sleeper


async def test_sleepers_wake_in_order_each_at_its_own_time() -> None:
    clock = FakeClock(auto_jump=True)
    woken: list[tuple[str, int]] = []

    async def sleep(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.monotonic_ns()))

    await asyncio.gather(sleep("late", 3600), sleep("early", 1), sleep("between", 60))
    assert woken == [("early", 10**9), ("between", 60 * 10**9), ("late", 3600 * 10**9)]


async def test_auto_jump_lets_everyone_work_before_it_leaps() -> None:
    clock = FakeClock(auto_jump=True)
    seen: list[int] = []

    async def work() -> None:
        await clock.sleep(1)
        for _ in range(20):
            await asyncio.sleep(0)
        seen.append(clock.monotonic_ns())

    await asyncio.gather(work(), clock.sleep(1.5))
    assert seen == [10**9]


async def test_a_cancelled_sleeper_is_not_waited_for() -> None:
    clock = FakeClock(auto_jump=True)
    sleeper = asyncio.create_task(clock.sleep(100))
    await asyncio.sleep(0)
    sleeper.cancel()
    await clock.sleep(200)
    assert clock.sleeping == 0
    assert clock.monotonic_ns() == 200 * 10**9


def test_a_step_of_the_wall_clock_moves_no_duration() -> None:
    clock = FakeClock(start_ns=0)
    clock.step_wall(-3600)
    assert (clock.now_ns(), clock.monotonic_ns(), clock.boottime_ns()) == (-3600 * 10**9, 0, 0)


def test_suspension_passes_for_boot_time_only() -> None:
    clock = FakeClock(start_ns=0)
    clock.suspend(60)
    assert (clock.monotonic_ns(), clock.boottime_ns(), clock.now_ns()) == (0, 60 * 10**9, 60 * 10**9)
