"""What a plan is made on: the leader's folded state, each follower's readiness, and the market."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from paceline.domain.copy_order import CauseKind
from paceline.domain.copying.decision import SizingInputs
from paceline.domain.copying.tags import kind_of
from paceline.domain.event import Event
from paceline.domain.ids import AccountId, InstrumentId
from paceline.domain.instrument import Instrument, InstrumentKey, Segment
from paceline.domain.ledger import Ledger
from paceline.domain.money import ZERO
from paceline.domain.order import Fill
from paceline.domain.position import PositionReport
from paceline.domain.subscription import Subscription


@dataclass(frozen=True, slots=True)
class Equity:
    """What an account is worth, and how long ago that was true."""

    amount: Decimal
    age_ms: int


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
class LeaderState:
    """Folded from the leader's events up to, and without, the one that is planned."""

    account_id: AccountId
    positions: Mapping[InstrumentKey, LeaderPosition] = field(default_factory=dict)
    equity: Equity | None = None
    """As risk last told; not folded."""

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


def is_copy(fill: Fill) -> bool:
    """Whether the leader got this fill as somebody's follower."""
    return kind_of(fill.tag) is CauseKind.EVENT


@dataclass(frozen=True, slots=True)
class Copier:
    """One subscription with all that a decision about one instrument key needs to know of its follower.

    The ledger must be read in, or checked by, the transaction that commits the decision.
    """

    subscription: Subscription
    ledger: Ledger = field(default_factory=Ledger)
    """Of the event's instrument key."""
    frozen: SizingInputs | None = None
    """What this subscription was first sized with for the event's leader order, if it was."""
    equity: Equity | None = None
    segments: frozenset[Segment] | None = None
    """What the account may trade; None is everything."""
    others_held: Decimal = ZERO
    """Held and wanted in this key by the follower's other subscriptions, signed."""
    session_usable: bool = True
    market_open: bool = True
    account_frozen: bool = False
    close_only: bool = False
    liquidating: bool = False


@dataclass(frozen=True, slots=True)
class Market:
    """What is traded, at what prices, at which moment."""

    instruments: Mapping[InstrumentId, Instrument]
    now_ns: int
    last_prices: Mapping[InstrumentId, Decimal] = field(default_factory=dict)
    """Fresh ones only; a missing price withholds nothing."""
    banned: frozenset[InstrumentId] = frozenset()
    """Not open for new positions."""
