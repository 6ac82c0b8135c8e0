"""The gRPC edge of what guards tripped: any replica answers, they are rows."""

from typing import Any

from paceline.adapters.wire.fields import required
from paceline.adapters.wire.guards import GUARD_KIND, guard_trip_to_wire
from paceline.adapters.wire.pages import next_page_token, page_of
from paceline.api.v1 import risk_pb2, risk_pb2_grpc
from paceline.domain.ids import AccountId
from paceline.ports.guards import Guards
from paceline.runtime.sound import require_sound, sound_name
from services.risk.actor import actor_of


class GuardMethods(risk_pb2_grpc.RiskServiceServicer):
    """The part of RiskService that concerns guards. Arming twice is arming once."""

    def __init__(self, guards: Guards) -> None:
        self._guards = guards

    async def ListGuardTrips(
        self, request: risk_pb2.ListGuardTripsRequest, context: Any
    ) -> risk_pb2.ListGuardTripsResponse:
        require_sound(request)
        page = page_of(request)
        account_id = AccountId(request.account_id) if request.account_id else None
        kind = GUARD_KIND.read(request.kind, "kind") if request.kind else None
        found = await self._guards.page(
            account_id, kind, rearmed=request.include_rearmed, after=page.after, limit=page.size + 1
        )
        chosen = found[: page.size]
        more = len(found) > page.size
        return risk_pb2.ListGuardTripsResponse(
            guard_trips=[guard_trip_to_wire(each) for each in chosen],
            next_page_token=next_page_token(request, chosen[-1].guard_trip_id) if more else "",
        )

    async def RearmGuard(
        self, request: risk_pb2.RearmGuardRequest, context: Any
    ) -> risk_pb2.RearmGuardResponse:
        require_sound(request)
        name = sound_name(request.guard_trip_id, "guard_trip_id")
        reason = required(request.reason, "reason")
        armed = await self._guards.rearm(name, actor_of(context), reason, request.request_id)
        return risk_pb2.RearmGuardResponse(guard_trip=guard_trip_to_wire(armed))
