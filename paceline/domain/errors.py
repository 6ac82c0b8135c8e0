"""One small tree: every failure knows its kind and whether trying again may help.

An exception's docstring is its message's explanation.
"""

# These names are words of the rules; an Error behind each would add nothing.
# ruff: noqa: N818
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Self


class ErrorKind(StrEnum):
    INVALID = "INVALID"
    NOT_FOUND = "NOT_FOUND"
    CONFLICT = "CONFLICT"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    NOT_OWNER = "NOT_OWNER"
    UNAVAILABLE = "UNAVAILABLE"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    NEVER_SENT = "NEVER_SENT"
    RATE = "RATE"
    AUTH = "AUTH"
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"


class PacelineError(Exception):
    """Whatever goes wrong by Paceline's own rules."""

    kind: ClassVar[ErrorKind]
    retryable: ClassVar[bool] = False

    @property
    def explanation(self) -> str:
        """What this class of failure means, in one sentence for people."""
        return (type(self).__doc__ or "").partition("\n")[0]


@dataclass(frozen=True, slots=True)
class Problem:
    """One field that breaks one rule."""

    field: str
    rule: str

    def __str__(self) -> str:
        return f"{self.field}: {self.rule}"


class Invalid(PacelineError):
    """What was asked breaks a rule; every broken rule is named with its field."""

    kind = ErrorKind.INVALID

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"{field}: {rule}")
        self.problems: tuple[Problem, ...] = (Problem(field, rule),)

    @classmethod
    def of(cls, problems: Iterable[Problem]) -> Self:
        """Several problems at once; there must be at least one."""
        first, *rest = problems
        error = cls(first.field, first.rule)
        error.problems = (first, *rest)
        error.args = ("; ".join(map(str, error.problems)),)
        return error


class Problems:
    """Collects broken rules, so that a caller hears of all of them at once."""

    __slots__ = ("_found",)

    def __init__(self) -> None:
        self._found: list[Problem] = []

    def add(self, field: str, rule: str) -> None:
        self._found.append(Problem(field, rule))

    def require(self, holds: bool, field: str, rule: str) -> None:
        if not holds:
            self.add(field, rule)

    @property
    def found(self) -> tuple[Problem, ...]:
        return tuple(self._found)

    def raise_any(self) -> None:
        if self._found:
            raise Invalid.of(self._found)


class NotFound(PacelineError):
    """What was named does not exist."""

    kind = ErrorKind.NOT_FOUND

    def __init__(self, what: str, name: str) -> None:
        super().__init__(f"{what} {name!r} does not exist")
        self.what = what
        self.name = name


class Conflict(PacelineError):
    """It was changed by someone else meanwhile; read it again and decide anew."""

    kind = ErrorKind.CONFLICT


class AlreadyExists(Conflict):
    """Something of this name exists already and is not the same."""

    kind = ErrorKind.ALREADY_EXISTS

    def __init__(self, what: str, name: str) -> None:
        super().__init__(f"{what} {name!r} exists already")
        self.what = what
        self.name = name


class NotOwner(PacelineError):
    """The lease of this partition is held by another owner or epoch: stop writing."""

    kind = ErrorKind.NOT_OWNER


class Unavailable(PacelineError):
    """A store or service cannot be reached now; the same request may succeed later."""

    kind = ErrorKind.UNAVAILABLE
    retryable = True


class FailedPrecondition(PacelineError):
    """The state it was asked in does not allow it; asking again alone will not help."""

    kind = ErrorKind.FAILED_PRECONDITION


class Forgotten(FailedPrecondition):
    """It is older than what is kept; the oldest that is kept is named."""


class Circle(FailedPrecondition):
    """A leader would follow himself through others."""


class BrokerError(PacelineError):
    """A broker's answer, or the lack of one, to one request."""

    def __init__(self, words: str, *, code: str = "") -> None:
        super().__init__(f"{code}: {words}" if code else words)
        self.words = words
        self.code = code


class BrokerNeverSent(BrokerError):
    """The request certainly did not reach the broker: sending it again is safe."""

    kind = ErrorKind.NEVER_SENT
    retryable = True

    def __init__(self, words: str, *, code: str = "", away: bool = False) -> None:
        super().__init__(words, code=code)
        self.away = away
        """It was not even asked, because nobody was there lately: asking again at once would not help."""


class BrokerRateLimited(BrokerError):
    """The broker refused the request for its rate: safe again after the time it names."""

    kind = ErrorKind.RATE
    retryable = True

    def __init__(self, words: str, *, retry_after_ms: int, code: str = "") -> None:
        super().__init__(words, code=code)
        self.retry_after_ms = retry_after_ms


class BrokerAuthFailed(BrokerError):
    """The broker does not know the token: safe again after one login shared by all callers."""

    kind = ErrorKind.AUTH
    retryable = True


class BrokerLoginNeeded(BrokerAuthFailed):
    """A person must log in before this account can trade again."""

    retryable = False


class BrokerRejected(BrokerError):
    """The broker refused for good, in its own words; the same request will be refused again."""

    kind = ErrorKind.REJECTED


class BrokerOutcomeUnknown(BrokerError):
    """The answer was lost: the order may stand, and is looked up by its tag, never sent blindly."""

    kind = ErrorKind.UNKNOWN

    def __init__(self, words: str, *, code: str = "", server_broken: bool = False) -> None:
        super().__init__(words, code=code)
        self.server_broken = server_broken
        """Somebody answered in its place that it is out of order."""
