"""ON_FILL: the follower's position follows the leader's position, fill by fill."""

from dataclasses import dataclass
from decimal import Decimal

from paceline.domain.copy_order import Cause, CauseKind, CopyOrder, Intent
from paceline.domain.copying.build import LEG_ENTRY, LEG_EXIT, OrderShape, Origin, build, line, shape
from paceline.domain.copying.decision import Decision, Outcome, SizingInputs, SkipReason
from paceline.domain.copying.eligibility import held_exit, opposite_held, withheld_entry
from paceline.domain.copying.movement import Movement, movement
from paceline.domain.copying.sizing import size
from paceline.domain.copying.tags import decision_id_of, kind_of
from paceline.domain.copying.view import Copier, Equity, LeaderState, Market, is_copy
from paceline.domain.event import Event
from paceline.domain.instrument import Instrument
from paceline.domain.ledger import EntryKind, Ledger, LedgerEntry, beyond, toward
from paceline.domain.money import EXACT, ZERO, kept_part, lots_toward_zero
from paceline.domain.order import Fill, Side
from paceline.domain.subscription import ExecutionStyle

_NS_PER_MS = 1_000_000
_ShapeKey = tuple[Intent, Side, ExecutionStyle, Decimal]


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
    withdraw: Decimal = ZERO


class FillPlanner:
    """Plans one fill for any number of copiers; what they share is worked out once."""

    def __init__(self, event: Event, fill: Fill, leader: LeaderState, market: Market) -> None:
        self._event = event
        self._fill = fill
        self._market = market
        self._leader_equity: Equity | None = leader.equity
        self._instrument: Instrument | None = market.instruments.get(fill.key.instrument_id)
        self._cause = Cause(CauseKind.EVENT, event.fact.identity)
        self._copied = is_copy(fill)
        self._liquidated = kind_of(fill.tag) is CauseKind.LIQUIDATION
        position = leader.position(fill.key)
        traded = fill.quantity * int(fill.side)
        self._movements = {
            forward: movement(position.seen_by(forward_copies=forward), traded) for forward in (False, True)
        }
        self._shapes: dict[_ShapeKey, OrderShape] = {}

    def decide(self, copier: Copier) -> Decision:
        """Exactly one decision for every subscription, with a named reason where it leads to nothing."""
        if self._instrument is None:
            return self._skip(copier, SkipReason.INSTRUMENT_UNKNOWN)
        if self._liquidated:
            return self._skip(copier, SkipReason.LIQUIDATING)
        forward = copier.subscription.forward_copies
        if self._copied and not forward:
            return self._skip(copier, SkipReason.OWN_COPY)
        return self._follow(copier, self._instrument, self._movements[forward])

    def _follow(self, copier: Copier, instrument: Instrument, move: Movement) -> Decision:
        ledger = copier.ledger
        exit_leg = entry_leg = None
        ideal, held = ledger.ideal, ledger.held
        if move.closes:
            exit_leg = _exit_leg(copier, ledger, move, instrument.lot)
            ideal, held = exit_leg.ideal, held + exit_leg.quantity
        if move.opened:
            base = ZERO if move.from_flat else ideal
            entry_leg = self._entry_leg(copier, instrument, move.opened, base=base, ideal=ideal, held=held)
        return self._decision(copier, instrument, exit_leg, entry_leg)

    def _entry_leg(
        self,
        copier: Copier,
        instrument: Instrument,
        opened: Decimal,
        *,
        base: Decimal,
        ideal: Decimal,
        held: Decimal,
    ) -> Leg:
        reason = withheld_entry(self._event, self._fill, instrument, copier, self._market)
        if reason is not None:
            return Leg(ideal, reason=reason)
        wanted = -opened if copier.subscription.reverse else opened
        if base * wanted < 0 or opposite_held(copier, wanted, self._fill.key.product):
            return Leg(ideal, reason=SkipReason.OPPOSITE_HELD)
        sizing = size(copier, self._leader_equity, wanted)
        if isinstance(sizing, SkipReason):
            return Leg(ideal, reason=sizing)
        return _sized_entry(instrument.lot, base, held, sizing)

    def _decision(
        self, copier: Copier, instrument: Instrument, exit_leg: Leg | None, entry_leg: Leg | None
    ) -> Decision:
        origin = self._origin(copier)
        lines: list[LedgerEntry] = []
        orders: tuple[CopyOrder, ...] = ()
        ideal = copier.ledger.ideal
        quantity = withdraw = ZERO
        for leg, intent in ((exit_leg, Intent.EXIT), (entry_leg, Intent.ENTRY)):
            if leg is None:
                continue
            if leg.ideal != ideal:
                lines.append(line(origin, EntryKind.IDEAL, intent, EXACT.subtract(leg.ideal, ideal)))
                ideal = leg.ideal
            if leg.quantity:
                lines.append(line(origin, EntryKind.PLANNED, intent, leg.quantity))
                orders += self._orders(copier, instrument, origin, intent, leg.quantity)
                quantity += abs(leg.quantity)
            withdraw += leg.withdraw
        planned = bool(orders) or bool(withdraw)
        return Decision(
            decision_id=origin.decision_id,
            subscription_id=origin.subscription_id,
            follower=origin.follower,
            key=self._fill.key,
            side=orders[0].spec.side if orders else self._side(copier),
            intent=Intent.ENTRY if exit_leg is None else Intent.EXIT,
            outcome=Outcome.PLANNED if planned else Outcome.SKIPPED,
            quantity=quantity,
            sizing=entry_leg.sizing if entry_leg else None,
            reason=_reason(exit_leg, entry_leg, planned=planned),
            detail=exit_leg.detail if exit_leg else "",
            orders=orders,
            entries=tuple(lines),
            withdraw=withdraw,
        )

    def _orders(
        self, copier: Copier, instrument: Instrument, origin: Origin, intent: Intent, quantity: Decimal
    ) -> tuple[CopyOrder, ...]:
        side = Side.BUY if quantity > 0 else Side.SELL
        looks = self._shape(copier, instrument, intent, side)
        if intent is Intent.EXIT:
            return build(origin, looks, abs(quantity))
        age = copier.subscription.filters.max_age_ms * _NS_PER_MS
        return build(origin, looks, abs(quantity), self._event.fact.broker_time_ns + age)

    def _shape(self, copier: Copier, instrument: Instrument, intent: Intent, side: Side) -> OrderShape:
        style, allowance = copier.subscription.style, copier.subscription.filters.allowance_bps
        known = self._shapes.get((intent, side, style, allowance))
        if known is None:
            known = shape(
                instrument,
                side,
                intent,
                LEG_EXIT if intent is Intent.EXIT else LEG_ENTRY,
                reference=self._fill.price,
                style=style,
                allowance_bps=allowance,
            )
            self._shapes[intent, side, style, allowance] = known
        return known

    def _origin(self, copier: Copier) -> Origin:
        subscription, fact = copier.subscription, self._event.fact
        return Origin(
            self._cause,
            decision_id_of(fact.identity, subscription.subscription_id),
            subscription.subscription_id,
            subscription.follower,
            self._fill.key,
            self._fill.price,
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
            key=self._fill.key,
            side=self._side(copier),
            intent=Intent.EXIT if closes else Intent.ENTRY,
            outcome=Outcome.SKIPPED,
            quantity=ZERO,
            sizing=None,
            reason=reason,
        )


def _exit_leg(copier: Copier, ledger: Ledger, move: Movement, lot: Decimal) -> Leg:
    """The ideal keeps the part that the leader kept; what is filled above it is sold at once."""
    ideal = kept_part(ledger.ideal, move.kept, move.whole)
    if ledger.idle:
        return Leg(ideal, reason=SkipReason.NOTHING_HELD)
    if copier.liquidating:
        return Leg(ideal, reason=SkipReason.LIQUIDATING)
    target, held = lots_toward_zero(ideal, lot), ledger.held
    surplus = beyond(held, target)
    unwanted = beyond(ledger.entries_working, target - toward(target, held))
    detail = f"the leader kept {move.kept} of {move.whole}"
    return Leg(ideal, -surplus, held_exit(copier) if surplus else None, detail, withdraw=unwanted)


def _reason(exit_leg: Leg | None, entry_leg: Leg | None, *, planned: bool) -> SkipReason | None:
    """Why nothing is planned, or what withholds the entry or holds the exit of what is."""
    leaving = exit_leg.reason if exit_leg else None
    if not planned:
        return (entry_leg.reason if entry_leg else leaving) or SkipReason.BELOW_ONE_LOT
    held_back = None if leaving is SkipReason.NOTHING_HELD else leaving
    return entry_leg.reason or held_back if entry_leg else held_back


def _sized_entry(lot: Decimal, base: Decimal, held: Decimal, sizing: SizingInputs) -> Leg:
    """Plan up to the new target, on what was wanted or is held already: rounding never adds up."""
    ideal = EXACT.add(base, sizing.unrounded)
    target = lots_toward_zero(ideal, lot)
    before = lots_toward_zero(base, lot)
    covered = max(abs(before), abs(toward(sizing.unrounded, held)))
    quantity = max(abs(target) - covered, ZERO)
    return Leg(ideal, quantity if sizing.unrounded > 0 else -quantity, sizing=sizing)
