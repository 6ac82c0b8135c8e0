"""Pages of lists: where the next one begins, in a token that fits its own list only."""

import base64
import binascii
from dataclasses import dataclass
from hashlib import blake2b

from google.protobuf.message import Message

from paceline.domain.errors import Invalid

SIZE_DEFAULT = 100
SIZE_MAX = 1000
_MARK_BYTES = 8


@dataclass(frozen=True, slots=True)
class Page:
    """So many after that one; `after` is empty for the first page."""

    after: str
    size: int


def page_of(request: Message) -> Page:
    """`Invalid` for a negative size and for a token that another list gave."""
    size, token = _asked_for(request)
    if size < 0:
        raise Invalid("page_size", "must not be negative")
    return Page(_after(request, token) if token else "", min(size or SIZE_DEFAULT, SIZE_MAX))


def next_page_token(request: Message, last: str) -> str:
    """For the page behind the thing named `last`."""
    return base64.urlsafe_b64encode(_mark(request) + last.encode()).decode().rstrip("=")


def _asked_for(request: Message) -> tuple[int, str]:
    """Every list's request has these two fields; a test over the protos keeps it so."""
    return getattr(request, "page_size"), getattr(request, "page_token")  # noqa: B009 - no common type


def _after(request: Message, token: str) -> str:
    try:
        content = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        after = content[_MARK_BYTES:].decode()
    except (binascii.Error, ValueError):
        raise Invalid("page_token", "is no token of ours") from None
    if content[:_MARK_BYTES] != _mark(request):
        raise Invalid("page_token", "belongs to another list: ask anew with the same filter and order")
    return after


def _mark(request: Message) -> bytes:
    """What the list was asked for, whatever the page."""
    asked = type(request)()
    asked.CopyFrom(request)
    asked.ClearField("page_size")
    asked.ClearField("page_token")
    content = type(request).__name__.encode() + asked.SerializeToString(deterministic=True)
    return blake2b(content, digest_size=_MARK_BYTES).digest()
