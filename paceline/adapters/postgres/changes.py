"""Repositories that share one transaction of PostgreSQL."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

from paceline.adapters.postgres.accounts import (
    PostgresAccountGroups,
    PostgresAccounts,
    PostgresBrokerApps,
    account_of,
)
from paceline.adapters.postgres.alerts import PostgresTargets
from paceline.adapters.postgres.audit import PostgresAudit
from paceline.adapters.postgres.barriers import PostgresBarriers
from paceline.adapters.postgres.database import Database, Row, Transaction
from paceline.adapters.postgres.liquidations import PostgresLiquidations
from paceline.adapters.postgres.ordered import PostgresOrdered
from paceline.adapters.postgres.queries import sql
from paceline.adapters.postgres.requests import PostgresRequests
from paceline.adapters.postgres.sessions import PostgresSessions
from paceline.adapters.postgres.subscriptions import PostgresSubscriptions
from paceline.adapters.postgres.views import PostgresViews
from paceline.domain.account import Account
from paceline.domain.errors import NotFound
from paceline.domain.ids import AccountId
from paceline.ports.changes import Change

_HOLD_ACCOUNTS = sql("hold_accounts")
_HOLD_ACCOUNT = sql("hold_account")
_HOLD_SUBSCRIPTIONS = sql("subscription_lock")
_LIVING = sql("living_subscription")


class PostgresChanges:
    def __init__(self, database: Database) -> None:
        self._database = database

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Change]:
        async with self._database.transaction() as transaction:
            joined = _Joined(transaction)
            yield Change(
                accounts=PostgresAccounts(joined),
                apps=PostgresBrokerApps(joined),
                groups=PostgresAccountGroups(joined),
                sessions=PostgresSessions(joined),
                subscriptions=PostgresSubscriptions(joined),
                requests=PostgresRequests(joined),
                audit=PostgresAudit(joined),
                views=PostgresViews(joined),
                holds=_Holds(joined),
                targets=PostgresTargets(joined),
                freezes=PostgresLiquidations(joined),
                orders=PostgresOrdered(joined),
                bans=PostgresBarriers(joined),
            )


class _Holds:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def accounts(self, account_ids: Iterable[AccountId]) -> Mapping[AccountId, Account]:
        rows = await self._database.fetch(_HOLD_ACCOUNTS, list(account_ids))
        return {AccountId(row["account_id"]): account_of(row) for row in rows}

    async def account(self, account_id: AccountId) -> Account:
        row = await self._database.row(_HOLD_ACCOUNT, account_id)
        if row is None:
            raise NotFound("account", account_id)
        return account_of(row)

    async def subscriptions(self) -> None:
        await self._database.execute(_HOLD_SUBSCRIPTIONS)

    async def living_subscription(self, account_id: AccountId) -> bool:
        return bool(await self._database.value(_LIVING, account_id))


class _Joined(Database):
    """Every query goes into the transaction of somebody else, who maps its errors and ends it."""

    __slots__ = ("_transaction",)

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction

    @asynccontextmanager
    async def transaction(
        self,
        patience_s: float | None = None,  # noqa: ARG002 - that of the transaction it joins
    ) -> AsyncIterator[Transaction]:
        yield self._transaction

    async def fetch(self, query: str, *arguments: object) -> list[Row]:
        return await self._transaction.fetch(query, *arguments)

    async def row(self, query: str, *arguments: object) -> Row | None:
        return await self._transaction.row(query, *arguments)

    async def value(self, query: str, *arguments: object) -> object:
        return await self._transaction.value(query, *arguments)

    async def execute(self, query: str, *arguments: object) -> None:
        await self._transaction.execute(query, *arguments)

    async def close(self) -> None:
        """Not ours to close."""
