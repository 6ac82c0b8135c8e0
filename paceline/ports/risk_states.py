"""How accounts stand against their lines: durable, so that a line is crossed once whoever looks."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from paceline.domain.alert import Alert
from paceline.domain.ids import AccountId, Epoch, Partition
from paceline.domain.risk import RiskState, Thresholds
from paceline.ports.liquidation_requests import Request


@dataclass(frozen=True, slots=True)
class Standing:
    """`turn` counts the changes of state: what follows from one is named by it."""

    account_id: AccountId
    state: RiskState = RiskState.CALM
    turn: int = 0
    thresholds: Thresholds = field(default_factory=Thresholds)
    ended_ns: int = 0
    """When its liquidation was over, while nobody has drawn the conclusion; 0 otherwise."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One change of state with all that follows from it, written together or not at all."""

    standing: Standing
    """As it becomes."""
    partition: Partition
    action: str
    cause: Mapping[str, object]
    """What it was judged by: equity, margin, level, prices."""
    alerts: Sequence[Alert] = ()
    request: Request | None = None
    """A liquidation that is wanted; it cascades wherever the account leads."""


class RiskStates(Protocol):
    async def of(self, accounts: Iterable[AccountId]) -> Mapping[AccountId, Standing]:
        """Every one that is an account; those that nothing happened to are calm."""
        ...

    async def write(self, epochs: Mapping[Partition, Epoch], turns: Sequence[Turn]) -> frozenset[AccountId]:
        """Whose turn was taken: none under a stale epoch, and none that somebody else took already."""
        ...

    async def tell(self, alerts: Sequence[Alert]) -> None:
        """Lay out what no change of state goes with; what was told before is not told again."""
        ...
