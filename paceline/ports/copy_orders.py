"""The rows that are the instructions: what shall stand at brokers, and what became of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from paceline.domain.copy_order import CopyOrder, CopyStatus
from paceline.domain.ids import (
    AccountId,
    BrokerOrderId,
    CopyOrderId,
    DecisionId,
    Epoch,
    EventIdentity,
    Offset,
    Partition,
    SubscriptionId,
    Tag,
)
from paceline.domain.ledger import LedgerEntry
from paceline.domain.order import Fee


@dataclass(frozen=True, slots=True)
class CopyRow:
    """A copy order with what only the row knows."""

    order: CopyOrder
    written_ns: int
    """When the row was written, by the clock that stamps leases (`Grant.acquired_ns`)."""
    attempts: int
    error_code: str
    error_text: str
    sent_ns: int
    accepted_ns: int
    filled_ns: int
    slippage_bps: Decimal | None
    slippage_money: Decimal | None
    version: int


@dataclass(frozen=True, slots=True)
class SendResult:
    """What an executor found out about one row; fields left None stay as they are."""

    tag: Tag
    partition: Partition
    status: CopyStatus
    attempts: int
    broker_order_id: BrokerOrderId | None = None
    error_code: str = ""
    error_text: str = ""
    sent_ns: int | None = None
    accepted_ns: int | None = None
    released: tuple[LedgerEntry, ...] = ()
    """Planned quantity that will never be sent, when the status is an end."""


@dataclass(frozen=True, slots=True)
class CopyFill:
    """One trade of one copy order, matched by its tag."""

    tag: Tag
    trade_id: str
    event: EventIdentity
    quantity: Decimal
    price: Decimal
    broker_time_ns: int
    slippage_bps: Decimal | None = None
    slippage_money: Decimal | None = None
    fees: tuple[Fee, ...] = ()


@dataclass(frozen=True, slots=True)
class StatusMove:
    """A new status with the cumulative numbers that go with it."""

    tag: Tag
    status: CopyStatus
    broker_order_id: BrokerOrderId | None = None
    filled: Decimal | None = None
    average_price: Decimal | None = None
    accepted_ns: int | None = None
    filled_ns: int | None = None
    slippage_bps: Decimal | None = None
    slippage_money: Decimal | None = None
    error_code: str = ""
    error_text: str = ""


@dataclass(frozen=True, slots=True)
class BrokerFacts:
    """What a stretch of the journal says about copy orders of one partition."""

    partition: Partition
    epoch: Epoch
    """Of the lease of service `executor`."""
    offset: Offset
    """The last event of the stretch: where consumer `executor` goes on."""
    moves: tuple[StatusMove, ...] = ()
    fills: tuple[CopyFill, ...] = ()
    entries: tuple[LedgerEntry, ...] = ()
    """`FILLED` and `RELEASED` lines; a line whose cause is known is not written again."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """Tags whose rows moved; those missing had ended already, were filled further, or were fenced off."""

    moved: frozenset[Tag]
    stale: frozenset[Partition]


class CopyOrders(Protocol):
    async def open_rows(
        self,
        partitions: Iterable[Partition],
        *,
        written_before_ns: int | None = None,
        written_after_ns: int | None = None,
        statuses: Iterable[CopyStatus] | None = None,
        limit: int = 10_000,
    ) -> Sequence[CopyRow]:
        """Not ended (PLANNED, UNKNOWN, WORKING, PARTIAL, or those named), oldest first. `before` is
        exclusive.
        """
        ...

    async def by_tags(self, tags: Iterable[Tag]) -> Mapping[Tag, CopyRow]: ...

    async def by_ids(self, ids: Iterable[CopyOrderId]) -> Mapping[CopyOrderId, CopyRow]: ...

    async def by_decisions(self, decisions: Iterable[DecisionId]) -> Sequence[CopyRow]: ...

    async def insert(
        self, service: str, partition: Partition, epoch: Epoch, orders: Sequence[CopyOrder]
    ) -> Sequence[CopyOrder]:
        """Orders that no decision carries (next steps, manual, liquidations), under the caller's lease of
        `partition`; those whose tag or cause stands already are not returned. Raises `NotOwner`.
        """
        ...

    async def record_results(
        self, epochs: Mapping[Partition, Epoch], results: Sequence[SendResult]
    ) -> Recorded:
        """One transaction for the group; rows of a partition whose `executor` lease has another epoch are
        left
        alone and named. A row that the socket has already moved further keeps its status.
        """
        ...

    async def apply_broker_facts(self, facts: Sequence[BrokerFacts]) -> Recorded:
        """One transaction for the group: statuses, fills (once by trade), ledger lines, folds, offsets.
        Stretches of stale partitions are left out and named.
        """
        ...

    async def page(
        self,
        *,
        account_id: AccountId | None = None,
        subscription_id: SubscriptionId | None = None,
        status: CopyStatus | None = None,
        after: tuple[int, CopyOrderId] | None = None,
        limit: int = 100,
    ) -> Sequence[CopyRow]:
        """Newest first; `after` is (planned_ns, id) of the last row of the page before."""
        ...

    async def fills_of(self, ids: Iterable[CopyOrderId]) -> Mapping[CopyOrderId, Sequence[CopyFill]]: ...

    async def sent_since(
        self, accounts: Iterable[AccountId], since_ns: int
    ) -> Mapping[AccountId, Sequence[int]]:
        """Times of requests sent, ascending: what buckets are rebuilt from."""
        ...
