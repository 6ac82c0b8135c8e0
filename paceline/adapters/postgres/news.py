"""What changed since a horizon, in one statement that finds nothing nearly always."""

from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.queries import sql
from paceline.domain.ids import AccountId
from paceline.ports.news import News

_NEWS = sql("news")
_LATER_THAN_ALL = 2**63 - 1


class PostgresNews:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def since(self, horizon: int | None) -> News:
        rows = await self._database.fetch(_NEWS, _LATER_THAN_ALL if horizon is None else horizon)
        touched = frozenset(
            (AccountId(row["account_id"]), row["changed"]) for row in rows if row["account_id"] is not None
        )
        return News(rows[0]["horizon"], rows[0]["newest"], touched)
