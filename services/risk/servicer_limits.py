"""The gRPC edge of risk limits: the lines of margin, and guards."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from paceline.adapters.wire.decimals import decimal_or_none, text_of
from paceline.adapters.wire.fields import within
from paceline.adapters.wire.guards import account_guards_from_wire, account_guards_to_wire
from paceline.adapters.wire.masks import masked
from paceline.api.v1 import risk_pb2, risk_pb2_grpc
from paceline.domain.errors import Invalid
from paceline.domain.ids import AccountId
from paceline.domain.risk import Thresholds
from paceline.ports.risk_limits import RiskLimits, RiskLimitsStore
from paceline.runtime.sound import require_sound, sound_name
from services.risk.actor import actor_of

_LINES = ("warning_percent", "rearm_percent", "liquidation_percent")
_FIXED = frozenset({"account_id", "version"})
_PERCENT_MAX = Decimal(10_000)
_DIGITS = 4


class LimitMethods(risk_pb2_grpc.RiskServiceServicer):
    """The part of RiskService that concerns limits."""

    def __init__(self, limits: RiskLimitsStore) -> None:
        self._limits = limits

    async def GetRiskLimits(
        self, request: risk_pb2.GetRiskLimitsRequest, context: Any
    ) -> risk_pb2.GetRiskLimitsResponse:
        account_id = AccountId(sound_name(request.account_id, "account_id"))
        return risk_pb2.GetRiskLimitsResponse(limits=_to_wire(await self._limits.get(account_id)))

    async def UpdateRiskLimits(
        self, request: risk_pb2.UpdateRiskLimitsRequest, context: Any
    ) -> risk_pb2.UpdateRiskLimitsResponse:
        require_sound(request)
        account_id = AccountId(sound_name(request.limits.account_id, "limits.account_id"))
        if request.limits.version < 0:
            raise Invalid("limits.version", "must not be negative")

        def edit(current: RiskLimits) -> RiskLimits:
            wire = masked(_to_wire(current), request.limits, request.update_mask, fixed=_FIXED)
            thresholds = within("limits", _lines_of, wire)
            return replace(
                current, thresholds=thresholds, guards=within("limits", account_guards_from_wire, wire)
            )

        changed = await self._limits.update(
            account_id, request.limits.version, edit, actor_of(context), request.request_id
        )
        return risk_pb2.UpdateRiskLimitsResponse(limits=_to_wire(changed))


def _lines_of(wire: risk_pb2.RiskLimits) -> Thresholds:
    """A line that is absent is the usual one."""
    usual = Thresholds()
    warning, rearm, liquidation = (
        _percent(wire, name, default)
        for name, default in zip(_LINES, (usual.warning, usual.rearm, usual.liquidation), strict=True)
    )
    if liquidation >= warning:
        raise Invalid("liquidation_percent", "must be below warning_percent")
    if warning > rearm:
        raise Invalid("rearm_percent", "must not be below warning_percent")
    return Thresholds(warning, rearm, liquidation)


def _percent(wire: risk_pb2.RiskLimits, name: str, default: Decimal) -> Decimal:
    given = decimal_or_none(wire, name)
    if given is None:
        return default
    if not 0 <= given <= _PERCENT_MAX:
        raise Invalid(name, f"must be between 0 and {_PERCENT_MAX}")
    if given != round(given, _DIGITS):
        raise Invalid(name, f"must not have more than {_DIGITS} digits behind the point")
    return given


def _to_wire(limits: RiskLimits) -> risk_pb2.RiskLimits:
    wire = risk_pb2.RiskLimits(account_id=limits.account_id, version=limits.version)
    lines = limits.thresholds
    for name, number in zip(_LINES, (lines.warning, lines.rearm, lines.liquidation), strict=True):
        getattr(wire, name).value = text_of(number)
    account_guards_to_wire(limits.guards, wire)
    return wire
