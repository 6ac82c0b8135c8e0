"""Lists by pages: each page goes on behind the last row of the one before, wherever new rows came in."""

import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import date, datetime
from typing import Any, TypeVar

from google.protobuf.message import Message

from paceline.adapters.wire.pages import next_page_token, page_of
from paceline.domain.errors import Invalid
from paceline.runtime.sound import require_sound

T = TypeVar("T")

_FOREIGN = "is no token of ours"
_BIGINT = 2**63


async def paged(
    request: Message,
    fetch: Callable[[str, int], Awaitable[Sequence[T]]],
    mark: Callable[[T], str],
) -> tuple[Sequence[T], str]:
    """The rows of the page asked for, and the token of the next; `fetch` gets the mark to go on behind."""
    require_sound(request)
    page = page_of(request)
    if "\0" in page.after:
        raise Invalid("page_token", _FOREIGN)
    rows = await fetch(page.after, page.size + 1)
    shown = rows[: page.size]
    more = len(rows) > len(shown)
    return shown, next_page_token(request, mark(shown[-1])) if more else ""


def only_order(asked: str, offered: str) -> None:
    """The one order that a list is given in so far."""
    if asked not in ("", offered):
        raise Invalid("order_by", f"must be empty or `{offered}`: no other order is supported yet")


def mark_of(*parts: str | int | date) -> str:
    """Moments are days too."""
    return json.dumps([part.isoformat() if isinstance(part, date) else part for part in parts])


def texts_of(mark: str) -> tuple[str, str, str] | None:
    """None for the first page, here and below."""
    parts = _parts(mark, 3)
    return None if parts is None else (_text(parts[0]), _text(parts[1]), _text(parts[2]))


def number_of(mark: str) -> int | None:
    parts = _parts(mark, 1)
    return None if parts is None else _number(parts[0])


def number_and_text_of(mark: str) -> tuple[int, str] | None:
    parts = _parts(mark, 2)
    return None if parts is None else (_number(parts[0]), _text(parts[1]))


def moment_and_text_of(mark: str) -> tuple[datetime, str] | None:
    parts = _parts(mark, 2)
    if parts is None:
        return None
    try:
        moment = datetime.fromisoformat(_text(parts[0]))
    except ValueError:
        raise Invalid("page_token", _FOREIGN) from None
    if moment.tzinfo is None:
        raise Invalid("page_token", _FOREIGN)
    return moment, _text(parts[1])


def day_and_text_of(mark: str) -> tuple[date, str] | None:
    parts = _parts(mark, 2)
    if parts is None:
        return None
    try:
        return date.fromisoformat(_text(parts[0])), _text(parts[1])
    except ValueError:
        raise Invalid("page_token", _FOREIGN) from None


def _parts(mark: str, count: int) -> list[Any] | None:
    if not mark:
        return None
    try:
        parts = json.loads(mark)
    except ValueError:
        raise Invalid("page_token", _FOREIGN) from None
    if not isinstance(parts, list) or len(parts) != count:
        raise Invalid("page_token", _FOREIGN)
    return parts


def _number(part: Any) -> int:
    if type(part) is not int or not -_BIGINT <= part < _BIGINT:
        raise Invalid("page_token", _FOREIGN)
    return part


def _text(part: Any) -> str:
    if not isinstance(part, str) or "\0" in part:
        raise Invalid("page_token", _FOREIGN)
    return part
