"""What a liquidation does next, given the broker's books: cancel, wait, flatten, chase, or be done.

It never trades more than the books show, and only against what they show: the broker knows no reduce-only.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from paceline.domain.copy_order import Cause, CauseKind, CopyOrder, CopyStatus, Intent, Lane, OrderSpec
from paceline.domain.copying.protect import protected_limit
from paceline.domain.copying.tags import copy_order_id_of, decision_id_of, tag_of
from paceline.domain.day_end import DELIVERED
from paceline.domain.ids import AccountId, BrokerOrderId, InstrumentId, LiquidationId, SubscriptionId, Tag
from paceline.domain.instrument import Instrument, InstrumentKey
from paceline.domain.ledger import EntryKind, LedgerEntry
from paceline.domain.money import ZERO, floor_to
from paceline.domain.order import OrderReport, OrderType, Side
from paceline.domain.order_states import TERMINAL
from paceline.domain.trading import slices

ALLOWANCE_BPS = Decimal(100)
"""How far behind the last price an order may trade; the price is fresh each time, so the chase has no end."""
_NS_PER_S = 1_000_000_000
_LONGEST_REST_S = 60
_REFUSED = frozenset({CopyStatus.REJECTED, CopyStatus.FAILED})
_NOT_SEEN = frozenset({CopyStatus.PLANNED, CopyStatus.UNKNOWN})


class LiquidationLevel(StrEnum):
    STOP_ENTRIES = "STOP_ENTRIES"
    CANCEL_WORKING = "CANCEL_WORKING"
    """Working copies that enter are cancelled too; whatever protects a position stays."""
    FLATTEN = "FLATTEN"


class LiquidationCause(StrEnum):
    MARGIN = "MARGIN"
    CASCADE = "CASCADE"
    GUARD = "GUARD"
    KILL_SWITCH = "KILL_SWITCH"
    MANUAL = "MANUAL"


class LiquidationState(StrEnum):
    STORED = "STORED"
    FROZEN = "FROZEN"
    """The executor knows of the freeze, and nothing else leaves any more."""
    CANCELLING = "CANCELLING"
    FLATTENING = "FLATTENING"
    SETTLING = "SETTLING"
    """Flat by one reading."""
    DONE = "DONE"
    WAITS_MARKET_CLOSED = "WAITS_MARKET_CLOSED"
    WAITS_CIRCUIT = "WAITS_CIRCUIT"
    """Its order rests at the band, where nobody takes it."""
    WAITS_DELIVERY = "WAITS_DELIVERY"
    WAITS_LOGIN = "WAITS_LOGIN"
    WAITS_BOOKS = "WAITS_BOOKS"
    WAITS_PRICE = "WAITS_PRICE"
    WAITS_BROKER = "WAITS_BROKER"
    """He refuses the orders, or what is left is no whole lot."""

    @property
    def waits(self) -> bool:
        """Only somebody or something else can help: it is alarmed."""
        return self.name.startswith("WAITS_")


SEPARATOR = "|"
"""Stands in no liquidation's name."""


def prefix_of(liquidation_id: str) -> str:
    return f"{liquidation_id}{SEPARATOR}"


@dataclass(frozen=True, slots=True)
class Liquidation:
    """What was stored before anything was done. Without a subscription it is the whole account."""

    liquidation_id: LiquidationId
    account_id: AccountId
    level: LiquidationLevel
    cause: LiquidationCause
    cause_id: str = ""
    reason: str = ""
    subscription_id: SubscriptionId | None = None
    key: InstrumentKey | None = None
    """Of a subscription: this key alone."""
    equity: Decimal | None = None
    currency: str = "INR"
    margin_level: Decimal | None = None
    prices: Mapping[InstrumentId, Decimal] = field(default_factory=dict)
    state: LiquidationState = LiquidationState.STORED
    created: datetime | None = None
    updated: datetime | None = None

    @property
    def whole(self) -> bool:
        return self.subscription_id is None

    @property
    def prefix(self) -> str:
        """Of the causes of all its orders."""
        return prefix_of(self.liquidation_id)


@dataclass(frozen=True, slots=True)
class Market:
    """What is known of an instrument now; without a fresh price nothing is sold."""

    instrument: Instrument | None
    is_open: bool
    last: Decimal | None = None
    bid: Decimal | None = None
    ask: Decimal | None = None

    def reference(self, side: Side) -> Decimal | None:
        """What somebody would trade at on the other side, else the last price."""
        best = self.ask if side is Side.BUY else self.bid
        return best or self.last or None

    def locked(self, side: Side) -> bool:
        """At the band of the day, where only the other side trades."""
        if self.instrument is None or self.last is None:
            return False
        band = self.instrument.upper_band if side is Side.BUY else self.instrument.lower_band
        return band is not None and (self.last - band) * int(side) >= 0


@dataclass(frozen=True, slots=True)
class View:
    """Rows, then the order book, then the position book: read in this order, each whole."""

    now_ns: int
    level: LiquidationLevel
    mine: Sequence[CopyOrder] = ()
    """Every order of this liquidation, ended or not, in the order they were planned."""
    book: Mapping[Tag, OrderReport] = field(default_factory=dict)
    """Those of them that the broker shows."""
    others: int = 0
    """Orders in its way that are still open."""
    unsettled: int = 0
    """Rows that are not its own and may or may not stand at the broker."""
    held: Mapping[InstrumentKey, Decimal] = field(default_factory=dict)
    """Signed; what is to be flattened."""
    unsure: frozenset[InstrumentKey] = frozenset()
    """Keys in which something moved too lately for the position book to be believed."""
    markets: Mapping[InstrumentKey, Market] = field(default_factory=dict)
    touched_ns: Mapping[Tag, int] = field(default_factory=dict)
    """When orders were last re-priced."""
    chase_ns: int = 2 * _NS_PER_S


@dataclass(frozen=True, slots=True)
class Place:
    """One order, in as many slices as the exchange wants."""

    key: InstrumentKey
    side: Side
    quantity: Decimal
    limit: Decimal
    reference: Decimal
    round: int
    """How often the key was ordered before."""


@dataclass(frozen=True, slots=True)
class Reprice:
    order: CopyOrder
    order_id: BrokerOrderId
    limit: Decimal


@dataclass(frozen=True, slots=True)
class Todo:
    state: LiquidationState
    places: tuple[Place, ...] = ()
    reprices: tuple[Reprice, ...] = ()
    excess: tuple[BrokerOrderId, ...] = ()
    """Orders of its own that would trade more than is held now: somebody else closed it."""
    flat: bool = False
    """Nothing is left to do, by this reading."""
    words: str = ""


def to_flatten(net: Mapping[InstrumentKey, Decimal]) -> dict[InstrumentKey, Decimal]:
    """What of a position book is to be closed. Delivery below zero was sold out of holdings: no short."""
    return {
        key: quantity
        for key, quantity in net.items()
        if quantity and not (quantity < 0 and key.product in DELIVERED)
    }


def covers(of: Liquidation, subscription_id: SubscriptionId | None, key: InstrumentKey) -> bool:
    """Whether a copied position is in its scope."""
    return of.whole or (of.subscription_id == subscription_id and of.key in (None, key))


def bounded(copied: Decimal, net: Decimal) -> Decimal:
    """What of a copied position the broker still shows on its side."""
    if copied * net <= 0:
        return ZERO
    return min(copied, net) if copied > 0 else max(copied, net)


def decide(view: View) -> Todo:
    """The next step. Called again with what came of it, until it is flat by two readings."""
    if view.level is LiquidationLevel.STOP_ENTRIES:
        return Todo(LiquidationState.SETTLING, flat=True)
    if view.others or view.unsettled:
        words = f"{view.others} open orders, {view.unsettled} of unknown fate"
        return Todo(LiquidationState.CANCELLING, words=words)
    if view.level is LiquidationLevel.CANCEL_WORKING:
        return Todo(LiquidationState.SETTLING, flat=True)
    looks = [_look(view, key) for key in _in_order(view)]
    places = tuple(look.place for look in looks if look.place is not None)
    shorts = tuple(place for place in places if place.side is Side.BUY)
    longs_wait = bool(shorts) or any(look.short and look.hurried for look in looks)
    waiting = [look for look in looks if look.waits is not None]
    state, words = LiquidationState.FLATTENING, ""
    if not looks:
        state = LiquidationState.SETTLING
    elif len(waiting) == len(looks) and waiting[0].waits is not None:
        state = waiting[0].waits
    if waiting:
        words = ", ".join(f"{look.key.instrument_id}: {look.waits}" for look in waiting)
    return Todo(
        state,
        shorts if longs_wait else places,
        tuple(each for look in looks for each in look.reprices),
        tuple(each for look in looks for each in look.excess),
        flat=not looks,
        words=words,
    )


def orders_of(liquidation: Liquidation, place: Place, instrument: Instrument, now_ns: int) -> list[CopyOrder]:
    """The rows of one order. Its name holds the liquidation, the key and the round: made twice, it is one."""
    key, subscription_id = place.key, liquidation.subscription_id
    identity = f"{liquidation.prefix}{key.instrument_id}:{key.product.value}:{place.round}"
    cause = Cause(CauseKind.LIQUIDATION, identity)
    decision_id = decision_id_of(identity, subscription_id)
    return [
        CopyOrder(
            copy_order_id=copy_order_id_of(decision_id, 0, number, 0),
            decision_id=decision_id,
            cause=cause,
            subscription_id=subscription_id,
            account_id=liquidation.account_id,
            spec=OrderSpec(key, place.side, OrderType.LIMIT, part, place.limit),
            intent=Intent.EXIT,
            lane=Lane.LIQUIDATION,
            leg=0,
            slice=number,
            step=0,
            tag=tag_of(cause, subscription_id, leg=0, slice_=number),
            leader_price=place.reference,
            leader_time_ns=now_ns,
            seen_ns=now_ns,
            planned_ns=now_ns,
        )
        for number, part in enumerate(slices(instrument, place.quantity))
    ]


def lines_of(orders: Sequence[CopyOrder]) -> list[LedgerEntry]:
    """What orders of copies plan in their ledger; an account's own orders touch none."""
    first = orders[0]
    if first.subscription_id is None:
        return []
    planned = sum((order.spec.quantity * int(order.spec.side) for order in orders), ZERO)
    return [
        LedgerEntry(
            first.subscription_id,
            first.spec.key,
            EntryKind.PLANNED,
            Intent.EXIT,
            planned,
            first.cause.identity,
            "LIQUIDATED",
        )
    ]


@dataclass(slots=True)
class _Look:
    """One key."""

    key: InstrumentKey
    short: bool
    hurried: bool = False
    """Its order had no fair chance yet: longs wait for it, because they may cover its margin."""
    waits: LiquidationState | None = None
    place: Place | None = None
    reprices: list[Reprice] = field(default_factory=list)
    excess: list[BrokerOrderId] = field(default_factory=list)


def _in_order(view: View) -> list[InstrumentKey]:
    """Shorts first; keys in which nothing is held and something of ours still works are looked at too."""
    working = {order.spec.key for order in view.mine if order.status not in TERMINAL}
    keys = {key for key, held in view.held.items() if held} | working
    return sorted(keys, key=lambda key: (view.held.get(key, ZERO) >= 0, key.instrument_id, key.product))


def _look(view: View, key: InstrumentKey) -> _Look:
    held = view.held.get(key, ZERO)
    side = Side.BUY if held < 0 else Side.SELL
    rows = [order for order in view.mine if order.spec.key == key]
    working = [order for order in rows if order.status not in TERMINAL]
    look = _Look(key, short=held < 0)
    market = view.markets.get(key, Market(None, is_open=False))
    if working:
        _chase(view, look, market, working, held)
        return look
    look.waits = _hindrance(view, market, rows, held, side)
    if look.waits is not None or key in view.unsure:
        look.hurried = look.waits is None
        return look
    place = _place(market, key, side, held, rounds=len({order.cause.identity for order in rows}))
    look.place, look.waits = place, None if place else LiquidationState.WAITS_BROKER
    return look


def _chase(view: View, look: _Look, market: Market, working: Sequence[CopyOrder], held: Decimal) -> None:
    """What works is re-priced to where the market is, and taken back where it would trade too much."""
    side = working[0].spec.side
    shown = [(order, view.book[order.tag]) for order in working if order.tag in view.book]
    standing = [(order, report) for order, report in shown if not report.status.terminal]
    rest = sum((report.quantity - report.filled for _, report in standing), ZERO)
    if look.key not in view.unsure and rest > max(-held * int(side), ZERO):
        look.excess = [report.order_id for _, report in standing]
        return
    began_ns = max(order.planned_ns for order in working)
    seen = not any(order.status in _NOT_SEEN for order in working)
    look.hurried = not seen or view.now_ns - began_ns < view.chase_ns
    if market.locked(side):
        look.waits = LiquidationState.WAITS_CIRCUIT
    elif not market.is_open:
        look.waits = LiquidationState.WAITS_MARKET_CLOSED
    reference = market.reference(side)
    if market.instrument is None or reference is None or not market.is_open:
        return
    limit = protected_limit(market.instrument, side, reference, ALLOWANCE_BPS)
    for order, report in standing:
        touched_ns = view.touched_ns.get(order.tag, order.planned_ns)
        behind = (reference - report.limit_price) * int(side) > 0
        if behind and limit != report.limit_price and view.now_ns - touched_ns >= view.chase_ns:
            look.reprices.append(Reprice(order, report.order_id, limit))


def _hindrance(
    view: View, market: Market, rows: Sequence[CopyOrder], held: Decimal, side: Side
) -> LiquidationState | None:
    """Why nothing can be ordered now; None where it can."""
    if market.instrument is None:
        return LiquidationState.WAITS_PRICE
    if not market.is_open:
        return LiquidationState.WAITS_MARKET_CLOSED
    refused = _refused_rounds(rows)
    if refused and view.now_ns < rows[-1].planned_ns + min(2**refused, _LONGEST_REST_S) * _NS_PER_S:
        delivered = rows[-1].spec.key.product in DELIVERED
        return LiquidationState.WAITS_DELIVERY if delivered else LiquidationState.WAITS_BROKER
    if not floor_to(abs(held), market.instrument.lot):
        return LiquidationState.WAITS_BROKER
    return None if market.reference(side) else LiquidationState.WAITS_PRICE


def _place(market: Market, key: InstrumentKey, side: Side, held: Decimal, *, rounds: int) -> Place | None:
    reference = market.reference(side)
    if market.instrument is None or reference is None:
        return None
    quantity = floor_to(abs(held), market.instrument.lot)
    limit = protected_limit(market.instrument, side, reference, ALLOWANCE_BPS)
    return Place(key, side, quantity, limit, reference, rounds)


def _refused_rounds(rows: Iterable[CopyOrder]) -> int:
    """How many of the last rounds came to nothing but refusals."""
    rounds: dict[str, bool] = {}
    for order in rows:
        refused = order.status in _REFUSED and not order.filled
        rounds[order.cause.identity] = rounds.get(order.cause.identity, True) and refused
    count = 0
    for refused in reversed(rounds.values()):
        if not refused:
            break
        count += 1
    return min(count, _LONGEST_REST_S)
