"""What happened, page by page: events, decisions, orders, ledgers, the audit.

Each page goes on behind a mark that its list gave; everything but ledgers, their lines and instruments is
newest first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from paceline.domain.account import Broker
from paceline.domain.copy_order import Cause, CopyStatus
from paceline.domain.copying.decision import Decision, Outcome, SkipReason
from paceline.domain.copying.view import LeaderPosition
from paceline.domain.event import Event, EventKind
from paceline.domain.ids import (
    AccountId,
    BrokerOrderId,
    CopyOrderId,
    DecisionId,
    EventIdentity,
    InstrumentId,
    Offset,
    Partition,
    SubscriptionId,
    Tag,
)
from paceline.domain.instrument import Exchange, Instrument, InstrumentKey, InstrumentKind, Segment
from paceline.domain.ledger import EntryKind, Ledger, LedgerEntry
from paceline.domain.order import Side
from paceline.ports.audit import AuditEntry
from paceline.ports.broker import MalformedKind
from paceline.ports.copy_orders import CopyRow
from paceline.ports.journal import DeadLetter

DecisionMark = tuple[datetime, DecisionId]
OrderMark = tuple[int, CopyOrderId]
TradeMark = tuple[datetime, EventIdentity]
LedgerMark = tuple[str, str, str]
"""Subscription, instrument and product."""
LineMark = tuple[datetime, str]
"""When it was written, and what tells it from the others of its moment."""


@dataclass(frozen=True, slots=True)
class Moments:
    """From a moment until before another; None is open."""

    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class Nanoseconds:
    """The same, as columns that are counted have it."""

    start: int | None = None
    end: int | None = None


@dataclass(frozen=True, slots=True)
class EventFilter:
    account_id: AccountId
    kind: EventKind | None = None
    instrument_id: InstrumentId | None = None
    order_id: BrokerOrderId | None = None
    recovered: bool | None = None
    journaled: Nanoseconds = Nanoseconds()


@dataclass(frozen=True, slots=True)
class DeadLetterFilter:
    account_id: AccountId | None = None
    kind: MalformedKind | None = None
    received: Nanoseconds = Nanoseconds()


@dataclass(frozen=True, slots=True)
class DecisionFilter:
    subscription_id: SubscriptionId | None = None
    leader: AccountId | None = None
    follower: AccountId | None = None
    outcome: Outcome | None = None
    reason: SkipReason | None = None
    event: EventIdentity | None = None
    created: Moments = Moments()


@dataclass(frozen=True, slots=True)
class OrderFilter:
    account_id: AccountId | None = None
    subscription_id: SubscriptionId | None = None
    decision_id: DecisionId | None = None
    statuses: frozenset[CopyStatus] = frozenset()
    instrument_id: InstrumentId | None = None
    tag: Tag | None = None
    planned: Nanoseconds = Nanoseconds()


@dataclass(frozen=True, slots=True)
class LedgerFilter:
    subscription_id: SubscriptionId | None = None
    follower: AccountId | None = None
    instrument_id: InstrumentId | None = None
    include_flat: bool = False


@dataclass(frozen=True, slots=True)
class LineFilter:
    subscription_id: SubscriptionId
    key: InstrumentKey | None = None
    kind: EntryKind | None = None
    written: Moments = Moments()


class TradeState(StrEnum):
    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class TradeFilter:
    account_id: AccountId | None = None
    subscription_id: SubscriptionId | None = None
    state: TradeState | None = None
    entered: Moments = Moments()


@dataclass(frozen=True, slots=True)
class AuditFilter:
    actor: str = ""
    subject: str = ""
    created: Moments = Moments()


@dataclass(frozen=True, slots=True)
class InstrumentFilter:
    prefix: str = ""
    exchange: Exchange | None = None
    segment: Segment | None = None
    kind: InstrumentKind | None = None
    underlying: str = ""


@dataclass(frozen=True, slots=True)
class DecisionView:
    """With its orders and changes, not with its ledger lines."""

    decision: Decision
    cause: Cause
    decided_at: datetime


@dataclass(frozen=True, slots=True)
class PlanFilter:
    leader: AccountId
    created: Moments = Moments()


@dataclass(frozen=True, slots=True)
class PlanView:
    """What one leader event led to, counted; while it is not complete, as far as it is committed."""

    event: EventIdentity
    leader: AccountId
    partition: Partition
    offset: Offset
    started_at: datetime
    complete: bool
    planned: int
    skipped: int
    skips: Mapping[SkipReason, int]


@dataclass(frozen=True, slots=True)
class Opening:
    """Where an account stood before a moment, as far as the journal can tell."""

    positions: Mapping[InstrumentKey, LeaderPosition]
    """Own and copied, as the journal tells them; what was held before it began is not in them."""
    folded: bool
    """Everything before the moment is in them; else the replicator has not read so far yet."""
    kept_since_ns: int | None
    """The first event that is still kept; None where everything is."""


@dataclass(frozen=True, slots=True)
class DeadLetterView:
    number: int
    letter: DeadLetter


@dataclass(frozen=True, slots=True)
class LedgerView:
    subscription_id: SubscriptionId
    key: InstrumentKey
    ledger: Ledger
    lot: Decimal | None
    """None where no master knows the instrument."""


@dataclass(frozen=True, slots=True)
class LedgerLineView:
    entry: LedgerEntry
    written_at: datetime
    mark: str


@dataclass(frozen=True, slots=True)
class TradeView:
    """Prices are averages; those of the exit are None while it is open, or where no fill told them."""

    trade_id: EventIdentity
    account_id: AccountId
    subscription_id: SubscriptionId | None
    key: InstrumentKey
    side: Side
    quantity: Decimal
    state: TradeState
    entry_order_id: str
    entry_price: Decimal
    entered_at: datetime
    exit_order_id: str
    exit_price: Decimal | None
    exited_at: datetime | None
    profit: Decimal | None
    currency: str


class History(Protocol):
    async def events(
        self, which: EventFilter, before: Offset | None, limit: int, *, with_raw: bool
    ) -> Sequence[Event]:
        """Of one account, whose offsets rise with time; without their raw frames unless asked for."""
        ...

    async def stretch(
        self, account_id: AccountId, journaled: Nanoseconds, after: Offset, limit: int
    ) -> Sequence[Event]:
        """Events of one account behind an offset, oldest first, without their raw frames."""
        ...

    async def count(self, account_id: AccountId, journaled: Nanoseconds, most: int) -> int:
        """How many such events there are; counted no further than `most`."""
        ...

    async def opening(self, account_id: AccountId, at_ns: int) -> Opening:
        """As of before a moment of the journal's own time."""
        ...

    async def plans(
        self, which: PlanFilter, before: tuple[datetime, EventIdentity] | None, limit: int
    ) -> Sequence[PlanView]:
        """Newest first."""
        ...

    async def plan(self, event: EventIdentity) -> PlanView:
        """`NotFound` where an event led to none, yet or at all."""
        ...

    async def dead_letters(
        self, which: DeadLetterFilter, before: int | None, limit: int
    ) -> Sequence[DeadLetterView]: ...

    async def decisions(
        self, which: DecisionFilter, before: DecisionMark | None, limit: int
    ) -> Sequence[DecisionView]: ...

    async def copy_orders(
        self, which: OrderFilter, before: OrderMark | None, limit: int
    ) -> Sequence[CopyRow]: ...

    async def ledgers(
        self, which: LedgerFilter, after: LedgerMark | None, limit: int
    ) -> Sequence[LedgerView]: ...

    async def ledger_lines(
        self, which: LineFilter, after: LineMark | None, limit: int
    ) -> Sequence[LedgerLineView]:
        """Of one subscription, in the order of writing."""
        ...

    async def trades(
        self, which: TradeFilter, before: TradeMark | None, limit: int
    ) -> Sequence[TradeView]: ...

    async def audit(self, which: AuditFilter, before: int | None, limit: int) -> Sequence[AuditEntry]: ...

    async def instruments(
        self, which: InstrumentFilter, after: InstrumentId | None, limit: int
    ) -> Sequence[Instrument]:
        """The newest version of each."""
        ...

    async def instrument_of(self, broker: Broker, native_id: str) -> InstrumentId:
        """Which instrument a broker means by a name today; `NotFound` when none."""
        ...
