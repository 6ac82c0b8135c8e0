"""Fyers' words for failure, translated at one place."""

import re
from typing import Final

from paceline.adapters.brokers.fyers.answers import Answer, JsonObject, as_object
from paceline.domain.errors import (
    BrokerAuthFailed,
    BrokerError,
    BrokerOutcomeUnknown,
    BrokerRateLimited,
    BrokerRejected,
)

_TOKEN_CODES: Final = frozenset({-8, -15, -16, -17})
_SYMBOL_OR_APP: Final = -300
_TOO_MANY_CODE: Final = -429
_TOKEN_OR_APP: Final = re.compile(r"token|\bapp(?:[ _-]?id)?\b", re.IGNORECASE)
_NOT_ACKNOWLEDGED: Final = 201
_UNAUTHORIZED: Final = 401
_TOO_MANY: Final = 429
_SERVER_FAULT: Final = 500
_WORDS_MAX: Final = 500


def understood(answer: Answer, *, retry_after_ms: int) -> JsonObject:
    """The answer's object where the broker says yes; else raises what `map_errors` makes of it."""
    document = as_object(answer)
    error = map_errors(answer, document, retry_after_ms=retry_after_ms)
    if error is not None:
        raise error
    return document or {}


def map_errors(answer: Answer, document: JsonObject | None, *, retry_after_ms: int) -> BrokerError | None:
    """What an answer means, or None for yes. What cannot be understood may have happened: unknown."""
    code, words = code_of(document), words_of(answer, document)
    if answer.status == _TOO_MANY or code == _TOO_MANY_CODE:
        return BrokerRateLimited(
            words, retry_after_ms=_milliseconds(answer.retry_after, retry_after_ms), code=_shown(code)
        )
    if answer.status >= _SERVER_FAULT or code == _NOT_ACKNOWLEDGED:
        broken = answer.status >= _SERVER_FAULT
        return BrokerOutcomeUnknown(words, code=_shown(code), server_broken=broken)
    if answer.status == _UNAUTHORIZED or _is_about_the_token(code, words):
        return BrokerAuthFailed(words, code=_shown(code))
    if document is None or document.get("s") not in ("ok", "error"):
        return BrokerOutcomeUnknown(words, code=_shown(code))
    if document["s"] == "error":
        return BrokerRejected(words, code=_shown(code))
    return None


def code_of(document: JsonObject | None) -> int:
    code = document.get("code") if document else None
    try:
        return int(code) if isinstance(code, (int, str)) else 0
    except ValueError:
        return 0


def words_of(answer: Answer, document: JsonObject | None) -> str:
    message = document.get("message") if document else None
    if isinstance(message, str) and message:
        return message[:_WORDS_MAX]
    return f"HTTP {answer.status}" if document is not None else f"HTTP {answer.status} without JSON"


def _is_about_the_token(code: int, words: str) -> bool:
    return code in _TOKEN_CODES or (code == _SYMBOL_OR_APP and bool(_TOKEN_OR_APP.search(words)))


def _milliseconds(retry_after: str, default_ms: int) -> int:
    return int(retry_after) * 1_000 if retry_after.isascii() and retry_after.isdigit() else default_ms


def _shown(code: int) -> str:
    return str(code) if code else ""
