"""An error of the domain crosses a service border and is the same error behind it."""

import grpc
import pytest

from paceline.adapters.wire import errors
from paceline.adapters.wire.errors import Refusal, error_of, refusal_of
from paceline.api.v1 import errors_pb2
from paceline.domain.errors import (
    AlreadyExists,
    BrokerAuthFailed,
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

SOME = [
    Invalid("sizing.value", "must be above zero"),
    NotFound("account", "fyers:XP1"),
    AlreadyExists("account", "fyers:XP1"),
    Conflict("subscription s1 was changed meanwhile"),
    NotOwner("partition 3 is held by another"),
    Unavailable("the database does not answer"),
    FailedPrecondition("the subscription has ended"),
    Circle("the leader would follow himself"),
    Forgotten("partition 3 is kept from offset 12 on"),
    BrokerNeverSent("connection refused"),
    BrokerRateLimited("too many requests", retry_after_ms=1500, code="-429"),
    BrokerAuthFailed("token expired", code="-8"),
    BrokerLoginNeeded("log in", code="-15"),
    BrokerRejected("RED: margin shortfall", code="-99"),
    BrokerOutcomeUnknown("no acknowledgement", code="201"),
]


def sent(error: Exception) -> Refusal:
    refusal = refusal_of(error)
    assert refusal is not None
    return refusal


@pytest.mark.parametrize("error", SOME, ids=lambda error: type(error).__name__)
def test_an_error_comes_back_as_itself(error: PacelineError) -> None:
    back = error_of(sent(error))
    assert type(back) is type(error)
    assert str(back) == str(error)
    assert vars(back) == vars(error)


def test_every_class_of_the_tree_is_among_them() -> None:
    def leaves(kind: type[PacelineError]) -> set[type[PacelineError]]:
        below = kind.__subclasses__()
        own = {kind} if "kind" in vars(kind) or not below else set()
        return own.union(*(leaves(each) for each in below))

    assert {type(error) for error in SOME} >= {
        kind for kind in leaves(PacelineError) if kind.__module__ == "paceline.domain.errors"
    }


@pytest.mark.parametrize("error", SOME, ids=lambda error: type(error).__name__)
def test_every_reason_is_one_that_the_protos_promise(error: PacelineError) -> None:
    assert f"ERROR_REASON_{sent(error).reason}" in errors_pb2.ErrorReason.keys()  # noqa: SIM118 - no dict


def test_each_meaning_has_a_reason_of_its_own() -> None:
    reasons = [meaning.reason for meaning in errors._MEANINGS.values()]
    assert len(set(reasons)) == len(reasons)


def test_every_broken_rule_is_told() -> None:
    problems = (Problem("leader_id", "must be set"), Problem("sizing.value", "must be above zero"))
    refusal = sent(Invalid.of(problems))
    assert (refusal.code, refusal.violations) == (grpc.StatusCode.INVALID_ARGUMENT, problems)


def test_a_rate_names_its_time() -> None:
    assert sent(BrokerRateLimited("slow down", retry_after_ms=1500)).retry_after_s == 1.5


def test_what_may_be_tried_again_says_when() -> None:
    hopeful = {type(error) for error in SOME if sent(error).retry_after_s is not None}
    assert hopeful == {type(error) for error in SOME if error.retryable} | {NotOwner}


def test_a_finer_error_means_what_its_parent_means() -> None:
    class MarginShortfall(BrokerRejected):
        """A kind of rejection."""

    assert sent(MarginShortfall("margin")).reason == "BROKER_REFUSED"


def test_what_is_not_of_the_domain_is_left_alone() -> None:
    assert refusal_of(KeyError("x")) is None
    assert error_of(Refusal(grpc.StatusCode.INTERNAL, "oops", "INTERNAL")) is None


def test_a_peer_that_tells_less_is_still_understood() -> None:
    bare = [
        Refusal(grpc.StatusCode.INVALID_ARGUMENT, "wrong", "INVALID_ARGUMENT"),
        Refusal(grpc.StatusCode.NOT_FOUND, "nothing", "NOT_FOUND"),
        Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "slow", "BROKER_RATE"),
    ]
    invalid, missing, rate = (error_of(each) for each in bare)
    assert isinstance(invalid, Invalid)
    assert invalid.problems == (Problem("request", "wrong"),)
    assert isinstance(missing, NotFound)
    assert isinstance(rate, BrokerRateLimited)
    assert (rate.words, rate.retry_after_ms) == ("slow", 1000)
