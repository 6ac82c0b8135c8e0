"""The gRPC edge of the executor."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

from paceline.adapters.wire.copy_orders import copy_order_from_wire
from paceline.adapters.wire.fields import each
from paceline.api.v1 import executor_pb2, executor_pb2_grpc
from paceline.domain.copy_order import CopyOrder
from paceline.domain.errors import FailedPrecondition
from paceline.domain.ids import AccountId, CopyOrderId

TakeIn = Callable[[Iterable[CopyOrder]], tuple[int, int, list[CopyOrderId]]]
Prepare = Callable[[Iterable[AccountId]], Awaitable[None]]


class ExecutorServicer(executor_pb2_grpc.ExecutorServiceServicer):
    """`Execute` acknowledges what came in; results stand in the rows. The rest is UNIMPLEMENTED for now."""

    def __init__(self, take_in: TakeIn, prepare: Prepare) -> None:
        self._take_in = take_in
        self._prepare = prepare

    async def Execute(
        self, request_iterator: AsyncIterator[executor_pb2.ExecuteRequest], context: Any
    ) -> AsyncIterator[executor_pb2.ExecuteResponse]:
        async for request in request_iterator:
            if request.commands:
                raise FailedPrecondition("modifications and cancellations cannot be executed yet")
            orders = each("orders", copy_order_from_wire, request.orders)
            await self._prepare({order.account_id for order in orders})
            new, known, foreign = self._take_in(orders)
            ack = executor_pb2.BatchAck(
                batch_id=request.batch_id, accepted=new, not_owned_ids=foreign, known=known
            )
            yield executor_pb2.ExecuteResponse(acks=[ack])
