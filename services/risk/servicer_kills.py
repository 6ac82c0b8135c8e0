"""The gRPC edge of kill switches: decode, call, encode. Any replica answers: they are rows."""

from typing import Any

from paceline.adapters.wire.fields import required, within
from paceline.adapters.wire.liquidations import LIQUIDATION_LEVEL
from paceline.adapters.wire.pages import next_page_token, page_of
from paceline.adapters.wire.times import timestamp_of
from paceline.api.v1 import risk_pb2, risk_pb2_grpc
from paceline.domain.errors import Invalid
from paceline.domain.kill_switch import KillScope, KillSwitch, Target
from paceline.ports.kill_switches import Asked, KillSwitches
from paceline.runtime.sound import require_sound, sound_name
from services.risk.actor import actor_of


class KillMethods(risk_pb2_grpc.RiskServiceServicer):
    """The part of RiskService that concerns kill switches. Engaging or releasing twice is doing it once."""

    def __init__(self, kills: KillSwitches) -> None:
        self._kills = kills

    async def GetKillSwitch(
        self, request: risk_pb2.GetKillSwitchRequest, context: Any
    ) -> risk_pb2.GetKillSwitchResponse:
        found = await self._kills.get(within("scope", _target_of, request.scope))
        return risk_pb2.GetKillSwitchResponse(kill_switch=_to_wire(found))

    async def ListKillSwitches(
        self, request: risk_pb2.ListKillSwitchesRequest, context: Any
    ) -> risk_pb2.ListKillSwitchesResponse:
        page = page_of(request)
        found = await self._kills.page(
            released=request.include_released, after=page.after, limit=page.size + 1
        )
        chosen = found[: page.size]
        more = len(found) > page.size
        return risk_pb2.ListKillSwitchesResponse(
            kill_switches=[_to_wire(switch) for _, switch in chosen],
            next_page_token=next_page_token(request, chosen[-1][0]) if more else "",
        )

    async def EngageKillSwitch(
        self, request: risk_pb2.EngageKillSwitchRequest, context: Any
    ) -> risk_pb2.EngageKillSwitchResponse:
        require_sound(request)
        target = within("scope", _target_of, request.scope)
        level = LIQUIDATION_LEVEL.read(request.level, "level")
        asked = Asked(actor_of(context), required(request.reason, "reason"), request.request_id)
        return risk_pb2.EngageKillSwitchResponse(
            kill_switch=_to_wire(await self._kills.engage(target, level, asked))
        )

    async def ReleaseKillSwitch(
        self, request: risk_pb2.ReleaseKillSwitchRequest, context: Any
    ) -> risk_pb2.ReleaseKillSwitchResponse:
        require_sound(request)
        target = within("scope", _target_of, request.scope)
        if request.version < 0:
            raise Invalid("version", "must not be negative")
        asked = Asked(actor_of(context), required(request.reason, "reason"), request.request_id)
        return risk_pb2.ReleaseKillSwitchResponse(
            kill_switch=_to_wire(await self._kills.release(target, request.version, asked))
        )


def _target_of(wire: risk_pb2.KillSwitchScope) -> Target:
    match wire.WhichOneof("scope"):
        case "everything" if wire.everything:
            return Target(KillScope.EVERYTHING)
        case "leader_id":
            return Target(KillScope.LEADER, sound_name(wire.leader_id, "leader_id"))
        case "follower_id":
            return Target(KillScope.FOLLOWER, sound_name(wire.follower_id, "follower_id"))
        case _:
            raise Invalid("scope", "must be everything, leader_id or follower_id")


def _to_wire(switch: KillSwitch) -> risk_pb2.KillSwitch:
    wire = risk_pb2.KillSwitch(
        reason=switch.reason,
        actor=switch.actor,
        version=switch.version,
        acknowledged=switch.acknowledged,
    )
    match switch.target.scope:
        case KillScope.EVERYTHING:
            wire.scope.everything = True
        case KillScope.LEADER:
            wire.scope.leader_id = switch.target.scope_id
        case KillScope.FOLLOWER:
            wire.scope.follower_id = switch.target.scope_id
    if switch.level is not None:
        wire.level = LIQUIDATION_LEVEL.wire[switch.level]
    if switch.changed is not None:
        wire.change_time.CopyFrom(timestamp_of(switch.changed))
    return wire
