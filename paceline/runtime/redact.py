"""What must not reach a log line, a trace or an error is taken out here."""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from itertools import pairwise
from pathlib import PurePath
from typing import Any

from paceline.domain.secret import Secret

REDACTED = "***"
_SUSPICIOUS_WORDS = frozenset(
    {"token", "tokens", "pin", "pins", "secret", "secrets", "password", "passwords", "passwd"}
    | {"authorization", "cookie", "otp", "totp", "jwt"}
)
_SUSPICIOUS_PAIRS = frozenset({("api", "key"), ("encryption", "key"), ("private", "key"), ("auth", "code")})
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_IN_TEXT = re.compile(r"(?<=://)[^/\s@]*@|(?i:(?<=\bbearer )|(?<=\bbasic ))[\w.~+/=:-]+")
_DEPTH_MAX = 8


def redact_event(_logger: object, _method: str, event: Any) -> Any:
    """A structlog processor: secrets, suspicious keys, and credentials inside any text become stars."""
    return {key: _redact_under(key, value, 0) for key, value in event.items()}


def redact_text(text: str) -> str:
    """Take credentials out of URLs and authorization headers quoted in a text."""
    if "://" not in text and "earer " not in text and "asic " not in text:
        return text
    return _IN_TEXT.sub(lambda found: REDACTED + ("@" if found[0].endswith("@") else ""), text)


@lru_cache(maxsize=4096)
def is_suspicious(key: str) -> bool:
    """Whether a field of this name holds what must not be shown (`access_token`, `PIN`; not `pinned`)."""
    words = [word.lower() for word in _WORDS.findall(key)]
    if not _SUSPICIOUS_WORDS.isdisjoint(words):
        return True
    return any(pair in _SUSPICIOUS_PAIRS for pair in pairwise(words))


def _redact_under(key: Any, value: Any, depth: int) -> Any:
    if value is not None and not isinstance(value, bool) and isinstance(key, str) and is_suspicious(key):
        return REDACTED
    return _redact(value, depth)


def _redact(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, int | float):
        return value
    if isinstance(value, Secret) or depth >= _DEPTH_MAX:
        return REDACTED
    if isinstance(value, Mapping):
        return {key: _redact_under(key, item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redact(item, depth + 1) for item in value]
    return redact_text(_in_words(value))


def _in_words(value: Any) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    return str(value) if isinstance(value, str | Decimal | PurePath | date) else repr(value)
