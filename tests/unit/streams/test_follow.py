"""Following partitions over a real wire: in order, nothing passed over, nothing twice, wherever they move."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest

from paceline.adapters.clock import SystemClock
from paceline.domain.errors import NotOwner, Unavailable
from paceline.domain.ids import Offset, Partition
from paceline.runtime import follow
from paceline.runtime.follow import Batch, Follower
from paceline.runtime.grpc_client import ChannelPool
from paceline.runtime.grpc_client_calls import ClientCalls
from paceline.runtime.metrics import Metrics
from paceline.runtime.routes import Routes
from paceline.runtime.telemetry import start_telemetry
from tests.fakes.leases import FakeLeases
from tests.unit.streams.feed import Opened, ScriptedFeed, decode, ends, events, serving

ONE, TWO = Partition(1), Partition(2)
PATIENCE_S = 30.0


class Stage:
    """A follower, the feeds it may find, and what it was given."""

    def __init__(self, pool: ChannelPool, here: ScriptedFeed, there: ScriptedFeed) -> None:
        self.clock = SystemClock()
        self.leases = FakeLeases(self.clock)
        self.routes = Routes(self.leases, self.clock, refresh_ms=20)
        self.here, self.there = here, there
        self.handled: list[tuple[int, int]] = []
        self.failures: list[Exception] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.handling = 0
        self.follower = Follower("test", pool, self.routes, self.clock, self._handle, decode)

    async def _handle(self, batch: Batch) -> None:
        self.handling += 1
        try:
            await self.gate.wait()
            if self.failures:
                raise self.failures.pop(0)
            self.handled += [(event.partition, event.offset) for each in batch.values() for event in each]
        finally:
            self.handling -= 1

    async def serve(self, feed: ScriptedFeed, *partitions: Partition) -> None:
        """These are held there from now on."""
        await self.leases.prepare()
        for partition in partitions:
            row = self.leases.table[partition]
            self.leases.table[partition] = replace(row, owner="feed", address=feed.address)

    async def stream(self, feed: ScriptedFeed, number: int = 1) -> Opened:
        """The stream of that number that was opened there."""
        await until(lambda: len(feed.streams) >= number)
        return feed.streams[number - 1]


async def until(true: Callable[[], object]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < give_up
        await asyncio.sleep(0.005)


@pytest.fixture
async def stage(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    monkeypatch.setattr(follow, "_REOPEN_S", 0.01)
    monkeypatch.setattr(follow, "_FAULT_S", 0.05)
    telemetry = start_telemetry(service="test", replica_id="test")
    pool = ChannelPool(ClientCalls(metrics=Metrics(), telemetry=telemetry, deadline_s=5))
    async with serving() as here, serving() as there:
        made = Stage(pool, here, there)
        tasks = [asyncio.create_task(made.routes.run()), asyncio.create_task(made.follower.run())]
        yield made
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await pool.close()


async def test_batches_come_in_order_from_after_the_cursor(stage: Stage) -> None:
    await stage.serve(stage.here, ONE, TWO)
    stage.follower.add({ONE: Offset(4), TWO: Offset(0)})
    stream = await stage.stream(stage.here)
    assert (stream.consumer, stream.cursors) == ("test", {1: 4, 2: 0})
    stream.say(events((1, 5), (2, 1), (1, 6)), events(), events((1, 7)))
    await until(lambda: len(stage.handled) == 4)
    assert [place for place in stage.handled if place[0] == ONE] == [(1, 5), (1, 6), (1, 7)]
    assert (stage.follower.cursor(ONE), stage.follower.cursor(TWO)) == (7, 1)


async def test_what_was_handled_is_not_handled_again(stage: Stage) -> None:
    await stage.serve(stage.here, ONE)
    stage.follower.add({ONE: Offset(4)})
    stream = await stage.stream(stage.here)
    stream.say(events((1, 3), (1, 4), (1, 5)), events((1, 5), (1, 6), (9, 1)))
    await until(lambda: len(stage.handled) == 2)
    assert stage.handled == [(1, 5), (1, 6)]


@pytest.mark.parametrize("hole", [[(1, 2)], [(1, 1), (1, 3)]], ids=["at once", "inside"])
async def test_a_hole_breaks_the_stream_and_is_read_again(stage: Stage, hole: list[tuple[int, int]]) -> None:
    await stage.serve(stage.here, ONE)
    stage.follower.add({ONE: Offset(0)})
    (await stage.stream(stage.here)).say(events(*hole))
    again = await stage.stream(stage.here, 2)
    assert again.cursors == {1: 0}
    again.say(events((1, 1), (1, 2), (1, 3)))
    await until(lambda: stage.handled)
    assert stage.handled == [(1, 1), (1, 2), (1, 3)]


async def test_a_partition_that_moved_is_followed_where_it_went(stage: Stage) -> None:
    await stage.serve(stage.here, ONE, TWO)
    stage.follower.add({ONE: Offset(0), TWO: Offset(0)})
    stream = await stage.stream(stage.here)
    stream.say(events((1, 1), (2, 1)))
    await until(lambda: len(stage.handled) == 2)
    await stage.serve(stage.there, ONE)
    stage.here.moved = {ONE}
    stream.say(ends(1))
    moved = await stage.stream(stage.there)
    assert moved.cursors == {1: 1}
    moved.say(events((1, 2)))
    stream.say(events((2, 2), (1, 2)))
    await until(lambda: len(stage.handled) == 4)
    assert sorted(stage.handled) == [(1, 1), (1, 2), (2, 1), (2, 2)]


async def test_a_stream_that_ends_is_opened_again_from_what_was_handled(stage: Stage) -> None:
    await stage.serve(stage.here, ONE)
    stage.follower.add({ONE: Offset(0)})
    (await stage.stream(stage.here)).say(events((1, 1)), None)
    assert (await stage.stream(stage.here, 2)).cursors == {1: 1}


async def test_a_silent_stream_is_left(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "_SILENCE_S", 0.05)
    await stage.serve(stage.here, ONE)
    stage.follower.add({ONE: Offset(0)})
    await stage.stream(stage.here, 2)
    await until(lambda: stage.here.streams[0].ended)


@pytest.mark.parametrize(
    "failure", [Unavailable("no database"), NotOwner("fenced"), ZeroDivisionError("planted")]
)
async def test_what_the_handler_failed_at_comes_again(stage: Stage, failure: Exception) -> None:
    await stage.serve(stage.here, ONE)
    stage.follower.add({ONE: Offset(0)})
    stage.failures = [failure]
    (await stage.stream(stage.here)).say(events((1, 1), (1, 2)))
    again = await stage.stream(stage.here, 2)
    assert again.cursors == {1: 0}
    again.say(events((1, 1), (1, 2)))
    await until(lambda: stage.handled)
    assert stage.handled == [(1, 1), (1, 2)]


async def test_a_drop_waits_for_what_is_being_handled(stage: Stage) -> None:
    await stage.serve(stage.here, ONE, TWO)
    stage.follower.add({ONE: Offset(0), TWO: Offset(0)})
    stage.gate.clear()
    stream = await stage.stream(stage.here)
    stream.say(events((1, 1)))
    await until(lambda: stage.handling)
    dropping = asyncio.create_task(stage.follower.drop([ONE]))
    await asyncio.sleep(0.02)
    assert not dropping.done()
    stage.gate.set()
    await dropping
    assert (stage.handling, stage.handled) == (0, [(1, 1)])
    stream.say(events((1, 2), (2, 1)))
    await until(lambda: len(stage.handled) == 2)
    assert stage.handled == [(1, 1), (2, 1)]
    stage.follower.add({ONE: Offset(1)})
    assert (await stage.stream(stage.here, 2)).cursors == {1: 1}


async def test_a_partition_without_an_owner_waits_for_one(stage: Stage) -> None:
    await stage.leases.prepare()
    stage.follower.add({ONE: Offset(0)})
    await asyncio.sleep(0.05)
    assert stage.here.streams == []
    await stage.serve(stage.here, ONE)
    await stage.stream(stage.here)
