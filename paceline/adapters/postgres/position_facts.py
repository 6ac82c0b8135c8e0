"""Fills and baselines of one partition, without the frames they came in."""

from collections.abc import Sequence

from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.facts import event_of
from paceline.adapters.postgres.queries import sql
from paceline.domain.event import Event
from paceline.domain.ids import Offset, Partition

_READ = sql("position_facts_read")


class PostgresPositionFacts:
    __slots__ = ("_database",)

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, partition: Partition, after: Offset, up_to: Offset, limit: int) -> Sequence[Event]:
        rows = await self._database.fetch(_READ, partition, after, up_to, limit)
        return [event_of(row) for row in rows]
