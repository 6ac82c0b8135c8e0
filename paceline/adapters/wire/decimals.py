"""Exact decimals as plain text."""

import re
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from paceline.domain.errors import Invalid

if TYPE_CHECKING:
    from google.protobuf.message import Message

LENGTH_MAX = 64
RULE = f"must be a plain decimal number of at most {LENGTH_MAX} characters"
ZERO = Decimal(0)
_PLAIN = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")


def text_of(value: Decimal) -> str:
    """Plain notation; `Invalid` for what has none of bearable length."""
    text = str(value)
    if "E" in text and value.adjusted() in range(-LENGTH_MAX, LENGTH_MAX):
        text = f"{value:f}"
    if len(text) > LENGTH_MAX or not value.is_finite() or "E" in text:
        raise Invalid("value", f"{text[:LENGTH_MAX]} {RULE}")
    return text


def decimal_at(wire: "Message", field: str) -> Decimal:
    """A decimal that must be there."""
    text = getattr(wire, field).value
    if not text:
        raise Invalid(field, "must be set")
    return _read(text, field)


def decimal_or_zero(wire: "Message", field: str) -> Decimal:
    """A decimal whose absence is zero."""
    return _read(getattr(wire, field).value, field) if wire.HasField(field) else ZERO


def decimal_or_none(wire: "Message", field: str) -> Decimal | None:
    """A decimal whose absence means something else than zero."""
    return _read(getattr(wire, field).value, field) if wire.HasField(field) else None


def _read(text: str, field: str) -> Decimal:
    try:
        return _parsed(text)
    except ValueError:
        raise Invalid(field, RULE) from None


@lru_cache(maxsize=8192)  # copies of one event share their prices and few quantities
def _parsed(text: str) -> Decimal:
    if len(text) > LENGTH_MAX or not _PLAIN.fullmatch(text):
        raise ValueError(text[:LENGTH_MAX])
    return Decimal(text)
