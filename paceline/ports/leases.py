"""Who holds which partition: rows in PostgreSQL that PostgreSQL alone arbitrates."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from paceline.domain.ids import Epoch, Partition

NEVER_PINNED = Epoch(0)
"""The epoch of the pin of an account that has none."""


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """One row as read; `version` moves with every renewal, so an unchanged one is a silent owner."""

    partition: Partition
    epoch: Epoch
    owner: str | None
    address: str
    version: int


@dataclass(frozen=True, slots=True)
class Grant:
    """A row won: every write under it carries the epoch."""

    partition: Partition
    epoch: Epoch
    acquired_ns: int
    """By the database's clock, the same that stamps planned rows."""


@dataclass(frozen=True, slots=True)
class Tenure:
    """The right to journal one account, as its holder knows it: under the lease of the partition, or, without
    that, by a pin of its own. `pin` is the epoch of the account's pin.
    """

    partition: Partition
    epoch: Epoch | None
    pin: Epoch = NEVER_PINNED


@dataclass(frozen=True, slots=True)
class ReplicaRow:
    owner: str
    address: str
    version: int


class Leases(Protocol):
    """All calls concern one service; none blocks on another replica."""

    async def prepare(self) -> None:
        """Lay the rows of every partition where they are missing."""

    async def announce(self, owner: str, address: str) -> Sequence[ReplicaRow]:
        """Beat once, and see everyone who ever beat and did not withdraw."""

    async def rows(self) -> Sequence[LeaseRow]: ...

    async def acquire(
        self, owner: str, address: str, claims: Sequence[tuple[Partition, int]]
    ) -> Sequence[Grant]:
        """Take each row whose version is still the one seen; the epoch rises by one."""

    async def renew(self, owner: str, held: Sequence[tuple[Partition, Epoch]]) -> Sequence[Partition]:
        """Move the version of rows still ours; those not returned are lost."""

    async def release(self, owner: str, held: Sequence[tuple[Partition, Epoch]]) -> None:
        """Free rows at once, for others to take without waiting."""

    async def withdraw(self, owner: str) -> None:
        """Leave the list of replicas."""

    async def forget(self, owner: str, version: int) -> None:
        """Strike a replica off whose beat has stopped at this version."""
