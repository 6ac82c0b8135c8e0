"""Subscriptions in PostgreSQL."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from paceline.adapters.postgres.accounts import changed
from paceline.adapters.postgres.codec import from_json, to_json
from paceline.adapters.postgres.database import Database, Row, Transaction, columns
from paceline.adapters.postgres.queries import sql
from paceline.domain.errors import Circle, NotFound
from paceline.domain.ids import AccountId, Partition, SubscriptionId
from paceline.domain.partitioning import partition_of
from paceline.domain.subscription import Subscription
from paceline.ports.subscriptions import SubscriptionChanges

_LOCK = sql("subscription_lock")
_CIRCLE = sql("subscription_circle")
_INSERT = sql("subscription_insert")
_UPDATE = sql("subscription_update")
_GET = sql("subscription_get")
_PAGE = sql("subscription_page")
_OF_LEADERS = sql("subscription_of_leaders")
_PARTIES = sql("subscription_parties")
_CHANGES = sql("subscription_changes")

_IN_COLUMNS = frozenset(
    {
        "subscription_id",
        "leader",
        "follower",
        "state",
        "auto_copy",
        "mode",
        "sizing",
        "filters",
        "caps",
        "version",
    }
)


class PostgresSubscriptions:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, subscription: Subscription) -> Subscription:
        await self.create_many([subscription])
        return await self.get(subscription.subscription_id)

    async def create_many(self, subscriptions: Sequence[Subscription]) -> None:
        rows = [
            (
                each.subscription_id,
                each.leader,
                each.follower,
                partition_of(each.leader),
                *_settable_columns(each),
            )
            for each in subscriptions
        ]
        async with self._database.transaction() as transaction:
            await transaction.execute(_LOCK)
            await transaction.execute(_INSERT, *columns(rows, 13))
            circle = await transaction.value(_CIRCLE, [each.subscription_id for each in subscriptions])
            if circle is not None:
                raise Circle(f"subscription {circle!r} would close a circle of followers")

    async def get(self, subscription_id: SubscriptionId) -> Subscription:
        row = await self._database.row(_GET, subscription_id)
        if row is None:
            raise NotFound("subscription", subscription_id)
        return subscription_of(row)

    async def update(self, subscription: Subscription) -> Subscription:
        name = subscription.subscription_id
        async with self._database.transaction() as transaction:
            row = await update_subscription(transaction, subscription)
            if row is not None and await transaction.value(_CIRCLE, [name]) is not None:
                raise Circle(f"subscription {name!r} would close a circle of followers")
        if row is None:
            await self.get(name)
            raise changed("subscription", name, subscription.version)
        return subscription_of(row)

    async def page(
        self,
        *,
        leader: AccountId | None = None,
        follower: AccountId | None = None,
        after: SubscriptionId | None = None,
        limit: int = 100,
    ) -> Sequence[Subscription]:
        rows = await self._database.fetch(_PAGE, leader, follower, after, limit)
        return [subscription_of(row) for row in rows]

    async def of_leaders(self, leaders: Iterable[AccountId]) -> Sequence[Subscription]:
        return [subscription_of(row) for row in await self._database.fetch(_OF_LEADERS, list(leaders))]

    async def parties(self, accounts: Iterable[AccountId]) -> frozenset[AccountId]:
        return frozenset(row["account"] for row in await self._database.fetch(_PARTIES, list(accounts)))

    async def load(self, leader_partitions: Iterable[Partition]) -> SubscriptionChanges:
        return await self._changes(0, leader_partitions, living_only=True)

    async def changes_since(self, change: int, leader_partitions: Iterable[Partition]) -> SubscriptionChanges:
        return await self._changes(change, leader_partitions, living_only=False)

    async def _changes(
        self, change: int, partitions: Iterable[Partition], *, living_only: bool
    ) -> SubscriptionChanges:
        rows = await self._database.fetch(_CHANGES, change, list(partitions), living_only)
        found = tuple(subscription_of(row) for row in rows if row["subscription_id"] is not None)
        return SubscriptionChanges(found, rows[0]["newest"])


async def update_subscription(transaction: Transaction, subscription: Subscription) -> Row | None:
    """None where somebody changed it meanwhile; others that write subscriptions wait for the end of it."""
    await transaction.execute(_LOCK)
    return await transaction.row(
        _UPDATE, subscription.subscription_id, subscription.version, *_settable_columns(subscription)
    )


def _settable_columns(subscription: Subscription) -> tuple[Any, ...]:
    document = to_json(subscription)
    rest = {name: value for name, value in document.items() if name not in _IN_COLUMNS}
    return (
        subscription.state.value,
        subscription.auto_copy,
        subscription.mode.value,
        subscription.sizing.mode.value,
        subscription.sizing.value,
        subscription.sizing.round_up_to_one_lot,
        json.dumps(document["filters"]),
        json.dumps(document["caps"]),
        json.dumps(rest),
    )


def subscription_of(row: Row) -> Subscription:
    columns_of_row = {
        "subscription_id": row["subscription_id"],
        "leader": row["leader"],
        "follower": row["follower"],
        "state": row["state"],
        "auto_copy": row["auto_copy"],
        "mode": row["mode"],
        "sizing": {
            "mode": row["sizing_mode"],
            "value": row["sizing_value"],
            "round_up_to_one_lot": row["round_up_to_one_lot"],
        },
        "filters": row["filters"],
        "caps": row["caps"],
        "version": row["version"],
    }
    return from_json(Subscription, row["settings"] | columns_of_row)
