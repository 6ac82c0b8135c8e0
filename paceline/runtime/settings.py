"""Settings of a process, read once from the environment; every problem is reported at once."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from typing import Any, TypeVar

from paceline.domain.secret import Secret
from paceline.runtime.setting import LEGACY_NAMES, PREFIX, BrokenRuleError, Setting, declared, setting

__all__ = [
    "LEGACY_NAMES",
    "CrossRule",
    "Described",
    "Problem",
    "Secret",
    "SettingsError",
    "describe",
    "hints",
    "load",
    "setting",
]

S = TypeVar("S")
_CLOSE = 0.85
"""Of the names without their prefix: a letter or two, and no setting of another service."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One setting and the rule it breaks."""

    name: str
    rule: str

    def __str__(self) -> str:
        return f"{self.name} {self.rule}"


class SettingsError(Exception):
    """The settings are wrong; the message lists every problem."""

    def __init__(self, problems: Iterable[Problem], near_misses: Iterable[str] = ()) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        head = "1 setting is wrong:" if count == 1 else f"{count} settings are wrong:"
        lines = [
            head,
            *(f"  {problem}" for problem in self.problems),
            *(f"  note: {each}" for each in near_misses),
        ]
        super().__init__("\n".join(lines))


@dataclass(frozen=True, slots=True)
class CrossRule:
    """A rule over several settings: `broken` gets their values in order and answers what is wrong, or None.

    A settings class lists them in `RULES`; those of its bases hold too. One is asked only when all its values
    are right by themselves.
    """

    attributes: tuple[str, ...]
    broken: Callable[..., str | None]


@dataclass(frozen=True, slots=True)
class Described:
    """A setting as documents and deployments see it."""

    name: str
    default: str
    help: str
    secret: bool
    required: bool
    legacy_name: str | None


def load(settings_type: type[S], environ: Mapping[str, str]) -> S:
    """The settings, or one `SettingsError` that names everything that is wrong."""
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for each in declared(settings_type):
        try:
            values[each.attribute] = each.read(environ)
        except BrokenRuleError as error:
            problems.append(Problem(each.source(environ), str(error)))
    problems.extend(_broken_cross_rules(settings_type, values))
    if problems:
        raise SettingsError(problems, hints(settings_type, environ))
    return settings_type(**values)


def hints(settings_type: type[Any], environ: Mapping[str, str]) -> tuple[str, ...]:
    """One line for every unknown `PACELINE_` name that looks like a slip of a known one."""
    known = [each.name.removeprefix(PREFIX) for each in declared(settings_type)]
    given = (name.removeprefix(PREFIX) for name in environ if name.startswith(PREFIX))
    unknown = sorted(name for name in given if name not in known)
    near = {name: get_close_matches(name, known, n=1, cutoff=_CLOSE) for name in unknown}
    return tuple(
        f"{PREFIX}{name} is not a setting; did you mean {PREFIX}{match[0]}?"
        for name, match in near.items()
        if match
    )


def describe(settings_type: type[Any]) -> tuple[Described, ...]:
    """Every setting of a class, in the order of declaration."""
    return tuple(
        Described(
            name=each.name,
            default=_default_in_words(each),
            help=each.rules.about,
            secret=each.secret,
            required=each.required,
            legacy_name=each.legacy_name,
        )
        for each in declared(settings_type)
    )


def _default_in_words(each: Setting) -> str:
    if each.rules.shown_default is not None:
        return each.rules.shown_default
    if each.required or each.secret or each.default is None or callable(each.default):
        return ""
    if isinstance(each.default, tuple):
        return ",".join(str(item) for item in each.default)
    if isinstance(each.default, bool):
        return str(each.default).lower()
    return str(each.default.value if isinstance(each.default, Enum) else each.default)


def _broken_cross_rules(settings_type: type[Any], values: Mapping[str, Any]) -> Iterator[Problem]:
    names = {each.attribute: each.name for each in declared(settings_type)}
    for rule in _cross_rules(settings_type):
        if not all(attribute in values for attribute in rule.attributes):
            continue
        broken = rule.broken(*(values[attribute] for attribute in rule.attributes))
        if broken:
            yield Problem(" and ".join(names[attribute] for attribute in rule.attributes), broken)


def _cross_rules(settings_type: type[Any]) -> Iterator[CrossRule]:
    for each in reversed(settings_type.__mro__):
        yield from vars(each).get("RULES", ())
