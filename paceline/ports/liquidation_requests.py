"""Liquidations that are wanted: durable before anybody is asked, asked for until somebody has them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from paceline.domain.ids import AccountId, LiquidationId, Partition, SubscriptionId
from paceline.domain.liquidation import LiquidationCause, LiquidationLevel


@dataclass(frozen=True, slots=True)
class Request:
    """Of a whole account, or of the copies of one subscription."""

    liquidation_id: LiquidationId
    account_id: AccountId
    cause: LiquidationCause
    cause_id: str
    reason: str
    evidence: Mapping[str, object] = field(default_factory=dict)
    """`equity`, `currency`, `level` and `prices` when it was wanted, as far as they were known."""
    subscription_id: SubscriptionId | None = None
    level: LiquidationLevel = LiquidationLevel.FLATTEN


class LiquidationRequests(Protocol):
    async def unacknowledged(self, partitions: Iterable[Partition], limit: int) -> Sequence[Request]:
        """Whole accounts before copies, the oldest first."""
        ...

    async def create(self, request: Request, actor: str, request_id: str) -> Request:
        """By a person's hand, of an account's whole, with its audit; the one that runs where one does. Raises
        `NotFound` for an account that is none.
        """
        ...

    async def acknowledge(self, liquidation_ids: Iterable[LiquidationId]) -> None:
        """The executor has stored them, and goes on by himself."""
        ...
