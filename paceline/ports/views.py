"""What people look at: the rows they manage, with everything that a list shows beside them.

Pages go by name; `after` is the last name of the page before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from paceline.domain.account import Account, AccountState, AccountType, Broker, SessionState
from paceline.domain.ids import AccountId, BrokerAppId, SubscriptionId
from paceline.domain.subscription import Subscription, SubscriptionState
from paceline.ports.accounts import AccountGroup, BrokerApp, GroupId
from paceline.ports.sessions import Session


@dataclass(frozen=True, slots=True)
class Kept:
    """Since when a row is there and as it is."""

    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class AccountView:
    account: Account
    kept: Kept
    has_credentials: bool
    groups: tuple[GroupId, ...]


@dataclass(frozen=True, slots=True)
class AppView:
    app: BrokerApp
    kept: Kept


@dataclass(frozen=True, slots=True)
class GroupView:
    group: AccountGroup
    kept: Kept


@dataclass(frozen=True, slots=True)
class SubscriptionView:
    subscription: Subscription
    kept: Kept
    waits_for: str = ""
    """Why one that is ending has not ended yet."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """An account that is not closed, with the session that serves it."""

    account: Account
    session: Session | None
    ready: bool


@dataclass(frozen=True, slots=True)
class AccountFilter:
    """What is None or empty does not matter."""

    broker: Broker | None = None
    type: AccountType | None = None
    states: frozenset[AccountState] = frozenset()
    group: GroupId | None = None


@dataclass(frozen=True, slots=True)
class SubscriptionFilter:
    leader: AccountId | None = None
    follower: AccountId | None = None
    states: frozenset[SubscriptionState] = frozenset()


@dataclass(frozen=True, slots=True)
class SessionFilter:
    broker: Broker | None = None
    states: frozenset[SessionState] = frozenset()
    type: AccountType | None = None
    accounts: frozenset[AccountId] = frozenset()
    group: GroupId | None = None


class Views(Protocol):
    """Whatever is named and not there raises `NotFound`."""

    async def account(self, account_id: AccountId) -> AccountView: ...

    async def accounts(self, which: AccountFilter, after: str, limit: int) -> Sequence[AccountView]: ...

    async def app(self, app_id: BrokerAppId) -> AppView: ...

    async def apps(self, broker: Broker | None, after: str, limit: int) -> Sequence[AppView]: ...

    async def group(self, group_id: GroupId) -> GroupView: ...

    async def groups(self, after: str, limit: int) -> Sequence[GroupView]: ...

    async def members(self, group_id: GroupId, after: str, limit: int) -> Sequence[AccountId]: ...

    async def subscription(self, subscription_id: SubscriptionId) -> SubscriptionView: ...

    async def subscriptions(
        self, which: SubscriptionFilter, after: str, limit: int
    ) -> Sequence[SubscriptionView]: ...

    async def session(self, session_id: str) -> Session: ...

    async def sessions(self, which: SessionFilter, after: str, limit: int) -> Sequence[Session]: ...

    async def readiness(self, not_ready_only: bool, after: str, limit: int) -> Sequence[Readiness]: ...
