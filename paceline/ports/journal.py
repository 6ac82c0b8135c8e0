"""What happened, numbered without holes: the one place where a leader event becomes true."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from paceline.domain.account import Broker
from paceline.domain.errors import NotOwner
from paceline.domain.event import Event, Fact
from paceline.domain.ids import AccountId, Epoch, EventIdentity, Offset, Partition
from paceline.ports.broker import MalformedKind


@dataclass(frozen=True, slots=True)
class Append:
    """Facts of one partition, in the order they shall be numbered; their accounts all hash to it."""

    partition: Partition
    epoch: Epoch | None
    """Of the lease of service `feed`; None is who writes by the pins of the accounts alone."""
    facts: Sequence[Fact]
    traceparents: Sequence[str] = ()
    """One per fact; none at all when there are no traces."""
    pins: Mapping[AccountId, Epoch] = field(default_factory=dict)
    """The epochs of those accounts that were ever pinned, as the writer knows them."""


@dataclass(frozen=True, slots=True)
class Appended:
    """What an append did: `events` are the new ones in offset order; the rest stood there already."""

    partition: Partition
    events: tuple[Event, ...]
    known: frozenset[EventIdentity]
    refused: frozenset[AccountId] = frozenset()
    """Of these nothing was written: the epochs of their pins are others than the writer knows."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A frame nobody could use, kept raw."""

    broker: Broker
    account_id: AccountId | None
    source: str
    """Where it came from (`order_socket`, `trade_book`)."""
    kind: MalformedKind
    detail: str
    raw: bytes
    received_ns: int


class Journal(Protocol):
    """Offsets per partition and sequences per account count from 1; commit order is offset order."""

    async def append(
        self, partition: Partition, epoch: Epoch, facts: Sequence[Fact], traceparents: Sequence[str] = ()
    ) -> Appended:
        """Durable on return. Raises `NotOwner` when the lease has another epoch, or an account is pinned, and
        then writes nothing.
        """
        ...

    async def append_many(self, batches: Sequence[Append]) -> Sequence[Appended | NotOwner]:
        """One commit for many partitions (each at most once); a stale one is refused alone, and so is an
        account whose pin changed hands. In order of asking. Who writes without the partition's lease
        wakes the listeners of `paceline_journal`.

        After `Unavailable` it may have been committed: append the same facts again, then read what others
        missed.
        """
        ...

    async def read(self, partition: Partition, after: Offset, limit: int) -> Sequence[Event]:
        """Events with an offset greater than `after`, in order. Raises `Forgotten` where the next one is
        no longer kept, and names the first that is.
        """
        ...

    async def heads(self, partitions: Iterable[Partition]) -> Mapping[Partition, Offset]:
        """The newest offset of each; 0 where nothing was ever journaled."""
        ...

    async def restore(
        self, accounts: Iterable[AccountId], since_ns: int
    ) -> Mapping[AccountId, Sequence[Fact]]:
        """What rebuilds a session's last known state: each order's newest report, every fill, each key's
        newest
        position, journaled at or after `since_ns` (by the broker's time or ours), in offset order. An account
        of
        which nothing is known is missing in the answer.
        """
        ...

    async def sequences(self, accounts: Iterable[AccountId]) -> Mapping[AccountId, int]:
        """The last sequence of each account that ever had an event: absent means a baseline is still to be
        taken.
        """
        ...

    async def dead_letter(self, letters: Sequence[DeadLetter]) -> None: ...

    async def dead_letters(self, account_id: AccountId | None, limit: int) -> Sequence[DeadLetter]:
        """The newest first; of everyone when no account is named."""
        ...

    async def lay_weeks(self, first_day: date, weeks: int) -> int:
        """Make room for the weeks to come; to be called daily. Says how many were missing."""
        ...
