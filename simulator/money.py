"""Prices as integers of paise: read from what the wire brings, written as JSON numbers."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

PAISE = 100


def paise(value: float | str | Decimal) -> int:
    """Rupees as the wire writes them, to the nearest paisa."""
    if isinstance(value, int):
        return value * PAISE
    if isinstance(value, float):
        return round(value * PAISE)
    return int((Decimal(value) * PAISE).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def is_whole_paise(value: float) -> bool:
    """False for a price that no number of paise can say, such as 100.003."""
    scaled = value * PAISE
    return abs(scaled - round(scaled)) < 1e-6 * max(1.0, abs(scaled))


def rupees(amount: int) -> float:
    """The JSON number of an amount of paise."""
    return amount / PAISE


def grouped(amount: int) -> str:
    """Rupees in the Indian grouping that broker messages use: 5,25,690.20."""
    whole, fraction = divmod(abs(amount), PAISE)
    digits = str(whole)
    head, tail = digits[:-3], digits[-3:]
    groups: list[str] = []
    while head:
        groups.insert(0, head[-2:])
        head = head[:-2]
    sign = "-" if amount < 0 else ""
    return f"{sign}{','.join([*groups, tail])}.{fraction:02d}"


def round_to_tick(price: int, tick: int) -> int:
    """The nearest multiple of the tick, halves upwards."""
    return (price + tick // 2) // tick * tick
