"""An HTTP answer of the broker and the JSON in it."""

import json
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final, NoReturn, TypeAlias

Json: TypeAlias = Any
JsonObject: TypeAlias = dict[str, Any]


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number")


_fraction: Final = lru_cache(maxsize=16_384)(Decimal)
"""A day knows few prices, and every frame of an order tells the same ones again."""
_DECODER: Final = json.JSONDecoder(parse_float=_fraction, parse_constant=_refuse)


class UnreadableError(ValueError):
    """Not JSON, or JSON that no machine should follow."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    retry_after: str = ""


def parse(text: str | bytes) -> Json:
    """JSON with every fraction as the decimal that was written; raises `UnreadableError` only."""
    try:
        return _DECODER.decode(text if isinstance(text, str) else text.decode())
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise UnreadableError(str(error)) from error


def as_object(answer: Answer) -> JsonObject | None:
    """The answer's object, or None where there is none: an HTML page, half a body, a list."""
    try:
        document = parse(answer.body)
    except UnreadableError:
        return None
    return document if isinstance(document, dict) else None


def dump(row: Json) -> bytes:
    """One row of a book as the broker wrote it, as near as it matters."""
    return json.dumps(row, default=float, separators=(",", ":")).encode()
