"""How often Fyers may be asked: every request of a user counts alike."""

from types import MappingProxyType
from typing import Final

from paceline.ports.broker import Call, Limits, LimitScope, Window

_EVERY_CALL: Final = frozenset(set(Call) - {Call.LOGIN})
_DAY_MS: Final = 24 * 60 * 60 * 1_000

FYERS_LIMITS: Final = Limits(
    windows=(
        Window("second", 10, 1_000, LimitScope.ACCOUNT, _EVERY_CALL),
        Window("minute", 200, 60_000, LimitScope.ACCOUNT, _EVERY_CALL, breaches_a_day=3),
        Window("day", 100_000, _DAY_MS, LimitScope.ACCOUNT, _EVERY_CALL),
    ),
    cost=MappingProxyType(dict.fromkeys(Call, 1)),
    basket=10,
)
