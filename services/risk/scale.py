"""Money and prices as whole numbers: ten-thousandths, finer than any tick of the exchanges served."""

from decimal import ROUND_HALF_EVEN, Context, Decimal

DIGITS = 4
_WIDE = Context(prec=60, rounding=ROUND_HALF_EVEN)

WORTH_MAX = 10**17
"""Of one position: ninety of them still add up in 64 bits."""


class UnrepresentableError(Exception):
    """A number that the columns cannot hold exactly: its account is not judged until it is loaded again."""


def units_of(amount: Decimal) -> int:
    """Half a unit goes to the even one: brokers tell averages with more digits than money has."""
    if not amount.is_finite():
        raise UnrepresentableError(f"{amount} is no amount")
    return bounded(int(amount.scaleb(DIGITS, _WIDE).to_integral_value(ROUND_HALF_EVEN, _WIDE)))


def decimal_of(units: int) -> Decimal:
    return Decimal(units).scaleb(-DIGITS, _WIDE)


def whole(quantity: Decimal) -> int:
    """Quantities are counted in pieces."""
    if not quantity.is_finite() or quantity != quantity.to_integral_value():
        raise UnrepresentableError(f"{quantity} is no whole quantity")
    return int(quantity)


def price_units(last: int, scale: int) -> int:
    """A price of the wire, `last` ÷ 10^`scale`."""
    return units_of(Decimal(last).scaleb(-scale, _WIDE))


def bounded(worth: int) -> int:
    if abs(worth) > WORTH_MAX:
        raise UnrepresentableError(f"{worth} units are beyond what is reckoned with")
    return worth


def share(amount: int, part: int, whole_: int) -> int:
    """amount x part ÷ whole, rounded half to even; multiplied before it is divided."""
    quotient, rest = divmod(amount * part, whole_)
    twice = 2 * rest
    up = abs(twice) > abs(whole_) or (abs(twice) == abs(whole_) and quotient % 2 == 1)
    return quotient + 1 if up else quotient
