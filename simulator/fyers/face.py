"""What every call of the API can reach, and what one call is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.clients import App, Client
from simulator.conditional import Conditionals
from simulator.day import TradingDay
from simulator.exchange import DEFAULT_CASH, Exchange
from simulator.faults import Faults
from simulator.fyers.auth import Tokens
from simulator.limits import Limits

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from simulator.account import Account, Holding
    from simulator.orders import Received
    from simulator.settings import Settings

DEFAULT_APP = "SIM0000001-100"
DEFAULT_SECRET = "simulated"  # noqa: S105 - the simulator's own, guards nothing
DEFAULT_REDIRECT = "http://127.0.0.1/redirect"
DEFAULT_PIN = "1234"


@dataclass(slots=True)
class Call:
    """One authenticated request."""

    client: Client
    name: str
    body: bytes
    query: Mapping[str, str]
    received: Received
    token: str

    @property
    def account(self) -> Account:
        return self.client.account


class Face:
    """Exchange, clients, tokens and faults of one simulated broker."""

    def __init__(self, settings: Settings, exchange: Exchange) -> None:
        self.settings = settings
        self.exchange = exchange
        self.tokens = Tokens(exchange.clock, settings.seed, settings.token_ttl_s, settings.refresh_ttl_s)
        self.faults = Faults(settings.seed)
        self.day = TradingDay(exchange)
        self.conditionals = Conditionals(exchange)
        self.clients: dict[str, Client] = {}
        self.apps: dict[str, App] = {}

    def app(self, app_id: str, secret: str = DEFAULT_SECRET, redirect_uri: str = DEFAULT_REDIRECT) -> App:
        """The app of this id, registered when it is new."""
        return self.apps.setdefault(app_id, App(app_id, secret, redirect_uri))

    def add_client(
        self,
        client_id: str,
        *,
        app: App | None = None,
        cash: int = DEFAULT_CASH,
        pin: str = DEFAULT_PIN,
        instant_approve: bool = False,
        name: str = "",
        holdings: Iterable[Holding] = (),
    ) -> Client:
        """A new client with its account; the id must be free and alphanumeric."""
        if not client_id.isascii() or not client_id.isalnum():
            raise ValueError(f"client_id {client_id!r} must be alphanumeric")
        account = self.exchange.open_account(client_id, cash=cash, name=name, holdings=holdings)
        client = Client(
            account,
            app or self.app(DEFAULT_APP),
            pin,
            Limits(self.settings.quota),
            instant_approve=instant_approve,
        )
        self.clients[client_id] = client
        return client

    def begin_day(self) -> None:
        """A new trading day, for the books and for the limits."""
        self.day.begin()
        self.new_limits_day()

    def new_limits_day(self) -> None:
        for client in self.clients.values():
            client.limits.new_day()
