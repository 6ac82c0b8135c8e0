"""What the errors of the domain mean over gRPC, there and back; `errors.proto` promises the reasons."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import grpc

from paceline.domain.errors import (
    AlreadyExists,
    BrokerAuthFailed,
    BrokerError,
    BrokerLoginNeeded,
    BrokerNeverSent,
    BrokerOutcomeUnknown,
    BrokerRateLimited,
    BrokerRejected,
    Circle,
    Conflict,
    FailedPrecondition,
    Forgotten,
    Invalid,
    NotFound,
    NotOwner,
    PacelineError,
    Problem,
    Unavailable,
)

RETRY_AFTER_S = 1.0
REROUTE_AFTER_S = 0.2


class BrokenRule(Protocol):
    """A field and the rule it breaks."""

    @property
    def field(self) -> str: ...
    @property
    def rule(self) -> str: ...


class Status(Protocol):
    """What a peer answered, as far as errors of the domain can be read from it."""

    @property
    def code(self) -> grpc.StatusCode: ...
    @property
    def message(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def metadata(self) -> Mapping[str, str]: ...
    @property
    def violations(self) -> Sequence[BrokenRule]: ...
    @property
    def retry_after_s(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Refusal:
    """A `Status` made of an error of the domain."""

    code: grpc.StatusCode
    message: str
    reason: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    violations: tuple[Problem, ...] = ()
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class _Meaning:
    code: grpc.StatusCode
    reason: str
    retry_after_s: float | None = None


_MEANINGS: dict[type[PacelineError], _Meaning] = {
    Invalid: _Meaning(grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT"),
    NotFound: _Meaning(grpc.StatusCode.NOT_FOUND, "NOT_FOUND"),
    AlreadyExists: _Meaning(grpc.StatusCode.ALREADY_EXISTS, "ALREADY_EXISTS"),
    Conflict: _Meaning(grpc.StatusCode.ABORTED, "VERSION_CONFLICT"),
    NotOwner: _Meaning(grpc.StatusCode.UNAVAILABLE, "NOT_OWNER", REROUTE_AFTER_S),
    Unavailable: _Meaning(grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE", RETRY_AFTER_S),
    FailedPrecondition: _Meaning(grpc.StatusCode.FAILED_PRECONDITION, "WRONG_STATE"),
    Circle: _Meaning(grpc.StatusCode.FAILED_PRECONDITION, "CIRCLE"),
    Forgotten: _Meaning(grpc.StatusCode.OUT_OF_RANGE, "OFFSET_GONE"),
    BrokerNeverSent: _Meaning(grpc.StatusCode.UNAVAILABLE, "BROKER_UNAVAILABLE", RETRY_AFTER_S),
    BrokerRateLimited: _Meaning(grpc.StatusCode.RESOURCE_EXHAUSTED, "BROKER_RATE"),
    BrokerAuthFailed: _Meaning(grpc.StatusCode.UNAVAILABLE, "BROKER_AUTH", RETRY_AFTER_S),
    BrokerLoginNeeded: _Meaning(grpc.StatusCode.FAILED_PRECONDITION, "LOGIN_NEEDED"),
    BrokerRejected: _Meaning(grpc.StatusCode.FAILED_PRECONDITION, "BROKER_REFUSED"),
    BrokerOutcomeUnknown: _Meaning(grpc.StatusCode.UNKNOWN, "OUTCOME_UNKNOWN"),
}


def refusal_of(error: Exception) -> Refusal | None:
    """What a caller is told of an error of the domain; None for any other."""
    if not isinstance(error, PacelineError):
        return None
    meaning = _meaning_of(type(error))
    return Refusal(
        meaning.code,
        str(error),
        meaning.reason,
        _keys_of(error),
        error.problems if isinstance(error, Invalid) else (),
        error.retry_after_ms / 1000 if isinstance(error, BrokerRateLimited) else meaning.retry_after_s,
    )


def error_of(status: Status) -> PacelineError | None:
    """The error of the domain behind a refusal; None where the reason is none of the domain's."""
    rebuild = _REBUILD.get(status.reason)
    return rebuild(status) if rebuild else None


def _meaning_of(kind: type[PacelineError]) -> _Meaning:
    """Of the nearest class that has one: a finer error of the domain means what its parent means."""
    return next(_MEANINGS[parent] for parent in kind.__mro__ if parent in _MEANINGS)


def _keys_of(error: PacelineError) -> dict[str, str]:
    if isinstance(error, NotFound | AlreadyExists):
        return {"what": error.what, "name": error.name}
    if isinstance(error, BrokerError):
        return {"broker_code": error.code, "broker_words": error.words}
    return {}


def _invalid(status: Status) -> Invalid:
    problems = [Problem(each.field, each.rule) for each in status.violations]
    return Invalid.of(problems or [Problem("request", status.message)])


def _rate_limited(status: Status) -> BrokerRateLimited:
    words, code = _broker_words(status)
    after_s = RETRY_AFTER_S if status.retry_after_s is None else status.retry_after_s
    return BrokerRateLimited(words, retry_after_ms=round(after_s * 1000), code=code)


def _broker_words(status: Status) -> tuple[str, str]:
    keys = status.metadata
    return keys.get("broker_words", status.message), keys.get("broker_code", "")


def _of_broker(kind: type[BrokerError]) -> Callable[[Status], PacelineError]:
    def rebuild(status: Status) -> PacelineError:
        words, code = _broker_words(status)
        return kind(words, code=code)

    return rebuild


def _of_name(kind: type[NotFound | AlreadyExists]) -> Callable[[Status], PacelineError]:
    def rebuild(status: Status) -> PacelineError:
        return kind(status.metadata.get("what", "it"), status.metadata.get("name", ""))

    return rebuild


def _of_words(kind: type[PacelineError]) -> Callable[[Status], PacelineError]:
    return lambda status: kind(status.message)


_REBUILD: dict[str, Callable[[Status], PacelineError]] = {
    "INVALID_ARGUMENT": _invalid,
    "NOT_FOUND": _of_name(NotFound),
    "ALREADY_EXISTS": _of_name(AlreadyExists),
    "BROKER_RATE": _rate_limited,
    **{
        _MEANINGS[kind].reason: _of_words(kind)
        for kind in (Conflict, NotOwner, Unavailable, FailedPrecondition, Circle, Forgotten)
    },
    **{
        _MEANINGS[broker].reason: _of_broker(broker)
        for broker in (
            BrokerNeverSent,
            BrokerAuthFailed,
            BrokerLoginNeeded,
            BrokerRejected,
            BrokerOutcomeUnknown,
        )
    },
}
