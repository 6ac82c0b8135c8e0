"""Accounts, apps and groups in PostgreSQL."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby

from paceline.adapters.postgres.database import Database, Row
from paceline.adapters.postgres.queries import sql
from paceline.domain.account import Account, AccountState, AccountType, Broker
from paceline.domain.errors import Conflict, NotFound
from paceline.domain.ids import AccountId, BrokerAppId, Partition
from paceline.domain.instrument import Segment
from paceline.domain.partitioning import partition_of
from paceline.ports.accounts import AccountGroup, BrokerApp, GroupId
from paceline.ports.seal import Sealed

_INSERT = sql("account_insert")
_INSERT_SESSION = sql("account_session_insert")
_SERVE = sql("session_account_set")
_GET = sql("account_get")
_PARTITIONS = sql("account_partitions")
_PAGE = sql("account_page")
_UPDATE = sql("account_update")
_SET_SECRET = sql("account_secret_set")
_SECRETS = sql("account_secret_get")
_APP_INSERT = sql("app_insert")
_APP_GET = sql("app_get")
_APP_PAGE = sql("app_page")
_APP_UPDATE = sql("app_update")
_APP_SET_SECRET = sql("app_secret_set")
_APP_SECRETS = sql("app_secret_get")
_GROUP_INSERT = sql("group_insert")
_GROUP_UPDATE = sql("group_update")
_GROUP_PAGE = sql("group_page")
_GROUP_CLEAR = sql("group_members_clear")
_GROUP_MEMBERS = sql("group_members_insert")
_GROUPS_OF = sql("group_of_accounts")


class PostgresAccounts:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, account: Account) -> Account:
        async with self._database.transaction() as transaction:
            await transaction.execute(
                _INSERT,
                account.account_id,
                partition_of(account.account_id),
                account.broker.value,
                account.client_id,
                account.type.value,
                account.state.value,
                _segments(account),
                account.app_id,
                account.egress,
                account.display_name,
            )
            name = account.account_id
            await transaction.execute(_INSERT_SESSION, name, account.broker.value, account.client_id)
            await transaction.execute(_SERVE, name, [name])
        return await self.get(account.account_id)

    async def get(self, account_id: AccountId) -> Account:
        found = await self.get_many([account_id])
        if account_id not in found:
            raise NotFound("account", account_id)
        return found[account_id]

    async def get_many(self, account_ids: Iterable[AccountId]) -> Mapping[AccountId, Account]:
        rows = await self._database.fetch(_GET, list(account_ids))
        return {AccountId(row["account_id"]): account_of(row) for row in rows}

    async def in_partitions(self, partitions: Iterable[Partition]) -> Sequence[Account]:
        return [account_of(row) for row in await self._database.fetch(_PARTITIONS, list(partitions))]

    async def page(
        self,
        *,
        after: AccountId | None = None,
        limit: int = 100,
        broker: Broker | None = None,
        type: AccountType | None = None,  # noqa: A002 - the field's own name
    ) -> Sequence[Account]:
        rows = await self._database.fetch(
            _PAGE, after, broker.value if broker else None, type.value if type else None, limit
        )
        return [account_of(row) for row in rows]

    async def update(self, account: Account) -> Account:
        row = await self._database.row(
            _UPDATE,
            account.account_id,
            account.version,
            account.state.value,
            _segments(account),
            account.app_id,
            account.egress,
            account.display_name,
        )
        if row is None:
            await self.get(account.account_id)
            raise changed("account", account.account_id, account.version)
        return account_of(row)

    async def set_credentials(self, account_id: AccountId, sealed: Sealed) -> None:
        await self._database.execute(_SET_SECRET, account_id, sealed)

    async def credentials(self, account_ids: Iterable[AccountId]) -> Mapping[AccountId, Sealed]:
        rows = await self._database.fetch(_SECRETS, list(account_ids))
        return {AccountId(row["account_id"]): Sealed(row["sealed"]) for row in rows}


class PostgresBrokerApps:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, app: BrokerApp, secret: Sealed) -> BrokerApp:
        await self._database.execute(
            _APP_INSERT,
            app.app_id,
            app.broker.value,
            app.client_key,
            app.redirect_url,
            app.display_name,
            secret,
        )
        return await self.get(app.app_id)

    async def get(self, app_id: BrokerAppId) -> BrokerApp:
        row = await self._database.row(_APP_GET, app_id)
        if row is None:
            raise NotFound("broker app", app_id)
        return app_of(row)

    async def page(self, *, after: BrokerAppId | None = None, limit: int = 100) -> Sequence[BrokerApp]:
        return [app_of(row) for row in await self._database.fetch(_APP_PAGE, after, limit)]

    async def update(self, app: BrokerApp, secret: Sealed | None = None) -> BrokerApp:
        async with self._database.transaction() as transaction:
            row = await transaction.row(
                _APP_UPDATE, app.app_id, app.version, app.redirect_url, app.display_name
            )
            if row is not None and secret is not None:
                await transaction.execute(_APP_SET_SECRET, app.app_id, secret)
        if row is None:
            await self.get(app.app_id)
            raise changed("broker app", app.app_id, app.version)
        return app_of(row)

    async def secrets(self, app_ids: Iterable[BrokerAppId]) -> Mapping[BrokerAppId, Sealed]:
        rows = await self._database.fetch(_APP_SECRETS, list(app_ids))
        return {BrokerAppId(row["app_id"]): Sealed(row["sealed"]) for row in rows}


class PostgresAccountGroups:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, group: AccountGroup) -> AccountGroup:
        await self._database.execute(_GROUP_INSERT, group.group_id, *_group_columns(group))
        return group

    async def update(self, group: AccountGroup) -> AccountGroup:
        row = await self._database.row(_GROUP_UPDATE, group.group_id, group.version, *_group_columns(group))
        if row is None:
            raise changed("account group", group.group_id, group.version)
        return group_of(row)

    async def set_members(self, group_id: GroupId, members: Iterable[AccountId]) -> None:
        async with self._database.transaction() as transaction:
            await transaction.execute(_GROUP_CLEAR, group_id)
            await transaction.execute(_GROUP_MEMBERS, group_id, list(members))

    async def of_accounts(
        self, account_ids: Iterable[AccountId]
    ) -> Mapping[AccountId, Sequence[AccountGroup]]:
        rows = await self._database.fetch(_GROUPS_OF, list(account_ids))
        return {
            AccountId(account): [group_of(row) for row in mine]
            for account, mine in groupby(rows, key=lambda row: row["account_id"])
        }

    async def page(self, *, after: GroupId | None = None, limit: int = 100) -> Sequence[AccountGroup]:
        return [group_of(row) for row in await self._database.fetch(_GROUP_PAGE, after, limit)]


def changed(what: str, name: str, version: int) -> Conflict:
    return Conflict(f"{what} {name!r} is no longer at version {version}")


def _segments(account: Account) -> list[str]:
    return sorted(segment.value for segment in account.segments)


def account_of(row: Row) -> Account:
    return Account(
        account_id=AccountId(row["account_id"]),
        broker=Broker(row["broker"]),
        client_id=row["client_id"],
        type=AccountType(row["type"]),
        state=AccountState(row["state"]),
        segments=frozenset(Segment(segment) for segment in row["segments"]),
        app_id=None if row["app_id"] is None else BrokerAppId(row["app_id"]),
        egress=row["egress"],
        display_name=row["display_name"],
        version=row["version"],
    )


def app_of(row: Row) -> BrokerApp:
    return BrokerApp(
        app_id=BrokerAppId(row["app_id"]),
        broker=Broker(row["broker"]),
        client_key=row["client_key"],
        redirect_url=row["redirect_url"],
        display_name=row["display_name"],
        version=row["version"],
    )


def _group_columns(group: AccountGroup) -> tuple[object, ...]:
    return group.display_name, group.min_lots, group.max_lots, group.lot_step


def group_of(row: Row) -> AccountGroup:
    return AccountGroup(
        group_id=GroupId(row["group_id"]),
        display_name=row["display_name"],
        min_lots=row["min_lots"],
        max_lots=row["max_lots"],
        lot_step=row["lot_step"],
        version=row["version"],
    )
