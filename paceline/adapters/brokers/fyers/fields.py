"""Reading one field of a row: strictly, and with the reason when it cannot be read."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Final, TypeVar

from paceline.adapters.brokers.fyers.answers import JsonObject
from paceline.ports.broker import MalformedKind

T = TypeVar("T")
K = TypeVar("K", int, str)

IST: Final = timezone(timedelta(hours=5, minutes=30))
_NS: Final = 1_000_000_000
_EPOCH: Final = re.compile(r"[0-9]{9,10}")
_YEAR_2000_S: Final = 946_684_800
_YEAR_2100_S: Final = 4_102_444_800
_LARGEST: Final = 15
_INT_MAX: Final = 10 ** (_LARGEST + 1)
_TEXT_MAX: Final = 200
_DECIMALS: Final = 8
_NOISE: Final = Decimal(1).scaleb(-_DECIMALS)
_MONTHS: Final = {
    name: number
    for number, name in enumerate(
        ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"), start=1
    )
}


class UnreadableRowError(ValueError):
    """Why a row cannot be a report."""

    def __init__(self, kind: MalformedKind, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


def bad(name: str, value: object) -> UnreadableRowError:
    return UnreadableRowError(MalformedKind.BAD_VALUE, f"{name}: {str(value)[:80]!r} is not understood")


def required(row: JsonObject, name: str) -> object:
    value = row.get(name)
    if value is None or value == "":
        raise UnreadableRowError(MalformedKind.MISSING_FIELD, f"{name} is missing")
    return value


def text(row: JsonObject, name: str) -> str:
    """What names something: a string, or a number that is meant as one; "" when absent."""
    value = row.get(name)
    if value is None:
        return ""
    if isinstance(value, str):
        if len(value) <= _TEXT_MAX and value.isprintable():
            return value
    elif isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise bad(name, value)


def words(row: JsonObject, name: str) -> str:
    """What is meant for people: whatever it holds, it can be stored and shown."""
    value = row.get(name)
    if not isinstance(value, str):
        return "" if value is None else str(value)[:_TEXT_MAX]
    return "".join(each if each.isprintable() else " " for each in value[:_TEXT_MAX])


def required_text(row: JsonObject, name: str) -> str:
    required(row, name)
    return text(row, name)


def decimal(row: JsonObject, name: str, default: Decimal | None = None) -> Decimal:
    value = required(row, name) if default is None else row.get(name)
    if value is None or value == "":
        return default or Decimal(0)
    return _to_decimal(name, value)


def optional_decimal(row: JsonObject, name: str) -> Decimal | None:
    value = row.get(name)
    return None if value is None or value == "" else _to_decimal(name, value)


def quantity(row: JsonObject, name: str) -> Decimal:
    """A whole number of units, not below zero."""
    said = row.get(name)
    if type(said) is int and 0 <= said < _INT_MAX:
        return Decimal(said)
    value = decimal(row, name)
    if value < 0 or value != value.to_integral_value():
        raise bad(name, value)
    return value


def code(row: JsonObject, name: str) -> int | None:
    """A code of an enumeration, written as a number or as its digits; None when absent."""
    value = row.get(name)
    if value is None or value == "":
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, Decimal) and value == value.to_integral_value() and value.adjusted() <= _LARGEST:
        return int(value)
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            raise bad(name, value) from None
    raise bad(name, value)


def meaning(name: str, value: K, words: Mapping[K, T]) -> T:
    word = words.get(value)
    if word is None:
        raise bad(name, value)
    return word


def time_ns(row: JsonObject, name: str, received_ns: int) -> int:
    """`18-Dec-2023 13:51:30` or `18-12-2023 …` of the exchange, or epoch seconds; of receipt when absent, and
    where nothing ever happened.
    """
    value = row.get(name)
    if value is None or value in ("", 0, "0"):
        return received_ns
    if isinstance(value, int) and not isinstance(value, bool):
        seconds = value
    elif isinstance(value, str):
        seconds = int(value) if _EPOCH.fullmatch(value) else _clock_s(name, value)
    else:
        raise bad(name, value)
    if not _YEAR_2000_S <= seconds < _YEAR_2100_S:
        raise bad(name, value)
    return seconds * _NS


@lru_cache(maxsize=4_096)
def _clock_s(name: str, value: str) -> int:
    day, _, clock = value.strip().partition(" ")
    try:
        date, month, year = day.split("-")
        hour, minute, second = clock.split(":")
        moment = datetime(
            int(year),
            int(month) if month.isdigit() else _MONTHS[month.upper()],
            int(date),
            int(hour),
            int(minute),
            int(second),
            tzinfo=IST,
        )
    except (ValueError, KeyError, OverflowError):
        raise bad(name, value) from None
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())


def _to_decimal(name: str, value: object) -> Decimal:
    if type(value) is int and -_INT_MAX < value < _INT_MAX:
        return Decimal(value)
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        raise bad(name, value)
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise bad(name, value) from None
    if not number.is_finite() or number.adjusted() > _LARGEST:
        raise bad(name, value)
    return _without_noise(number)


def _without_noise(number: Decimal) -> Decimal:
    """2100.0500000000002 was 2100.05 before somebody kept it in a binary float."""
    exponent = number.as_tuple().exponent
    return (
        number.quantize(_NOISE).normalize() if isinstance(exponent, int) and exponent < -_DECIMALS else number
    )
