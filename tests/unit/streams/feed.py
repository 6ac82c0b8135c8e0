"""A feed that says on each stream what a test lets it say."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio

from paceline.adapters.wire.events import event_from_wire, event_to_wire
from paceline.api.v1 import feed_pb2, feed_pb2_grpc
from paceline.domain.event import Event
from paceline.domain.ids import Offset, Partition
from tests.unit.domain.given import event, fill

Response = feed_pb2.StreamEventsResponse


def an_event(partition: int, offset: int) -> Event:
    made = event(fill(1, trade=f"{partition}.{offset}"), offset=offset)
    return Event(Partition(partition), Offset(offset), offset, made.journaled_ns, made.fact)


def events(*places: tuple[int, int]) -> Response:
    return Response(events=[event_to_wire(an_event(*place)) for place in places])


def ends(*partitions: int) -> Response:
    moved = feed_pb2.PARTITION_END_REASON_MOVED
    return Response(ends=[feed_pb2.PartitionEnd(partition=each, reason=moved) for each in partitions])


def decode(response: Response) -> list[Event]:
    return [event_from_wire(each) for each in response.events]


class Opened:
    """One stream a consumer has open: what it asked for, and what it is still to be told."""

    def __init__(self, request: feed_pb2.StreamEventsRequest) -> None:
        self.cursors = {each.partition: each.offset for each in request.cursors}
        self.consumer = request.consumer
        self.says: asyncio.Queue[Response | None] = asyncio.Queue()
        self.ended = False

    def say(self, *responses: Response | None) -> None:
        """None ends the stream."""
        for response in responses:
            self.says.put_nowait(response)


class ScriptedFeed(feed_pb2_grpc.FeedServiceServicer):
    def __init__(self) -> None:
        self.streams: list[Opened] = []
        self.address = ""
        self.moved: set[int] = set()
        """Partitions that are refused here."""

    async def StreamEvents(  # noqa: N802 - the interface's name
        self, request: feed_pb2.StreamEventsRequest, context: Any
    ) -> AsyncIterator[Response]:
        stream = Opened(request)
        if self.moved & stream.cursors.keys():
            await context.abort(grpc.StatusCode.UNAVAILABLE, "not held here")
        self.streams.append(stream)
        try:
            while (response := await stream.says.get()) is not None:
                yield response
        finally:
            stream.ended = True


@asynccontextmanager
async def serving() -> AsyncIterator[ScriptedFeed]:
    feed = ScriptedFeed()
    server = grpc.aio.server()
    feed_pb2_grpc.add_FeedServiceServicer_to_server(feed, server)
    feed.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield feed
    finally:
        await server.stop(None)
