"""What people bring is sealed, and shown by nothing on the way."""

import pytest

from paceline.adapters.seal import KeyringSeal
from paceline.api.v1 import account_pb2, common_pb2
from paceline.domain.errors import Invalid
from paceline.domain.ids import AccountId
from paceline.domain.secret import Secret
from paceline.runtime.account_secrets import AccountSecrets, seal_secrets, unseal_secrets
from services.gateway.decode import credentials_from_wire, new_app_from_wire

SEAL = KeyringSeal({"k1": b"A" * 32})
NOW_NS = 1_767_248_400_000_000_000
HOUR_NS = 3_600_000_000_000
X1 = AccountId("fyers:X1")


def test_secrets_open_for_their_own_account_only() -> None:
    secrets = AccountSecrets(pin=Secret("1234"), api_key=Secret("key"))
    sealed = seal_secrets(SEAL, X1, secrets)
    assert "1234" not in repr(sealed)
    assert unseal_secrets(SEAL, X1, sealed) == secrets
    with pytest.raises(Invalid):
        unseal_secrets(SEAL, AccountId("fyers:X2"), sealed)


def test_no_secrets_are_none() -> None:
    assert not AccountSecrets()
    assert AccountSecrets(passphrase=Secret("x"))


def test_credentials_show_nothing() -> None:
    wire = account_pb2.Credentials(access_token="word-1", refresh_token="word-2", pin="word-3")
    read = credentials_from_wire(wire, NOW_NS)
    assert read
    assert "word" not in repr(read)
    assert read.tokens is not None
    assert read.tokens.access.reveal() == "word-1"
    assert read.tokens.expires_at_ns == NOW_NS + HOUR_NS


def test_an_end_is_kept_and_must_lie_ahead() -> None:
    wire = account_pb2.Credentials(access_token="t")
    wire.expire_time.FromNanoseconds(NOW_NS + 1)
    tokens = credentials_from_wire(wire, NOW_NS).tokens
    assert tokens is not None
    assert tokens.expires_at_ns == NOW_NS + 1
    with pytest.raises(Invalid, match=r"^expire_time: "):
        credentials_from_wire(wire, NOW_NS + 1)


def test_nothing_is_nothing_and_half_a_thing_is_refused() -> None:
    assert not credentials_from_wire(account_pb2.Credentials(), NOW_NS)
    with pytest.raises(Invalid, match=r"^access_token: "):
        credentials_from_wire(account_pb2.Credentials(refresh_token="t"), NOW_NS)


def test_an_app_and_its_secret_go_apart() -> None:
    wire = account_pb2.BrokerApp(broker=common_pb2.BROKER_FYERS, app_id="K-100", app_secret="word")
    app, secret = new_app_from_wire(wire)
    assert (app.app_id, app.client_key, secret.reveal()) == ("fyers:K-100", "K-100", "word")
    assert "word" not in repr((app, secret))
    assert wire.broker_app_id == ""
