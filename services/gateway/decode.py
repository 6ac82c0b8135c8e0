"""What people bring, as values."""

from paceline.adapters.wire.accounts import broker_app_from_wire
from paceline.adapters.wire.enums import BROKER
from paceline.adapters.wire.fields import only, required
from paceline.adapters.wire.times import ns_of_timestamp
from paceline.api.v1 import account_pb2
from paceline.domain.errors import Invalid
from paceline.domain.secret import Secret
from paceline.ports.accounts import BrokerApp
from paceline.ports.broker import Tokens
from paceline.runtime.account_secrets import AccountSecrets
from services.gateway.accounts import NewCredentials

_NS_PER_S = 1_000_000_000
_TOKEN_LIVES_NS = 3_600 * _NS_PER_S
_APP_FIELDS = frozenset({"broker_app_id", "broker", "app_id", "app_secret", "redirect_uri", "display_name"})


def credentials_from_wire(wire: account_pb2.Credentials, now_ns: int) -> NewCredentials:
    """A token without an end is good for an hour."""
    secrets = AccountSecrets(
        pin=Secret(wire.pin),
        totp_secret=Secret(wire.totp_secret),
        api_key=Secret(wire.api_key),
        api_secret=Secret(wire.api_secret),
        passphrase=Secret(wire.passphrase),
    )
    if wire.access_token:
        return NewCredentials(_tokens(wire, now_ns), secrets)
    if wire.refresh_token or wire.HasField("expire_time"):
        raise Invalid("access_token", "must be set where refresh_token or expire_time is")
    return NewCredentials(None, secrets)


def _tokens(wire: account_pb2.Credentials, now_ns: int) -> Tokens:
    expires_ns = now_ns + _TOKEN_LIVES_NS
    if wire.HasField("expire_time"):
        expires_ns = ns_of_timestamp(wire.expire_time, "expire_time")
        if expires_ns <= now_ns:
            raise Invalid("expire_time", "must be in the future")
    return Tokens(Secret(wire.access_token), Secret(wire.refresh_token), expires_ns, client_id="")


def new_app_from_wire(wire: account_pb2.BrokerApp) -> tuple[BrokerApp, Secret]:
    """Named by its broker and his name of it where it brings none."""
    only(wire, _APP_FIELDS)
    named = account_pb2.BrokerApp()
    named.CopyFrom(wire)
    if not wire.broker_app_id:
        broker = BROKER.read(wire.broker, "broker")
        named.broker_app_id = f"{broker.value}:{required(wire.app_id, 'app_id')}"
    return broker_app_from_wire(named), Secret(required(wire.app_secret, "app_secret"))
