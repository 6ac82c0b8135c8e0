"""The settings of a service that speaks to brokers, or serves accounts that do."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from paceline.domain.secret import Secret
from paceline.runtime.common_settings import CommonSettings
from paceline.runtime.partitions import LeaseTimes
from paceline.runtime.settings import CrossRule, setting

_HTTP = ("http", "https")
_SOCKET = ("ws", "wss")


def _no_key(keys: tuple[Secret, ...]) -> str | None:
    return None if keys else "is required: tokens are sealed with it"


def _broken_lease(ttl_ms: int, beat_ms: int) -> str | None:
    return None if 3 * beat_ms <= ttl_ms else "disagree: a lease must outlive at least three beats"


@dataclass(frozen=True, kw_only=True, slots=True)
class PartitionSettings(CommonSettings):
    """The settings of a service that holds partitions."""

    RULES: ClassVar[tuple[CrossRule, ...]] = (CrossRule(("lease_ttl_ms", "lease_beat_ms"), _broken_lease),)

    lease_ttl_ms: int = setting(
        default=6_000, minimum=300, maximum=60_000, about="how long an unrenewed partition stays held"
    )
    lease_beat_ms: int = setting(
        default=1_000, minimum=100, maximum=20_000, about="how often leases are renewed and shared out"
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class BrokerSettings(PartitionSettings):
    """Every endpoint of a broker is a setting, so that a stand-in can take its place."""

    RULES: ClassVar[tuple[CrossRule, ...]] = (CrossRule(("encryption_keys",), _no_key),)

    fyers_api_url: str = setting(
        default="https://api-t1.fyers.in/api/v3", schemes=_HTTP, about="Fyers: orders and books"
    )
    fyers_data_url: str = setting(
        default="https://api-t1.fyers.in/data", schemes=_HTTP, about="Fyers: quotes and market status"
    )
    fyers_auth_url: str = setting(
        default="https://api-t1.fyers.in/api/v3", schemes=_HTTP, about="Fyers: logins and tokens"
    )
    fyers_order_socket_url: str = setting(
        default="wss://socket.fyers.in/trade/v3", schemes=_SOCKET, about="Fyers: order socket"
    )
    fyers_data_socket_url: str = setting(
        default="wss://socket.fyers.in/hsm/v1-5/prod", schemes=_SOCKET, about="Fyers: price socket"
    )
    fyers_symbols_url: str = setting(
        default="https://public.fyers.in/sym_details", schemes=_HTTP, about="Fyers: instrument masters"
    )
    fyers_ca_file: Path | None = setting(
        default=None, about="authority (PEM) of the broker's certificate; unset trusts the machine's list"
    )
    broker_connect_timeout_ms: int = setting(
        default=2_000, minimum=10, maximum=60_000, about="longest time a connection to a broker may take"
    )
    broker_read_timeout_ms: int = setting(
        default=4_000, minimum=10, maximum=120_000, about="longest time a broker's answer may take"
    )
    broker_request_max_ms: int = setting(
        default=4_000,
        minimum=50,
        maximum=300_000,
        about="no request to a broker lasts longer; absence of an order is reckoned from it",
    )
    login_retry_ms: int = setting(
        default=30_000,
        minimum=100,
        maximum=3_600_000,
        about="longest pause after a failed login before the second and last one of a row",
    )


def lease_times(settings: PartitionSettings) -> LeaseTimes:
    return LeaseTimes(settings.lease_ttl_ms, settings.lease_beat_ms)
