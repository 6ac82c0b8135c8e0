"""Liquidations, the freezes that go before them, and what is kept of every step."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from paceline.domain.copy_order import CopyCommand, CopyOrder
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
class Filter:
    """Every one that is set must hold."""

    account_id: AccountId | None = None
    cause: LiquidationCause | None = None
    states: frozenset[LiquidationState] = frozenset()
    since: datetime | None = None
    before: datetime | None = None


class Freezing(Protocol):
    """A person's freeze, and the end of any."""

    async def freeze(self, account_id: AccountId, cause: str, reason: str) -> None:
        """Nothing enters any more; what a liquidation froze further stays so."""
        ...

    async def release(self, account_id: AccountId, actor: str, reason: str) -> bool:
        """Whether there was one. Raises `FailedPrecondition` while a liquidation needs it."""
        ...


class Liquidations(Freezing, Protocol):
    """Writes stand under the lease of service `executor`, and raise `NotOwner` where it is stale."""

    async def create(self, partition: Partition, epoch: Epoch, wanted: Liquidation) -> Liquidation:
        """Stores it, with its freeze where it concerns the whole account; one that is stored is given back.

        Raises `NotFound` for an unknown account or subscription, and `AlreadyExists` where another one of the
        same scope and level runs, or this name means something else.
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

    async def rows(self, of: Liquidation) -> Sequence[CopyRow]:
        """Its own orders, ended or not, and all of the account that have not ended; as they were planned."""
        ...

    async def ledgers(self, account_id: AccountId) -> Mapping[tuple[SubscriptionId, InstrumentKey], Ledger]:
        """Of all its subscriptions, ended ones too."""
        ...

    async def step(
        self,
        partition: Partition,
        epoch: Epoch,
        of: Liquidation,
        steps: Sequence[Step],
        orders: Sequence[CopyOrder] = (),
        lines: Sequence[LedgerEntry] = (),
        commands: Sequence[CopyCommand] = (),
    ) -> Sequence[CopyOrder]:
        """Steps with the orders and changes they bring, and their audit; one transaction. Answers new orders.

        Orders of copies are left out where their ledger no longer holds as much.
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
