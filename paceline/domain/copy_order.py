"""One decision to have one order at the broker for one follower."""

from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum, StrEnum

from paceline.domain.ids import (
    AccountId,
    BrokerOrderId,
    CommandId,
    CopyOrderId,
    DecisionId,
    SubscriptionId,
    Tag,
)
from paceline.domain.instrument import InstrumentKey
from paceline.domain.order import OrderType, Side, Validity


class CauseKind(StrEnum):
    EVENT = "EVENT"
    SIGNAL = "SIGNAL"
    STRATEGY_LEG = "STRATEGY_LEG"
    LIQUIDATION = "LIQUIDATION"
    GUARD = "GUARD"
    MANUAL = "MANUAL"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why an order is wanted; uniqueness hangs on it."""

    kind: CauseKind
    identity: str


class Intent(StrEnum):
    ENTRY = "ENTRY"
    EXIT = "EXIT"


class Lane(IntEnum):
    """Order of service between the sequences of an account; lower goes first."""

    LIQUIDATION = 1
    EXIT = 2
    CANCEL = 3
    MODIFY = 4
    ENTRY = 5


class CommandKind(StrEnum):
    PLACE = "PLACE"
    MODIFY = "MODIFY"
    CANCEL = "CANCEL"


class CommandStatus(StrEnum):
    """Life of a change to a copy order; what is neither PLANNED nor UNKNOWN is over."""

    PLANNED = "PLANNED"
    UNKNOWN = "UNKNOWN"
    """Sent, the answer lost; the order's state tells whether it must be sent again."""
    DONE = "DONE"
    """The order is as the command wants it."""
    FOLDED = "FOLDED"
    """The order was unsent: its row was changed or taken back, and no request left."""
    SUPERSEDED = "SUPERSEDED"
    """A later one for the same order says what it shall look like."""
    LOST = "LOST"
    """The order had ended otherwise: it filled first, or was refused."""
    REJECTED = "REJECTED"
    """The broker will not do it, and trying again will not help."""


class CopyStatus(StrEnum):
    PLANNED = "PLANNED"
    WORKING = "WORKING"
    PARTIAL = "PARTIAL"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"
    SKIPPED = "SKIPPED"
    FAILED = "FAILED"


@dataclass(frozen=True, slots=True)
class OrderSpec:
    """What is asked of a broker."""

    key: InstrumentKey
    side: Side
    type: OrderType
    quantity: Decimal
    limit_price: Decimal = Decimal(0)
    trigger_price: Decimal = Decimal(0)
    validity: Validity = Validity.DAY
    disclosed: Decimal = Decimal(0)
    offline: bool = False
    protected: bool = False
    """A limit that stands for a market order: it follows the price. Others stay where they were put."""


@dataclass(frozen=True, slots=True)
class CopyOrder:
    """One slice of one decision: the row that is the instruction; its tag names one broker order."""

    copy_order_id: CopyOrderId
    decision_id: DecisionId
    cause: Cause
    subscription_id: SubscriptionId | None
    account_id: AccountId
    """The follower's: where the order is placed."""
    spec: OrderSpec
    intent: Intent
    lane: Lane
    leg: int
    slice: int
    step: int
    tag: Tag
    leader_price: Decimal
    """What slippage is measured against."""
    leader_time_ns: int
    seen_ns: int
    planned_ns: int = 0
    expires_ns: int = 0
    """When an entry is too old to be sent; 0 is never."""
    status: CopyStatus = CopyStatus.PLANNED
    broker_order_id: BrokerOrderId | None = None
    filled: Decimal = Decimal(0)
    average_price: Decimal = Decimal(0)
    traceparent: str = ""
    leader_order_id: BrokerOrderId | None = None
    """The leader's order that this mirrors through its life; None where it copies a fill."""
    ends_as: str = ""
    """Why it is taken back by our own hand; its end goes by this name, not by the broker's."""

    @property
    def rest(self) -> Decimal:
        """What may still be filled, signed in the direction of trading."""
        return (self.spec.quantity - self.filled) * int(self.spec.side)


@dataclass(frozen=True, slots=True)
class CopyCommand:
    """A change to a copy order planned before: it says what shall be, so doing it twice is doing it once.

    Unique on its decision and its order. Of several for one order the latest counts, and nothing after a
    cancellation.
    """

    command_id: CommandId
    copy_order_id: CopyOrderId
    tag: Tag
    decision_id: DecisionId
    cause: Cause
    subscription_id: SubscriptionId
    account_id: AccountId
    key: InstrumentKey
    kind: CommandKind
    spec: OrderSpec | None
    """What the order shall look like; None for a cancellation."""
    lane: Lane
    leader_time_ns: int
    seen_ns: int
    planned_ns: int
    status: CommandStatus = CommandStatus.PLANNED
    traceparent: str = ""

    @property
    def open(self) -> bool:
        return self.status in (CommandStatus.PLANNED, CommandStatus.UNKNOWN)
