"""Every failure says what it means and whether trying again may help."""

from collections.abc import Callable, Iterator

import pytest

from paceline.domain import errors
from paceline.domain.errors import ErrorKind, Invalid, PacelineError, Problem, Problems


def _tree(root: type[PacelineError]) -> Iterator[type[PacelineError]]:
    """The domain's own tree, whoever else was imported and has grown a twig."""
    for child in root.__subclasses__():
        if child.__module__.startswith("paceline.domain"):
            yield child
        yield from _tree(child)


@pytest.mark.parametrize("error", list(_tree(PacelineError)))
def test_every_class_explains_itself_in_one_sentence(error: type[PacelineError]) -> None:
    assert error.__doc__ is not None
    assert error.__doc__.count("\n") == 0
    assert error.__doc__.endswith(".")


def test_only_what_certainly_did_not_happen_is_retryable() -> None:
    retryable = {e.__name__ for e in _tree(PacelineError) if e.retryable}
    assert retryable == {"Unavailable", "BrokerNeverSent", "BrokerRateLimited", "BrokerAuthFailed"}


def test_a_lost_answer_is_neither_a_rejection_nor_retryable() -> None:
    error = errors.BrokerOutcomeUnknown("read timed out")
    assert (error.kind, error.retryable) == (ErrorKind.UNKNOWN, False)
    assert not isinstance(error, errors.BrokerRejected)


def test_a_rejection_keeps_the_brokers_code_and_words() -> None:
    error = errors.BrokerRejected("Insufficient funds", code="-392")
    assert (error.code, error.words, str(error)) == ("-392", "Insufficient funds", "-392: Insufficient funds")


@pytest.mark.parametrize(
    ("of", "named"),
    [
        (errors.BrokerNeverSent, {}),
        (errors.BrokerRateLimited, {"retry_after_ms": 1}),
        (errors.BrokerOutcomeUnknown, {}),
        (errors.BrokerLoginNeeded, {}),
        (errors.BrokerRejected, {}),
    ],
)
def test_a_broker_is_quoted_with_his_code_where_he_gave_one(
    of: Callable[..., errors.BrokerError], named: dict[str, int]
) -> None:
    bare, coded = of("refused", **named), of("refused", code="E1", **named)
    assert (bare.words, bare.code, str(bare)) == ("refused", "", "refused")
    assert (coded.words, coded.code, str(coded)) == ("refused", "E1", "E1: refused")


def test_who_was_away_and_what_is_broken_is_said_only_where_it_is_known() -> None:
    assert not errors.BrokerNeverSent("refused").away
    assert errors.BrokerNeverSent("refused", away=True).away
    assert not errors.BrokerOutcomeUnknown("no answer").server_broken
    assert errors.BrokerOutcomeUnknown("no answer", server_broken=True).server_broken


def test_a_rate_refusal_says_when_to_come_back() -> None:
    assert errors.BrokerRateLimited("slow down", retry_after_ms=60_000).retry_after_ms == 60_000


def test_a_person_who_must_log_in_is_an_auth_failure_that_no_retry_heals() -> None:
    error = errors.BrokerLoginNeeded("PIN expired")
    assert isinstance(error, errors.BrokerAuthFailed)
    assert not error.retryable


def test_all_broken_rules_are_told_at_once() -> None:
    problems = Problems()
    problems.require(True, "mode", "never heard")
    problems.require(False, "ratio", "must be positive")
    problems.add("cap", "must be at least one lot")
    with pytest.raises(Invalid) as caught:
        problems.raise_any()
    assert caught.value.problems == (
        Problem("ratio", "must be positive"),
        Problem("cap", "must be at least one lot"),
    )
    assert str(caught.value) == "ratio: must be positive; cap: must be at least one lot"


def test_no_broken_rule_raises_nothing() -> None:
    Problems().raise_any()


def test_one_broken_rule_is_a_collection_of_one() -> None:
    assert Invalid("ratio", "must be positive").problems == (Problem("ratio", "must be positive"),)


def test_names_are_kept_for_the_edge() -> None:
    missing, taken = errors.NotFound("account", "fyers:X"), errors.AlreadyExists("account", "fyers:X")
    assert (missing.what, missing.name) == (taken.what, taken.name) == ("account", "fyers:X")
    assert isinstance(taken, errors.Conflict)
    assert (str(missing), str(taken)) == (
        "account 'fyers:X' does not exist",
        "account 'fyers:X' exists already",
    )
    assert missing.explanation == "What was named does not exist."
