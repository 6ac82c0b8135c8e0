"""What leader events led to, written before anyone acts on it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from paceline.domain.copying.decision import Decision, SizingInputs
from paceline.domain.copying.view import LeaderPosition, LeaderState
from paceline.domain.event import Event
from paceline.domain.ids import (
    AccountId,
    BrokerOrderId,
    Epoch,
    EventIdentity,
    Offset,
    Partition,
    SubscriptionId,
)
from paceline.domain.instrument import InstrumentKey
from paceline.domain.ledger import Ledger

LedgerKey = tuple[SubscriptionId, InstrumentKey]


@dataclass(frozen=True, slots=True)
class Moved:
    """Where an account's position in one key stands now."""

    account_id: AccountId
    key: InstrumentKey
    position: LeaderPosition


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a plan, small enough to be committed and dispatched while the next is planned."""

    partition: Partition
    """The leader's."""
    epoch: Epoch
    event: Event
    decisions: tuple[Decision, ...]
    """With their orders and ledger lines."""
    leader_state: LeaderState | None = None
    """With the event folded in: its position in the event's key is stored when the offset moves."""
    move_offset: bool = False
    """Set on the last chunk (or the only one, which may be empty): the event is done with."""
    seen: Mapping[LedgerKey, Ledger] = field(default_factory=dict)
    """The ledgers the decisions were made on: a decision whose ledger has moved since is not written."""
    passed: tuple[Moved, ...] = ()
    """What earlier events that nobody copies left, to be stored when the offset moves past them."""


@dataclass(frozen=True, slots=True)
class Committed:
    """`inserted` are as they were given; `standing` were decided before, and stand as they were then."""

    inserted: tuple[Decision, ...]
    standing: tuple[Decision, ...]
    """With their orders, not with their ledger lines."""
    outdated: frozenset[SubscriptionId]
    """To be decided again on `ledgers` and committed; while there are any, the offset has not moved."""
    ledgers: Mapping[LedgerKey, Ledger]
    """As they are now, of every key that this chunk moved or found moved."""


NOTHING = Committed((), (), frozenset(), {})


@dataclass(frozen=True, slots=True)
class Passage:
    """Events of one partition up to an offset that nobody copies, and where they left the positions."""

    partition: Partition
    epoch: Epoch
    offset: Offset
    positions: tuple[Moved, ...] = ()


class Plans(Protocol):
    async def commit_chunk(self, chunk: Chunk) -> Committed:
        """One transaction, fenced by the lease of service `replicator`. A pair of event and subscription that
        was decided before inserts nothing. Raises `NotOwner`, and then wrote nothing.
        """
        ...

    async def pass_over(self, passages: Sequence[Passage]) -> frozenset[Partition]:
        """All of them in one transaction; those of stale epochs are left out and named."""
        ...

    async def ledgers_for(
        self, subscriptions: Iterable[SubscriptionId], key: InstrumentKey | None = None
    ) -> Mapping[LedgerKey, Ledger]:
        """Of all keys when none is named; what was never traded is missing in the answer."""
        ...

    async def others_held(
        self, subscriptions: Iterable[SubscriptionId], key: InstrumentKey
    ) -> Mapping[SubscriptionId, Decimal]:
        """What the followers of these hold, and have on its way, by other subscriptions; signed."""
        ...

    async def leader_states(self, accounts: Iterable[AccountId]) -> Mapping[AccountId, LeaderState]:
        """Flat where nothing is stored; without equity."""
        ...

    async def frozen_sizings(
        self, account_id: AccountId, order_id: BrokerOrderId, subscriptions: Iterable[SubscriptionId]
    ) -> Mapping[SubscriptionId, SizingInputs]:
        """What these subscriptions were first sized with for an order of a leader; `commit_chunk` keeps it
        from the first entry decision that has a sizing.
        """
        ...

    async def sizings_of_orders(
        self,
        account_id: AccountId,
        orders: Iterable[BrokerOrderId],
        subscriptions: Iterable[SubscriptionId],
    ) -> Mapping[SubscriptionId, Mapping[BrokerOrderId, SizingInputs]]:
        """The same for several orders; what was never sized is missing."""
        ...

    async def decisions_of(self, event: EventIdentity) -> Sequence[Decision]:
        """With their orders, not with their ledger lines."""
        ...
