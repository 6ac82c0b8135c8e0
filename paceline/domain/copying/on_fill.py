"""ON_FILL: the follower's position follows the leader's position, fill by fill."""

from dataclasses import dataclass, field
from decimal import Decimal

from paceline.domain.copy_order import Cause, CauseKind, CopyOrder, Intent
from paceline.domain.copying.build import LEG_ENTRY, LEG_EXIT, OrderShape, Origin, build, line, shape
from paceline.domain.copying.changes import commanded, withdrawals
from paceline.domain.copying.decision import Decision, Outcome, Refusal, SizingInputs, SkipReason
from paceline.domain.copying.eligibility import held_exit, opposite_held, withheld_entry
from paceline.domain.copying.mapping import followers_key
from paceline.domain.copying.movement import Movement, movement
from paceline.domain.copying.sizing import Asked, Sized, size
from paceline.domain.copying.tags import decision_id_of, kind_of
from paceline.domain.copying.view import Copier, Lead, LeaderState, Market, is_copy
from paceline.domain.event import Event
from paceline.domain.instrument import Instrument, InstrumentKey
from paceline.domain.ledger import EntryKind, LedgerEntry, beyond, toward
from paceline.domain.money import EXACT, ZERO, kept_part, lots_toward_zero
from paceline.domain.order import Fill, Side
from paceline.domain.subscription import ExecutionStyle, Protection

_NS_PER_MS = 1_000_000
_ShapeKey = tuple[bool, bool, ExecutionStyle, Decimal, Protection]


@dataclass(frozen=True, slots=True)
class Leg:
    """One half of a decision: at most an exit, then at most an entry."""

    ideal: Decimal
    """What should be held once this leg is decided."""
    quantity: Decimal = ZERO
    """Signed in the direction of trading."""
    reason: SkipReason | None = None
    detail: str = ""
    sizing: SizingInputs | None = None
    forgone: Decimal = ZERO
    """What a cap took off the ideal again; signed, in it already."""
    unwanted: Decimal = ZERO
    """Entries on their way that nobody wants any more, signed."""


@dataclass(frozen=True, slots=True)
class Traded:
    """What one follower trades for the leader's fill."""

    key: InstrumentKey
    instrument: Instrument
    price: Decimal | None
    """That sizes go by; None where it is not known, and then nothing is entered."""
    reference: Decimal
    """What limits go by: that price, else an older one, because an exit must have some."""
    shapes: dict[_ShapeKey, OrderShape] = field(default_factory=dict)
    """How its orders look, once for all followers who want the same."""


class FillPlanner:
    """Plans one fill for any number of copiers; what they share is worked out once."""

    def __init__(self, event: Event, fill: Fill, leader: LeaderState, market: Market) -> None:
        self._event = event
        self._fill = fill
        self._market = market
        self._leader = leader
        self._lead = Lead(fill.key, fill.side, fill.price, True, event.fact.broker_time_ns)
        self._cause = Cause(CauseKind.EVENT, event.fact.identity)
        self._copied = is_copy(fill)
        self._liquidated = kind_of(fill.tag) is CauseKind.LIQUIDATION
        position = leader.position(fill.key)
        traded = fill.quantity * int(fill.side)
        self._movements = {
            forward: movement(position.seen_by(forward_copies=forward), traded) for forward in (False, True)
        }
        self._usual = traded_for(fill.key, fill.key, fill.price, market)
        self._traded: dict[InstrumentKey, Traded | None] = {}

    def decide(self, copier: Copier) -> Decision:
        """Exactly one decision for every subscription, with a named reason where it leads to nothing."""
        key = followers_key(copier.subscription, self._fill.key)
        if key is None:
            return self._skip(copier, SkipReason.MAPPED_ELSEWHERE)
        traded = self._what(key)
        if traded is None:
            return self._skip(copier, SkipReason.INSTRUMENT_UNKNOWN)
        if self._liquidated:
            return self._skip(copier, SkipReason.LIQUIDATING)
        forward = copier.subscription.forward_copies
        if self._copied and not forward:
            return self._skip(copier, SkipReason.OWN_COPY)
        return self._follow(copier, traded, self._movements[forward])

    def _what(self, key: InstrumentKey) -> Traded | None:
        if key is self._fill.key:
            return self._usual
        if key not in self._traded:
            self._traded[key] = traded_for(key, self._fill.key, self._fill.price, self._market)
        return self._traded[key]

    def _follow(self, copier: Copier, traded: Traded, move: Movement) -> Decision:
        ledger = copier.ledger
        exit_leg = entry_leg = None
        ideal, held = ledger.ideal, ledger.held
        if move.closes:
            exit_leg = _exit_leg(copier, move, traded.instrument.lot)
            ideal, held = exit_leg.ideal, held + exit_leg.quantity
        if move.opened:
            base = ZERO if move.from_flat else ideal
            entry_leg = self._entry_leg(copier, traded, move.opened, base=base, ideal=ideal, held=held)
        return self._decision(copier, traded, exit_leg, entry_leg)

    def _entry_leg(
        self, copier: Copier, traded: Traded, opened: Decimal, *, base: Decimal, ideal: Decimal, held: Decimal
    ) -> Leg:
        product = traded.key.product
        withheld = withheld_entry(self._lead, traded.instrument, product, copier, self._market)
        if withheld is not None:
            return Leg(ideal, reason=withheld.reason, detail=withheld.detail)
        wanted = -opened if copier.subscription.reverse else opened
        if base * wanted < 0 or opposite_held(copier, wanted, product):
            return Leg(ideal, reason=SkipReason.OPPOSITE_HELD)
        if traded.price is None:
            return Leg(ideal, reason=SkipReason.PRICE_UNKNOWN, detail=traded.key.instrument_id)
        asked = Asked(
            self._fill.order_id, self._fill.side, wanted, self._fill.price, traded.price, traded.instrument
        )
        sized = size(copier, self._leader, asked)
        if isinstance(sized, Refusal):
            return Leg(ideal, reason=sized.reason, detail=sized.detail)
        if sized.inputs.granted == ZERO:
            return Leg(ideal, reason=sized.inputs.limited_by, detail=sized.note, sizing=sized.inputs)
        return _sized_entry(traded.instrument.lot, base, held, sized)

    def _decision(
        self, copier: Copier, traded: Traded, exit_leg: Leg | None, entry_leg: Leg | None
    ) -> Decision:
        origin = self._origin(copier, traded.key)
        lines: list[LedgerEntry] = []
        orders: tuple[CopyOrder, ...] = ()
        ideal = copier.ledger.ideal
        quantity = unwanted = ZERO
        for leg, intent in ((exit_leg, Intent.EXIT), (entry_leg, Intent.ENTRY)):
            if leg is None:
                continue
            lines += _ideal_lines(origin, leg, intent, ideal)
            ideal = leg.ideal
            if leg.quantity:
                lines.append(line(origin, EntryKind.PLANNED, intent, leg.quantity))
                orders += self._orders(copier, traded, origin, intent, leg.quantity)
                quantity += abs(leg.quantity)
            unwanted += leg.unwanted
        commands = withdrawals(origin, copier.open_rows, unwanted) if unwanted else ()
        planned = bool(orders or commands)
        return Decision(
            decision_id=origin.decision_id,
            subscription_id=origin.subscription_id,
            follower=origin.follower,
            key=traded.key,
            side=orders[0].spec.side if orders else self._side(copier),
            intent=Intent.ENTRY if exit_leg is None else Intent.EXIT,
            outcome=Outcome.PLANNED if planned else Outcome.SKIPPED,
            quantity=quantity,
            sizing=entry_leg.sizing if entry_leg else None,
            reason=_reason(exit_leg, entry_leg, planned=planned),
            detail="; ".join(leg.detail for leg in (exit_leg, entry_leg) if leg and leg.detail),
            orders=orders,
            entries=tuple(lines),
            commands=commands,
        )

    def _orders(
        self, copier: Copier, traded: Traded, origin: Origin, intent: Intent, quantity: Decimal
    ) -> tuple[CopyOrder, ...]:
        side = Side.BUY if quantity > 0 else Side.SELL
        looks = self._shape(copier, traded, intent, side)
        if intent is Intent.EXIT:
            return build(origin, looks, abs(quantity))
        age = copier.subscription.filters.max_age_ms * _NS_PER_MS
        return build(origin, looks, abs(quantity), self._event.fact.broker_time_ns + age)

    def _shape(self, copier: Copier, traded: Traded, intent: Intent, side: Side) -> OrderShape:
        subscription = copier.subscription
        style, allowance = subscription.style, subscription.filters.allowance_bps
        shapes = traded.shapes
        name = (intent is Intent.ENTRY, side > 0, style, allowance, subscription.protection)
        known = shapes.get(name)
        if known is None:
            known = shape(
                traded.instrument,
                side,
                intent,
                LEG_EXIT if intent is Intent.EXIT else LEG_ENTRY,
                reference=traded.reference,
                style=style,
                allowance_bps=allowance,
                protection=subscription.protection,
            )
            shapes[name] = known
        return known

    def _origin(self, copier: Copier, key: InstrumentKey) -> Origin:
        subscription, fact = copier.subscription, self._event.fact
        return Origin(
            self._cause,
            decision_id_of(fact.identity, subscription.subscription_id),
            subscription.subscription_id,
            subscription.follower,
            key,
            self._fill.price if key.instrument_id == self._fill.key.instrument_id else ZERO,
            fact.broker_time_ns,
            fact.seen_ns,
            self._market.now_ns,
            self._event.traceparent,
        )

    def _side(self, copier: Copier) -> Side:
        return self._fill.side.opposite if copier.subscription.reverse else self._fill.side

    def _skip(self, copier: Copier, reason: SkipReason) -> Decision:
        subscription = copier.subscription
        closes = self._movements[subscription.forward_copies].closes
        return Decision(
            decision_id=decision_id_of(self._event.fact.identity, subscription.subscription_id),
            subscription_id=subscription.subscription_id,
            follower=subscription.follower,
            key=followers_key(subscription, self._fill.key) or self._fill.key,
            side=self._side(copier),
            intent=Intent.EXIT if closes else Intent.ENTRY,
            outcome=Outcome.SKIPPED,
            quantity=ZERO,
            sizing=None,
            reason=reason,
        )


def traded_for(
    key: InstrumentKey, leaders: InstrumentKey, leader_price: Decimal, market: Market
) -> Traded | None:
    """Another instrument has a price of its own; an exit takes an old one before it stays where it is."""
    instrument = market.instruments.get(key.instrument_id)
    if instrument is None:
        return None
    if key.instrument_id == leaders.instrument_id:
        return Traded(key, instrument, leader_price, leader_price)
    fresh = market.last_prices.get(key.instrument_id)
    some = fresh or market.older_prices.get(key.instrument_id) or leader_price
    return Traded(key, instrument, fresh, some)


def _exit_leg(copier: Copier, move: Movement, lot: Decimal) -> Leg:
    """The ideal keeps the part that the leader kept; what is filled above it is sold at once."""
    ledger = copier.ledger
    ideal = kept_part(ledger.ideal, move.kept, move.whole)
    if ledger.idle:
        return Leg(ideal, reason=SkipReason.NOTHING_HELD)
    if copier.liquidating:
        return Leg(ideal, reason=SkipReason.LIQUIDATING)
    target, held = lots_toward_zero(ideal, lot), ledger.held
    surplus = beyond(held, target)
    working = ledger.entries_working - commanded(copier.open_rows, Intent.ENTRY)
    unwanted = beyond(working, target - toward(target, held))
    detail = f"the leader kept {move.kept} of {move.whole}"
    return Leg(ideal, -surplus, held_exit(copier) if surplus else None, detail, unwanted=unwanted)


def _ideal_lines(origin: Origin, leg: Leg, intent: Intent, before: Decimal) -> list[LedgerEntry]:
    """What is wanted, and what of it a cap forgoes, by name."""
    lines = []
    wanted = EXACT.subtract(EXACT.add(leg.ideal, leg.forgone) if leg.forgone else leg.ideal, before)
    if wanted:
        lines.append(line(origin, EntryKind.IDEAL, intent, wanted))
    if leg.forgone:
        assert leg.sizing is not None  # noqa: S101  # only a sized entry is capped
        assert leg.sizing.limited_by is not None  # noqa: S101
        lines.append(line(origin, EntryKind.FORGONE, intent, -leg.forgone, leg.sizing.limited_by))
    return lines


def _reason(exit_leg: Leg | None, entry_leg: Leg | None, *, planned: bool) -> SkipReason | None:
    """Why nothing is planned, or what withholds the entry or holds the exit of what is."""
    leaving = exit_leg.reason if exit_leg else None
    if not planned:
        return (entry_leg.reason if entry_leg else leaving) or SkipReason.BELOW_ONE_LOT
    held_back = None if leaving is SkipReason.NOTHING_HELD else leaving
    return entry_leg.reason or held_back if entry_leg else held_back


def _sized_entry(lot: Decimal, base: Decimal, held: Decimal, sized: Sized) -> Leg:
    """Plan up to the new target, on what was wanted or is held already: rounding never adds up."""
    wanted = sized.remaining
    ideal = EXACT.add(base, wanted)
    target = lots_toward_zero(ideal, lot)
    before = lots_toward_zero(base, lot)
    covered = max(abs(before), abs(toward(wanted, held)))
    quantity = max(abs(target) - covered, ZERO)
    return Leg(
        ideal,
        quantity if wanted > 0 else -quantity,
        reason=sized.inputs.limited_by if sized.forgone else None,
        detail=sized.note,
        sizing=sized.inputs,
        forgone=sized.forgone,
    )
