"""What people decide, written whole: the change, its audit and the answer to its request, or nothing."""

from collections.abc import Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from paceline.domain.account import Account
from paceline.domain.ids import AccountId
from paceline.ports.accounts import AccountGroups, Accounts, BrokerApps
from paceline.ports.alerts import Targets
from paceline.ports.audit import Audit
from paceline.ports.barriers import BanLists
from paceline.ports.liquidations import Freezing
from paceline.ports.ordered import Orders
from paceline.ports.requests import Requests
from paceline.ports.sessions import Sessions
from paceline.ports.subscriptions import Subscriptions
from paceline.ports.views import Views


class Holds(Protocol):
    """Keeps others from changing what a decision rests on, until the change ends."""

    async def accounts(self, account_ids: Iterable[AccountId]) -> Mapping[AccountId, Account]:
        """Those that exist; several changes may hold one account."""
        ...

    async def account(self, account_id: AccountId) -> Account:
        """For this change alone. Raises `NotFound`."""
        ...

    async def subscriptions(self) -> None:
        """All of them; whoever writes subscriptions waits."""
        ...

    async def living_subscription(self, account_id: AccountId) -> bool:
        """Whether the account leads or follows in one that has not ended."""
        ...


@dataclass(frozen=True, slots=True)
class Change:
    """Stores inside one transaction; an error of one of them ends the change, even when it is caught."""

    accounts: Accounts
    apps: BrokerApps
    groups: AccountGroups
    sessions: Sessions
    subscriptions: Subscriptions
    requests: Requests
    audit: Audit
    views: Views
    holds: Holds
    targets: Targets
    freezes: Freezing
    orders: Orders
    bans: BanLists


class Changes(Protocol):
    def begin(self) -> AbstractAsyncContextManager[Change]:
        """Durable when the block is left; undone when it raises."""
        ...
