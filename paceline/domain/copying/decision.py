"""What one leader event leads to."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from paceline.domain.copy_order import CopyCommand, CopyOrder, Intent
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
    MAPPED_ELSEWHERE = "MAPPED_ELSEWHERE"
    OPTIONS_FILTER = "OPTIONS_FILTER"
    BANNED_FOR_ENTRIES = "BANNED_FOR_ENTRIES"
    MARKET_CLOSED = "MARKET_CLOSED"
    EVENT_TOO_OLD = "EVENT_TOO_OLD"
    PRICE_TOO_FAR = "PRICE_TOO_FAR"
    CIRCUIT_LOCKED = "CIRCUIT_LOCKED"
    EQUITY_UNKNOWN = "EQUITY_UNKNOWN"
    PRICE_UNKNOWN = "PRICE_UNKNOWN"
    LEADER_ORDER_UNKNOWN = "LEADER_ORDER_UNKNOWN"
    NO_STOP = "NO_STOP"
    BELOW_ONE_LOT = "BELOW_ONE_LOT"
    BELOW_MINIMUM = "BELOW_MINIMUM"
    LOT_STEP = "LOT_STEP"
    CAPPED_LOTS = "CAPPED_LOTS"
    CAPPED_NOTIONAL = "CAPPED_NOTIONAL"
    CAPPED_EXPOSURE = "CAPPED_EXPOSURE"
    CAPPED_POSITIONS = "CAPPED_POSITIONS"
    OPPOSITE_HELD = "OPPOSITE_HELD"
    NOTHING_HELD = "NOTHING_HELD"
    OWN_COPY = "OWN_COPY"
    CLOSE_ONLY = "CLOSE_ONLY"
    LIQUIDATING = "LIQUIDATING"
    COPY_ENDED = "COPY_ENDED"
    LEADER_ORDER_ENDED = "LEADER_ORDER_ENDED"
    KILL_SWITCH = "KILL_SWITCH"
    GUARD_TRIPPED = "GUARD_TRIPPED"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A rule that was not passed, with what a person may want to know beside its name."""

    reason: SkipReason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SizingInputs:
    """Kept on every decision, so that a quantity can be explained long after."""

    mode: SizingMode
    value: Decimal
    ratio: Decimal
    """Follower's quantity per quantity of the leader, before minimum and caps; frozen for his order."""
    unrounded: Decimal
    """What this decision adds to the ideal, before caps and lots; signed."""
    leader_equity: Decimal | None = None
    leader_equity_age_ms: int | None = None
    follower_equity: Decimal | None = None
    follower_equity_age_ms: int | None = None
    ordered: Decimal | None = None
    """The leader's whole order, where a rule is for the whole of it."""
    granted: Decimal | None = None
    """What the whole of it brings at most, after minimum and caps; None where none of these rules is set."""
    rounded_up: bool = False
    """Less than the least: the first copied fill brings it whole, later ones nothing."""
    limited_by: SkipReason | None = None
    """The cap that made `granted` less than the ratio asks for."""


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
    commands: tuple[CopyCommand, ...] = ()
    """Changes to orders planned before: written ahead like the orders, and carried out after them."""


@dataclass(frozen=True, slots=True)
class Plan:
    event: Event
    decisions: tuple[Decision, ...]
