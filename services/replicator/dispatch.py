"""Committed orders and changes to the executors of their accounts. Rows instruct, this is the hint."""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import grpc
import structlog

from paceline.adapters.wire.copy_commands import command_to_wire
from paceline.adapters.wire.copy_orders import copy_order_to_wire
from paceline.api.v1 import executor_pb2, executor_pb2_grpc
from paceline.domain.copy_order import CopyCommand, CopyOrder
from paceline.domain.partitioning import partition_of
from paceline.ports.clock import Clock
from paceline.runtime.grpc_client import ChannelPool
from paceline.runtime.metric_names import DISPATCH_DROPPED, DISPATCHED
from paceline.runtime.metrics import Metrics
from paceline.runtime.routes import Routes

_log = structlog.get_logger(__name__)

_REOPEN_S = 0.2


@dataclass(eq=False, slots=True)
class _Line:
    """One stream to one executor, with the batches that wait for it."""

    address: str
    waiting: deque[executor_pb2.ExecuteRequest] = field(default_factory=deque)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Dispatcher:
    """Never waits and never retries: what does not get through is found by the executor's sweep."""

    def __init__(
        self, channels: ChannelPool, routes: Routes, clock: Clock, metrics: Metrics, queue_chunks: int
    ) -> None:
        self._channels = channels
        self._routes = routes
        self._clock = clock
        self._dispatched = metrics.counter(DISPATCHED)
        self._dropped = metrics.counter(DISPATCH_DROPPED)
        self._queue_chunks = queue_chunks
        self._lines: dict[str, _Line] = {}
        self._batches = 0

    def dispatch(
        self, orders: Sequence[CopyOrder], traceparent: str, commands: Sequence[CopyCommand] = ()
    ) -> None:
        """One message for each executor concerned, with its orders and then its changes."""
        groups: dict[str, list[CopyOrder | CopyCommand]] = {}
        rows: list[CopyOrder | CopyCommand] = [*orders, *commands]
        for each in rows:
            address = self._routes.address(partition_of(each.account_id))
            if address is None:
                self._dropped.inc()
                self._routes.doubt()
            else:
                groups.setdefault(address, []).append(each)
        for address, group in groups.items():
            self._send(address, group, traceparent)

    async def stop(self) -> None:
        tasks = [line.task for line in self._lines.values() if line.task]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _send(self, address: str, rows: Sequence[CopyOrder | CopyCommand], traceparent: str) -> None:
        line = self._line(address)
        if len(line.waiting) >= self._queue_chunks:
            self._dropped.inc(len(rows))
            return
        self._batches += 1
        line.waiting.append(
            executor_pb2.ExecuteRequest(
                batch_id=str(self._batches),
                orders=[copy_order_to_wire(each) for each in rows if isinstance(each, CopyOrder)],
                commands=[command_to_wire(each) for each in rows if isinstance(each, CopyCommand)],
                traceparent=traceparent,
                sent_ns=self._clock.now_ns(),
            )
        )
        line.news.set()

    def _line(self, address: str) -> _Line:
        line = self._lines.get(address)
        if line is None:
            line = self._lines[address] = _Line(address)
            line.task = asyncio.create_task(self._carry(line), name=f"dispatch {address}")
        return line

    async def _carry(self, line: _Line) -> None:
        """Until the address serves nobody any more."""
        try:
            while line.waiting or line.address in self._routes.addresses():
                try:
                    await self._stream(line)
                except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as problem:
                    words = problem.details() if isinstance(problem, grpc.aio.AioRpcError) else str(problem)
                    _log.info("dispatch.broken", address=line.address, problem=words)
                self._drop(line)
                self._routes.doubt()
                await self._clock.sleep(_REOPEN_S)
        finally:
            self._drop(line)
            del self._lines[line.address]

    def _drop(self, line: _Line) -> None:
        """What waited for a stream that broke is found by the sweep of whoever comes next."""
        self._dropped.inc(sum(_rows_of(batch) for batch in line.waiting))
        line.waiting.clear()

    async def _stream(self, line: _Line) -> None:
        """Returns or raises when the stream ends; a batch leaves the queue once it is written."""
        channel = await self._channels.channel(line.address)
        call = executor_pb2_grpc.ExecutorServiceStub(channel).Execute()
        answers = asyncio.create_task(self._hear(call))
        try:
            while not answers.done():
                while line.waiting:
                    batch = line.waiting[0]
                    await call.write(batch)
                    line.waiting.popleft()
                    self._dispatched.inc(_rows_of(batch))
                line.news.clear()
                waiting = asyncio.ensure_future(line.news.wait())
                await asyncio.wait({waiting, answers}, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
            await answers
        finally:
            answers.cancel()
            call.cancel()

    async def _hear(
        self,
        call: "grpc.aio.StreamStreamCall[executor_pb2.ExecuteRequest, executor_pb2.ExecuteResponse]",
    ) -> None:
        """Acknowledgements say where the routing table was wrong; results are in the rows."""
        while isinstance(response := await call.read(), executor_pb2.ExecuteResponse):
            if any(ack.not_owned_ids for ack in response.acks):
                self._routes.doubt()


def _rows_of(batch: executor_pb2.ExecuteRequest) -> int:
    return len(batch.orders) + len(batch.commands)
