"""What no request may hold, whatever it asks for."""

from typing import Any

from google.protobuf.message import Message

from paceline.domain.errors import Invalid

TEXT_MAX = 512
LONG_TEXT_MAX = 8_192
_LONG = frozenset(
    {
        *("access_token", "refresh_token", "app_secret", "api_key", "api_secret", "auth_code"),
        *("page_token", "resume_token", "state", "redirect_uri"),
    }
)
_NUL = "\0"


def require_sound(request: Message) -> None:
    """`Invalid` with the path of a text that is too long to be one, or that no database stores."""
    _message(request, "")


def sound_name(name: str, field: str) -> str:
    """A name that somebody asks for; it must be given."""
    if not name:
        raise Invalid(field, "must be set")
    _text(name, field, TEXT_MAX)
    return name


def _message(message: Message, path: str) -> None:
    for descriptor, value in message.ListFields():
        field = f"{path}{descriptor.name}"
        if descriptor.is_repeated:
            for index, each in enumerate(value):
                _value(each, f"{field}[{index}]", descriptor.name)
        else:
            _value(value, field, descriptor.name)


def _value(value: Any, field: str, name: str) -> None:
    if isinstance(value, str):
        _text(value, field, LONG_TEXT_MAX if name in _LONG else TEXT_MAX)
    elif isinstance(value, Message):
        _message(value, f"{field}.")


def _text(text: str, field: str, longest: int) -> None:
    if len(text) > longest:
        raise Invalid(field, f"must not be longer than {longest} characters")
    if _NUL in text:
        raise Invalid(field, "must not hold a NUL character")
