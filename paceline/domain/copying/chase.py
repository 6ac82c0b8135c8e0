"""The chase of a protected limit that rests unfilled: what is done next about one order.

An entry follows the price as far as its allowance and for a while; an exit follows it until it is filled.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from paceline.domain.copy_order import CopyOrder, CopyStatus, Intent, OrderSpec
from paceline.domain.copying.protect import BY_ALLOWANCE, locked, protected_limit
from paceline.domain.copying.surplus import Correction
from paceline.domain.copying.tags import copy_order_id_of, tag_of
from paceline.domain.instrument import Instrument
from paceline.domain.ledger import EntryKind, Ledger, LedgerEntry
from paceline.domain.money import BPS
from paceline.domain.order import OrderType, Side
from paceline.domain.order_states import TERMINAL
from paceline.domain.subscription import Protection

_NS_PER_MS = 1_000_000


class ChaseReason(StrEnum):
    """Why an order waits, or is given up; on rows, ledgers and metrics by these names."""

    RESTING = "CHASE_RESTING"
    """It had not yet the time that it may rest."""
    NOT_CHASED = "CHASE_NOT_CHASED"
    """It is no protected limit, or it has ended."""
    PRICE_STALE = "CHASE_PRICE_STALE"
    """Nobody knows a fresh price, and an old one moves nothing."""
    CIRCUIT_LOCKED = "CHASE_CIRCUIT_LOCKED"
    """At the end of its band nobody is on the other side."""
    FILLS_BY_ITSELF = "CHASE_FILLS_BY_ITSELF"
    """Its limit is as far as the price asks for."""
    OUT_OF_ALLOWANCE = "CHASE_OUT_OF_ALLOWANCE"
    """The price went further than an entry may follow."""
    OUT_OF_REACH = "CHASE_OUT_OF_REACH"
    """An exit is as far beyond the last price as it may ever be."""
    STEPS_USED_UP = "CHASE_STEPS_USED_UP"
    TIME_USED_UP = "CHASE_TIME_USED_UP"
    WAITS_FOR_TRIGGER = "CHASE_WAITS_FOR_TRIGGER"
    """A stop whose limit the price has not gone beyond: untouched, or filled by the exchange."""
    REPLACED = "CHASE_REPLACED"
    """Another order takes its place."""
    REFUSED = "CHASE_REFUSED"
    """Its broker refused it: another order takes its place."""


@dataclass(frozen=True, slots=True)
class Wait:
    reason: ChaseReason


@dataclass(frozen=True, slots=True)
class Modify:
    price: Decimal


@dataclass(frozen=True, slots=True)
class Replace:
    """The broker changes this exit no more: it is cancelled, and another one placed at about this price."""

    price: Decimal


@dataclass(frozen=True, slots=True)
class GiveUp:
    """It is cancelled, and its rest forgone by this name; never of an exit."""

    reason: ChaseReason


Chase = Wait | Modify | Replace | GiveUp


@dataclass(frozen=True, slots=True)
class Chased:
    """One order at the broker, as it stands."""

    order: CopyOrder
    instrument: Instrument
    began_ns: int
    """When it came to rest as a protected limit."""
    touched_ns: int
    """When it last came to rest, was filled in part, or was moved."""
    steps: int = 0
    """How often it was moved."""
    modifications: int = 0
    """As its broker counts them."""
    allowance_bps: Decimal = Decimal(0)
    """How far an entry may be from the leader's price; a limit that stands further away may stand."""
    protection: Protection = BY_ALLOWANCE


@dataclass(frozen=True, slots=True)
class LastPrice:
    last: Decimal
    known_ns: int
    """When it was last known to be the newest."""
    stale: bool = False


@dataclass(frozen=True, slots=True)
class ChasePolicy:
    rest_ms: int = 2_000
    """So long an order rests before it is moved first; twice as long before each further step."""
    rest_longest_ms: int = 30_000
    price_age_max_ms: int = 5_000
    entry_steps_max: int = 5
    entry_max_ms: int = 30_000
    """An entry that rests longer is given up."""
    exit_step_bps: Decimal = Decimal(100)
    """So far beyond the last price, and beyond its own limit, an exit goes with each step."""
    exit_reach_bps: Decimal = Decimal(1_000)
    """Never further beyond the last price than this."""
    modifications_max: int | None = None
    """Of one order, where its broker counts them; 0 where it has no modification."""
    retry_first_ms: int = 2_000
    """So long after an exit was refused it is tried again; twice as long after each further refusal."""
    retry_longest_ms: int = 60_000
    retries_max: int = 30
    """An exit that was refused so often is a person's affair."""

    def rest_ns(self, steps: int) -> int:
        return int(min(self.rest_ms * 2 ** min(steps, 32), self.rest_longest_ms)) * _NS_PER_MS


def chase(chased: Chased, price: LastPrice | None, now_ns: int, policy: ChasePolicy) -> Chase:
    """The next step. Prices only ever move toward the other side, inside the day's band."""
    order = chased.order
    if not order.spec.protected or order.status in TERMINAL:
        return Wait(ChaseReason.NOT_CHASED)
    if order.spec.type is OrderType.STOP_LIMIT:
        return _stop(chased, price, now_ns, policy)
    if order.spec.type is not OrderType.LIMIT:
        return Wait(ChaseReason.NOT_CHASED)
    if now_ns - chased.touched_ns < policy.rest_ns(chased.steps):
        return _within_time(Wait(ChaseReason.RESTING), chased, now_ns, policy)
    return _within_time(_step(chased, price, now_ns, policy), chased, now_ns, policy)


def replacement(
    order: CopyOrder, ledger: Ledger, instrument: Instrument, price: Decimal, now_ns: int
) -> Correction | None:
    """The next step of an exit that was cancelled for it, or refused: its rest, but never more than is held
    too much.
    """
    side, surplus = order.spec.side, ledger.surplus(instrument.lot)
    quantity = min(order.spec.quantity - order.filled, max(-surplus * int(side), Decimal(0)))
    if order.intent is not Intent.EXIT or order.subscription_id is None or quantity <= 0:
        return None
    step = order.step + 1
    tag = tag_of(order.cause, order.subscription_id, leg=order.leg, slice_=order.slice, step=step)
    again = replace(
        order,
        copy_order_id=copy_order_id_of(order.decision_id, order.leg, order.slice, step),
        spec=replace(as_limit(order.spec, price), quantity=quantity),
        step=step,
        tag=tag,
        planned_ns=now_ns,
        status=CopyStatus.PLANNED,
        broker_order_id=None,
        filled=Decimal(0),
        average_price=Decimal(0),
        ends_as="",
    )
    signed = quantity * int(side)
    planned = LedgerEntry(order.subscription_id, order.spec.key, EntryKind.PLANNED, Intent.EXIT, signed, tag)
    return Correction((again,), (planned,))


def as_limit(spec: OrderSpec, price: Decimal) -> OrderSpec:
    """As it stands once it is chased: a stop is none any more."""
    return replace(spec, type=OrderType.LIMIT, limit_price=price, trigger_price=Decimal(0), protected=True)


def _stop(chased: Chased, price: LastPrice | None, now_ns: int, policy: ChasePolicy) -> Chase:
    """A price beyond its limit went through its trigger, and nobody takes it there. An entry's stop waits for
    its leader's end, which decides what is still wanted.
    """
    order = chased.order
    gone = price is not None and _beyond(order.spec.side, price.last, order.spec.limit_price)
    if order.intent is Intent.ENTRY or not gone:
        return Wait(ChaseReason.WAITS_FOR_TRIGGER)
    return _step(chased, price, now_ns, policy)


def _within_time(following: Chase, chased: Chased, now_ns: int, policy: ChasePolicy) -> Chase:
    """An entry whose time is over is given up, by the name of what it last waited for."""
    entering = chased.order.intent is Intent.ENTRY
    if not entering or now_ns - chased.began_ns < policy.entry_max_ms * _NS_PER_MS:
        return following
    named = isinstance(following, Wait) and following.reason in _NAMED
    return GiveUp(following.reason if named and isinstance(following, Wait) else ChaseReason.TIME_USED_UP)


_NAMED = frozenset({ChaseReason.PRICE_STALE, ChaseReason.CIRCUIT_LOCKED, ChaseReason.OUT_OF_ALLOWANCE})


def _step(chased: Chased, price: LastPrice | None, now_ns: int, policy: ChasePolicy) -> Chase:
    if price is None or price.stale or now_ns - price.known_ns > policy.price_age_max_ms * _NS_PER_MS:
        return Wait(ChaseReason.PRICE_STALE)
    if locked(chased.instrument, price.last, chased.order.spec.side):
        return Wait(ChaseReason.CIRCUIT_LOCKED)
    wanted = (
        _entry_price(chased, price.last)
        if chased.order.intent is Intent.ENTRY
        else _exit_price(chased, price.last, policy)
    )
    if isinstance(wanted, ChaseReason):
        return Wait(wanted)
    if chased.order.intent is Intent.ENTRY and chased.steps >= policy.entry_steps_max:
        return GiveUp(ChaseReason.STEPS_USED_UP)
    most = policy.modifications_max
    if most is None or chased.modifications < most:
        return Modify(wanted)
    entering = chased.order.intent is Intent.ENTRY
    return GiveUp(ChaseReason.STEPS_USED_UP) if entering else Replace(wanted)


def _entry_price(chased: Chased, last: Decimal) -> Decimal | ChaseReason:
    """As its protection wants it from the last price, never further than its allowance from the leader's."""
    spec, side = chased.order.spec, chased.order.spec.side
    bound = spec.limit_price
    if chased.order.leader_price > 0:
        from_leader = _limit(chased, chased.order.leader_price, chased.allowance_bps)
        bound = _farther(side, bound, from_leader)
    wanted = protected_limit(chased.instrument, side, last, chased.allowance_bps, chased.protection)
    wanted = _nearer(side, wanted, bound)
    if _beyond(side, wanted, spec.limit_price):
        return wanted
    reached = _beyond(side, last, spec.limit_price)
    return ChaseReason.OUT_OF_ALLOWANCE if reached else ChaseReason.FILLS_BY_ITSELF


def _exit_price(chased: Chased, last: Decimal, policy: ChasePolicy) -> Decimal | ChaseReason:
    """A step beyond the last price; where the limit is there already and nobody takes it, a step further."""
    spec, side = chased.order.spec, chased.order.spec.side
    further = spec.limit_price + _away(chased, last, policy.exit_step_bps)
    wanted = _farther(side, last + _away(chased, last, policy.exit_step_bps), further)
    wanted = _nearer(side, wanted, last + _away(chased, last, policy.exit_reach_bps))
    wanted = _limit(chased, max(wanted, chased.instrument.tick), Decimal(0))
    return wanted if _beyond(side, wanted, spec.limit_price) else ChaseReason.OUT_OF_REACH


def _away(chased: Chased, last: Decimal, bps: Decimal) -> Decimal:
    """Toward the other side, signed; at least a tick, or cheap instruments would never move."""
    return max(last * bps / BPS, chased.instrument.tick) * int(chased.order.spec.side)


def _limit(chased: Chased, reference: Decimal, bps: Decimal) -> Decimal:
    return protected_limit(chased.instrument, chased.order.spec.side, reference, bps)


def _beyond(side: Side, price: Decimal, other: Decimal) -> bool:
    """Whether it gives the other side more."""
    return (price - other) * int(side) > 0


def _farther(side: Side, one: Decimal, other: Decimal) -> Decimal:
    return max(one, other) if side is Side.BUY else min(one, other)


def _nearer(side: Side, one: Decimal, other: Decimal) -> Decimal:
    return min(one, other) if side is Side.BUY else max(one, other)
