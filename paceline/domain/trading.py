"""What an exchange accepts: prices and quantities against tick, lot, band and freeze."""

from decimal import Decimal

from paceline.domain.errors import Problem
from paceline.domain.instrument import Instrument
from paceline.domain.money import floor_to


def price_problems(instrument: Instrument, price: Decimal, field: str = "limit_price") -> tuple[Problem, ...]:
    """Every rule that the price breaks."""
    problems = []
    if not price.is_finite() or price <= 0:
        return (Problem(field, "must be positive"),)
    if price % instrument.tick:
        problems.append(Problem(field, f"must be a multiple of the tick {instrument.tick}"))
    if instrument.lower_band is not None and price < instrument.lower_band:
        problems.append(Problem(field, f"must not be below the lower band {instrument.lower_band}"))
    if instrument.upper_band is not None and price > instrument.upper_band:
        problems.append(Problem(field, f"must not be above the upper band {instrument.upper_band}"))
    return tuple(problems)


def quantity_problems(
    instrument: Instrument, quantity: Decimal, field: str = "quantity"
) -> tuple[Problem, ...]:
    """Every rule that the quantity of one order breaks."""
    problems = []
    if not quantity.is_finite() or quantity <= 0:
        return (Problem(field, "must be positive"),)
    if quantity % instrument.lot:
        problems.append(Problem(field, f"must be a multiple of the lot {instrument.lot}"))
    if instrument.freeze is not None and quantity >= instrument.freeze:
        problems.append(Problem(field, f"must be below the freeze quantity {instrument.freeze}"))
    return tuple(problems)


def largest_order(instrument: Instrument) -> Decimal | None:
    """Most whole lots strictly below the freeze quantity, at least one; None where nothing freezes."""
    if instrument.freeze is None:
        return None
    return max(floor_to(instrument.freeze - 1, instrument.lot), instrument.lot)


def slices(instrument: Instrument, quantity: Decimal) -> tuple[Decimal, ...]:
    """A quantity of whole lots as orders that each stay below the freeze."""
    largest = largest_order(instrument)
    if largest is None or quantity <= largest:
        return (quantity,)
    whole, rest = divmod(quantity, largest)
    return (largest,) * int(whole) + ((rest,) if rest else ())
