"""What no request may hold."""

import pytest

from paceline.api.v1 import account_pb2, subscription_pb2
from paceline.domain.errors import Invalid
from paceline.runtime.sound import LONG_TEXT_MAX, TEXT_MAX, require_sound, sound_name


def problem_of(message: account_pb2.CreateAccountRequest | subscription_pb2.Subscription) -> str:
    with pytest.raises(Invalid) as caught:
        require_sound(message)
    (problem,) = caught.value.problems
    return problem.field


def test_a_nul_is_found_wherever_it_is() -> None:
    request = account_pb2.CreateAccountRequest(request_id="\0")
    assert problem_of(request) == "request_id"
    request = account_pb2.CreateAccountRequest(account=account_pb2.Account(account_group_ids=["a", "\0"]))
    assert problem_of(request) == "account.account_group_ids[1]"
    nested = subscription_pb2.Subscription()
    nested.instrument_mappings.add()
    nested.instrument_mappings.add(follower_instrument_id="x\0")
    assert problem_of(nested) == "instrument_mappings[1].follower_instrument_id"


def test_texts_have_a_longest_and_tokens_a_longer_one() -> None:
    fits = account_pb2.CreateAccountRequest(
        account=account_pb2.Account(display_name="x" * TEXT_MAX),
        credentials=account_pb2.Credentials(access_token="x" * LONG_TEXT_MAX),
    )
    require_sound(fits)
    fits.account.display_name += "x"
    assert problem_of(fits) == "account.display_name"
    fits.account.display_name = ""
    fits.credentials.access_token += "x"
    assert problem_of(fits) == "credentials.access_token"


@pytest.mark.parametrize("name", ["", "\0", "x" * (TEXT_MAX + 1)])
def test_a_name_must_be_one(name: str) -> None:
    with pytest.raises(Invalid, match=r"^account_id: "):
        sound_name(name, "account_id")


def test_a_refusal_does_not_repeat_what_was_wrong() -> None:
    request = account_pb2.CreateAccountRequest(credentials=account_pb2.Credentials(pin="1234\0"))
    with pytest.raises(Invalid) as caught:
        require_sound(request)
    assert "1234" not in str(caught.value)
