"""One stream of events: bad cursors are refused by name, silence is broken, a moved partition ends alone."""

import asyncio

import pytest

from paceline.adapters.wire.events import event_to_wire
from paceline.api.v1 import event_pb2, feed_pb2
from paceline.domain.errors import Invalid, NotOwner
from paceline.domain.event import Event
from paceline.domain.ids import Epoch, Partition
from services.feed import streaming
from services.feed.streaming import EventStreams
from tests.unit.domain.given import event, fill
from tests.unit.feed.house import HOME, House

OTHER = Partition((HOME + 1) % 256)


def encode(each: Event, raw: bool) -> event_pb2.Event:
    return event_to_wire(each, with_raw=raw)


@pytest.fixture
def draining() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
def streams(house: House, draining: asyncio.Event) -> EventStreams:
    return EventStreams(house.hub, house.partitions, house.clock, draining, encode)


def asked(
    *cursors: tuple[int, int], consumer: str = "test", batch_max: int = 0, gather_ms: int = 0
) -> feed_pb2.StreamEventsRequest:
    return feed_pb2.StreamEventsRequest(
        consumer=consumer,
        cursors=[feed_pb2.PartitionCursor(partition=partition, offset=at) for partition, at in cursors],
        batch_max=batch_max,
        gather_ms=gather_ms,
    )


@pytest.mark.parametrize(
    ("request_", "field", "rule"),
    [
        (asked((1, 0), consumer=""), "consumer", "must name the consumer"),
        (asked(), "cursors", "must name at least one partition"),
        (asked((0, 0), (256, 0)), "cursors[1].partition", "must be from 0 to 255"),
        (asked((-1, 0)), "cursors[0].partition", "must be from 0 to 255"),
        (asked((3, -1)), "cursors[0].offset", "must not be negative"),
        (asked((3, 0), (3, 1)), "cursors[1].partition", "stands there twice"),
        (asked((3, 0), batch_max=-1), "batch_max", "must not be negative"),
        (asked((3, 0), gather_ms=-1), "gather_ms", "must be from 0 to 1000"),
        (asked((3, 0), gather_ms=1_001), "gather_ms", "must be from 0 to 1000"),
        (asked((3, 9)), "cursors[0].offset", "is beyond the end of the journal, 0"),
    ],
)
async def test_a_bad_request_is_refused_with_field_and_rule(
    streams: EventStreams, request_: feed_pb2.StreamEventsRequest, field: str, rule: str
) -> None:
    with pytest.raises(Invalid) as caught:
        await anext(streams.stream(request_))
    (problem,) = caught.value.problems
    assert (problem.field, problem.rule) == (field, rule)


async def test_what_is_not_held_here_is_refused_as_such(house: House, streams: EventStreams) -> None:
    house.hub.close_partitions([HOME])
    with pytest.raises(NotOwner):
        await anext(streams.stream(asked((OTHER, 0), (HOME, 0))))


async def test_the_first_event_goes_at_once_and_those_behind_it_together(
    house: House, streams: EventStreams
) -> None:
    facts = [event(fill(1, trade=f"t{n}")).fact for n in range(4)]
    stream = streams.stream(asked((HOME, 0), gather_ms=50))
    house.hub.publish((await house.journal.append(HOME, Epoch(1), facts[:1])).events)
    assert [each.offset for each in (await anext(stream)).events] == [1]
    following = asyncio.ensure_future(anext(stream))
    for each in facts[1:]:
        house.clock.advance(0.01)
        house.hub.publish((await house.journal.append(HOME, Epoch(1), [each])).events)
        await house.clock.settle()
    assert not following.done()
    house.clock.advance(0.03)
    assert [each.offset for each in (await following).events] == [2, 3, 4]


async def test_events_marks_heartbeats_and_the_end(
    house: House, streams: EventStreams, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "_HEARTBEAT_S", 0.01)
    fact = event(fill(1)).fact
    house.hub.publish((await house.journal.append(HOME, Epoch(1), [fact])).events)
    stream = streams.stream(asked((HOME, 0), (OTHER, 0)))
    first = await anext(stream)
    assert [(each.partition, each.offset) for each in first.events] == [(HOME, 1)]
    heads = {head.partition: (head.head_offset, head.caught_up, head.epoch) for head in first.heads}
    assert heads == {HOME: (1, True, 1), OTHER: (0, True, 1)}
    heartbeat = await anext(stream)
    assert (list(heartbeat.events), list(heartbeat.heads), list(heartbeat.ends)) == ([], [], [])
    house.hub.close_partitions([HOME])
    moved = await anext(stream)
    assert [(end.partition, end.reason) for end in moved.ends] == [
        (HOME, feed_pb2.PARTITION_END_REASON_MOVED)
    ]
    house.hub.close_partitions([OTHER])
    assert [end.partition for end in (await anext(stream)).ends] == [OTHER]
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    assert house.hub.readers() == 0


async def test_raw_frames_come_only_when_asked_for(house: House, streams: EventStreams) -> None:
    fact = event(fill(1)).fact
    house.hub.publish((await house.journal.append(HOME, Epoch(1), [fact])).events)
    request = asked((HOME, 0))
    request.include_raw = True
    stream = streams.stream(request)
    assert (await anext(stream)).events[0].raw == fact.raw
    await stream.aclose()  # type: ignore[attr-defined]
    assert house.hub.readers() == 0


async def test_it_ends_when_the_process_drains(streams: EventStreams, draining: asyncio.Event) -> None:
    stream = streams.stream(asked((HOME, 0)))
    await anext(stream)
    draining.set()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_mark_after_the_lease_ran_out_carries_no_epoch(house: House, streams: EventStreams) -> None:
    house.clock.suspend(60)
    assert (await anext(streams.stream(asked((HOME, 0))))).heads[0].epoch == 0
