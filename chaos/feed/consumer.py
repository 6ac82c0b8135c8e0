"""A consumer of the whole journal, as the platform's own are: it resumes where its stream broke."""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from chaos.feed.judge import Received
from paceline.adapters.clock import SystemClock
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.leases import PostgresLeases
from paceline.adapters.wire.events import event_from_wire
from paceline.api.v1 import feed_pb2
from paceline.domain.event import Event
from paceline.domain.ids import Offset, Partition
from paceline.domain.partitioning import PARTITIONS
from paceline.runtime.follow import Batch, Follower
from paceline.runtime.grpc_client import ChannelPool
from paceline.runtime.grpc_client_calls import ClientCalls
from paceline.runtime.metrics import Metrics
from paceline.runtime.routes import Routes
from paceline.runtime.telemetry import start_telemetry

_DEADLINE_S = 5.0
_CONSUMER = "chaos"


class Consumer:
    """`received` holds what it was given, with what was streamed a second time."""

    def __init__(self, database: Database) -> None:
        clock = SystemClock()
        self.received: dict[Partition, list[Received]] = {}
        telemetry = start_telemetry(service=_CONSUMER, replica_id=_CONSUMER)
        calls = ClientCalls(metrics=Metrics(), telemetry=telemetry, deadline_s=_DEADLINE_S)
        self._channels = ChannelPool(calls)
        self._routes = Routes(PostgresLeases(database, "feed", ttl_ms=0), clock)
        self._follower = Follower(_CONSUMER, self._channels, self._routes, clock, self._take, self._decoded)
        self._follower.add({Partition(number): Offset(0) for number in range(PARTITIONS)})
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.ensure_future(each) for each in (self._routes.run(), self._follower.run())]
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._channels.close()

    def _decoded(self, response: feed_pb2.StreamEventsResponse) -> Sequence[Event]:
        """What is streamed again is dropped by the follower, so it is noticed before."""
        events = [event_from_wire(each) for each in response.events]
        reached: dict[Partition, int] = {}
        for event in events:
            if event.offset <= reached.get(event.partition, self._follower.cursor(event.partition)):
                self._note(event)
            reached[event.partition] = event.offset
        return events

    async def _take(self, batch: Batch) -> None:
        for events in batch.values():
            for event in events:
                self._note(event)

    def _note(self, event: Event) -> None:
        seen = Received(event.offset, event.fact.identity)
        self.received.setdefault(event.partition, []).append(seen)
