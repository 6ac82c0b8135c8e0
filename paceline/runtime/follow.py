"""Follows the journal of the partitions a replica holds, wherever their feed runs just now.

A partition belongs to one stream at a time. Where a stream breaks, its partitions are opened again from the
last offset that was handled; a hole in the offsets breaks the stream too, so that nothing is passed over.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import grpc
import structlog

from paceline.api.v1 import feed_pb2, feed_pb2_grpc
from paceline.domain.errors import NotOwner, Unavailable
from paceline.domain.event import Event
from paceline.domain.ids import Offset, Partition
from paceline.ports.clock import Clock
from paceline.runtime.grpc_client import ChannelPool
from paceline.runtime.routes import Routes

_log = structlog.get_logger(__name__)

Batch = Mapping[Partition, Sequence[Event]]
Handle = Callable[[Batch], Awaitable[None]]
Decode = Callable[[feed_pb2.StreamEventsResponse], Sequence[Event]]

_LOOK_S = 0.1
_REOPEN_S = 0.2
_FAULT_S = 2.0
_SILENCE_S = 10.0


class BrokenStreamError(Exception):
    """A stream that cannot be trusted any more; it is opened again."""


@dataclass(eq=False, slots=True)
class _Stream:
    address: str
    partitions: set[Partition]


@dataclass(slots=True)
class Follower:
    """`handle` gets batches in order, one at a time per partition; `add` and `drop` follow the leases.

    Whatever `handle` raises breaks the stream; what it left unhandled comes again, after a pause when it was
    a fault of ours.
    """

    consumer: str
    channels: ChannelPool
    routes: Routes
    clock: Clock
    handle: Handle
    decode: Decode
    batch_max: int = 500
    gather_ms: int = 0
    """How long events may gather behind those that were just sent."""
    _cursors: dict[Partition, Offset] = field(default_factory=dict)
    _streams: dict[Partition, _Stream] = field(default_factory=dict)
    _busy: set[Partition] = field(default_factory=set)
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def add(self, cursors: Mapping[Partition, Offset]) -> None:
        """Follow these from after their offsets."""
        self._cursors.update(cursors)
        self._wanted.set()

    async def drop(self, partitions: Iterable[Partition]) -> None:
        """Follow these no more; returns when nothing of them is being handled."""
        leaving = set(partitions)
        for partition in leaving:
            self._cursors.pop(partition, None)
            stream = self._streams.pop(partition, None)
            if stream is not None:
                stream.partitions.discard(partition)
        while self._busy & leaving:
            await self.clock.sleep(0.002)

    def cursor(self, partition: Partition) -> Offset:
        return self._cursors.get(partition, Offset(0))

    async def run(self) -> None:
        """Keep every partition on a stream until cancelled."""
        try:
            while True:
                self._wanted.clear()
                self._assign()
                await self._pause()
        finally:
            await self._end()

    def _assign(self) -> None:
        waiting = [partition for partition in self._cursors if partition not in self._streams]
        for address, partitions in self.routes.by_address(waiting).items():
            stream = _Stream(address, set(partitions))
            for partition in partitions:
                self._streams[partition] = stream
            task = asyncio.create_task(self._follow(stream), name=f"follow {address}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(_LOOK_S):
                await self._wanted.wait()
        except TimeoutError:
            return

    async def _end(self) -> None:
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _follow(self, stream: _Stream) -> None:
        pause_s = _REOPEN_S
        try:
            await self._read(stream)
        except (grpc.aio.AioRpcError, BrokenStreamError, TimeoutError, Unavailable) as problem:
            words = problem.details() if isinstance(problem, grpc.aio.AioRpcError) else str(problem)
            _log.info("follow.broken", consumer=self.consumer, address=stream.address, problem=words)
        except NotOwner as problem:
            _log.info("follow.not_owner", consumer=self.consumer, problem=str(problem))
        except Exception:  # noqa: BLE001 - one event must not end the others; it is told, and tried again
            _log.error("follow.fault", consumer=self.consumer, address=stream.address, exc_info=True)
            pause_s = _FAULT_S
        self.routes.doubt()
        await self.clock.sleep(pause_s)
        self._release(stream, set(stream.partitions))

    async def _read(self, stream: _Stream) -> None:
        channel = await self.channels.channel(stream.address)
        request = feed_pb2.StreamEventsRequest(
            consumer=self.consumer,
            cursors=[
                feed_pb2.PartitionCursor(partition=partition, offset=self._cursors[partition])
                for partition in stream.partitions & self._cursors.keys()
            ],
            batch_max=self.batch_max,
            gather_ms=self.gather_ms,
        )
        responses = feed_pb2_grpc.FeedServiceStub(channel).StreamEvents(request)
        try:
            while stream.partitions:
                async with asyncio.timeout(_SILENCE_S):
                    response = await responses.read()
                if not isinstance(response, feed_pb2.StreamEventsResponse):
                    raise BrokenStreamError("the feed ended the stream")
                await self._take(stream, response)
        finally:
            responses.cancel()

    async def _take(self, stream: _Stream, response: feed_pb2.StreamEventsResponse) -> None:
        batch = self._new(stream, self.decode(response))
        if batch:
            self._busy |= batch.keys()
            try:
                await self.handle(batch)
                for partition, events in batch.items():
                    if partition in self._cursors:
                        self._cursors[partition] = events[-1].offset
            finally:
                self._busy -= batch.keys()
        if response.ends:
            self.routes.doubt()
            self._release(stream, {Partition(end.partition) for end in response.ends})

    def _new(self, stream: _Stream, events: Sequence[Event]) -> dict[Partition, list[Event]]:
        """What was not handled yet, of partitions that still belong to this stream."""
        batch: dict[Partition, list[Event]] = {}
        for event in events:
            if event.partition not in stream.partitions or event.partition not in self._cursors:
                continue
            known = (
                batch[event.partition][-1].offset
                if event.partition in batch
                else self.cursor(event.partition)
            )
            if event.offset <= known:
                continue
            if event.offset != known + 1:
                raise BrokenStreamError(
                    f"partition {event.partition} jumps from offset {known} to {event.offset}"
                )
            batch.setdefault(event.partition, []).append(event)
        return batch

    def _release(self, stream: _Stream, partitions: set[Partition]) -> None:
        """Let these be opened again, here or elsewhere."""
        for partition in partitions & stream.partitions:
            stream.partitions.discard(partition)
            if self._streams.get(partition) is stream:
                del self._streams[partition]
        self._wanted.set()
