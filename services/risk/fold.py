"""What fills make of a position: pieces and what they cost, in whole numbers.

Cost is kept instead of an average price: what a position and the profit taken from it are worth together is
then exact, and only the split between the two is ever rounded.
"""

from decimal import Decimal
from typing import NamedTuple

from paceline.domain.money import EXACT
from paceline.domain.order import Fill
from paceline.domain.position import PositionReport
from services.risk.scale import bounded, share, units_of, whole


class Position(NamedTuple):
    """`quantity` is signed; `cost` is quantity x average price in units, without the multiplier."""

    quantity: int
    cost: int


FLAT = Position(0, 0)


class Folded(NamedTuple):
    position: Position
    gained: int
    """Profit taken, in units, without the multiplier."""


def fold(position: Position, body: Fill | PositionReport) -> Folded:
    """A fill moves a position, a baseline sets it. Raises `UnrepresentableError`."""
    if isinstance(body, PositionReport):
        return Folded(baseline(body.quantity, body.average_price), 0)
    traded = whole(body.quantity) * int(body.side)
    return after_trade(position, traded, units_of(EXACT.multiply(body.price, Decimal(traded))))


def baseline(quantity: Decimal, average_price: Decimal) -> Position:
    return Position(whole(quantity), units_of(EXACT.multiply(quantity, average_price)))


def after_trade(position: Position, traded: int, value: int) -> Folded:
    """`value` is traded x price, signed as `traded` is."""
    quantity, cost = position
    if not traded:
        return Folded(position, 0)
    if quantity * traded >= 0:
        return Folded(Position(quantity + traded, bounded(cost + value)), 0)
    closed = -quantity if abs(traded) > abs(quantity) else traded
    closed_value = share(value, closed, traded)
    kept_cost = share(cost, quantity + closed, quantity)
    opened = Position(quantity + traded, kept_cost + value - closed_value)
    return Folded(opened, kept_cost - cost - closed_value)
