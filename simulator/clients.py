"""Those who log in: an account of the exchange with its app, its PIN, its limits, and what was seen of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.account import Account
    from simulator.limits import Limits


@dataclass(slots=True)
class App:
    id: str
    secret: str
    redirect_uri: str


@dataclass(slots=True, eq=False)
class Client:
    account: Account
    app: App
    pin: str
    limits: Limits
    instant_approve: bool = False
    ddpi: bool = True
    logins: int = 0
    refreshes: int = 0
    login_attempts: int = 0
    """Exchanges of a code and refreshes that named this client, whatever came of them."""
    sockets_opened: int = 0
    calls: int = 0
    lied_to: bool = False
    """Whether the last answer about its money was a lie: no two in a row are."""
    lied_mono_ns: int = 0
    addresses: dict[str, int] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.account.client_id

    def seen_from(self, address: str) -> None:
        """Remember a source address and how many calls came from it."""
        self.addresses[address] = self.addresses.get(address, 0) + 1
