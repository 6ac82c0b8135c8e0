"""The windows hold when their store forgets: by our own memory at once, by the rows for the long ones."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from paceline.ports.broker import Call
from paceline.ports.buckets import Take, Taken
from services.executor.windows import JITTER_MS, Windows
from tests.fakes.buckets import FakeBuckets
from tests.fakes.clock import FakeClock
from tests.unit.executor.given import FOLLOWER, LIMITS, FakeRows, S


def a_take() -> Take:
    return Take(FOLLOWER, LIMITS.windows, Call.PLACE, entry=False)


@dataclass
class World:
    clock: FakeClock
    buckets: FakeBuckets
    rows: FakeRows
    windows: Windows

    async def take(self, count: int) -> list[Taken]:
        return list(await self.windows.take([a_take()] * count))

    def lose(self) -> None:
        """As a Redis that was flushed."""
        self.buckets._accounts.clear()


def a_world() -> World:
    clock = FakeClock(auto_jump=True)
    buckets, rows = FakeBuckets(clock), FakeRows(clock)
    return World(clock, buckets, rows, Windows(buckets, rows, LIMITS, clock))  # type: ignore[arg-type]


@asynccontextmanager
async def watching() -> AsyncIterator[World]:
    world = a_world()
    running = asyncio.create_task(world.windows.run())
    try:
        yield world
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_the_store_decides() -> None:
    world = a_world()
    answers = await world.take(12)
    assert [each.granted for each in answers] == [True] * 10 + [False] * 2
    assert answers[-1].window == "second"


async def test_a_store_that_forgot_grants_nothing_twice() -> None:
    world = a_world()
    await world.take(10)
    world.lose()
    (refused,) = await world.take(1)
    assert (refused.granted, refused.window) == (False, "second")
    assert refused.retry_at_ns == world.clock.now_ns() + S + JITTER_MS * 1_000_000
    world.clock.advance(1.1)
    assert (await world.take(1))[0].granted


async def test_an_account_in_doubt_is_counted_again_from_its_rows() -> None:
    async with watching() as world:
        now_ns = world.clock.now_ns()
        world.rows.sent[FOLLOWER] = [now_ns - n * S for n in range(200, 2, -1)]
        await world.take(10)
        world.lose()
        await world.take(1)
        await world.clock.sleep(2)
        assert await world.windows.incomplete([FOLLOWER]) == frozenset()
        assert len(world.buckets._accounts[FOLLOWER].times["minute"]) >= 57


async def test_whoever_sent_lately_is_looked_at_every_so_often() -> None:
    async with watching() as world:
        await world.take(1)
        assert await world.windows.incomplete([FOLLOWER]) == {FOLLOWER}
        await world.clock.sleep(12)
        assert await world.windows.incomplete([FOLLOWER]) == frozenset()


async def test_what_cannot_be_counted_now_is_counted_later() -> None:
    async with watching() as world:
        world.rows.failures = 2
        world.windows._doubted.add(FOLLOWER)
        await world.clock.sleep(6)
        assert await world.windows.incomplete([FOLLOWER]) == frozenset()


async def test_memory_holds_no_more_than_the_short_windows() -> None:
    async with watching() as world:
        await world.take(10)
        await world.clock.sleep(62)
        assert world.windows._sent == {}


async def test_a_take_over_counts_what_former_owners_sent() -> None:
    world = a_world()
    world.rows.sent[FOLLOWER] = [world.clock.now_ns() - S // 2] * 10
    await world.windows.restore([FOLLOWER])
    assert not (await world.take(1))[0].granted


async def test_penalties_are_the_stores() -> None:
    world = a_world()
    until_ns = world.clock.now_ns() + 3 * S
    await world.windows.penalize(FOLLOWER, until_ns)
    assert await world.windows.penalties([FOLLOWER]) == {FOLLOWER: until_ns}
    assert not (await world.take(1))[0].granted
    await world.windows.rebuild({FOLLOWER: []}, LIMITS.windows)
    assert await world.windows.incomplete([FOLLOWER]) == frozenset()
