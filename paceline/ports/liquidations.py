"""Liquidations, the freezes that go before them, and what is kept of every step."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from paceline.domain.copy_order import CopyCommand, CopyOrder
from paceline.domain.errors import NotOwner, PacelineError
from paceline.domain.ids import AccountId, Epoch, LiquidationId, Partition, SubscriptionId
from paceline.domain.instrument import InstrumentKey
from paceline.domain.ledger import Ledger, LedgerEntry
from paceline.domain.liquidation import Liquidation, LiquidationCause, LiquidationLevel, LiquidationState
from paceline.ports.copy_orders import CopyRow


@dataclass(frozen=True, slots=True)
class Freeze:
    """What an account may not send. `cause` is the liquidation whose orders pass all the same."""

    account_id: AccountId
    level: LiquidationLevel
    cause: str
    reason: str
    version: int
    acknowledged: int = 0
    """The version that an executor has in memory."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing done, or one change of state; done once by its identity."""

    identity: str
    state: LiquidationState
    detail: str
    key: InstrumentKey | None = None
    order_id: str = ""
    remaining: Decimal | None = None
    number: int = 0
    """Counted from 1; 0 until it is written, like `at`."""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """Steps of one liquidation with the orders and changes they bring."""

    of: Liquidation
    steps: Sequence[Step]
    orders: Sequence[CopyOrder] = ()
    lines: Sequence[LedgerEntry] = ()
    commands: Sequence[CopyCommand] = ()


@dataclass(frozen=True, slots=True)
class Filter:
    """Every one that is set must hold."""

    account_id: AccountId | None = None
    cause: LiquidationCause | None = None
    states: frozenset[LiquidationState] = frozenset()
    since: datetime | None = None
    before: datetime | None = None


Ledgers = Mapping[tuple[SubscriptionId, InstrumentKey], Ledger]


class Freezing(Protocol):
    """A person's freeze, and the end of any."""

    async def freeze(self, account_id: AccountId, cause: str, reason: str) -> None:
        """Nothing enters any more; what a liquidation froze further stays so."""
        ...

    async def release(self, account_id: AccountId, actor: str, reason: str) -> bool:
        """Whether there was one. Raises `FailedPrecondition` while a liquidation needs it."""
        ...


class Liquidations(Freezing, Protocol):
    """Writes stand under the lease of service `executor`; where it is stale they are `NotOwner`."""

    async def create(
        self, epochs: Mapping[Partition, Epoch], wanted: Sequence[Liquidation]
    ) -> Sequence[Liquidation | PacelineError]:
        """Stores them in one transaction, with their freezes where they concern whole accounts.

        Answers each in its order, what was stored already as it stands, or what is in its way: `NotOwner`,
        `NotFound` for an unknown account or subscription, `AlreadyExists` where another one of the same scope
        and level runs, or this name means something else.
        """
        ...

    async def get(self, liquidation_id: LiquidationId) -> Liquidation:
        """Raises `NotFound`."""
        ...

    async def running(self, partitions: Iterable[Partition]) -> Sequence[Liquidation]:
        """Oldest first."""
        ...

    async def page(
        self, wanted: Filter, *, after: LiquidationId | None = None, limit: int = 100
    ) -> Sequence[Liquidation]:
        """Newest first."""
        ...

    async def steps(
        self, liquidation_id: LiquidationId, *, after: int = 0, limit: int = 500
    ) -> Sequence[Step]: ...

    async def rows(self, of: Sequence[Liquidation]) -> Sequence[Sequence[CopyRow]]:
        """Of each its own orders, ended or not, and all of the account that have not ended; as planned."""
        ...

    async def ledgers(self, accounts: Sequence[AccountId]) -> Sequence[Ledgers]:
        """Of each all its subscriptions, ended ones too."""
        ...

    async def act(
        self, epochs: Mapping[Partition, Epoch], acts: Sequence[Act]
    ) -> Sequence[Sequence[CopyOrder] | NotOwner]:
        """Acts of different liquidations with their audit, in one transaction. The new orders of each.

        Where a ledger no longer holds what copies are to sell, nothing of such an act is done.
        """
        ...

    async def finish(self, partition: Partition, epoch: Epoch, of: Liquidation) -> str:
        """Closes its ledgers and ends it; otherwise what it still waits for."""
        ...

    async def freezes(
        self, partitions: Iterable[Partition] = (), accounts: Iterable[AccountId] = ()
    ) -> Sequence[Freeze]:
        """Those that stand."""
        ...

    async def acknowledge(self, freezes: Sequence[Freeze], by: str) -> None:
        """They are in the memory of whoever sends."""
        ...
