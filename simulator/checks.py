"""What the broker refuses at its door, and what its risk system and the exchange reject."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.instruments import Segment
from simulator.margin import opening_margin
from simulator.orders import OrderRequest, OrderType, Product, Reject, RejectReason, Side

if TYPE_CHECKING:
    from simulator.account import Position
    from simulator.instruments import Instrument
    from simulator.market import Market
    from simulator.orders import Order

TAG_LONGEST = 30
LEAST_DISCLOSED_PERCENT = 10


def refusal(request: OrderRequest, instrument: Instrument, client_id: str) -> Reject | None:
    """Faults that stop a request before it becomes an order."""
    return (
        _instrument_fault(request, instrument)
        or prices_fault(instrument, request.type, request.limit, request.stop, request.side)
        or quantity_fault(instrument, request.qty, request.disclosed)
        or _tag_fault(request, client_id)
    )


def _instrument_fault(request: OrderRequest, instrument: Instrument) -> Reject | None:
    if not instrument.tradable:
        return Reject(RejectReason.NOT_TRADABLE, "symbol")
    capital = instrument.segment is Segment.CAPITAL
    if request.product.is_delivery and not capital:
        return Reject(RejectReason.PRODUCT_SEGMENT, "productType")
    if request.product is Product.MARGIN and capital:
        return Reject(RejectReason.PRODUCT_SEGMENT, "productType")
    return None


def prices_fault(
    instrument: Instrument, order_type: OrderType, limit: int, stop: int, side: Side
) -> Reject | None:
    """Absent prices, prices off the tick, and a stop on the wrong side of its limit."""
    if order_type.has_limit and limit <= 0:
        return Reject(RejectReason.BAD_PARAMETER, "limitPrice")
    if order_type.is_stop and stop <= 0:
        return Reject(RejectReason.BAD_PARAMETER, "stopPrice")
    if order_type.has_limit and limit % instrument.tick:
        return Reject(RejectReason.TICK_MULTIPLE, "LimitPrice", required=instrument.tick)
    if order_type.is_stop and stop % instrument.tick:
        return Reject(RejectReason.TICK_MULTIPLE, "StopPrice", required=instrument.tick)
    if order_type is OrderType.STOP_LIMIT and (stop - limit) * side > 0:
        return Reject(RejectReason.STOP_AND_LIMIT, "stopPrice")
    return None


def quantity_fault(instrument: Instrument, qty: int, disclosed: int) -> Reject | None:
    if qty <= 0:
        return Reject(RejectReason.BAD_PARAMETER, "qty")
    if qty % instrument.lot:
        return Reject(RejectReason.LOT_MULTIPLE, "qty", required=instrument.lot)
    if not disclosed:
        return None
    too_little = disclosed * 100 < qty * LEAST_DISCLOSED_PERCENT
    if instrument.segment is not Segment.CAPITAL or disclosed > qty or disclosed < 0 or too_little:
        return Reject(RejectReason.DISCLOSED_QUANTITY, "disclosedQty")
    return None


def _tag_fault(request: OrderRequest, client_id: str) -> Reject | None:
    tag = request.tag
    if not tag:
        return None
    if request.product is Product.CO or request.product is Product.BO:
        return Reject(RejectReason.TAG_ON_PRODUCT, "orderTag")
    plain = tag.isascii() and tag.isalnum() and len(tag) <= TAG_LONGEST
    if not plain or tag in {client_id, "Untagged"}:
        return Reject(RejectReason.BAD_TAG, "orderTag")
    return None


def rejection(order: Order, market: Market) -> Reject | None:
    """Faults that reject an order which already has a number; margin is asked last."""
    return (
        freeze_fault(order.instrument, order.qty)
        or band_fault(order.instrument, order.type, order.limit, order.stop)
        or trigger_fault(order, market)
        or _holdings_fault(order)
    )


def freeze_fault(instrument: Instrument, qty: int) -> Reject | None:
    if instrument.freeze and qty > instrument.freeze:
        return Reject(RejectReason.FREEZE_QUANTITY, "qty", required=qty, available=instrument.freeze)
    return None


def band_fault(instrument: Instrument, order_type: OrderType, limit: int, stop: int) -> Reject | None:
    for has_it, price in ((order_type.has_limit, limit), (order_type.is_stop, stop)):
        if has_it and not instrument.within_bands(price):
            return Reject(RejectReason.PRICE_BAND, "price", required=price)
    return None


def trigger_fault(order: Order, market: Market) -> Reject | None:
    """A stop must lie beyond the last price, on the side from which the price would come."""
    if order.type.is_stop and not order.triggered and (order.stop - market.ltp) * order.side < 0:
        return Reject(RejectReason.TRIGGER_PASSED, "stopPrice", required=order.stop, available=market.ltp)
    return None


def _holdings_fault(order: Order) -> Reject | None:
    if not order.product.is_delivery or order.side is Side.BUY:
        return None
    free = deliverable(order.position)
    if order.qty > free:
        return Reject(RejectReason.HOLDINGS, "qty", required=order.qty, available=free)
    return None


def deliverable(position: Position) -> int:
    """Shares that may still be sold for delivery: holdings and today's buys, less what sells already."""
    holding = position.account.holdings.get(position.instrument.symbol)
    held = holding.qty if holding else 0
    return max(0, held + position.net - position.pending_sell)


def margin_needed(order: Order, market: Market) -> int:
    """What the opening part of an order blocks; the part that closes blocks nothing."""
    if order.product.is_delivery and order.side is Side.SELL:
        return 0
    opening = max(0, order.remaining - order.position.closable(order.side))
    if not opening:
        return 0
    price = (
        order.limit if order.type.has_limit else max(order.stop, market.best(order.side.opposite), market.ltp)
    )
    return opening_margin(order.instrument, order.product, order.side, opening, price)
