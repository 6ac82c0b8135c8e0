"""The gRPC edge of the executor."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Any

import structlog

from paceline.adapters.wire.copy_commands import command_from_wire
from paceline.adapters.wire.copy_orders import copy_order_from_wire
from paceline.adapters.wire.fields import each
from paceline.adapters.wire.liquidations import liquidation_from_wire, step_to_wire
from paceline.api.v1 import executor_pb2, executor_pb2_grpc
from paceline.domain.copy_order import CopyCommand, CopyOrder
from paceline.domain.errors import Invalid, PacelineError, Unavailable
from paceline.domain.ids import AccountId, CommandId, CopyOrderId
from paceline.domain.liquidation import Liquidation
from services.executor.liquidate import Liquidator

_log = structlog.get_logger(__name__)

TakeIn = Callable[[Iterable[CopyOrder]], tuple[int, int, list[CopyOrderId]]]
Bring = Callable[[Sequence[CopyCommand]], Awaitable[tuple[int, int, list[CommandId]]]]
Prepare = Callable[[Iterable[AccountId]], Awaitable[None]]


class ExecutorServicer(executor_pb2_grpc.ExecutorServiceServicer):
    """`Execute` acknowledges what came in; results stand in the rows. The rest is UNIMPLEMENTED."""

    def __init__(self, take_in: TakeIn, bring: Bring, prepare: Prepare, liquidator: Liquidator) -> None:
        self._take_in = take_in
        self._bring = bring
        self._prepare = prepare
        self._liquidator = liquidator

    async def Execute(
        self, request_iterator: AsyncIterator[executor_pb2.ExecuteRequest], context: Any
    ) -> AsyncIterator[executor_pb2.ExecuteResponse]:
        async for request in request_iterator:
            orders = each("orders", copy_order_from_wire, request.orders)
            commands = each("commands", command_from_wire, request.commands)
            await self._prepare({one.account_id for one in orders} | {one.account_id for one in commands})
            new, known, foreign = self._take_in(orders)
            changed, known_changes, foreign_changes = await self._changes(commands)
            ack = executor_pb2.BatchAck(
                batch_id=request.batch_id,
                accepted=new + changed,
                not_owned_ids=[*foreign, *foreign_changes],
                known=known + known_changes,
            )
            yield executor_pb2.ExecuteResponse(acks=[ack])

    async def Liquidate(
        self, request: executor_pb2.LiquidateRequest, context: Any
    ) -> AsyncIterator[executor_pb2.LiquidateResponse]:
        wanted = liquidation_from_wire(request)
        if request.freeze_version < 0:
            raise Invalid("freeze_version", "must not be negative")
        await self._prepare({wanted.account_id})
        stored = await self._liquidator.begin(wanted, request.freeze_version)
        async for step in self._liquidator.watch(stored):
            yield executor_pb2.LiquidateResponse(step=step_to_wire(stored.liquidation_id, step))

    async def BeginLiquidations(
        self, request: executor_pb2.BeginLiquidationsRequest, context: Any
    ) -> executor_pb2.BeginLiquidationsResponse:
        answer = executor_pb2.BeginLiquidationsResponse()
        wanted: list[Liquidation] = []
        for asked in request.liquidations:
            try:
                wanted.append(liquidation_from_wire(asked))
            except Invalid as problem:  # the others are as urgent as without it
                answer.refusals.add(liquidation_id=asked.liquidation_id, reason=str(problem))
        await self._prepare({one.account_id for one in wanted})
        for one, told in zip(wanted, await self._liquidator.begin_all(wanted), strict=True):
            if isinstance(told, PacelineError):
                answer.refusals.add(liquidation_id=one.liquidation_id, reason=str(told))
            else:
                answer.liquidation_ids.append(told.liquidation_id)
        return answer

    async def _changes(self, commands: Sequence[CopyCommand]) -> tuple[int, int, list[CommandId]]:
        """Where the rows cannot be read now, the sweep finds them."""
        try:
            return await self._bring(commands) if commands else (0, 0, [])
        except Unavailable as problem:
            _log.warning("execute.changes_unread", problem=str(problem), commands=len(commands))
            return 0, 0, []
