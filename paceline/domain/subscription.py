"""One follower following one leader, with sizing, filters and limits of its own."""

from collections.abc import Collection
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from paceline.domain.errors import Invalid, Problem, Problems
from paceline.domain.ids import AccountId, InstrumentId, SubscriptionId
from paceline.domain.instrument import InstrumentKind, Product, Segment

WHOLE_BPS = 10_000
SILENCE_MIN_MS = 15_000
"""A socket is asked every ten seconds whether it lives, and has some to answer."""
WHOLE_PERCENT = 100


class SubscriptionState(StrEnum):
    PENDING = "PENDING"
    APPROVED = "APPROVED"
    PAUSED = "PAUSED"
    ENDING = "ENDING"
    """Nothing is entered any more; what becomes of the copies is being done."""
    ENDED = "ENDED"


LIVING = frozenset({SubscriptionState.APPROVED, SubscriptionState.PAUSED})
"""Copying, at least its exits."""


class CopyMode(StrEnum):
    ON_FILL = "ON_FILL"
    ON_ORDER = "ON_ORDER"


class SizingMode(StrEnum):
    EQUITY_RATIO = "EQUITY_RATIO"
    FIXED_RATIO = "FIXED_RATIO"
    FIXED_QUANTITY = "FIXED_QUANTITY"
    FIXED_NOTIONAL = "FIXED_NOTIONAL"
    RISK_PERCENT = "RISK_PERCENT"


class EquityFallback(StrEnum):
    """What is done when an equity that sizing needs is missing or too old."""

    SKIP = "SKIP"
    LAST_KNOWN = "LAST_KNOWN"


class ExecutionStyle(StrEnum):
    MARKET = "MARKET"
    PROTECTED_LIMIT = "PROTECTED_LIMIT"


class ProtectionKind(StrEnum):
    """How far a protected limit may be from the leader's price."""

    ALLOWANCE = "ALLOWANCE"
    """By the allowance of the filters."""
    TICKS = "TICKS"
    BAND = "BAND"
    """As far as the exchange allows; the allowance where it names no band."""


class AttributionPolicy(StrEnum):
    """Whose position an untagged opposite fill takes down first."""

    COPIES_FIRST = "COPIES_FIRST"
    OWN_FIRST = "OWN_FIRST"


class DriftPolicy(StrEnum):
    """What is done about a difference between ledgers and the broker's position book."""

    REPORT = "REPORT"
    HEAL = "HEAL"


class TakeOverPolicy(StrEnum):
    """What is done about the leader's open positions when a subscription begins."""

    NOW = "NOW"
    AT_LEADER_PRICE = "AT_LEADER_PRICE"
    """At his average price or better; what does not fill within the day is forgone."""
    NOT = "NOT"


class EndPolicy(StrEnum):
    """What becomes of the copies when a subscription ends."""

    FLATTEN = "FLATTEN"
    LEAVE = "LEAVE"
    """They are the follower's own from then on."""
    HAND_OVER = "HAND_OVER"
    """Another subscription of the same follower has them from then on."""


class ShortfallPolicy(StrEnum):
    """What is done when a leader's order ends and its copy is short of it."""

    FORGO = "FORGO"
    CHASE = "CHASE"


@dataclass(frozen=True, slots=True)
class Sizing:
    """`value` is the ratio, multiplier, quantity, notional or percentage that the mode speaks of."""

    mode: SizingMode
    value: Decimal
    round_up_to_one_lot: bool = False
    equity_fallback: EquityFallback = EquityFallback.SKIP


@dataclass(frozen=True, slots=True)
class OptionsFilter:
    """Which options are entered; what is no option passes. None does not matter."""

    kinds: frozenset[InstrumentKind] = frozenset()
    """Calls, puts, or both when empty."""
    index_options: bool | None = None
    stock_options: bool | None = None
    min_days_to_expiry: int | None = None
    max_days_to_expiry: int | None = None
    max_moneyness_bps: Decimal | None = None
    """How far the strike may be from the price of the underlying."""


@dataclass(frozen=True, slots=True)
class Filters:
    segments: frozenset[Segment] | None = None
    allowed: frozenset[InstrumentId] | None = None
    blocked: frozenset[InstrumentId] = frozenset()
    max_age_ms: int = 30_000
    allowance_bps: Decimal = Decimal(100)
    """How far the last price may be from the leader's, and a protected limit from his price."""
    options: OptionsFilter | None = None


@dataclass(frozen=True, slots=True)
class Caps:
    max_lots_per_order: Decimal | None = None
    max_notional_per_order: Decimal | None = None
    max_exposure: Decimal | None = None
    max_open_positions: int | None = None


@dataclass(frozen=True, slots=True)
class SubscriptionGuards:
    """At what result the copies are flattened; None is no guard."""

    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None
    trailing: bool = False
    """The stop follows the best result so far."""
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Protection:
    kind: ProtectionKind = ProtectionKind.ALLOWANCE
    ticks: int = 0


@dataclass(frozen=True, slots=True)
class InstrumentMapping:
    """One instrument under another name at the follower."""

    leader: InstrumentId
    follower: InstrumentId


@dataclass(frozen=True, slots=True)
class ProductMapping:
    """One product under another at the follower."""

    leader: Product
    follower: Product


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
    attribution: AttributionPolicy = AttributionPolicy.COPIES_FIRST
    shortfall: ShortfallPolicy = ShortfallPolicy.FORGO
    drift: DriftPolicy = DriftPolicy.REPORT
    leader_silence_ms: int | None = None
    """Exits only once nothing was heard of the leader for so long; None is the platform's default."""
    protection: Protection = field(default_factory=Protection)
    guards: SubscriptionGuards = field(default_factory=SubscriptionGuards)
    instrument_mappings: tuple[InstrumentMapping, ...] = ()
    product_mappings: tuple[ProductMapping, ...] = ()
    take_over: TakeOverPolicy = TakeOverPolicy.NOT
    at_end: EndPolicy = EndPolicy.LEAVE
    opened: bool = False
    """What the leader held at the beginning was taken over, as far as asked; ours to set."""
    ending: EndPolicy | None = None
    """What becomes of the copies of one that is ending or has ended; set by whoever ends it."""
    successor: SubscriptionId | None = None
    """Who has them from then on, where they are handed over."""
    version: int = 1

    @property
    def opens(self) -> bool:
        """The leader's positions are still to be taken over: until they are, nothing of his is copied."""
        return self.take_over is not TakeOverPolicy.NOT and not self.opened

    @property
    def follows(self) -> bool:
        """Whether what the leader does is decided on, be it by a skip.

        Not before what he holds is taken over: a fill that is skipped and in no position yet would be lost.
        """
        return not self.opens and self.state not in (SubscriptionState.ENDING, SubscriptionState.ENDED)


def problems_of(subscription: Subscription) -> tuple[Problem, ...]:
    """Every setting that can never work, by field and rule."""
    problems = Problems()
    problems.require(
        subscription.leader != subscription.follower, "follower", "must not be the leader himself"
    )
    problems.require(
        not (subscription.reverse and subscription.mode is CopyMode.ON_ORDER),
        "reverse",
        "must be off where orders are mirrored: a limit order turned round is another kind of order",
    )
    problems.require(
        not (subscription.instrument_mappings and subscription.mode is CopyMode.ON_ORDER),
        "instrument_mappings",
        "must be empty where orders are mirrored: their prices are those of one instrument",
    )
    problems.require(
        not (subscription.instrument_mappings and subscription.take_over is TakeOverPolicy.AT_LEADER_PRICE),
        "take_over",
        "must not be at the leader's price where instruments are mapped: his price is that of another",
    )
    silence_ms = subscription.leader_silence_ms
    problems.require(
        silence_ms is None or silence_ms >= SILENCE_MIN_MS, "leader_silence", "must not be below 15 seconds"
    )
    _sizing_problems(subscription.sizing, problems)
    _filter_problems(subscription.filters, problems)
    _cap_problems(subscription.caps, problems)
    _guard_problems(subscription.guards, problems)
    _protection_problems(subscription.protection, problems)
    _mapping_problems(
        "instrument_mappings",
        [(each.leader, each.follower) for each in subscription.instrument_mappings],
        problems,
    )
    _mapping_problems(
        "product_mappings", [(each.leader, each.follower) for each in subscription.product_mappings], problems
    )
    return problems.found


def require_supported(subscription: Subscription) -> None:
    """Refuse what cannot be copied faithfully, before it is stored rather than on its first event.

    Raises Invalid.
    """
    if problems := problems_of(subscription):
        raise Invalid.of(problems)


def _sizing_problems(sizing: Sizing, problems: Problems) -> None:
    value = sizing.value
    problems.require(value.is_finite() and value > 0, "sizing.value", "must be a positive number")
    if sizing.mode is SizingMode.RISK_PERCENT and value.is_finite():
        problems.require(value <= WHOLE_PERCENT, "sizing.value", "must not be above 100 percent")


def _filter_problems(filters: Filters, problems: Problems) -> None:
    problems.require(filters.max_age_ms > 0, "filters.max_age_ms", "must be positive")
    allowance = filters.allowance_bps
    problems.require(
        allowance.is_finite() and 0 <= allowance < WHOLE_BPS,
        "filters.allowance_bps",
        "must be from 0 to below 10000",
    )
    both = filters.allowed is not None and filters.allowed & filters.blocked
    problems.require(not both, "filters.blocked", "must not name what filters.allowed names")
    if filters.options is not None:
        _options_problems(filters.options, problems)


def _options_problems(options: OptionsFilter, problems: Problems) -> None:
    of_options = options.kinds <= {InstrumentKind.CALL, InstrumentKind.PUT}
    problems.require(of_options, "filters.options.kinds", "must be calls and puts only")
    least, most = options.min_days_to_expiry, options.max_days_to_expiry
    for name, days in (("min", least), ("max", most)):
        problems.require(
            days is None or days >= 0, f"filters.options.{name}_days_to_expiry", "must not be negative"
        )
    problems.require(
        least is None or most is None or least <= most,
        "filters.options.max_days_to_expiry",
        "must not be below min_days_to_expiry",
    )
    far = options.max_moneyness_bps
    problems.require(
        far is None or (far.is_finite() and far >= 0),
        "filters.options.max_moneyness_bps",
        "must not be negative",
    )
    problems.require(
        options.index_options is not False or options.stock_options is not False,
        "filters.options.stock_options",
        "must not be off together with index_options: block the segment instead",
    )


def _cap_problems(caps: Caps, problems: Problems) -> None:
    lots = caps.max_lots_per_order
    problems.require(
        lots is None or (lots.is_finite() and lots >= 1),
        "caps.max_lots_per_order",
        "must not be below one lot",
    )
    for name, money in (
        ("max_notional_per_order", caps.max_notional_per_order),
        ("max_exposure", caps.max_exposure),
    ):
        problems.require(
            money is None or (money.is_finite() and money > 0), f"caps.{name}", "must be positive"
        )
    count = caps.max_open_positions
    problems.require(count is None or count > 0, "caps.max_open_positions", "must be positive")


def _guard_problems(guards: SubscriptionGuards, problems: Problems) -> None:
    for name, amount in (("stop_loss", guards.stop_loss), ("take_profit", guards.take_profit)):
        positive = amount is None or (amount.is_finite() and amount > 0)
        problems.require(positive, f"guards.{name}", "must be positive")
        problems.require(amount is None or bool(guards.currency), f"guards.{name}", "must have a currency")
    problems.require(
        not guards.trailing or guards.stop_loss is not None,
        "guards.trailing",
        "must be off without guards.stop_loss: nothing would trail",
    )


def _protection_problems(protection: Protection, problems: Problems) -> None:
    by_ticks = protection.kind is ProtectionKind.TICKS
    problems.require(
        protection.ticks >= 0 if by_ticks else protection.ticks == 0,
        "protection.ticks",
        "must not be negative" if by_ticks else "must be 0 unless protection is by ticks",
    )


def _mapping_problems(field_: str, pairs: Collection[tuple[str, str]], problems: Problems) -> None:
    """Two under one name at the follower could not be told apart when one of them is left."""
    problems.require(
        len({leader for leader, _ in pairs}) == len(pairs), field_, "must name each of the leader's only once"
    )
    problems.require(
        len({follower for _, follower in pairs}) == len(pairs),
        field_,
        "must not bring two of the leader's under one name",
    )
    problems.require(
        all(leader != follower for leader, follower in pairs), field_, "must change what it names"
    )
