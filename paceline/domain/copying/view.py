"""What a plan is made on: the leader's folded state, each follower's readiness, and the market."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from paceline.domain.copy_order import CauseKind
from paceline.domain.copying.changes import OpenRow
from paceline.domain.copying.decision import SizingInputs
from paceline.domain.copying.tags import kind_of
from paceline.domain.event import Event
from paceline.domain.ids import AccountId, BrokerOrderId, InstrumentId
from paceline.domain.instrument import Instrument, InstrumentKey, Segment
from paceline.domain.ledger import Ledger
from paceline.domain.money import ONE, ZERO
from paceline.domain.order import BrokerStatus, Fill, OrderReport, Side
from paceline.domain.position import PositionReport
from paceline.domain.subscription import Subscription


@dataclass(frozen=True, slots=True)
class Equity:
    """What an account is worth, and how long ago that was true."""

    amount: Decimal
    age_ms: int
    stale: bool = False
    """Older than sizing trusts, or reckoned on prices that are."""


@dataclass(frozen=True, slots=True)
class LeaderPosition:
    """Signed; what the leader trades himself is kept apart from what he holds as a follower of others."""

    own: Decimal = ZERO
    copied: Decimal = ZERO

    def seen_by(self, *, forward_copies: bool) -> Decimal:
        """A subscription that does not forward copies sees the leader's own trading alone."""
        return self.own + self.copied if forward_copies else self.own

    def after(self, fill: Fill) -> "LeaderPosition":
        traded = fill.quantity * int(fill.side)
        if is_copy(fill):
            return LeaderPosition(self.own, self.copied + traded)
        return LeaderPosition(self.own + traded, self.copied)


FLAT = LeaderPosition()


@dataclass(frozen=True, slots=True)
class LeaderOrder:
    """One order as last reported, and how much of it trades have told: they may come before any report."""

    report: OrderReport | None = None
    traded: Decimal = ZERO

    @property
    def accepted(self) -> bool:
        """In transit it is not yet; what filled was, whatever is said of it now."""
        return self.report is not None and (
            self.report.status in (BrokerStatus.PENDING, BrokerStatus.TRADED) or self.report.filled > 0
        )

    @property
    def working(self) -> bool:
        return self.report is not None and self.report.status is BrokerStatus.PENDING

    @property
    def remaining(self) -> Decimal:
        """What trades may still tell: all that is open, and of an ended order what they owe its reports."""
        if self.report is None:
            return ZERO
        whole = self.report.quantity if self.working else self.report.filled
        return max(whole - self.traded, ZERO)


def fold_orders(
    orders: Mapping[BrokerOrderId, LeaderOrder], event: Event
) -> Mapping[BrokerOrderId, LeaderOrder]:
    """With the event; an order without anything left to tell is kept, so that its end is seen once."""
    body = event.fact.body
    if isinstance(body, PositionReport):
        return orders
    known = orders.get(body.order_id, LeaderOrder())
    if isinstance(body, Fill):
        return {**orders, body.order_id: replace(known, traded=known.traded + body.quantity)}
    return {**orders, body.order_id: replace(known, report=body)}


@dataclass(frozen=True, slots=True)
class LeaderState:
    """Folded from the leader's events up to, and without, the one that is planned."""

    account_id: AccountId
    positions: Mapping[InstrumentKey, LeaderPosition] = field(default_factory=dict)
    equity: Equity | None = None
    """As risk last told; not folded."""
    orders: Mapping[BrokerOrderId, LeaderOrder] = field(default_factory=dict)
    """His orders in the event's key, where someone needs them; whoever keeps them folds by `fold_orders`."""

    def position(self, key: InstrumentKey) -> LeaderPosition:
        return self.positions.get(key, FLAT)

    def after(self, event: Event) -> "LeaderState":
        """The state with the event folded in; orders change nothing, a baseline sets what was held before."""
        body = event.fact.body
        if isinstance(body, Fill):
            return self._with(body.key, self.position(body.key).after(body))
        if isinstance(body, PositionReport):
            copied = self.position(body.key).copied
            return self._with(body.key, LeaderPosition(body.quantity - copied, copied))
        return self

    def _with(self, key: InstrumentKey, position: LeaderPosition) -> "LeaderState":
        positions = dict(self.positions)
        if position == FLAT:
            positions.pop(key, None)
        else:
            positions[key] = position
        return replace(self, positions=positions)


def fold_leader(state: LeaderState, events: Iterable[Event]) -> LeaderState:
    for event in events:
        state = state.after(event)
    return state


def is_copy(body: Fill | OrderReport) -> bool:
    """Whether the leader has this as somebody's follower."""
    return kind_of(body.tag) is CauseKind.EVENT


@dataclass(frozen=True, slots=True)
class Lead:
    """What the leader did, as far as it matters for who may follow."""

    key: InstrumentKey
    side: Side
    price: Decimal
    """His price; zero where his order names none."""
    at_market: bool
    """Done at once, so that the market must still be near his price; not an order that may rest."""
    broker_time_ns: int


@dataclass(frozen=True, slots=True)
class LotRule:
    """What the account's groups ask of an order, in lots; the strictest of all groups."""

    least: Decimal = ZERO
    most: Decimal | None = None
    step: Decimal = ONE


NO_LOT_RULE = LotRule()


@dataclass(frozen=True, slots=True)
class Copier:
    """One subscription with all that a decision about one instrument key needs to know of its follower.

    The ledger must be read in, or checked by, the transaction that commits the decision.
    """

    subscription: Subscription
    ledger: Ledger = field(default_factory=Ledger)
    """Of the follower's instrument key for the event's."""
    frozen: SizingInputs | None = None
    """What this subscription was first sized with for the event's leader order, if it was."""
    equity: Equity | None = None
    segments: frozenset[Segment] | None = None
    """What the account may trade; None is everything."""
    others_held: Decimal = ZERO
    """Held and wanted in this key by the follower's other subscriptions, signed."""
    exposure: Decimal | None = None
    """Money in all that this subscription holds and has on its way; None where it is not known."""
    other_positions: int = 0
    """In how many other keys this subscription holds something, or has it on its way."""
    lot_rule: LotRule = NO_LOT_RULE
    frozen_of: Mapping[BrokerOrderId, SizingInputs] = field(default_factory=dict)
    """The same for his other orders in the key, where orders are mirrored."""
    open_rows: tuple[OpenRow, ...] = ()
    """Of this key, where the ledger says that something is on its way."""
    session_usable: bool = True
    market_open: bool = True
    account_frozen: bool = False
    killed: bool = False
    """A kill switch stops its entries."""
    guard_tripped: bool = False
    """A guard of it or of the follower does, until it is armed again."""
    close_only: bool = False
    liquidating: bool = False
    """A liquidation closes what is held: entries wait for its end, exits are its own."""
    liquidation_wanted: bool = False
    """One is wanted or runs, which closes nothing yet: entries alone are kept out."""


@dataclass(frozen=True, slots=True)
class Market:
    """What is traded, at what prices, at which moment."""

    instruments: Mapping[InstrumentId, Instrument]
    now_ns: int
    last_prices: Mapping[InstrumentId, Decimal] = field(default_factory=dict)
    """Fresh ones only; a missing price of the leader's instrument withholds nothing."""
    older_prices: Mapping[InstrumentId, Decimal] = field(default_factory=dict)
    """The last ones known, however old: for exits that must have some."""
    banned: frozenset[InstrumentId] = frozenset()
    """Not open for new positions."""
