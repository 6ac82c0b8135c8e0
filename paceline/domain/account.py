"""One login at one broker."""

from dataclasses import dataclass
from enum import StrEnum

from paceline.domain.ids import AccountId, BrokerAppId
from paceline.domain.instrument import Segment


class Broker(StrEnum):
    FYERS = "fyers"
    DHAN = "dhan"
    KOTAK = "kotak"
    CCXT = "ccxt"
    PAPER = "paper"


class AccountType(StrEnum):
    LIVE = "live"
    DEMO = "demo"
    STRATEGY_PROVIDER = "strategy_provider"
    COPY_FOLLOWER = "copy_follower"


class AccountState(StrEnum):
    ACTIVE = "ACTIVE"
    FROZEN = "FROZEN"
    CLOSED = "CLOSED"


class SessionState(StrEnum):
    DISCONNECTED = "DISCONNECTED"
    LOGIN_NEEDED = "LOGIN_NEEDED"
    CONNECTING = "CONNECTING"
    RECOVERING = "RECOVERING"
    LIVE = "LIVE"
    SUSPENDED = "SUSPENDED"


@dataclass(frozen=True, slots=True)
class Account:
    account_id: AccountId
    broker: Broker
    client_id: str
    type: AccountType
    state: AccountState
    segments: frozenset[Segment]
    app_id: BrokerAppId | None = None
    egress: str = ""
    """Source address or proxy URL of every request of this account; empty is the machine's own."""
    display_name: str = ""
    version: int = 1
