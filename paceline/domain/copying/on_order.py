"""ON_ORDER: the leader's accepted order is copied as an order of the same kind and mirrored through its life.

It promises equal orders, not equal fills. Fills of the leader move the ideal as they do ON_FILL; what his
working orders may still do is pledged beside it, so that a copy may be ahead of them or behind.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from paceline.domain.copy_order import Cause, CauseKind, Intent
from paceline.domain.copying.build import LEG_ENTRY, LEG_EXIT, LEG_SURPLUS, OrderShape, Origin
from paceline.domain.copying.changes import OpenRow, withdrawals
from paceline.domain.copying.decision import Decision, Outcome, Refusal, SkipReason
from paceline.domain.copying.draft import Draft
from paceline.domain.copying.eligibility import held_exit, opposite_held, withheld_entry
from paceline.domain.copying.mapping import followers_key
from paceline.domain.copying.mirror import chasing, mirrored, pledges, price_of
from paceline.domain.copying.movement import Movement, movement
from paceline.domain.copying.sizing import Asked, Sized, share, size
from paceline.domain.copying.tags import decision_id_of, kind_of
from paceline.domain.copying.view import (
    Copier,
    Lead,
    LeaderOrder,
    LeaderState,
    Market,
    fold_orders,
    is_copy,
)
from paceline.domain.event import Event
from paceline.domain.ids import BrokerOrderId
from paceline.domain.instrument import Instrument, InstrumentKey
from paceline.domain.ledger import EntryKind, beyond, toward
from paceline.domain.money import EXACT, ZERO, kept_part, lots_toward_zero
from paceline.domain.order import Fill, OrderReport, OrderType, Side
from paceline.domain.subscription import ShortfallPolicy

_NS_PER_MS = 1_000_000


def concerns_copies(orders: Mapping[BrokerOrderId, LeaderOrder], event: Event) -> bool:
    """Whether anything of an order follows the event: nothing does before it is accepted, or after its end.

    `orders` are as for `OrderPlanner`.
    """
    body = event.fact.body
    if not isinstance(body, OrderReport):
        return isinstance(body, Fill)
    was = orders.get(body.order_id, LeaderOrder())
    return was.working or (replace(was, report=body).accepted and not was.accepted)


class OrderPlanner:
    """Plans one event of the leader for any number of copiers who mirror his orders.

    `leader.orders` are those of the event's key, up to, and without, the event.
    """

    def __init__(self, event: Event, body: Fill | OrderReport, leader: LeaderState, market: Market) -> None:
        self._event = event
        self._body = body
        self._market = market
        self._orders = fold_orders(leader.orders, event)
        self._working = {name for name, order in self._orders.items() if order.working}
        self._leader = replace(leader, orders=self._orders)
        self._was = leader.orders.get(body.order_id, LeaderOrder())
        self._is = self._orders[body.order_id]
        self._position = leader.position(body.key)
        self._position_after = leader.after(event).position(body.key)
        self._foreign = kind_of(body.tag) is CauseKind.LIQUIDATION

    def decide(self, copier: Copier) -> Decision | None:
        """None where the event says nothing that a copy follows."""
        accepted = self._is.accepted and not self._was.accepted
        subscription = copier.subscription
        key = followers_key(subscription, self._body.key)
        skip = self._not_mirrored(copier, key)
        if skip is not None or key is None:
            return self._skipped(copier, skip or SkipReason.MAPPED_ELSEWHERE) if accepted else None
        draft = Draft(self._origin(copier, key), copier)
        instrument = self._market.instruments[key.instrument_id]
        if isinstance(self._body, Fill):
            self._follow(draft, self._body)
        elif accepted:
            self._accept(draft, instrument, self._body)
        elif self._was.working and self._is.working:
            self._modify(draft, instrument, self._body)
        elif self._was.working:
            self._end(draft, instrument, self._body)
        else:
            return None
        self._balance(draft, instrument)
        return self._decision(draft) if accepted or draft.acts else None

    def _not_mirrored(self, copier: Copier, key: InstrumentKey | None) -> SkipReason | None:
        if key is None:
            return SkipReason.MAPPED_ELSEWHERE
        if key.instrument_id not in self._market.instruments:
            return SkipReason.INSTRUMENT_UNKNOWN
        if self._foreign:
            return SkipReason.LIQUIDATING
        if is_copy(self._body) and not copier.subscription.forward_copies:
            return SkipReason.OWN_COPY
        return None

    def _follow(self, draft: Draft, fill: Fill) -> None:
        """A fill moves the ideal; one of an order that was not copied only takes it down."""
        move = self._movement(draft, fill.quantity)
        ideal = draft.ledger.ideal
        if move.closes:
            ideal = kept_part(ideal, move.kept, move.whole)
        draft.set_ideal(ideal, Intent.EXIT)
        frozen = draft.copier.frozen
        if not move.opened or frozen is None:
            return
        part = share(frozen, move.opened, first=not self._was.traded)
        base = ZERO if move.from_flat else ideal
        draft.set_ideal(EXACT.add(base, part), Intent.ENTRY)

    def _accept(self, draft: Draft, instrument: Instrument, report: OrderReport) -> None:
        """The copy is placed: an exit of what is held, an entry of what he opens, or both."""
        move = self._movement(draft, self._is.remaining)
        if move.closes:
            self._accept_exit(draft, instrument, report, move)
        opened = EXACT.add(abs(move.opened), self._opened_before(draft, report))
        if opened:
            self._accept_entry(draft, instrument, report, opened, flips=move.closes)

    def _opened_before(self, draft: Draft, report: OrderReport) -> Decimal:
        """What trades told of it before its first report, as far as it opened something."""
        forward = draft.copier.subscription.forward_copies
        position = self._position.seen_by(forward_copies=forward) * int(report.side)
        return min(self._was.traded, max(position, ZERO))

    def _accept_exit(self, draft: Draft, instrument: Instrument, report: OrderReport, move: Movement) -> None:
        if draft.copier.liquidating:
            draft.reason = SkipReason.LIQUIDATING
            return
        quantity = self._exit_quantity(draft, instrument, move)
        draft.reason = held_exit(draft.copier) if quantity else SkipReason.NOTHING_HELD
        draft.place(self._looks(draft, instrument, report, Intent.EXIT, quantity), quantity)

    def _exit_quantity(self, draft: Draft, instrument: Instrument, move: Movement) -> Decimal:
        """The part of what is held that the leader's order gives up, whatever rests beside it; unsigned."""
        kept = kept_part(draft.ledger.ideal, move.kept, move.whole)
        held = draft.held({self._body.order_id, *self._working})
        return abs(beyond(held, lots_toward_zero(kept, instrument.lot)))

    def _accept_entry(
        self, draft: Draft, instrument: Instrument, report: OrderReport, opened: Decimal, *, flips: bool
    ) -> None:
        wanted = opened * int(report.side)
        base = ZERO if flips else self._reach(draft, report.side)
        sized = self._sized(draft, instrument, report, wanted, base)
        if isinstance(sized, Refusal):
            draft.reason, draft.detail = sized.reason, sized.detail
            return
        inputs = draft.sizing = sized.inputs
        draft.detail = sized.note
        if inputs.granted == ZERO or sized.forgone:
            draft.reason = inputs.limited_by
        quantity = self._entry_quantity(draft, instrument, base, sized.remaining)
        if not quantity and not draft.orders:
            draft.reason = draft.reason or SkipReason.BELOW_ONE_LOT
        age = draft.copier.subscription.filters.max_age_ms * _NS_PER_MS
        looks = self._looks(draft, instrument, report, Intent.ENTRY, quantity)
        draft.place(looks, quantity, self._event.fact.broker_time_ns + age)
        before = self._opened_before(draft, report)
        if before:
            told = share(inputs, before * int(report.side), first=True)
            draft.set_ideal(EXACT.add(draft.ledger.ideal, told), Intent.ENTRY)

    def _sized(
        self, draft: Draft, instrument: Instrument, report: OrderReport, wanted: Decimal, base: Decimal
    ) -> Sized | Refusal:
        copier, product = draft.copier, draft.origin.key.product
        withheld = self._withheld(draft, instrument, report)
        if withheld is not None:
            return withheld
        if base * wanted < 0 or opposite_held(copier, wanted, product):
            return Refusal(SkipReason.OPPOSITE_HELD)
        price = price_of(report) or self._last(instrument)
        if price is None:
            return Refusal(SkipReason.PRICE_UNKNOWN, instrument.instrument_id)
        asked = Asked(report.order_id, report.side, wanted, price, price, instrument)
        return size(copier, self._leader, asked)

    def _withheld(self, draft: Draft, instrument: Instrument, report: OrderReport) -> Refusal | None:
        at_market = report.type is OrderType.MARKET
        lead = Lead(report.key, report.side, price_of(report), at_market, self._event.fact.broker_time_ns)
        return withheld_entry(lead, instrument, draft.origin.key.product, draft.copier, self._market)

    def _modify(self, draft: Draft, instrument: Instrument, report: OrderReport) -> None:
        """Prices are taken over, quantities re-sized with the frozen ratio; what is unsent is folded."""
        exits = draft.rows_of(report.order_id, Intent.EXIT)
        if exits:
            move = self._movement(draft, self._is.remaining)
            quantity = self._exit_quantity(draft, instrument, move) if move.closes else ZERO
            looks = self._looks(draft, instrument, report, Intent.EXIT, quantity)
            draft.place(looks, draft.reshape(exits, looks, quantity))
        entries = draft.rows_of(report.order_id, Intent.ENTRY)
        coming = sum((abs(row.coming) for row in entries), ZERO)
        grown = self._resized(draft, instrument, report)
        withheld = self._withheld(draft, instrument, report) if grown > 0 else None
        if withheld is not None:
            grown, draft.reason, draft.detail = ZERO, withheld.reason, withheld.detail
        quantity = max(coming + grown, ZERO)
        if entries or quantity:
            looks = self._looks(draft, instrument, report, Intent.ENTRY, quantity)
            draft.place(looks, draft.reshape(entries, looks, quantity))

    def _resized(self, draft: Draft, instrument: Instrument, report: OrderReport) -> Decimal:
        """How many lots more, or less, the changed quantity comes to."""
        frozen, was = draft.copier.frozen, self._was.report
        if frozen is None or was is None:
            return ZERO
        side = int(report.side)
        part = share(frozen, (report.quantity - was.quantity) * side, first=False) * side
        reach = self._reach(draft, report.side) * side
        lot = instrument.lot
        return lots_toward_zero(EXACT.add(reach, part), lot) - lots_toward_zero(reach, lot)

    def _end(self, draft: Draft, instrument: Instrument, report: OrderReport) -> None:
        """Exits go on at the market as far as he left; entries are chased within the allowance or let go."""
        draft.forgone = SkipReason.LEADER_ORDER_ENDED
        exits = draft.rows_of(report.order_id, Intent.EXIT)
        if exits:
            move = self._movement(draft, self._is.remaining)
            left = self._exit_quantity(draft, instrument, move)
            coming = sum((abs(row.coming) for row in exits), ZERO)
            self._chase(draft, instrument, exits, min(left, coming), Intent.EXIT)
        entries = draft.rows_of(report.order_id, Intent.ENTRY)
        if entries and draft.copier.subscription.shortfall is ShortfallPolicy.CHASE:
            self._chase(
                draft, instrument, entries, self._short(draft, instrument, report, entries), Intent.ENTRY
            )
        else:
            draft.cancel(entries)

    def _chase(
        self, draft: Draft, instrument: Instrument, rows: list[OpenRow], coming: Decimal, intent: Intent
    ) -> None:
        """What is left to do of ended orders is re-priced to be filled now."""
        report = self._body
        assert isinstance(report, OrderReport)  # noqa: S101  # only a report ends an order
        reference = price_of(report) or self._last(instrument)
        if not coming or reference is None:
            draft.cancel(rows)
            return
        leg = rows[0].order.leg
        looks = chasing(instrument, report.side, intent, leg, reference, draft.copier.subscription)
        draft.reshape(rows, looks, coming)

    def _short(
        self, draft: Draft, instrument: Instrument, report: OrderReport, rows: list[OpenRow]
    ) -> Decimal:
        """What his fills want of this order and is not there; unsigned, at most what its rows bring.

        Copies of his other orders are for what those may still do: only what is beyond that stands in for it.
        """
        side = int(report.side)
        frozen = draft.copier.frozen
        owed = ZERO
        if frozen is not None and self._is.remaining:
            owed = share(frozen, self._is.remaining * side, first=not self._is.traded)
        reach = EXACT.add(draft.ledger.ideal, owed)
        wanted = lots_toward_zero(reach, instrument.lot)
        beside = {name: order for name, order in self._orders.items() if name != report.order_id}
        buy, sell = self._pledged(draft, beside)
        pledged = lots_toward_zero(EXACT.add(reach, buy if side > 0 else sell), instrument.lot) - wanted
        mine = {row.order.tag for row in rows}
        others = sum(
            (
                toward(Decimal(side), row.coming)
                for row in draft.rows
                if row.order.intent is Intent.ENTRY and row.order.tag not in mine
            ),
            ZERO,
        )
        covered = max((others - pledged) * side, ZERO)
        missing = (wanted - (draft.ledger.held - draft.leaving(Intent.EXIT))) * side - covered
        coming = sum((abs(row.coming) for row in rows), ZERO)
        return min(max(missing, ZERO), coming)

    def _balance(self, draft: Draft, instrument: Instrument) -> None:
        """Pledge what his orders may still do: nothing is held beyond it, and nothing missing unnamed."""
        lot = instrument.lot
        self._pledge(draft)
        for side in Side:
            unwanted = self._unwanted(draft, lot, side)
            draft.command(withdrawals(draft.origin, draft.rows, unwanted, self._working))
        surplus = draft.ledger.surplus(lot, draft.leaving(Intent.EXIT))
        if surplus and not draft.copier.liquidating:
            self._sell(draft, instrument, surplus)
        ledger = draft.ledger
        needed = ledger.needed(lot)
        entries = (r for r in draft.rows if r.order.intent is Intent.ENTRY)
        coming = sum((toward(needed, max(row.order.rest, row.coming, key=abs)) for row in entries), ZERO)
        missing = ledger.missing(lot, coming, draft.leaving(Intent.EXIT))
        if missing:
            draft.add(EntryKind.FORGONE, Intent.ENTRY, -missing)
            self._pledge(draft)

    def _unwanted(self, draft: Draft, lot: Decimal, side: Side) -> Decimal:
        """Entries of one side that lead beyond all that may be wanted; signed. Sides do not net."""
        ledger, way = draft.ledger, Decimal(side)
        reach = toward(way, ledger.highest(lot) if side is Side.BUY else ledger.lowest(lot))
        entries = (row.coming for row in draft.rows if row.order.intent is Intent.ENTRY)
        coming = sum((toward(way, each) for each in entries), ZERO)
        return beyond(coming, reach - toward(way, ledger.held))

    def _pledge(self, draft: Draft) -> None:
        ledger = draft.ledger
        buy, sell = self._pledged(draft, self._orders)
        draft.add(EntryKind.BUY_PLEDGED, Intent.ENTRY, EXACT.subtract(buy, ledger.buy_pledged))
        draft.add(EntryKind.SELL_PLEDGED, Intent.ENTRY, EXACT.subtract(sell, ledger.sell_pledged))

    def _pledged(self, draft: Draft, orders: Mapping[BrokerOrderId, LeaderOrder]) -> tuple[Decimal, Decimal]:
        copier = draft.copier
        sizings = dict(copier.frozen_of)
        frozen = draft.sizing or copier.frozen
        if frozen is not None:
            sizings[self._body.order_id] = frozen
        position = self._position_after.seen_by(forward_copies=copier.subscription.forward_copies)
        return pledges(orders, position, draft.ledger.ideal, sizings, draft.rows)

    def _sell(self, draft: Draft, instrument: Instrument, surplus: Decimal) -> None:
        body = self._body
        reference = body.price if isinstance(body, Fill) else price_of(body)
        side = Side.SELL if surplus > 0 else Side.BUY
        looks = chasing(
            instrument,
            side,
            Intent.EXIT,
            LEG_SURPLUS,
            reference or self._last(instrument) or ZERO,
            draft.copier.subscription,
        )
        draft.place(looks, abs(surplus))
        draft.reason = draft.reason or held_exit(draft.copier)

    def _looks(
        self, draft: Draft, instrument: Instrument, report: OrderReport, intent: Intent, quantity: Decimal
    ) -> OrderShape:
        leg = LEG_EXIT if intent is Intent.EXIT else LEG_ENTRY
        return mirrored(
            report,
            instrument,
            draft.copier.subscription,
            intent,
            leg,
            last=self._last(instrument),
            quantity=quantity,
        )

    def _entry_quantity(
        self, draft: Draft, instrument: Instrument, base: Decimal, wanted: Decimal
    ) -> Decimal:
        """Up to the new reach, on what was within it or is held already: rounding never adds up."""
        lot = instrument.lot
        target = abs(lots_toward_zero(EXACT.add(base, wanted), lot))
        covered = max(abs(lots_toward_zero(base, lot)), abs(toward(wanted, draft.ledger.held)))
        return max(target - covered, ZERO)

    def _reach(self, draft: Draft, side: Side) -> Decimal:
        """What should be held once all that works on this side is filled; signed."""
        ledger = draft.copier.ledger
        return EXACT.add(draft.ledger.ideal, ledger.buy_pledged if side is Side.BUY else ledger.sell_pledged)

    def _movement(self, draft: Draft, quantity: Decimal) -> Movement:
        side = self._body.side
        forward = draft.copier.subscription.forward_copies
        return movement(self._position.seen_by(forward_copies=forward), quantity * int(side))

    def _last(self, instrument: Instrument) -> Decimal | None:
        name = instrument.instrument_id
        return self._market.last_prices.get(name) or self._market.older_prices.get(name)

    def _origin(self, copier: Copier, key: InstrumentKey) -> Origin:
        subscription, fact, body = copier.subscription, self._event.fact, self._body
        return Origin(
            Cause(CauseKind.EVENT, fact.identity),
            decision_id_of(fact.identity, subscription.subscription_id),
            subscription.subscription_id,
            subscription.follower,
            key,
            body.price if isinstance(body, Fill) else price_of(body),
            fact.broker_time_ns,
            fact.seen_ns,
            self._market.now_ns,
            self._event.traceparent,
        )

    def _decision(self, draft: Draft) -> Decision:
        exiting = any(order.intent is Intent.EXIT for order in draft.orders)
        return Decision(
            decision_id=draft.origin.decision_id,
            subscription_id=draft.origin.subscription_id,
            follower=draft.origin.follower,
            key=draft.origin.key,
            side=draft.orders[0].spec.side if draft.orders else self._body.side,
            intent=Intent.EXIT if exiting else Intent.ENTRY,
            outcome=Outcome.PLANNED if draft.acts else Outcome.SKIPPED,
            quantity=sum((order.spec.quantity for order in draft.orders), ZERO),
            sizing=draft.sizing,
            reason=draft.reason if draft.reason or draft.acts else SkipReason.BELOW_ONE_LOT,
            detail=draft.detail,
            orders=tuple(draft.orders),
            entries=draft.lines,
            commands=draft.commands,
        )

    def _skipped(self, copier: Copier, reason: SkipReason) -> Decision:
        draft = Draft(self._origin(copier, self._body.key), copier, reason=reason)
        return self._decision(draft)
