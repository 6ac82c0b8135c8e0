"""The lines an account is held to, as people set them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from paceline.domain.guards import AccountGuards
from paceline.domain.ids import AccountId
from paceline.domain.risk import Thresholds


@dataclass(frozen=True, slots=True)
class RiskLimits:
    """`version` 0 is nobody's: the usual lines."""

    account_id: AccountId
    thresholds: Thresholds = field(default_factory=Thresholds)
    guards: AccountGuards = field(default_factory=AccountGuards)
    version: int = 0


class RiskLimitsStore(Protocol):
    async def get(self, account_id: AccountId) -> RiskLimits:
        """Raises `NotFound` for an account that is none."""
        ...

    async def update(
        self,
        account_id: AccountId,
        version: int,
        edit: Callable[[RiskLimits], RiskLimits],
        actor: str,
        request_id: str,
    ) -> RiskLimits:
        """With its audit; what changes nothing is no version. `version` 0 is any. Raises `NotFound` and
        `Conflict`.
        """
        ...
