"""What a Fyers token says of itself. Its signature is the broker's to check."""

import base64
import binascii
from typing import Final

from paceline.adapters.brokers.fyers.answers import JsonObject, UnreadableError, parse

_PARTS: Final = 3
_HOUR_NS: Final = 3_600_000_000_000
_NS: Final = 1_000_000_000


def claims(token: str) -> JsonObject:
    """The payload of the JWT; empty where it is none."""
    parts = token.rpartition(":")[2].split(".")
    if len(parts) != _PARTS:
        return {}
    padded = parts[1] + "=" * (-len(parts[1]) % 4)
    try:
        payload = parse(base64.urlsafe_b64decode(padded))
    except (binascii.Error, ValueError, UnreadableError):
        return {}
    return payload if isinstance(payload, dict) else {}


def expires_at_ns(token: str, now_ns: int) -> int:
    """By its own claim; one hour from now where it makes none."""
    expires_s = claims(token).get("exp")
    if isinstance(expires_s, int) and not isinstance(expires_s, bool) and expires_s > 0:
        return expires_s * _NS
    return now_ns + _HOUR_NS
