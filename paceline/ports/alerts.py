"""What is still to be told to whom: an outbox that outlives every process."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from paceline.domain.alert import Alert
from paceline.domain.ids import AccountId, Partition
from paceline.ports.seal import Sealed


@dataclass(frozen=True, slots=True)
class Target:
    """Where alerts of an account go; `url` holds passwords."""

    target_id: str
    account_id: AccountId
    display_name: str
    url: Sealed
    created: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One alert to one target; `attempts` counts this one."""

    alert: Alert
    target: Target
    attempts: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """`again_s` is None when no more is tried."""

    delivery: Delivery
    problem: str = ""
    again_s: float | None = None


class Outbox(Protocol):
    async def claim(self, partitions: Iterable[Partition], limit: int, hold_s: float) -> Sequence[Delivery]:
        """What is due, the oldest first, for nobody else until `hold_s` are over: whoever claimed it and
        died is followed by another.
        """
        ...

    async def settle(self, outcomes: Sequence[Outcome]) -> None:
        """What somebody else claimed since is left to him."""
        ...


class Targets(Protocol):
    async def create(self, target: Target) -> Target: ...

    async def get(self, target_id: str) -> Target:
        """Raises `NotFound`."""
        ...

    async def page(self, account_id: AccountId, after: str, limit: int) -> Sequence[Target]: ...

    async def delete(self, target_id: str) -> None:
        """With what was still to be told there. Raises `NotFound`."""
        ...
