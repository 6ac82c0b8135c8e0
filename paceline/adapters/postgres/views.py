"""What people look at, read from PostgreSQL."""

from collections.abc import Iterable, Sequence
from enum import Enum

from paceline.adapters.postgres.accounts import account_of, app_of, group_of
from paceline.adapters.postgres.database import Database, Row
from paceline.adapters.postgres.queries import sql
from paceline.adapters.postgres.sessions import PostgresSessions, session_of
from paceline.adapters.postgres.subscriptions import subscription_of
from paceline.domain.account import Broker
from paceline.domain.errors import NotFound
from paceline.domain.ids import AccountId, BrokerAppId, SubscriptionId
from paceline.ports.accounts import GroupId
from paceline.ports.sessions import Session
from paceline.ports.views import (
    AccountFilter,
    AccountView,
    AppView,
    GroupView,
    Kept,
    Readiness,
    SessionFilter,
    SubscriptionFilter,
    SubscriptionView,
)

_ACCOUNTS = sql("view_accounts")
_APPS = sql("view_apps")
_GROUPS = sql("view_groups")
_MEMBERS = sql("view_members")
_SUBSCRIPTIONS = sql("view_subscriptions")
_SESSIONS = sql("view_sessions")
_READINESS = sql("view_readiness")

_ANYONE = AccountFilter()
_ANY_SUBSCRIPTION = SubscriptionFilter()
_ANY_SESSION = SessionFilter()


class PostgresViews:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._session_rows = PostgresSessions(database)

    async def account(self, account_id: AccountId) -> AccountView:
        rows = await self._account_rows(account_id, _ANYONE, "", 1)
        return _account_view(_only(rows, "account", account_id))

    async def accounts(self, which: AccountFilter, after: str, limit: int) -> Sequence[AccountView]:
        return [_account_view(row) for row in await self._account_rows(None, which, after, limit)]

    async def app(self, app_id: BrokerAppId) -> AppView:
        rows = await self._database.fetch(_APPS, app_id, "", None, 1)
        return _app_view(_only(rows, "broker app", app_id))

    async def apps(self, broker: Broker | None, after: str, limit: int) -> Sequence[AppView]:
        rows = await self._database.fetch(_APPS, None, after, _value(broker), limit)
        return [_app_view(row) for row in rows]

    async def group(self, group_id: GroupId) -> GroupView:
        rows = await self._database.fetch(_GROUPS, group_id, "", 1)
        return _group_view(_only(rows, "account group", group_id))

    async def groups(self, after: str, limit: int) -> Sequence[GroupView]:
        return [_group_view(row) for row in await self._database.fetch(_GROUPS, None, after, limit)]

    async def members(self, group_id: GroupId, after: str, limit: int) -> Sequence[AccountId]:
        rows = await self._database.fetch(_MEMBERS, group_id, after, limit)
        return [AccountId(row["account_id"]) for row in rows]

    async def subscription(self, subscription_id: SubscriptionId) -> SubscriptionView:
        rows = await self._subscription_rows(subscription_id, _ANY_SUBSCRIPTION, "", 1)
        return _subscription_view(_only(rows, "subscription", subscription_id))

    async def subscriptions(
        self, which: SubscriptionFilter, after: str, limit: int
    ) -> Sequence[SubscriptionView]:
        return [_subscription_view(row) for row in await self._subscription_rows(None, which, after, limit)]

    async def session(self, session_id: str) -> Session:
        rows = await self._sessions(session_id, _ANY_SESSION, "", 1)
        return session_of(_only(rows, "session", session_id))

    async def sessions(self, which: SessionFilter, after: str, limit: int) -> Sequence[Session]:
        return [session_of(row) for row in await self._sessions(None, which, after, limit)]

    async def readiness(self, not_ready_only: bool, after: str, limit: int) -> Sequence[Readiness]:
        rows = await self._database.fetch(_READINESS, not_ready_only, after, limit)
        accounts = [account_of(row) for row in rows]
        sessions = await self._session_rows.of_accounts(account.account_id for account in accounts)
        return [
            Readiness(account, sessions.get(account.account_id), row["ready"])
            for account, row in zip(accounts, rows, strict=True)
        ]

    async def _account_rows(
        self, account_id: AccountId | None, which: AccountFilter, after: str, limit: int
    ) -> list[Row]:
        return await self._database.fetch(
            _ACCOUNTS,
            account_id,
            after,
            _value(which.broker),
            _value(which.type),
            _values(which.states),
            which.group,
            limit,
        )

    async def _subscription_rows(
        self, subscription_id: SubscriptionId | None, which: SubscriptionFilter, after: str, limit: int
    ) -> list[Row]:
        return await self._database.fetch(
            _SUBSCRIPTIONS,
            subscription_id,
            after,
            which.leader,
            which.follower,
            _values(which.states),
            limit,
        )

    async def _sessions(
        self, session_id: str | None, which: SessionFilter, after: str, limit: int
    ) -> list[Row]:
        return await self._database.fetch(
            _SESSIONS,
            session_id,
            after,
            _value(which.broker),
            _values(which.states),
            _value(which.type),
            sorted(which.accounts),
            which.group,
            limit,
        )


def _account_view(row: Row) -> AccountView:
    groups = tuple(GroupId(group) for group in row["groups"])
    return AccountView(account_of(row), _kept(row), row["has_credentials"], groups)


def _app_view(row: Row) -> AppView:
    return AppView(app_of(row), _kept(row))


def _group_view(row: Row) -> GroupView:
    return GroupView(group_of(row), _kept(row))


def _subscription_view(row: Row) -> SubscriptionView:
    return SubscriptionView(subscription_of(row), _kept(row), row["waits_for"])


def _kept(row: Row) -> Kept:
    return Kept(row["created_at"], row["updated_at"])


def _only(rows: Sequence[Row], what: str, name: str) -> Row:
    if not rows:
        raise NotFound(what, name)
    return rows[0]


def _value(choice: Enum | None) -> str | None:
    return None if choice is None else str(choice.value)


def _values(choices: Iterable[Enum]) -> list[str]:
    return sorted(str(choice.value) for choice in choices)
