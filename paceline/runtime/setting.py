"""One setting: how it is declared, read, ruled and described."""

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from decimal import Decimal, InvalidOperation
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

from paceline.domain.secret import Secret

PREFIX = "PACELINE_"
LEGACY_NAMES: Mapping[str, str] = {
    "PACELINE_JWT_SECRET": "JWT_SECRET",
    "PACELINE_ENCRYPTION_KEY": "ENCRYPTION_KEY",
    "PACELINE_LOG_LEVEL": "LOG_LEVEL",
    "PACELINE_POSTGRES_URL": "DATABASE_URL",
    "PACELINE_REDIS_URL": "REDIS_URL",
}
_RULES = "paceline.setting"
_SHOWN_CHARACTERS = 80
_TRUTHS = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


class BrokenRuleError(ValueError):
    """What is wrong with one value, in words that follow its name."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a value must obey, beside being of its type."""

    about: str
    name: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[object, ...] = ()
    schemes: tuple[str, ...] = ()
    check: Callable[[Any], str | None] | None = None
    clean: Callable[[str], str] = str.strip
    shown_default: str | None = None


def setting(
    *,
    about: str,
    default: Any = MISSING,
    default_factory: Any = MISSING,
    name: str | None = None,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: tuple[object, ...] = (),
    schemes: tuple[str, ...] = (),
    check: Callable[[Any], str | None] | None = None,
    clean: Callable[[str], str] = str.strip,
    shown_default: str | None = None,
) -> Any:
    """A field of a frozen settings dataclass, read from `PACELINE_<FIELD>` unless `name` says otherwise.

    Without a default it is required. `clean` changes the raw text first; `schemes` makes it a URL of one of
    them; `check` answers what is wrong with a value, or None. In a list every item obeys the rules.
    """
    rules = Rules(about, name, minimum, maximum, choices, schemes, check, clean, shown_default)
    metadata = {_RULES: rules}
    if default is not MISSING:
        return field(default=default, metadata=metadata)
    if default_factory is not MISSING:
        return field(default_factory=default_factory, metadata=metadata)
    return field(metadata=metadata)


@dataclass(frozen=True, slots=True)
class Setting:
    """One declared setting."""

    attribute: str
    name: str
    kind: Any
    rules: Rules
    default: Any
    required: bool

    @property
    def legacy_name(self) -> str | None:
        return LEGACY_NAMES.get(self.name)

    @property
    def secret(self) -> bool:
        return _item_kind(self.kind) is Secret

    def source(self, environ: Mapping[str, str]) -> str:
        """The name this value comes from: its own, or the older one where only that is set."""
        legacy = self.legacy_name
        if legacy and not environ.get(self.name) and environ.get(legacy):
            return legacy
        return self.name

    def read(self, environ: Mapping[str, str]) -> Any:
        """The value, or its default when unset or empty; `BrokenRuleError` says what is wrong."""
        raw = self.rules.clean(environ.get(self.source(environ), ""))
        if raw:
            return self._parse(raw)
        if self.required:
            raise BrokenRuleError(f"is required: {self.rules.about}")
        return self.default() if callable(self.default) else self.default

    def _parse(self, raw: str) -> Any:
        kind = _without_none(self.kind)
        if get_origin(kind) is tuple:
            items = [item.strip() for item in raw.split(",")]
            return tuple(self._parse_one(item, get_args(kind)[0]) for item in items if item)
        return self._parse_one(raw, kind)

    def _parse_one(self, raw: str, kind: Any) -> Any:
        shown = "the value" if kind is Secret else repr(raw[:_SHOWN_CHARACTERS])
        try:
            value = _convert(raw, kind)
        except (ValueError, InvalidOperation) as error:
            raise BrokenRuleError(f"{shown} is not {_kind_in_words(kind)}") from error
        broken = _broken_rule(value, self.rules)
        if broken:
            raise BrokenRuleError(f"{shown} {broken}")
        return value


def declared(settings_type: type[Any]) -> tuple[Setting, ...]:
    """The settings a dataclass declares, its bases' first."""
    if not is_dataclass(settings_type):
        raise TypeError(f"{settings_type.__name__} is not a dataclass")
    kinds = get_type_hints(settings_type)
    return tuple(_setting_of(each, kinds[each.name]) for each in fields(settings_type))


def _setting_of(each: "Field[Any]", kind: Any) -> Setting:
    rules: Rules = each.metadata[_RULES]
    required = each.default is MISSING and each.default_factory is MISSING
    default = each.default if each.default_factory is MISSING else each.default_factory
    return Setting(each.name, rules.name or PREFIX + each.name.upper(), kind, rules, default, required)


def _without_none(kind: Any) -> Any:
    if get_origin(kind) in {Union, UnionType}:
        (kind,) = (each for each in get_args(kind) if each is not type(None))
    return kind


def _item_kind(kind: Any) -> Any:
    kind = _without_none(kind)
    return get_args(kind)[0] if get_origin(kind) is tuple else kind


_E = TypeVar("_E", bound=Enum)


def _convert(raw: str, kind: Any) -> Any:
    if kind is bool:
        return _truth(raw)
    if kind is float or kind is Decimal:
        return _finite(kind(raw))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _choice(raw, kind)
    return kind(raw)


def _truth(raw: str) -> bool:
    if raw.lower() not in _TRUTHS:
        raise ValueError(raw)
    return _TRUTHS[raw.lower()]


def _finite(value: Any) -> Any:
    if not math.isfinite(value):
        raise ValueError(value)
    return value


def _choice(raw: str, kind: type[_E]) -> _E:
    for member in kind:
        if str(member.value).lower() == raw.lower():
            return member
    raise ValueError(raw)


def _kind_in_words(kind: Any) -> str:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "one of " + ", ".join(str(member.value) for member in kind)
    words = {
        int: "a whole number",
        float: "a number",
        Decimal: "a number",
        bool: "true or false",
        Path: "a path",
    }
    return words.get(kind, f"a {getattr(kind, '__name__', kind)}")


def _broken_rule(value: Any, rules: Rules) -> str | None:
    if rules.minimum is not None and value < rules.minimum:
        return f"is below {rules.minimum}"
    if rules.maximum is not None and value > rules.maximum:
        return f"is above {rules.maximum}"
    if rules.choices and value not in rules.choices:
        return "is not one of " + ", ".join(str(choice) for choice in rules.choices)
    if rules.schemes:
        broken = _broken_url(value.reveal() if isinstance(value, Secret) else str(value), rules.schemes)
        if broken:
            return broken
    return rules.check(value) if rules.check else None


def _broken_url(url: str, schemes: tuple[str, ...]) -> str | None:
    try:
        parts = urlsplit(url)
        has_place = bool(parts.hostname or parts.path or parts.query) and (
            parts.port is None or parts.port > 0
        )
    except ValueError:
        return "is not a URL"
    if parts.scheme not in schemes or not url.startswith(f"{parts.scheme}://"):
        return "is not a URL of " + ", ".join(f"{scheme}://" for scheme in schemes)
    return None if has_place else "is a URL without a host"
