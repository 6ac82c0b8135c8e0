"""A secret is used and never shown."""

import copy
import json
import pickle
import traceback
from dataclasses import asdict, dataclass

import pytest

from paceline.domain.secret import Secret

PLANTED = "hunter2-planted"


@dataclass(frozen=True)
class Holder:
    token: Secret


@pytest.mark.parametrize(
    "shown", [repr, str, "{}".format, "{:>20}".format, lambda secret: f"{secret!r} {secret}"]
)
def test_no_way_of_showing_it_shows_the_value(shown: object) -> None:
    assert callable(shown)
    assert PLANTED not in shown(Secret(PLANTED))


def test_a_dataclass_that_holds_it_does_not_show_it() -> None:
    assert PLANTED not in repr(Holder(Secret(PLANTED)))
    assert PLANTED not in str(asdict(Holder(Secret(PLANTED))))


def test_a_traceback_with_locals_does_not_show_it() -> None:
    def fail(token: Secret) -> None:
        raise RuntimeError(f"no login with {token}")

    with pytest.raises(RuntimeError) as caught:
        fail(Secret(PLANTED))
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert PLANTED not in "".join(shown.format())


def test_json_with_a_fallback_to_repr_does_not_show_it() -> None:
    assert PLANTED not in json.dumps({"token": Secret(PLANTED)}, default=repr)


def test_it_is_not_pickled() -> None:
    with pytest.raises(TypeError, match=r"^a Secret is never pickled$"):
        pickle.dumps(Secret(PLANTED))


def test_it_reveals_its_value_to_who_asks() -> None:
    assert Secret(PLANTED).reveal() == PLANTED


def test_equal_values_are_equal_secrets_and_no_text_is_one() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert len({Secret("a"), Secret("a")}) == 1
    assert Secret("a") != "a"
    assert not Secret("")
    assert Secret("a")
    assert len({hash(Secret(text)) for text in "abcdefgh"}) > 1


def test_copies_are_itself() -> None:
    secret = Secret("a")
    assert copy.copy(secret) is secret
    assert copy.deepcopy(secret) is secret
