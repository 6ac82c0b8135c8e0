"""What the store of the windows forgot is counted again from the rows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from paceline.ports.broker import Call
from paceline.ports.buckets import Take
from paceline.runtime.meter import Meter, Ticket
from services.executor.windows import Windows
from tests.fakes.buckets import FakeBuckets
from tests.fakes.clock import FakeClock
from tests.unit.executor.given import FOLLOWER, LIMITS, FakeRows, S


@dataclass
class World:
    clock: FakeClock
    buckets: FakeBuckets
    rows: FakeRows
    windows: Windows

    async def send(self, count: int) -> int:
        """How many of them might leave; each is answered at once."""
        take = Take(FOLLOWER, LIMITS.windows, Call.PLACE, entry=False)
        taken = await self.windows.meter.take([take] * count)
        tickets = [each for each in taken if isinstance(each, Ticket)]
        for ticket in tickets:
            self.windows.meter.land(ticket)
        return len(tickets)

    def lose(self) -> None:
        """As a Redis that was flushed."""
        self.buckets._accounts.clear()


def a_world() -> World:
    clock = FakeClock(auto_jump=True)
    buckets, rows = FakeBuckets(clock), FakeRows(clock)
    windows = Windows(Meter(buckets, clock), buckets, rows, LIMITS, clock)  # type: ignore[arg-type]
    return World(clock, buckets, rows, windows)


@asynccontextmanager
async def watching() -> AsyncIterator[World]:
    world = a_world()
    running = asyncio.create_task(world.windows.run())
    try:
        yield world
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_what_was_forgotten_is_counted_again_from_the_rows() -> None:
    async with watching() as world:
        now_ns = world.clock.now_ns()
        world.rows.sent[FOLLOWER] = [now_ns - n * S for n in range(200, 2, -1)]
        await world.send(10)
        await world.clock.sleep(1.05)
        world.lose()
        assert await world.send(1) == 0
        await world.clock.sleep(2)
        assert await world.buckets.incomplete([FOLLOWER]) == frozenset()
        assert len(world.buckets._accounts[FOLLOWER].times["minute"]) >= 57


async def test_whoever_sent_lately_is_looked_at_every_so_often() -> None:
    async with watching() as world:
        await world.send(1)
        assert await world.buckets.incomplete([FOLLOWER]) == {FOLLOWER}
        await world.clock.sleep(12)
        assert await world.buckets.incomplete([FOLLOWER]) == frozenset()


async def test_what_cannot_be_counted_now_is_counted_later() -> None:
    async with watching() as world:
        world.rows.failures = 2
        await world.send(1)
        await world.clock.sleep(0.01)
        world.lose()
        await world.send(1)
        await world.clock.sleep(6)
        assert await world.buckets.incomplete([FOLLOWER]) == frozenset()


async def test_a_take_over_counts_what_former_owners_sent() -> None:
    world = a_world()
    world.rows.sent[FOLLOWER] = [world.clock.now_ns() - S // 2] * 10
    await world.windows.restore([FOLLOWER])
    assert await world.send(1) == 0
