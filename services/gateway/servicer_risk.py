"""The gRPC edge of risk: what is a row there is handed on as it is, and its answer handed back.

A portfolio is asked of the replica that holds the account, many are asked of all of them; what is not handed
on answers UNIMPLEMENTED.
"""

from collections.abc import AsyncIterator
from typing import Any

import grpc.aio

from paceline.adapters.wire.pages import next_page_token, page_of
from paceline.api.v1 import risk_pb2, risk_pb2_grpc
from paceline.domain.ids import AccountId
from paceline.runtime.sound import require_sound, sound_name
from services.gateway.once import ACTOR_KEY
from services.gateway.risk_door import RiskDoor
from services.gateway.risk_watch import watch


class RiskServicer(risk_pb2_grpc.RiskServiceServicer):
    def __init__(self, door: RiskDoor) -> None:
        self._door = door

    async def GetPortfolio(
        self, request: risk_pb2.GetPortfolioRequest, context: Any
    ) -> risk_pb2.GetPortfolioResponse:
        account_id, onward = AccountId(sound_name(request.account_id, "account_id")), _onward(context)
        return await self._door.ask_owner(account_id, lambda risk: risk.GetPortfolio(request, **onward))

    async def ListPortfolios(
        self, request: risk_pb2.ListPortfoliosRequest, context: Any
    ) -> risk_pb2.ListPortfoliosResponse:
        """The first of all next pages: their order is one, and a token names the last account."""
        require_sound(request)
        page, onward = page_of(request), _onward(context)
        answers = await self._door.ask_all(lambda risk: risk.ListPortfolios(request, **onward))
        found = {each.account_id: each for answer in answers for each in answer.portfolios}
        chosen = [found[name] for name in sorted(found)][: page.size]
        more = len(found) > page.size or any(each.next_page_token for each in answers)
        token = next_page_token(request, chosen[-1].account_id) if chosen and more else ""
        return risk_pb2.ListPortfoliosResponse(portfolios=chosen, next_page_token=token)

    async def WatchPortfolios(
        self, request: risk_pb2.WatchPortfoliosRequest, context: Any
    ) -> AsyncIterator[risk_pb2.WatchPortfoliosResponse]:
        require_sound(request)
        async for response in watch(self._door, request, _onward(context)):
            yield response

    async def GetRiskLimits(
        self, request: risk_pb2.GetRiskLimitsRequest, context: Any
    ) -> risk_pb2.GetRiskLimitsResponse:
        onward = _onward(context)
        return await self._door.ask(lambda risk: risk.GetRiskLimits(request, **onward))

    async def UpdateRiskLimits(
        self, request: risk_pb2.UpdateRiskLimitsRequest, context: Any
    ) -> risk_pb2.UpdateRiskLimitsResponse:
        onward = _onward(context)
        return await self._door.ask(lambda risk: risk.UpdateRiskLimits(request, **onward), repeatable=False)

    async def GetKillSwitch(
        self, request: risk_pb2.GetKillSwitchRequest, context: Any
    ) -> risk_pb2.GetKillSwitchResponse:
        onward = _onward(context)
        return await self._door.ask(lambda risk: risk.GetKillSwitch(request, **onward))

    async def ListKillSwitches(
        self, request: risk_pb2.ListKillSwitchesRequest, context: Any
    ) -> risk_pb2.ListKillSwitchesResponse:
        onward = _onward(context)
        return await self._door.ask(lambda risk: risk.ListKillSwitches(request, **onward))

    async def EngageKillSwitch(
        self, request: risk_pb2.EngageKillSwitchRequest, context: Any
    ) -> risk_pb2.EngageKillSwitchResponse:
        onward = _onward(context)
        return await self._door.ask(lambda risk: risk.EngageKillSwitch(request, **onward))

    async def ReleaseKillSwitch(
        self, request: risk_pb2.ReleaseKillSwitchRequest, context: Any
    ) -> risk_pb2.ReleaseKillSwitchResponse:
        onward = _onward(context)
        return await self._door.ask(lambda risk: risk.ReleaseKillSwitch(request, **onward))

    async def ListGuardTrips(
        self, request: risk_pb2.ListGuardTripsRequest, context: Any
    ) -> risk_pb2.ListGuardTripsResponse:
        onward = _onward(context)
        return await self._door.ask(lambda risk: risk.ListGuardTrips(request, **onward))

    async def RearmGuard(
        self, request: risk_pb2.RearmGuardRequest, context: Any
    ) -> risk_pb2.RearmGuardResponse:
        onward = _onward(context)
        return await self._door.ask(lambda risk: risk.RearmGuard(request, **onward))

    async def CreateLiquidation(
        self, request: risk_pb2.CreateLiquidationRequest, context: Any
    ) -> risk_pb2.CreateLiquidationResponse:
        """Asked again it is the same; without a request id and after its end it would be another."""
        onward = _onward(context)
        repeatable = bool(request.request_id)
        return await self._door.ask(
            lambda risk: risk.CreateLiquidation(request, **onward), repeatable=repeatable
        )

    async def GetLiquidation(
        self, request: risk_pb2.GetLiquidationRequest, context: Any
    ) -> risk_pb2.GetLiquidationResponse:
        onward = _onward(context)
        return await self._door.ask(lambda risk: risk.GetLiquidation(request, **onward))

    async def ListLiquidations(
        self, request: risk_pb2.ListLiquidationsRequest, context: Any
    ) -> risk_pb2.ListLiquidationsResponse:
        onward = _onward(context)
        return await self._door.ask(lambda risk: risk.ListLiquidations(request, **onward))

    async def ListLiquidationSteps(
        self, request: risk_pb2.ListLiquidationStepsRequest, context: Any
    ) -> risk_pb2.ListLiquidationStepsResponse:
        onward = _onward(context)
        return await self._door.ask(lambda risk: risk.ListLiquidationSteps(request, **onward))


def _onward(context: Any) -> dict[str, Any]:
    """Whoever asks stays who asks, and waits as long."""
    metadata = context.invocation_metadata() or ()
    who = grpc.aio.Metadata(*((key, value) for key, value in metadata if key == ACTOR_KEY))
    return {"metadata": who, "timeout": context.time_remaining()}
