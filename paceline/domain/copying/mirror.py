"""How a leader's order looks at a follower, and what his working orders may still do to a position."""

from collections.abc import Collection, Mapping
from decimal import Decimal

from paceline.domain.copy_order import Intent
from paceline.domain.copying.build import OrderShape
from paceline.domain.copying.changes import OpenRow
from paceline.domain.copying.decision import SizingInputs
from paceline.domain.copying.movement import movement
from paceline.domain.copying.protect import protected_limit
from paceline.domain.copying.sizing import share
from paceline.domain.copying.view import LeaderOrder
from paceline.domain.ids import BrokerOrderId
from paceline.domain.instrument import Exchange, Instrument
from paceline.domain.money import EXACT, ZERO, floor_to, kept_part
from paceline.domain.order import OrderReport, OrderType, Side
from paceline.domain.subscription import Subscription


def price_of(report: OrderReport) -> Decimal:
    """What the leader's order goes by: what it got, its limit, or its trigger; zero where it names none."""
    return report.average_price or report.limit_price or report.trigger_price


def mirrored(
    report: OrderReport,
    instrument: Instrument,
    subscription: Subscription,
    intent: Intent,
    leg: int,
    *,
    last: Decimal | None,
    quantity: Decimal,
) -> OrderShape:
    """An order of the same kind. What the exchange fills only with protection gets a protected limit."""
    type_, limit = report.type, report.limit_price
    reference = price_of(report) or last
    bare = instrument.exchange is Exchange.CRYPTO or reference is None
    protected = type_ in (OrderType.MARKET, OrderType.STOP) and not bare
    if protected and reference is not None:
        type_ = OrderType.LIMIT if type_ is OrderType.MARKET else OrderType.STOP_LIMIT
        limit = _protected(instrument, report.side, reference, subscription)
    return OrderShape(
        instrument,
        report.side,
        intent,
        leg,
        type_,
        limit,
        report.trigger_price,
        report.validity,
        _disclosed(report, instrument, quantity),
        report.offline,
        report.order_id,
        protected,
    )


def chasing(
    instrument: Instrument,
    side: Side,
    intent: Intent,
    leg: int,
    reference: Decimal,
    subscription: Subscription,
) -> OrderShape:
    """To be filled now, within the allowance: what a leader's ended order leaves to do."""
    limit = _protected(instrument, side, reference, subscription)
    return OrderShape(instrument, side, intent, leg, OrderType.LIMIT, limit, protected=True)


def pledges(
    orders: Mapping[BrokerOrderId, LeaderOrder],
    position: Decimal,
    ideal: Decimal,
    sizings: Mapping[BrokerOrderId, SizingInputs],
    rows: Collection[OpenRow],
) -> tuple[Decimal, Decimal]:
    """What the leader's orders may still buy and sell for the follower: (at least zero, at most zero).

    In between, nothing that a copy does ahead of its leader's order is too much or too little.
    """
    buy = sell = ZERO
    for order_id, order in orders.items():
        if order.report is None or not (order.remaining or order.working):
            continue
        amount = _pledged(order, position, ideal, sizings.get(order_id), _exits_of(rows, order_id, order))
        if order.report.side is Side.BUY:
            buy = EXACT.add(buy, amount)
        else:
            sell = EXACT.subtract(sell, amount)
    return buy, sell


def _pledged(
    order: LeaderOrder, position: Decimal, ideal: Decimal, sizing: SizingInputs | None, exits: Decimal
) -> Decimal:
    assert order.report is not None  # noqa: S101  # asked before
    move = movement(position, order.remaining * int(order.report.side))
    leaving = ZERO
    if move.closes:
        leaving = abs(EXACT.subtract(ideal, kept_part(ideal, move.kept, move.whole)))
    opening = ZERO
    if move.opened and sizing is not None:
        opening = abs(share(sizing, move.opened, first=not order.traded))
    return EXACT.add(max(leaving, exits), opening)


def _exits_of(rows: Collection[OpenRow], order_id: BrokerOrderId, order: LeaderOrder) -> Decimal:
    """What copies of a working exit may still do, whatever they were sized on."""
    if not order.working:
        return ZERO
    mine = (r for r in rows if r.order.leader_order_id == order_id and r.order.intent is Intent.EXIT)
    return sum((abs(row.coming) for row in mine), ZERO)


def _protected(instrument: Instrument, side: Side, reference: Decimal, subscription: Subscription) -> Decimal:
    allowance = subscription.filters.allowance_bps
    return protected_limit(instrument, side, reference, allowance, subscription.protection)


def _disclosed(report: OrderReport, instrument: Instrument, quantity: Decimal) -> Decimal:
    """The same part of it is shown, in whole lots; less than one is all of it."""
    if not report.disclosed or not report.quantity:
        return ZERO
    return floor_to(report.disclosed * quantity / report.quantity, instrument.lot)
