"""The events of partitions as responses of one stream, until the consumer leaves or we do."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from paceline.api.v1 import event_pb2, feed_pb2
from paceline.domain.errors import Invalid, NotOwner
from paceline.domain.event import Event
from paceline.domain.ids import Offset, Partition
from paceline.domain.partitioning import PARTITIONS
from paceline.ports.clock import Clock
from paceline.runtime.partitions import Partitions
from services.feed.hub import Hub, Stretch

_BATCH_MAX = 500
_BATCH_LIMIT = 2_000
_HEARTBEAT_S = 2.0
_GATHER_MAX_MS = 1_000

Encode = Callable[[Event, bool], event_pb2.Event]


def cursors_of(request: feed_pb2.StreamEventsRequest) -> dict[Partition, Offset]:
    """Raises `Invalid` naming every cursor that breaks a rule."""
    if not request.consumer:
        raise Invalid("consumer", "must name the consumer")
    cursors: dict[Partition, Offset] = {}
    for index, cursor in enumerate(request.cursors):
        if not 0 <= cursor.partition < PARTITIONS:
            raise Invalid(f"cursors[{index}].partition", f"must be from 0 to {PARTITIONS - 1}")
        if cursor.offset < 0:
            raise Invalid(f"cursors[{index}].offset", "must not be negative")
        if cursor.partition in cursors:
            raise Invalid(f"cursors[{index}].partition", "stands there twice")
        cursors[Partition(cursor.partition)] = Offset(cursor.offset)
    if not cursors:
        raise Invalid("cursors", "must name at least one partition")
    return cursors


def batch_of(request: feed_pb2.StreamEventsRequest) -> int:
    if request.batch_max < 0:
        raise Invalid("batch_max", "must not be negative")
    return min(request.batch_max or _BATCH_MAX, _BATCH_LIMIT)


def gather_s_of(request: feed_pb2.StreamEventsRequest) -> float:
    if not 0 <= request.gather_ms <= _GATHER_MAX_MS:
        raise Invalid("gather_ms", f"must be from 0 to {_GATHER_MAX_MS}")
    return request.gather_ms / 1000


class EventStreams:
    """Opens streams on the hub; a partition that is not held here is refused with the owner's code."""

    def __init__(
        self, hub: Hub, partitions: Partitions, clock: Clock, draining: asyncio.Event, encode: Encode
    ) -> None:
        self._hub = hub
        self._partitions = partitions
        self._clock = clock
        self._draining = draining
        self._encode = encode

    async def stream(
        self, request: feed_pb2.StreamEventsRequest
    ) -> AsyncIterator[feed_pb2.StreamEventsResponse]:
        """Responses until every partition has ended; at least a heartbeat every few seconds."""
        cursors, batch_max, gather_s = cursors_of(request), batch_of(request), gather_s_of(request)
        self._require_served(cursors)
        reader = self._hub.open(cursors, batch_max)
        try:
            while reader.cursors and not self._draining.is_set():
                stretch = await reader.next(_HEARTBEAT_S)
                yield self._response(stretch, reader.cursors, raw=request.include_raw)
                if gather_s and 0 < len(stretch.events) < batch_max:
                    await self._clock.sleep(gather_s)
        finally:
            self._hub.close(reader)

    def _require_served(self, cursors: Mapping[Partition, Offset]) -> None:
        foreign = [partition for partition in cursors if not self._hub.serves(partition)]
        if foreign:
            raise NotOwner(f"partitions {foreign} are not held here")
        for index, (partition, offset) in enumerate(cursors.items()):
            head = self._hub.head(partition)
            if offset > head:
                raise Invalid(f"cursors[{index}].offset", f"is beyond the end of the journal, {head}")

    def _response(
        self, stretch: Stretch, cursors: Mapping[Partition, Offset], *, raw: bool
    ) -> feed_pb2.StreamEventsResponse:
        return feed_pb2.StreamEventsResponse(
            events=[self._encode(event, raw) for event in stretch.events],
            heads=self._heads(stretch, cursors),
            ends=[
                feed_pb2.PartitionEnd(partition=each, reason=feed_pb2.PARTITION_END_REASON_MOVED)
                for each in stretch.ended
            ],
            sent_ns=self._clock.now_ns(),
        )

    def _heads(
        self, stretch: Stretch, cursors: Mapping[Partition, Offset]
    ) -> Sequence[feed_pb2.PartitionHead]:
        """Caught-up marks where something was sent; in a heartbeat nothing needs to be said again."""
        return [
            feed_pb2.PartitionHead(
                partition=partition,
                head_offset=self._hub.head(partition),
                caught_up=True,
                epoch=self._epoch(partition),
            )
            for partition in stretch.caught_up
            if partition in cursors
        ]

    def _epoch(self, partition: Partition) -> int:
        try:
            return self._partitions.lease(partition).epoch
        except NotOwner:
            return 0
