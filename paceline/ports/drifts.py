"""Differences between ledgers and position books: what they are judged by, and what is written of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from paceline.domain.copy_order import CopyOrder
from paceline.domain.drift import Difference, Healing, Standing
from paceline.domain.ids import AccountId, Epoch, Partition, SubscriptionId
from paceline.domain.instrument import InstrumentKey
from paceline.ports.plans import LedgerKey


@dataclass(frozen=True, slots=True)
class Finding:
    """What was judged of one key, on what; without a difference an open drift ends."""

    key: InstrumentKey
    standing: Standing
    difference: Difference | None
    evidence: str = ""
    book_ns: int = 0
    """When the book that it stands on was asked for."""
    healing: Healing = field(default_factory=Healing)


@dataclass(frozen=True, slots=True)
class Drift:
    """One that stands, or stood."""

    drift_id: int
    account_id: AccountId
    key: InstrumentKey
    difference: Difference
    evidence: str
    since: datetime
    book_ns: int
    heals: int = 0
    ended_at: datetime | None = None


class Drifts(Protocol):
    async def accounts(self, partitions: Iterable[Partition]) -> Sequence[AccountId]:
        """Whoever holds copies, should hold some, or has a drift that stands."""
        ...

    async def standings(
        self, partition: Partition, account_id: AccountId, quiet_ms: int
    ) -> Mapping[InstrumentKey, Standing]:
        """Of the keys that its copies hold or should hold, and of those with a drift; a ledger that moved
        less than `quiet_ms` ago is no rest.
        """
        ...

    async def newest(self, account_id: AccountId, keys: Iterable[LedgerKey]) -> Mapping[LedgerKey, CopyOrder]:
        """The last order of each."""
        ...

    async def write(
        self,
        partition: Partition,
        epoch: Epoch,
        account_id: AccountId,
        findings: Sequence[Finding],
        quiet_ms: int,
    ) -> Sequence[CopyOrder]:
        """Begins, goes on and ends drifts, with their audit, and heals; one transaction. A key that does not
        stand as it was judged is left. Answers the orders that are new. Raises `NotOwner`.
        """
        ...

    async def standing(self, partitions: Iterable[Partition]) -> int:
        """How many drifts stand."""
        ...

    async def page(
        self,
        *,
        account_id: AccountId | None = None,
        subscription_id: SubscriptionId | None = None,
        ended: bool = False,
        after: int = 0,
        limit: int = 100,
    ) -> Sequence[Drift]:
        """In the order in which they began; of a subscription those in whose keys it has a ledger."""
        ...
