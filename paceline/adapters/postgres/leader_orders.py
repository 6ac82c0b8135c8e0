"""Leaders' orders as the journal last told them."""

from collections.abc import Mapping, Sequence
from datetime import date

from paceline.adapters.postgres.codec import from_json
from paceline.adapters.postgres.copy_rows import key_columns
from paceline.adapters.postgres.database import Database, Row
from paceline.adapters.postgres.queries import sql
from paceline.domain.copying.view import LeaderOrder
from paceline.domain.ids import AccountId, BrokerOrderId, Offset
from paceline.domain.instrument import InstrumentKey
from paceline.domain.order import OrderReport

_NEWEST = sql("leader_orders")
_BEFORE = sql("leader_orders_before")


class PostgresLeaderOrders:
    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(self, account_id: AccountId, key: InstrumentKey, since: date) -> Sequence[OrderReport]:
        rows = await self._database.fetch(_NEWEST, account_id, since, *key_columns(key))
        return [from_json(OrderReport, row["body"]) for row in rows]

    async def before(
        self, account_id: AccountId, key: InstrumentKey, since: date, offset: Offset
    ) -> Mapping[BrokerOrderId, LeaderOrder]:
        rows = await self._database.fetch(_BEFORE, account_id, since, *key_columns(key), offset)
        return {BrokerOrderId(row["order_id"]): _order_of(row) for row in rows}


def _order_of(row: Row) -> LeaderOrder:
    report = None if row["body"] is None else from_json(OrderReport, row["body"])
    return LeaderOrder(report, row["traded"])
