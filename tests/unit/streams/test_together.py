"""Work side by side fails as one; waits end early; reads keep to the limits."""

import asyncio
from collections.abc import Sequence
from typing import ClassVar

import pytest

from paceline.domain.errors import Unavailable
from paceline.domain.ids import AccountId
from paceline.ports.broker import Call, Limits, LimitScope, Window
from paceline.ports.buckets import Take, Taken
from paceline.runtime.budget import Budget, NoRoom
from paceline.runtime.meter import Meter
from paceline.runtime.together import attended, patiently, together
from tests.fakes.buckets import FakeBuckets
from tests.fakes.clock import FakeClock

ACCOUNT = AccountId("fyers:X")
LIMITS = Limits(
    (Window("second", 2, 1_000, LimitScope.ACCOUNT, frozenset(Call)),), dict.fromkeys(Call, 1), 10
)


class Worker:
    def __init__(self) -> None:
        self.ended = False

    async def forever(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.ended = True


async def _fail() -> None:
    await asyncio.sleep(0)
    raise Unavailable("planted")


async def _answer() -> int:
    await asyncio.sleep(0)
    return 42


async def _nothing() -> None:
    return None


async def test_the_first_failure_ends_all_and_keeps_its_kind() -> None:
    other = Worker()
    with pytest.raises(Unavailable):
        await together([other.forever(), _fail()])
    assert other.ended
    await together([_nothing(), _nothing()])


async def test_helpers_end_with_the_work() -> None:
    helper = Worker()
    assert await attended(_answer(), helper.forever(), _nothing()) == 42
    assert helper.ended


async def test_a_failing_helper_ends_the_work() -> None:
    main, helper = Worker(), Worker()
    with pytest.raises(Unavailable):
        await attended(main.forever(), helper.forever(), _fail())
    assert (main.ended, helper.ended) == (True, True)


async def test_failing_work_and_cancellation_end_the_helpers() -> None:
    helper = Worker()
    with pytest.raises(Unavailable):
        await attended(_fail(), helper.forever())
    assert helper.ended
    main, other = Worker(), Worker()
    task = asyncio.create_task(attended(main.forever(), other.forever()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    assert (main.ended, other.ended, task.cancelled()) == (True, True, True)


async def test_patience_ends_with_the_event_or_the_time() -> None:
    clock, event = FakeClock(), asyncio.Event()
    waiting = asyncio.create_task(patiently(clock, 5, event, asyncio.Event()))
    await clock.settle()
    clock.advance(4)
    await clock.settle()
    assert not waiting.done()
    event.set()
    await waiting
    await patiently(clock, 5, event)
    event.clear()
    late = asyncio.create_task(patiently(clock, 5, event))
    await clock.settle()
    clock.advance(5)
    await late
    assert clock.sleeping == 0


async def test_reads_wait_for_their_windows_and_patience_ends() -> None:
    clock = FakeClock(auto_jump=True)
    budget = Budget(Meter(FakeBuckets(clock), clock), clock)
    started = clock.now_ns()
    for _ in range(6):
        async with budget.call(ACCOUNT, LIMITS, Call.READ):
            pass
    assert clock.now_ns() - started >= 2_000_000_000
    with pytest.raises(NoRoom, match=r"limits of fyers:X are used up for 1\.\d s"):
        async with budget.call(ACCOUNT, LIMITS, Call.READ, patience_s=0.5):
            pytest.fail("there was room")
    async with budget.call(ACCOUNT, LIMITS, Call.READ, patience_s=2):
        pass


async def test_nothing_is_let_through_when_nobody_can_tell() -> None:
    class Away(FakeBuckets):
        async def take(self, takes: Sequence[Take]) -> Sequence[Taken]:
            raise Unavailable("no Redis")

    clock = FakeClock()
    with pytest.raises(Unavailable):
        async with Budget(Meter(Away(clock), clock), clock).call(ACCOUNT, LIMITS, Call.READ):
            pytest.fail("nobody could tell")


async def test_whoever_asks_while_the_windows_are_asked_goes_with_the_next_question() -> None:
    class Slow(FakeBuckets):
        asked: ClassVar[list[int]] = []

        async def take(self, takes: Sequence[Take]) -> Sequence[Taken]:
            self.asked.append(len(takes))
            await asyncio.sleep(0)
            return await super().take(takes)

    clock = FakeClock()
    buckets = Slow(clock)
    budget = Budget(Meter(buckets, clock), clock)

    async def read(account_id: AccountId) -> None:
        async with budget.call(account_id, LIMITS, Call.READ):
            pass

    accounts = [AccountId(f"fyers:X{number}") for number in range(100)]
    await asyncio.gather(*(read(each) for each in accounts))
    assert sum(Slow.asked) == 100
    assert len(Slow.asked) <= 2
    waiting = asyncio.create_task(read(accounts[0]))
    await asyncio.sleep(0)
    waiting.cancel()
    await read(accounts[1])
    assert waiting.cancelled()
