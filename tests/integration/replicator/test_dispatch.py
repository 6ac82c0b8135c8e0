"""Hints over a real wire: they never block, what is dropped is counted, and the routing table is doubted."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio

from paceline.adapters.clock import SystemClock
from paceline.adapters.wire.copy_commands import command_from_wire
from paceline.api.v1 import executor_pb2, executor_pb2_grpc
from paceline.domain.copy_order import CopyOrder
from paceline.domain.ids import Partition
from paceline.runtime.grpc_client import ChannelPool
from paceline.runtime.grpc_client_calls import ClientCalls
from paceline.runtime.metric_names import DISPATCH_DROPPED, DISPATCHED
from paceline.runtime.metrics import Metrics
from paceline.runtime.telemetry import start_telemetry
from services.replicator.dispatch import Dispatcher
from tests.integration.executor.world import until
from tests.unit.executor.given import a_change, order

NOWHERE = "127.0.0.1:1"


@dataclass
class Executor(executor_pb2_grpc.ExecutorServiceServicer):
    """Acknowledges what it gets, unless it holds nothing or refuses every stream."""

    holds: bool = True
    refuses: bool = False
    got: list[executor_pb2.ExecuteRequest] = field(default_factory=list)

    async def Execute(  # noqa: N802 - the interface's name
        self, request_iterator: AsyncIterator[executor_pb2.ExecuteRequest], context: Any
    ) -> AsyncIterator[executor_pb2.ExecuteResponse]:
        if self.refuses:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "draining")
        async for request in request_iterator:
            self.got.append(request)
            foreign = [] if self.holds else [each.copy_order_id for each in request.orders]
            ack = executor_pb2.BatchAck(batch_id=request.batch_id, not_owned_ids=foreign)
            yield executor_pb2.ExecuteResponse(acks=[ack])

    @property
    def tags(self) -> list[str]:
        return [each.tag for batch in self.got for each in batch.orders]


@dataclass
class Table:
    """Routes that are set by hand."""

    owner: str | None
    doubts: int = 0

    def address(self, partition: Partition) -> str | None:
        return self.owner

    def addresses(self) -> frozenset[str]:
        return frozenset({self.owner} if self.owner else ())

    def doubt(self) -> None:
        self.doubts += 1


@dataclass
class World:
    table: Table
    metrics: Metrics
    dispatcher: Dispatcher

    def dropped(self) -> float:
        return self.metrics.value(DISPATCH_DROPPED)

    def sent(self) -> float:
        return self.metrics.value(DISPATCHED)


@asynccontextmanager
async def dispatching(owner: str | None, *, queue_chunks: int = 8) -> AsyncIterator[World]:
    metrics, table = Metrics(), Table(owner)
    telemetry = start_telemetry(service="replicator", replica_id="a")
    pool = ChannelPool(ClientCalls(metrics=metrics, telemetry=telemetry, deadline_s=5))
    dispatcher = Dispatcher(pool, table, SystemClock(), metrics, queue_chunks)  # type: ignore[arg-type]
    try:
        yield World(table, metrics, dispatcher)
    finally:
        await dispatcher.stop()
        await pool.close()


@asynccontextmanager
async def serving(executor: Executor) -> AsyncIterator[str]:
    server = grpc.aio.server()
    executor_pb2_grpc.add_ExecutorServiceServicer_to_server(executor, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


def orders(count: int) -> list[CopyOrder]:
    return [order() for _ in range(count)]


async def test_one_message_brings_a_chunk_with_its_trace() -> None:
    executor = Executor()
    async with serving(executor) as address, dispatching(address) as world:
        chunk = orders(50)
        world.dispatcher.dispatch(chunk, "trace")
        await until(lambda: executor.got, "it came")
        (batch,) = executor.got
        assert [each.tag for each in batch.orders] == [each.tag for each in chunk]
        assert batch.traceparent == "trace"
        await until(lambda: world.sent() == 50, "it is counted")
        assert (world.dropped(), world.table.doubts) == (0, 0)


async def test_changes_come_with_the_orders_of_their_chunk() -> None:
    executor = Executor()
    async with serving(executor) as address, dispatching(address) as world:
        placed, standing = orders(2)
        change = a_change(standing)
        world.dispatcher.dispatch([placed], "trace", [change])
        await until(lambda: executor.got, "it came")
        (batch,) = executor.got
        assert [each.tag for each in batch.orders] == [placed.tag]
        assert [command_from_wire(each) for each in batch.commands] == [change]
        await until(lambda: world.sent() == 2, "both are counted")


async def test_chunks_arrive_in_their_order() -> None:
    executor = Executor()
    async with serving(executor) as address, dispatching(address, queue_chunks=100) as world:
        chunks = [orders(2) for _ in range(30)]
        for chunk in chunks:
            world.dispatcher.dispatch(chunk, "")
        await until(lambda: len(executor.got) == 30, "all came")
        assert executor.tags == [each.tag for chunk in chunks for each in chunk]


async def test_what_nobody_holds_is_dropped_counted_and_doubted() -> None:
    async with dispatching(None) as world:
        world.dispatcher.dispatch(orders(3), "")
        assert (world.dropped(), world.table.doubts) == (3, 3)


async def test_a_full_queue_drops_and_never_blocks() -> None:
    async with dispatching(NOWHERE, queue_chunks=2) as world:
        for _ in range(5):
            world.dispatcher.dispatch(orders(10), "")
        assert world.dropped() == 30


async def test_an_executor_that_is_not_there_costs_its_hints_and_no_more() -> None:
    async with dispatching(NOWHERE) as world:
        world.dispatcher.dispatch(orders(10), "")
        await until(lambda: world.dropped() == 10, "they are dropped")
        assert world.table.doubts >= 1
        assert world.sent() == 0


async def test_an_account_that_is_not_held_there_puts_the_table_in_doubt() -> None:
    executor = Executor(holds=False)
    async with serving(executor) as address, dispatching(address) as world:
        world.dispatcher.dispatch(orders(1), "")
        await until(lambda: world.table.doubts, "the table is doubted")


async def test_hints_follow_the_table_to_the_next_owner() -> None:
    first, second = Executor(), Executor()
    async with serving(second) as heir, dispatching(None) as world:
        async with serving(first) as address:
            world.table.owner = address
            world.dispatcher.dispatch(orders(1), "")
            await until(lambda: first.got, "the first got it")
        world.table.owner = heir
        world.dispatcher.dispatch(orders(1), "")
        await until(lambda: second.got, "the heir got it")
        await until(lambda: set(world.dispatcher._lines) == {heir}, "the old line is gone")


async def test_a_stream_that_is_refused_is_opened_again() -> None:
    executor = Executor(refuses=True)
    async with serving(executor) as address, dispatching(address) as world:
        world.dispatcher.dispatch(orders(1), "")
        await until(lambda: world.table.doubts, "the table is doubted")
        executor.refuses = False
        await asyncio.sleep(0)
        chunk = orders(1)

        def delivered() -> bool:
            if not executor.got:
                world.dispatcher.dispatch(chunk, "")
            return bool(executor.got)

        await until(delivered, "a later hint came")
