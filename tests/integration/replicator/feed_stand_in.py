"""A feed that knows nothing but the journal, and serves it as the real one does."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc.aio

from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.journal import PostgresJournal
from paceline.adapters.wire.events import event_to_wire
from paceline.api.v1 import feed_pb2, feed_pb2_grpc
from paceline.domain.event import Event, Fact
from paceline.domain.ids import Epoch, Offset, Partition
from paceline.domain.partitioning import partition_of

_EVERYTHING = [Partition(each) for each in range(256)]


class _Stream(feed_pb2_grpc.FeedServiceServicer):
    def __init__(self, journal: PostgresJournal) -> None:
        self._journal = journal

    async def StreamEvents(  # noqa: N802 - the interface's name
        self, request: feed_pb2.StreamEventsRequest, context: Any
    ) -> AsyncIterator[feed_pb2.StreamEventsResponse]:
        done = {Partition(each.partition): Offset(each.offset) for each in request.cursors}
        while True:
            events: list[Event] = []
            for partition, head in (await self._journal.heads(done)).items():
                if head > done[partition]:
                    events += await self._journal.read(partition, done[partition], 100)
                    done[partition] = events[-1].offset
            wires = [event_to_wire(each) for each in events]
            yield feed_pb2.StreamEventsResponse(events=wires, sent_ns=time.time_ns())
            await asyncio.sleep(0.02)


@dataclass(slots=True)
class Feed:
    journal: PostgresJournal

    async def tell(self, facts: Sequence[Fact]) -> list[Event]:
        """Journal them, each in its account's partition; they are streamed from there."""
        told: list[Event] = []
        for fact in facts:
            appended = await self.journal.append(partition_of(fact.account_id), Epoch(1), [fact])
            told += appended.events
        return told


@asynccontextmanager
async def a_feed(database: Database) -> AsyncIterator[Feed]:
    """It holds every partition, and its lease rows tell where it is."""
    journal = PostgresJournal(database)
    server = grpc.aio.server()
    feed_pb2_grpc.add_FeedServiceServicer_to_server(_Stream(journal), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    await database.execute(
        "INSERT INTO leases (service, partition, epoch, owner, address)"
        " SELECT 'feed', p, 1, 'tests', $2 FROM unnest($1::smallint[]) AS p",
        _EVERYTHING,
        f"127.0.0.1:{port}",
    )
    try:
        yield Feed(journal)
    finally:
        await server.stop(0)
