"""One follower following one leader, with sizing, filters and limits of its own."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from paceline.domain.errors import FailedPrecondition, Invalid, Problem, Problems
from paceline.domain.ids import AccountId, InstrumentId, SubscriptionId
from paceline.domain.instrument import Segment

WHOLE_BPS = 10_000


class SubscriptionState(StrEnum):
    PENDING = "PENDING"
    APPROVED = "APPROVED"
    PAUSED = "PAUSED"
    ENDED = "ENDED"


class CopyMode(StrEnum):
    ON_FILL = "ON_FILL"
    ON_ORDER = "ON_ORDER"


class SizingMode(StrEnum):
    EQUITY_RATIO = "EQUITY_RATIO"
    FIXED_RATIO = "FIXED_RATIO"
    FIXED_QUANTITY = "FIXED_QUANTITY"
    FIXED_NOTIONAL = "FIXED_NOTIONAL"
    RISK_PERCENT = "RISK_PERCENT"


class ExecutionStyle(StrEnum):
    MARKET = "MARKET"
    PROTECTED_LIMIT = "PROTECTED_LIMIT"


@dataclass(frozen=True, slots=True)
class Sizing:
    """`value` is the ratio, multiplier, quantity, notional or percentage that the mode speaks of."""

    mode: SizingMode
    value: Decimal
    round_up_to_one_lot: bool = False


@dataclass(frozen=True, slots=True)
class Filters:
    segments: frozenset[Segment] | None = None
    allowed: frozenset[InstrumentId] | None = None
    blocked: frozenset[InstrumentId] = frozenset()
    max_age_ms: int = 30_000
    allowance_bps: Decimal = Decimal(100)
    """How far the last price may be from the leader's, and a protected limit from his price."""


@dataclass(frozen=True, slots=True)
class Caps:
    max_lots_per_order: Decimal | None = None
    max_notional_per_order: Decimal | None = None
    max_exposure: Decimal | None = None
    max_open_positions: int | None = None


@dataclass(frozen=True, slots=True)
class Subscription:
    subscription_id: SubscriptionId
    leader: AccountId
    follower: AccountId
    state: SubscriptionState
    auto_copy: bool
    mode: CopyMode
    sizing: Sizing
    filters: Filters = field(default_factory=Filters)
    caps: Caps = field(default_factory=Caps)
    style: ExecutionStyle = ExecutionStyle.PROTECTED_LIMIT
    reverse: bool = False
    forward_copies: bool = False
    allow_opposite: bool = False
    version: int = 1


def problems_of(subscription: Subscription) -> tuple[Problem, ...]:
    """Every setting that can never work, by field and rule."""
    problems = Problems()
    filters = subscription.filters
    problems.require(
        subscription.leader != subscription.follower, "follower", "must not be the leader himself"
    )
    value = subscription.sizing.value
    problems.require(value.is_finite() and value > 0, "sizing.value", "must be a positive number")
    problems.require(filters.max_age_ms > 0, "filters.max_age_ms", "must be positive")
    allowance = filters.allowance_bps
    problems.require(
        allowance.is_finite() and 0 <= allowance < WHOLE_BPS,
        "filters.allowance_bps",
        "must be from 0 to below 10000",
    )
    both = filters.allowed is not None and filters.allowed & filters.blocked
    problems.require(not both, "filters.blocked", "must not name what filters.allowed names")
    return problems.found


def require_supported(subscription: Subscription) -> None:
    """Refuse what cannot be copied faithfully, before it is stored rather than on its first event.

    Raises Invalid for settings that can never work, FailedPrecondition for those that cannot work yet.
    """
    if problems := problems_of(subscription):
        raise Invalid.of(problems)
    if subscription.mode is not CopyMode.ON_FILL:
        raise FailedPrecondition(f"copy mode {subscription.mode} is not supported yet")
    if subscription.sizing.mode not in (SizingMode.FIXED_RATIO, SizingMode.EQUITY_RATIO):
        raise FailedPrecondition(f"sizing mode {subscription.sizing.mode} is not supported yet")
    if subscription.sizing.round_up_to_one_lot:
        raise FailedPrecondition("rounding up to one lot is not supported yet")
    if subscription.caps != Caps():
        raise FailedPrecondition("caps are not supported yet")
