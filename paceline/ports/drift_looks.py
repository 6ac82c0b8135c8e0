"""Looks at an account's position book that somebody asked for, from one service to another."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from paceline.domain.drift import LookOutcome
from paceline.domain.ids import AccountId, Epoch, Partition
from paceline.domain.subscription import DriftPolicy


@dataclass(frozen=True, slots=True)
class AskedLook:
    request_id: str
    account_id: AccountId
    policy: DriftPolicy | None = None
    """None is as each subscription says."""


class DriftLooks(Protocol):
    async def ask(self, asked: AskedLook) -> None:
        """Once by its request id. Raises `Conflict` where that was something else."""
        ...

    async def outcome(self, request_id: str) -> LookOutcome | None:
        """What came of it, once somebody looked."""
        ...

    async def asked(self, partitions: Iterable[Partition]) -> Sequence[AskedLook]:
        """Those nobody answered; what was asked long ago is nobody's wish any more."""
        ...

    async def answer(self, partition: Partition, epoch: Epoch, request_id: str, outcome: LookOutcome) -> None:
        """By who holds the account; the first answer stands. Raises `NotOwner`."""
        ...
