"""How much of a leader's quantity becomes a follower's: one ratio, frozen once per leader order.

Fixed sizes, the least and the caps are for his whole order; a fill gets its part of them, filled by ordered.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from paceline.domain.copying.decision import Refusal, SizingInputs, SkipReason
from paceline.domain.copying.view import Copier, Equity, LeaderState
from paceline.domain.ids import BrokerOrderId
from paceline.domain.instrument import Instrument
from paceline.domain.money import EXACT, IDEAL_QUANTUM, ZERO, lots_toward_zero
from paceline.domain.order import BrokerStatus, OrderReport, OrderType, Side
from paceline.domain.subscription import Caps, EquityFallback, Sizing, SizingMode

_OF_THE_ORDER = frozenset({SizingMode.FIXED_QUANTITY, SizingMode.FIXED_NOTIONAL, SizingMode.RISK_PERCENT})
_BY_EQUITY = frozenset({SizingMode.EQUITY_RATIO, SizingMode.RISK_PERCENT})
_STOPS = frozenset({OrderType.STOP, OrderType.STOP_LIMIT})
_PERCENT = Decimal(100)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be sized: a quantity of the leader's, as the follower would trade it."""

    order_id: BrokerOrderId
    side: Side
    """The leader's."""
    wanted: Decimal
    """His quantity, signed as the follower wants it: reversed where he asked for that."""
    leader_price: Decimal
    price: Decimal
    """Of the follower's instrument."""
    instrument: Instrument
    """The follower's."""


@dataclass(frozen=True, slots=True)
class Sized:
    """What an event adds to the ideal, and what of it a cap takes away again; both exact and signed."""

    inputs: SizingInputs
    wanted: Decimal
    forgone: Decimal = ZERO
    note: str = ""

    @property
    def remaining(self) -> Decimal:
        return EXACT.subtract(self.wanted, self.forgone) if self.forgone else self.wanted


def needs_leader_order(copier: Copier) -> bool:
    """Whether a rule is for the leader's whole order, so that its quantity must be known."""
    subscription, rule = copier.subscription, copier.lot_rule
    caps = subscription.caps
    return (
        subscription.sizing.mode in _OF_THE_ORDER
        or subscription.sizing.round_up_to_one_lot
        or caps.max_lots_per_order is not None
        or caps.max_notional_per_order is not None
        or caps.max_exposure is not None
        or rule.least > 0
        or rule.most is not None
        or rule.step != 1
    )


def size(copier: Copier, leader: LeaderState, asked: Asked) -> Sized | Refusal:
    """What the follower wants of it, or the name of what stands against it."""
    frozen = copier.frozen
    if frozen is not None:
        return _share(_again(frozen, asked.wanted), asked.wanted, first=False)
    if _too_many_positions(copier):
        return Sized(_nothing(copier, asked), ZERO, note=f"{copier.other_positions} positions are open")
    if not needs_leader_order(copier):
        return _by_ratio(copier, leader, asked)
    order = leader.orders.get(asked.order_id)
    if order is None or order.report is None:
        return Refusal(SkipReason.LEADER_ORDER_UNKNOWN)
    return _by_order(copier, leader, asked, max(order.report.quantity, abs(asked.wanted)))


def _by_ratio(copier: Copier, leader: LeaderState, asked: Asked) -> Sized | Refusal:
    found = _ratio(copier, leader, asked, abs(asked.wanted))
    if isinstance(found, Refusal):
        return found
    wanted = EXACT.multiply(found, asked.wanted)
    return Sized(_inputs(copier, leader, found, wanted), wanted, note=_note(copier, leader))


def _by_order(copier: Copier, leader: LeaderState, asked: Asked, ordered: Decimal) -> Sized | Refusal:
    """Once per leader order: the least, the step, and the caps are applied to the whole of it."""
    found = _ratio(copier, leader, asked, ordered)
    if isinstance(found, Refusal):
        return found
    granted = _granted(copier, asked, EXACT.multiply(found, ordered))
    if isinstance(granted, Refusal):
        return granted
    inputs = replace(
        _inputs(copier, leader, found),
        ordered=ordered,
        granted=granted.quantity,
        rounded_up=granted.rounded_up,
        limited_by=granted.limited_by,
    )
    return _share(_again(inputs, asked.wanted), asked.wanted, first=True, note=_note(copier, leader))


def share(inputs: SizingInputs, wanted: Decimal, *, first: bool) -> Decimal:
    """What a part of the leader's order brings by a sizing that was frozen for it, caps and all.

    A part gets its part of what was granted; what was rounded up comes with the first.
    """
    if inputs.granted is not None and inputs.rounded_up:
        once = inputs.granted if first else ZERO
        return once if wanted > 0 else -once
    if inputs.granted is None or inputs.ordered is None or inputs.limited_by is None:
        return EXACT.multiply(inputs.ratio, wanted)
    return EXACT.quantize(EXACT.divide(EXACT.multiply(inputs.granted, wanted), inputs.ordered), IDEAL_QUANTUM)


def _again(inputs: SizingInputs, wanted: Decimal) -> SizingInputs:
    """The same sizing for another part of the leader's order."""
    return replace(inputs, unrounded=EXACT.multiply(inputs.ratio, wanted))


def _share(inputs: SizingInputs, wanted: Decimal, *, first: bool, note: str = "") -> Sized:
    """With what a cap takes away from it."""
    part = share(inputs, wanted, first=first)
    if inputs.rounded_up:
        return Sized(inputs, part, note=note)
    return Sized(inputs, inputs.unrounded, EXACT.subtract(inputs.unrounded, part), note)


def _ratio(copier: Copier, leader: LeaderState, asked: Asked, ordered: Decimal) -> Decimal | Refusal:
    sizing = copier.subscription.sizing
    if sizing.mode is SizingMode.FIXED_RATIO:
        return sizing.value
    if sizing.mode is SizingMode.EQUITY_RATIO:
        return _equity_ratio(sizing, copier.equity, leader.equity)
    whole = _whole(copier, leader, asked)
    if isinstance(whole, Refusal):
        return whole
    return EXACT.quantize(EXACT.divide(whole, ordered), IDEAL_QUANTUM)


def _whole(copier: Copier, leader: LeaderState, asked: Asked) -> Decimal | Refusal:
    """The quantity of a fixed size for the leader's whole order."""
    sizing = copier.subscription.sizing
    if sizing.mode is SizingMode.FIXED_QUANTITY:
        return sizing.value
    if sizing.mode is SizingMode.FIXED_NOTIONAL:
        if asked.price <= 0:
            return Refusal(SkipReason.PRICE_UNKNOWN, asked.instrument.instrument_id)
        return EXACT.divide(sizing.value, asked.price * asked.instrument.multiplier)
    return _at_risk(sizing, copier.equity, leader, asked)


def _at_risk(sizing: Sizing, equity: Equity | None, leader: LeaderState, asked: Asked) -> Decimal | Refusal:
    """So much that the leader's stop costs the percentage of the follower's equity."""
    unusable = _unusable(sizing, equity, "the follower")
    if unusable is not None or equity is None:
        return unusable or Refusal(SkipReason.EQUITY_UNKNOWN)
    distance = stop_distance([each.report for each in leader.orders.values() if each.report], asked)
    if distance is None:
        return Refusal(SkipReason.NO_STOP)
    risked = EXACT.divide(EXACT.multiply(equity.amount, sizing.value), _PERCENT)
    return EXACT.divide(risked, EXACT.multiply(distance, asked.instrument.multiplier))


def stop_distance(orders: Iterable[OrderReport], asked: Asked) -> Decimal | None:
    """From the leader's price to his farthest working stop of the other side: the least quantity."""
    distances = [
        (asked.leader_price - order.trigger_price) * int(asked.side)
        for order in orders
        if order.type in _STOPS
        and order.side is asked.side.opposite
        and order.status is BrokerStatus.PENDING
        and order.trigger_price > 0
    ]
    return max((each for each in distances if each > 0), default=None)


def _equity_ratio(sizing: Sizing, follower: Equity | None, leader: Equity | None) -> Decimal | Refusal:
    for whose, equity in (("the leader", leader), ("the follower", follower)):
        unusable = _unusable(sizing, equity, whose)
        if unusable is not None:
            return unusable
    assert follower is not None  # noqa: S101  # just judged
    assert leader is not None  # noqa: S101
    exact = EXACT.divide(EXACT.multiply(follower.amount, sizing.value), leader.amount)
    return EXACT.quantize(exact, IDEAL_QUANTUM)


def _unusable(sizing: Sizing, equity: Equity | None, whose: str) -> Refusal | None:
    """Missing or spent equity sizes nothing; an old one does only where the subscription says so."""
    if equity is None or equity.amount <= 0:
        return Refusal(SkipReason.EQUITY_UNKNOWN, f"of {whose}")
    if equity.stale and sizing.equity_fallback is EquityFallback.SKIP:
        return Refusal(SkipReason.EQUITY_UNKNOWN, f"of {whose}, {equity.age_ms} ms old")
    return None


def _note(copier: Copier, leader: LeaderState) -> str:
    """What a plan made on an old equity says."""
    mode = copier.subscription.sizing.mode
    if mode not in _BY_EQUITY:
        return ""
    used = [("the follower", copier.equity)]
    if mode is SizingMode.EQUITY_RATIO:
        used.insert(0, ("the leader", leader.equity))
    old = [f"of {whose}, {each.age_ms} ms old" for whose, each in used if each and each.stale]
    return f"sized with the last known equity {' and '.join(old)}" if old else ""


@dataclass(frozen=True, slots=True)
class _Granted:
    quantity: Decimal
    rounded_up: bool = False
    limited_by: SkipReason | None = None


def _granted(copier: Copier, asked: Asked, whole: Decimal) -> _Granted | Refusal:
    """What is left of a quantity for the leader's whole order: raised to the least, cut down by caps."""
    lot, rule, sizing = asked.instrument.lot, copier.lot_rule, copier.subscription.sizing
    step = lot * rule.step
    least = max(lot * rule.least, step)
    rounded_up = sizing.round_up_to_one_lot and lots_toward_zero(whole, step) < least
    if not rounded_up and lots_toward_zero(whole, lot) < lot * rule.least:
        return Refusal(SkipReason.BELOW_MINIMUM, f"{whole.normalize():f} of {least.normalize():f}")
    wanted = least if rounded_up else whole
    limits = _limits(copier, asked)
    if isinstance(limits, Refusal):
        return limits
    most, reason = min(limits, key=lambda limit: limit[0], default=(wanted, None))
    if reason is None or wanted <= most:
        stepped = wanted if rule.step == 1 else lots_toward_zero(wanted, step)
        limited = None if stepped == wanted else SkipReason.LOT_STEP
        return _Granted(stepped, rounded_up, limited)
    capped = lots_toward_zero(most, step)
    if capped < max(lot, lot * rule.least):
        return _Granted(ZERO, limited_by=reason)
    return _Granted(capped, rounded_up, reason)


def _limits(copier: Copier, asked: Asked) -> list[tuple[Decimal, SkipReason]] | Refusal:
    """Every cap as a quantity, with its name."""
    caps, lot = copier.subscription.caps, asked.instrument.lot
    limits = [
        (lot * lots, SkipReason.CAPPED_LOTS)
        for lots in (caps.max_lots_per_order, copier.lot_rule.most)
        if lots is not None
    ]
    money = _money_limits(caps, copier.exposure)
    if isinstance(money, Refusal):
        return money
    if money and asked.price <= 0:
        return Refusal(SkipReason.PRICE_UNKNOWN, asked.instrument.instrument_id)
    worth = asked.price * asked.instrument.multiplier
    return limits + [(amount / worth, reason) for amount, reason in money]


def _money_limits(caps: Caps, exposure: Decimal | None) -> list[tuple[Decimal, SkipReason]] | Refusal:
    money = []
    if caps.max_notional_per_order is not None:
        money.append((caps.max_notional_per_order, SkipReason.CAPPED_NOTIONAL))
    if caps.max_exposure is not None:
        if exposure is None:
            return Refusal(SkipReason.PRICE_UNKNOWN, "of what is held already")
        money.append((max(caps.max_exposure - exposure, ZERO), SkipReason.CAPPED_EXPOSURE))
    return money


def _too_many_positions(copier: Copier) -> bool:
    most, ledger = copier.subscription.caps.max_open_positions, copier.ledger
    if most is None:
        return False
    here = ledger.held or ledger.entries_working or ledger.exits_working
    return not here and copier.other_positions >= most


def _nothing(copier: Copier, asked: Asked) -> SizingInputs:
    """A position too many: the leader's order brings nothing, also when one of the others is closed."""
    return replace(
        _inputs(copier, LeaderState(copier.subscription.leader), ZERO),
        ordered=abs(asked.wanted),
        granted=ZERO,
        limited_by=SkipReason.CAPPED_POSITIONS,
    )


def _inputs(copier: Copier, leader: LeaderState, ratio: Decimal, unrounded: Decimal = ZERO) -> SizingInputs:
    sizing, own, his = copier.subscription.sizing, None, None
    if sizing.mode is SizingMode.FIXED_RATIO:
        return SizingInputs(sizing.mode, sizing.value, ratio, unrounded)
    if sizing.mode is SizingMode.EQUITY_RATIO:
        own, his = copier.equity, leader.equity
    elif sizing.mode is SizingMode.RISK_PERCENT:
        own = copier.equity
    return SizingInputs(
        sizing.mode,
        sizing.value,
        ratio,
        unrounded,
        his.amount if his else None,
        his.age_ms if his else None,
        own.amount if own else None,
        own.age_ms if own else None,
    )
