"""Old weeks of the journal in PostgreSQL: one transaction and one advisory lock for each that goes."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import date

from paceline.adapters.postgres.database import Database, Transaction
from paceline.adapters.postgres.queries import sql
from paceline.domain.errors import Unavailable
from paceline.domain.ids import Offset, Partition
from paceline.domain.retention import Stretch
from paceline.ports.retention import Archived

_PATIENCE_S = 3_600.0
"""For one query: a week may hold millions of events, and nobody waits for us but the next week."""

_LOCK = sql("retention_lock")
_WEEKS = sql("retention_weeks")
_STRETCHES = sql("retention_stretches")
_PLACES = sql("retention_places")
_LIVING = sql("retention_living")
_LINES = sql("retention_lines")
_LOCK_PATIENCE = sql("retention_patience")
_DROP = sql("retention_drop_week")
_GONE = sql("retention_week_gone")
_NAMES = sql("retention_forget_names")
_DEAD_LETTERS = sql("retention_forget_dead_letters")
_GUARD_DAYS = sql("guard_days_forget")


class PostgresRetention:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def weeks(self) -> Sequence[date]:
        return [row["week"] for row in await self._database.fetch(_WEEKS)]

    @asynccontextmanager
    async def removal(self, week: date) -> AsyncIterator["PostgresRemoval"]:
        async with self._database.transaction(_PATIENCE_S) as transaction:
            if not await transaction.value(_LOCK):
                raise Unavailable("another replica is clearing the journal")
            yield PostgresRemoval(transaction, week)

    async def forget_names(self, before: date) -> int:
        async with self._database.transaction(_PATIENCE_S) as transaction:
            return int(await transaction.value(_NAMES, before))

    async def forget_dead_letters(self, kept_days: int) -> int:
        async with self._database.transaction(_PATIENCE_S) as transaction:
            return int(await transaction.value(_DEAD_LETTERS, kept_days))

    async def forget_guard_days(self, before: date) -> None:
        await self._database.execute(_GUARD_DAYS, before)


class PostgresRemoval:
    def __init__(self, transaction: Transaction, week: date) -> None:
        self._transaction = transaction
        self._week = week

    async def stretches(self) -> Sequence[Stretch]:
        rows = await self._transaction.fetch(_STRETCHES, self._week)
        return [
            Stretch(Partition(row["partition"]), Offset(row["first"]), Offset(row["last"]), row["count"])
            for row in rows
        ]

    async def places(self) -> Mapping[str, Mapping[Partition, Offset]]:
        found: dict[str, dict[Partition, Offset]] = {}
        for row in await self._transaction.fetch(_PLACES):
            places = found.setdefault(row["consumer"], {})
            places[Partition(row["partition"])] = Offset(row["event_offset"])
        return found

    async def living(self) -> Sequence[str]:
        return [f"{row['what']} {row['name']}" for row in await self._transaction.fetch(_LIVING, self._week)]

    async def lines(self, page: int) -> AsyncIterator[Sequence[str]]:
        for stretch in await self.stretches():
            after = stretch.first - 1
            while after < stretch.last:
                rows = await self._transaction.fetch(_LINES, self._week, stretch.partition, after, page)
                after = rows[-1]["event_offset"]
                yield [row["line"] for row in rows]

    async def remove(self, stretches: Sequence[Stretch], archived: Archived | None) -> None:
        await self._transaction.execute(_LOCK_PATIENCE)
        await self._transaction.execute(_DROP, self._week)
        await self._transaction.execute(
            _GONE,
            self._week,
            sum(each.count for each in stretches),
            json.dumps([asdict(each) for each in stretches]),
            archived.file if archived else None,
            archived.sha256 if archived else None,
        )
