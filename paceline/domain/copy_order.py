"""One decision to have one order at the broker for one follower."""

from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum, StrEnum

from paceline.domain.ids import AccountId, BrokerOrderId, CopyOrderId, DecisionId, SubscriptionId, Tag
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
