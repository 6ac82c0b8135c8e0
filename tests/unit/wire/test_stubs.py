"""The generated stubs carry domain values through a real server; what is not built yet says so."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest

from paceline.adapters.wire.copy_orders import copy_order_from_wire, copy_order_to_wire
from paceline.adapters.wire.events import event_from_wire, event_to_wire
from paceline.adapters.wire.fields import each
from paceline.api.v1 import executor_pb2, executor_pb2_grpc, feed_pb2, feed_pb2_grpc
from tests.unit.wire.test_strictness import EVENT, ORDER

Context = grpc.aio.ServicerContext[Any, Any]


class OneEvent(feed_pb2_grpc.FeedServiceServicer):
    async def StreamEvents(  # noqa: N802 - named by the proto
        self, request: feed_pb2.StreamEventsRequest, context: Context
    ) -> AsyncIterator[feed_pb2.StreamEventsResponse]:
        response = feed_pb2.StreamEventsResponse()
        event_to_wire(EVENT, response.events.add())
        for cursor in request.cursors:
            response.heads.add(partition=cursor.partition, head_offset=EVENT.offset, caught_up=True)
        yield response


class Acknowledging(executor_pb2_grpc.ExecutorServiceServicer):
    async def Execute(  # noqa: N802 - named by the proto
        self, request_iterator: AsyncIterator[executor_pb2.ExecuteRequest], context: Context
    ) -> AsyncIterator[executor_pb2.ExecuteResponse]:
        async for batch in request_iterator:
            orders = each("orders", copy_order_from_wire, batch.orders)
            response = executor_pb2.ExecuteResponse()
            response.acks.add(batch_id=batch.batch_id, accepted=len(orders))
            yield response


@pytest.fixture
async def channel() -> AsyncIterator[grpc.aio.Channel]:
    server = grpc.aio.server()
    feed_pb2_grpc.add_FeedServiceServicer_to_server(OneEvent(), server)
    executor_pb2_grpc.add_ExecutorServiceServicer_to_server(Acknowledging(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield channel
    await server.stop(None)


async def test_an_event_is_streamed_from_a_cursor(channel: grpc.aio.Channel) -> None:
    cursor = feed_pb2.PartitionCursor(partition=3, offset=16)
    request = feed_pb2.StreamEventsRequest(consumer="test", cursors=[cursor])
    (response,) = [each async for each in feed_pb2_grpc.FeedServiceStub(channel).StreamEvents(request)]
    assert [event_from_wire(wire) for wire in response.events] == [EVENT]
    assert [(head.partition, head.head_offset, head.caught_up) for head in response.heads] == [(3, 17, True)]


async def test_batches_of_copy_orders_are_acknowledged(channel: grpc.aio.Channel) -> None:
    batch = executor_pb2.ExecuteRequest(batch_id="b1")
    copy_order_to_wire(ORDER, batch.orders.add())
    call = executor_pb2_grpc.ExecutorServiceStub(channel).Execute()
    await call.write(batch)
    await call.done_writing()
    (response,) = [each async for each in call]
    assert [(ack.batch_id, ack.accepted) for ack in response.acks] == [("b1", 1)]


async def test_what_is_not_built_says_so(channel: grpc.aio.Channel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await feed_pb2_grpc.FeedServiceStub(channel).GetQuotes(feed_pb2.GetQuotesRequest())
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
