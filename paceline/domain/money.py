"""Decimal money and prices: never a binary float, rounded only where a rule says which way."""

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal, InvalidOperation

from paceline.domain.errors import Invalid
from paceline.domain.order import Side

ZERO = Decimal(0)
ONE = Decimal(1)
BPS = Decimal(10_000)

EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
"""Wide enough that sums of quantities never lose a digit, whatever context a caller runs in."""

IDEAL_QUANTUM = Decimal("1e-18")
LOT_GRACE = Decimal("1e-6")
"""A third of ninety is thirty: what division lost is given back before lots are counted."""


def decimal_of(text: str, field: str) -> Decimal:
    """A finite decimal from text of the outside; refuses NaN, infinities and what is no number."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise Invalid(field, "must be a decimal number") from None
    if not value.is_finite():
        raise Invalid(field, "must be finite")
    return value


@dataclass(frozen=True, slots=True)
class Money:
    """An amount that is never added to another currency."""

    amount: Decimal
    currency: str

    def __add__(self, other: "Money") -> "Money":
        return Money(self.amount + self._same(other), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.amount - self._same(other), self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.amount, self.currency)

    def times(self, factor: Decimal | int) -> "Money":
        return Money(self.amount * factor, self.currency)

    def _same(self, other: "Money") -> Decimal:
        if other.currency != self.currency:
            raise Invalid("currency", f"{other.currency} cannot be counted in {self.currency}")
        return other.amount


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    return (value / step).to_integral_value(ROUND_FLOOR) * step


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    return (value / step).to_integral_value(ROUND_CEILING) * step


def round_protective(price: Decimal, tick: Decimal, side: Side) -> Decimal:
    """To the tick on the side that protects: a buyer never pays more for it, a seller never gets less."""
    return floor_to(price, tick) if side is Side.BUY else ceil_to(price, tick)


def lots_toward_zero(quantity: Decimal, lot: Decimal) -> Decimal:
    """Whole lots of a signed quantity, with a millionth of a lot of grace."""
    lots = int(abs(quantity) / lot + LOT_GRACE)
    return lot * lots if quantity > 0 else -lot * lots


def kept_part(quantity: Decimal, kept: Decimal, whole: Decimal) -> Decimal:
    """The kept part of a quantity out of a whole: multiplied before it is divided, so that thirds add up."""
    if not kept:
        return ZERO
    return EXACT.quantize(EXACT.divide(EXACT.multiply(quantity, kept), whole), IDEAL_QUANTUM)


def slippage_bps(side: Side, paid: Decimal, reference: Decimal) -> Decimal:
    """Signed; positive is worse than the reference."""
    return (paid - reference) * int(side) / reference * BPS


def slippage_money(
    side: Side, paid: Decimal, reference: Decimal, quantity: Decimal, multiplier: Decimal = ONE
) -> Decimal:
    """Signed; positive is what the copy cost beyond the reference."""
    return (paid - reference) * int(side) * quantity * multiplier
