"""Leaders' orders as the journal last told them."""

from collections.abc import Sequence
from datetime import date

from paceline.adapters.postgres.codec import from_json
from paceline.adapters.postgres.copy_rows import key_columns
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.queries import sql
from paceline.domain.ids import AccountId
from paceline.domain.instrument import InstrumentKey
from paceline.domain.order import OrderReport

_NEWEST = sql("leader_orders")


class PostgresLeaderOrders:
    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(self, account_id: AccountId, key: InstrumentKey, since: date) -> Sequence[OrderReport]:
        rows = await self._database.fetch(_NEWEST, account_id, since, *key_columns(key))
        return [from_json(OrderReport, row["body"]) for row in rows]
