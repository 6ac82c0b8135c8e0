"""What one leader event leads to."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from paceline.domain.copy_order import CopyOrder, Intent
from paceline.domain.event import Event
from paceline.domain.ids import AccountId, DecisionId, SubscriptionId
from paceline.domain.instrument import InstrumentKey
from paceline.domain.ledger import LedgerEntry
from paceline.domain.order import Side
from paceline.domain.subscription import SizingMode


class Outcome(StrEnum):
    PLANNED = "PLANNED"
    SKIPPED = "SKIPPED"


class SkipReason(StrEnum):
    """Machine-readable; one sentence for people stands in `explain`."""

    NOT_APPROVED = "NOT_APPROVED"
    AUTO_COPY_OFF = "AUTO_COPY_OFF"
    SESSION_UNUSABLE = "SESSION_UNUSABLE"
    ACCOUNT_FROZEN = "ACCOUNT_FROZEN"
    SEGMENT_NOT_ACCEPTED = "SEGMENT_NOT_ACCEPTED"
    INSTRUMENT_NOT_ALLOWED = "INSTRUMENT_NOT_ALLOWED"
    INSTRUMENT_BLOCKED = "INSTRUMENT_BLOCKED"
    INSTRUMENT_UNKNOWN = "INSTRUMENT_UNKNOWN"
    PRODUCT_NOT_COPYABLE = "PRODUCT_NOT_COPYABLE"
    OPTIONS_FILTER = "OPTIONS_FILTER"
    BANNED_FOR_ENTRIES = "BANNED_FOR_ENTRIES"
    MARKET_CLOSED = "MARKET_CLOSED"
    EVENT_TOO_OLD = "EVENT_TOO_OLD"
    PRICE_TOO_FAR = "PRICE_TOO_FAR"
    EQUITY_UNKNOWN = "EQUITY_UNKNOWN"
    BELOW_ONE_LOT = "BELOW_ONE_LOT"
    CAPPED = "CAPPED"
    OPPOSITE_HELD = "OPPOSITE_HELD"
    NOTHING_HELD = "NOTHING_HELD"
    OWN_COPY = "OWN_COPY"
    CLOSE_ONLY = "CLOSE_ONLY"
    LIQUIDATING = "LIQUIDATING"


@dataclass(frozen=True, slots=True)
class SizingInputs:
    """Kept on every decision, so that a quantity can be explained long after."""

    mode: SizingMode
    value: Decimal
    ratio: Decimal
    unrounded: Decimal
    leader_equity: Decimal | None = None
    leader_equity_age_ms: int | None = None
    follower_equity: Decimal | None = None
    follower_equity_age_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What one subscription does about one event; unique on (event, subscription)."""

    decision_id: DecisionId
    subscription_id: SubscriptionId
    follower: AccountId
    key: InstrumentKey
    side: Side
    intent: Intent
    outcome: Outcome
    quantity: Decimal
    sizing: SizingInputs | None
    reason: SkipReason | None = None
    detail: str = ""
    orders: tuple[CopyOrder, ...] = ()
    entries: tuple[LedgerEntry, ...] = ()
    withdraw: Decimal = Decimal(0)
    """Working entry quantity, signed, that the new target no longer needs: to be taken back or cancelled."""


@dataclass(frozen=True, slots=True)
class Plan:
    event: Event
    decisions: tuple[Decision, ...]
