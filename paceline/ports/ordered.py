"""Adjustments of ledgers that somebody ordered, and corporate actions: written down, then carried out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from paceline.domain.copying.ordered import CorporateAction, Ordered, OrderedKind, OrderedState, Verdict
from paceline.domain.ids import Epoch, InstrumentId, Partition, SubscriptionId
from paceline.domain.ledger import Ledger
from paceline.ports.lives import Tenancy
from paceline.ports.plans import LedgerKey

OrderedMark = tuple[datetime, str]
ActionMark = tuple[date, str]


@dataclass(frozen=True, slots=True)
class OrderedView:
    ordered: Ordered
    state: OrderedState
    words: str
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class OrderedFilter:
    """Every one that is set must hold."""

    subscription_id: SubscriptionId | None = None
    state: OrderedState | None = None
    kind: OrderedKind | None = None


@dataclass(frozen=True, slots=True)
class ActionView:
    action: CorporateAction
    created_at: datetime
    begun: bool


class Orders(Protocol):
    """What people write down."""

    async def order(self, ordered: Ordered, leader_partition: Partition) -> OrderedView:
        """Raises `FailedPrecondition` where the ledger holds something else."""
        ...

    async def page(
        self, which: OrderedFilter, before: OrderedMark | None, limit: int
    ) -> Sequence[OrderedView]:
        """Newest first."""
        ...

    async def announce(self, action: CorporateAction) -> ActionView:
        """Raises `AlreadyExists` where the instrument has another on that day."""
        ...

    async def take_back(self, action_id: str) -> None:
        """Raises `NotFound`, and `FailedPrecondition` once it began."""
        ...

    async def actions(
        self, instrument_id: InstrumentId | None, before: ActionMark | None, limit: int
    ) -> Sequence[ActionView]:
        """The latest ex-date first."""
        ...


class Adjusting(Protocol):
    """What a replicator carries out, under the lease of the leader's partition; raises `NotOwner` without."""

    async def due(
        self, day: date, partitions: Iterable[Partition]
    ) -> Sequence[tuple[CorporateAction, Sequence[Partition]]]:
        """Actions in the order of their days, with the partitions in which they were not carried out."""
        ...

    async def begin(self, epochs: Mapping[Partition, Epoch], action: CorporateAction) -> int:
        """Leaders' positions are moved, and every ledger's adjustment is ordered: once, and not in partitions
        that are another's by now. Answers how many ledgers.
        """
        ...

    async def waiting(self, partitions: Iterable[Partition]) -> Sequence[tuple[Partition, Ordered]]:
        """Oldest first."""
        ...

    async def wait(self, ordered: Ordered, words: str) -> None:
        """Shown with it."""
        ...

    async def finish(
        self, tenancy: Tenancy, ordered: Ordered, verdict: Verdict, seen: Mapping[LedgerKey, Ledger]
    ) -> bool:
        """Its lines, its state and its audit in one transaction; not where a ledger moved since."""
        ...
