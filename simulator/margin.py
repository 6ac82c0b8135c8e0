"""How much money a position or an order binds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.instruments import Segment
from simulator.orders import Product, Side

if TYPE_CHECKING:
    from simulator.instruments import Instrument

WHOLE = 10_000
EQUITY_INTRADAY = 2_000
EQUITY_MTF = 2_500
FUTURE_OVERNIGHT = 1_500
FUTURE_INTRADAY = 1_000
OPTION_WRITTEN = 1_200


def rate(instrument: Instrument, product: Product) -> int:
    """Basis points of the value that a share or a future binds."""
    if instrument.segment is Segment.CAPITAL:
        if product.is_intraday:
            return EQUITY_INTRADAY
        return EQUITY_MTF if product is Product.MTF else WHOLE
    return FUTURE_INTRADAY if product.is_intraday else FUTURE_OVERNIGHT


def required(instrument: Instrument, product: Product, side: Side, value: int) -> int:
    """Paise bound by opening `value` (quantity times price) on this side."""
    money = value * instrument.multiplier
    if instrument.kind.is_option and side is Side.BUY:
        return money
    return -(-money * rate(instrument, product) // WHOLE)


def required_for_written(instrument: Instrument, qty: int) -> int:
    """A written option binds a share of what it may have to deliver."""
    return -(-qty * instrument.strike * OPTION_WRITTEN // WHOLE)


def opening_margin(instrument: Instrument, product: Product, side: Side, qty: int, price: int) -> int:
    """What an order that opens `qty` at `price` blocks."""
    if instrument.kind.is_option and side is Side.SELL:
        return required_for_written(instrument, qty)
    return required(instrument, product, side, qty * price)


def held_margin(instrument: Instrument, product: Product, net: int, open_value: int) -> int:
    """What an open position binds; shares sold from holdings bind nothing."""
    if net == 0 or (net < 0 and product.is_delivery):
        return 0
    side = Side.BUY if net > 0 else Side.SELL
    if instrument.kind.is_option and side is Side.SELL:
        return required_for_written(instrument, -net)
    return required(instrument, product, side, open_value)
