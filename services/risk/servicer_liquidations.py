"""Liquidations as people ask for them and read of them: executors store them and carry them out."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from paceline.adapters.wire.fields import required, within
from paceline.adapters.wire.liquidations import (
    LIQUIDATION_CAUSE,
    LIQUIDATION_STATE,
    liquidation_to_wire,
    step_to_wire,
)
from paceline.adapters.wire.pages import next_page_token, page_of
from paceline.adapters.wire.past import moments_of
from paceline.api.v1 import risk_pb2, risk_pb2_grpc
from paceline.domain.errors import Invalid
from paceline.domain.ids import AccountId, LiquidationId
from paceline.domain.liquidation import SEPARATOR, Liquidation, LiquidationCause
from paceline.ports.liquidation_requests import LiquidationRequests, Request
from paceline.ports.liquidations import Filter, Liquidations
from paceline.runtime.sound import require_sound, sound_name
from services.risk.actor import actor_of


class LiquidationMethods(risk_pb2_grpc.RiskServiceServicer):
    """Of every account, whoever holds its partition: they are rows. `wanted` hears of a new one."""

    def __init__(
        self, liquidations: Liquidations, requests: LiquidationRequests, wanted: Callable[[], None]
    ) -> None:
        self._liquidations = liquidations
        self._requests = requests
        self._liquidation_wanted = wanted

    async def CreateLiquidation(
        self, request: risk_pb2.CreateLiquidationRequest, context: Any
    ) -> risk_pb2.CreateLiquidationResponse:
        """Asked again by the same request id, or while one runs, it is the one there is."""
        require_sound(request)
        account_id = AccountId(sound_name(request.account_id, "account_id"))
        reason = required(request.reason, "reason")
        if SEPARATOR in request.request_id:
            raise Invalid("request_id", f"must not hold {SEPARATOR}")
        mark = request.request_id or uuid4().hex
        wanted = Request(
            LiquidationId(f"manual:{account_id}:{mark}"),
            account_id,
            LiquidationCause.MANUAL,
            request.request_id,
            f"by hand: {reason}",
        )
        standing = await self._requests.create(wanted, actor_of(context), request.request_id)
        self._liquidation_wanted()
        return risk_pb2.CreateLiquidationResponse(liquidation=liquidation_to_wire(_stored(standing)))

    async def GetLiquidation(
        self, request: risk_pb2.GetLiquidationRequest, context: Any
    ) -> risk_pb2.GetLiquidationResponse:
        found = await self._liquidations.get(_named(request.liquidation_id))
        return risk_pb2.GetLiquidationResponse(liquidation=liquidation_to_wire(found))

    async def ListLiquidations(
        self, request: risk_pb2.ListLiquidationsRequest, context: Any
    ) -> risk_pb2.ListLiquidationsResponse:
        if request.order_by not in {"", "create_time desc"}:
            raise Invalid("order_by", "must be create_time desc")
        wanted, page = within("filter", _filter_of, request.filter), page_of(request)
        after = LiquidationId(page.after) if page.after else None
        found = await self._liquidations.page(wanted, after=after, limit=page.size + 1)
        chosen = found[: page.size]
        more = len(found) > page.size
        return risk_pb2.ListLiquidationsResponse(
            liquidations=[liquidation_to_wire(each) for each in chosen],
            next_page_token=next_page_token(request, chosen[-1].liquidation_id) if more else "",
        )

    async def ListLiquidationSteps(
        self, request: risk_pb2.ListLiquidationStepsRequest, context: Any
    ) -> risk_pb2.ListLiquidationStepsResponse:
        name, page = _named(request.liquidation_id), page_of(request)
        await self._liquidations.get(name)
        found = await self._liquidations.steps(name, after=int(page.after or 0), limit=page.size + 1)
        chosen = found[: page.size]
        more = len(found) > page.size
        return risk_pb2.ListLiquidationStepsResponse(
            steps=[step_to_wire(name, each) for each in chosen],
            next_page_token=next_page_token(request, str(chosen[-1].number)) if more else "",
        )


def _stored(request: Request) -> Liquidation:
    """As the executor will store it."""
    return Liquidation(
        request.liquidation_id,
        request.account_id,
        request.level,
        request.cause,
        request.cause_id,
        request.reason,
    )


def _named(name: str) -> LiquidationId:
    return LiquidationId(required(name, "liquidation_id"))


def _filter_of(wire: risk_pb2.LiquidationFilter) -> Filter:
    created = within("created", moments_of, wire.created)
    return Filter(
        account_id=AccountId(wire.account_id) if wire.account_id else None,
        cause=LIQUIDATION_CAUSE.read(wire.cause, "cause") if wire.cause else None,
        states=LIQUIDATION_STATE.read_some(wire.states, "states"),
        since=created.start,
        before=created.end,
    )
