"""How a subscription ends: what is on its way is taken back, copies are sold, left or handed over.

Looked at again after whatever happened, from what stands: doing it twice is doing it once.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from paceline.domain.copy_order import Cause, CauseKind, CopyCommand, CopyOrder, Intent
from paceline.domain.copying.adjustments import Adjusted, AdjustmentKind, ended
from paceline.domain.copying.build import LEG_EXIT, Origin, build, line, shape
from paceline.domain.copying.changes import OpenRow, cancelled
from paceline.domain.copying.decision import Decision, Outcome
from paceline.domain.copying.tags import decision_id_of
from paceline.domain.day_end import at_rest
from paceline.domain.event import Event, EventKind, Fact
from paceline.domain.ids import EventIdentity, Offset, Partition
from paceline.domain.instrument import Exchange, Instrument, InstrumentKey, Segment
from paceline.domain.ledger import EntryKind, Ledger, LedgerEntry, toward
from paceline.domain.money import ZERO
from paceline.domain.order import Side
from paceline.domain.position import PositionReport
from paceline.domain.subscription import EndPolicy, Subscription

_S = 1_000_000_000
_ONE = Decimal(1)
_AGAIN_LONGEST_S = 900
_DOUBLINGS_MAX = 20


class Waits(StrEnum):
    """Why a subscription has not ended yet; shown with it."""

    ORDERS = "ORDERS"
    """Something is on its way: an order that is not over, or trades that were not told."""
    SESSION_UNUSABLE = "SESSION_UNUSABLE"
    MARKET_CLOSED = "MARKET_CLOSED"
    PRICE_UNKNOWN = "PRICE_UNKNOWN"
    INSTRUMENT_UNKNOWN = "INSTRUMENT_UNKNOWN"
    AGAIN = "AGAIN"
    """The last sale came to nothing; the next follows after a while, each later than the one before."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What the ending subscription has in one key, and whether it could be sold now."""

    key: InstrumentKey
    ledger: Ledger
    rows: tuple[OpenRow, ...] = ()
    sales: int = 0
    """How many steps of the end were decided in this key, and when the last of them was."""
    last_ns: int = 0
    instrument: Instrument | None = None
    price: Decimal | None = None
    """The last one known."""
    session_usable: bool = True
    market_open: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """What is done now, and what is waited for then; neither where nothing of the key is left to do."""

    decision: Decision | None = None
    waits: Waits | None = None


def identity_of(subscription: Subscription, copied: Copied) -> EventIdentity:
    """Each step in a key has its own; the same one decided twice collides."""
    key = copied.key
    return EventIdentity(
        f"ending:{subscription.subscription_id}:{key.instrument_id}:{key.product.value}:{copied.sales}"
    )


def wind_down(subscription: Subscription, copied: Copied, now_ns: int) -> Step:
    """The next step in one key. Only what was copied is ever sold, and never more than is held."""
    flatten = subscription.ending is EndPolicy.FLATTEN
    origin = _origin(subscription, copied, now_ns)
    commands = tuple(cancelled(origin, row.order) for row in copied.rows if _taken_back(row, flatten))
    lines = _wanted_no_more(origin, copied.ledger, flatten=flatten)
    surplus = toward(copied.ledger.position, copied.ledger.held) if flatten else ZERO
    hindrance = _hindrance(copied, now_ns) if surplus else None
    orders: tuple[CopyOrder, ...] = ()
    if surplus and hindrance is None:
        lines.append(line(origin, EntryKind.PLANNED, Intent.EXIT, -surplus))
        orders = _sale(origin, subscription, copied, surplus)
    if orders or lines or commands:
        decision = _decision(origin, copied, surplus, orders, commands, lines)
        return Step(decision, hindrance or Waits.ORDERS)
    if hindrance is None and (copied.rows or not at_rest(copied.ledger)):
        hindrance = Waits.ORDERS
    return Step(None, hindrance)


def closing_lines(subscription: Subscription, copied: Copied, *, handed: bool) -> tuple[LedgerEntry, ...]:
    """What is left of a key at rest: the follower's own, or that of the subscription that it is handed to."""
    kind = AdjustmentKind.HANDED_OVER if handed else AdjustmentKind.LEFT
    cause = f"ended:{subscription.subscription_id}"
    of = Adjusted(subscription.subscription_id, copied.key, copied.ledger, _ONE, cause, cause)
    closing = ended(of, kind)
    lines = closing.lines if closing else ()
    position, taker = copied.ledger.position, subscription.successor
    if not handed or taker is None or not position:
        return lines
    named = f"{cause}:{kind.value}"
    return (
        *lines,
        LedgerEntry(taker, copied.key, EntryKind.ADJUSTED, Intent.EXIT, position, named, kind.value),
        LedgerEntry(taker, copied.key, EntryKind.IDEAL, Intent.ENTRY, position, named, kind.value),
    )


def ending_event(subscription: Subscription, copied: Copied, partition: Partition, now_ns: int) -> Event:
    """What a step is decided on: that the follower still has something of it."""
    instrument = copied.instrument
    body = PositionReport(
        account_id=subscription.follower,
        key=copied.key,
        exchange=instrument.exchange if instrument else Exchange.NSE,
        segment=instrument.segment if instrument else Segment.CAPITAL_MARKET,
        quantity=copied.ledger.position,
        average_price=ZERO,
    )
    identity = identity_of(subscription, copied)
    fact = Fact(identity, subscription.follower, EventKind.POSITION, body, now_ns, now_ns, False, b"")
    return Event(partition, Offset(0), 0, now_ns, fact)


def _taken_back(row: OpenRow, flatten: bool) -> bool:
    """Sales go on where all is sold; one that mirrors an order of the leader might rest for ever."""
    if row.leaving:
        return False
    selling = row.order.intent is Intent.EXIT and row.order.leader_order_id is None
    return not (flatten and selling)


def _wanted_no_more(origin: Origin, ledger: Ledger, *, flatten: bool) -> list[LedgerEntry]:
    """Whatever the leader's working orders still do is not followed; what was copied is, where it stays."""
    parts = (
        (EntryKind.FORGONE, ledger.ideal if flatten else ZERO),
        (EntryKind.BUY_PLEDGED, ledger.buy_pledged),
        (EntryKind.SELL_PLEDGED, ledger.sell_pledged),
    )
    return [line(origin, kind, Intent.ENTRY, -quantity, "ENDED") for kind, quantity in parts if quantity]


def _hindrance(copied: Copied, now_ns: int) -> Waits | None:
    """Why nothing is sold just now."""
    if copied.instrument is None:
        return Waits.INSTRUMENT_UNKNOWN
    if not copied.session_usable:
        return Waits.SESSION_UNUSABLE
    if not copied.market_open:
        return Waits.MARKET_CLOSED
    if not copied.price:
        return Waits.PRICE_UNKNOWN
    pause_s = min(2 ** min(copied.sales, _DOUBLINGS_MAX), _AGAIN_LONGEST_S)
    if copied.sales and now_ns - copied.last_ns < pause_s * _S:
        return Waits.AGAIN
    return None


def _sale(
    origin: Origin, subscription: Subscription, copied: Copied, surplus: Decimal
) -> tuple[CopyOrder, ...]:
    assert copied.instrument is not None  # noqa: S101  # judged by `_hindrance`
    assert copied.price is not None  # noqa: S101
    looks = shape(
        copied.instrument,
        Side.SELL if surplus > 0 else Side.BUY,
        Intent.EXIT,
        LEG_EXIT,
        reference=copied.price,
        style=subscription.style,
        allowance_bps=subscription.filters.allowance_bps,
        protection=subscription.protection,
    )
    return build(origin, looks, abs(surplus))


def _origin(subscription: Subscription, copied: Copied, now_ns: int) -> Origin:
    identity = identity_of(subscription, copied)
    return Origin(
        Cause(CauseKind.EVENT, identity),
        decision_id_of(identity, subscription.subscription_id),
        subscription.subscription_id,
        subscription.follower,
        copied.key,
        ZERO,
        now_ns,
        now_ns,
        now_ns,
        "",
    )


def _decision(
    origin: Origin,
    copied: Copied,
    surplus: Decimal,
    orders: tuple[CopyOrder, ...],
    commands: tuple[CopyCommand, ...],
    lines: list[LedgerEntry],
) -> Decision:
    return Decision(
        decision_id=origin.decision_id,
        subscription_id=origin.subscription_id,
        follower=origin.follower,
        key=copied.key,
        side=Side.BUY if surplus < 0 else Side.SELL,
        intent=Intent.EXIT,
        outcome=Outcome.PLANNED,
        quantity=abs(surplus) if orders else ZERO,
        sizing=None,
        detail="the subscription ends",
        orders=orders,
        entries=tuple(lines),
        commands=commands,
    )
