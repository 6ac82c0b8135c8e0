"""The journal in PostgreSQL: two statements and one commit for a whole group of partitions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from paceline.adapters.postgres.database import Database, Row, Transaction, columns
from paceline.adapters.postgres.facts import FACT_WIDTH, event_of, fact_columns, fact_of
from paceline.adapters.postgres.fencing import not_owner
from paceline.adapters.postgres.queries import sql
from paceline.domain.account import Broker
from paceline.domain.errors import Invalid, NotOwner
from paceline.domain.event import Event, Fact
from paceline.domain.ids import AccountId, Epoch, EventIdentity, Offset, Partition
from paceline.ports.broker import MalformedKind
from paceline.ports.journal import Append, Appended, DeadLetter

_LOCK = sql("journal_lock")
_APPEND = sql("journal_append")
_READ = sql("journal_read")
_HEADS = sql("journal_heads")
_SEQUENCES = sql("journal_sequences")
_RESTORE = sql("journal_restore")
_LAY_WEEKS = sql("journal_lay_weeks")
_DROP_WEEKS = sql("journal_drop_weeks")
_DEAD_LETTER = sql("dead_letter_insert")
_DEAD_LETTERS = sql("dead_letter_page")


@dataclass(frozen=True, slots=True)
class _Given:
    partition: Partition
    fact: Fact
    traceparent: str


class PostgresJournal:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(
        self, partition: Partition, epoch: Epoch, facts: Sequence[Fact], traceparents: Sequence[str] = ()
    ) -> Appended:
        (result,) = await self.append_many([Append(partition, epoch, facts, traceparents)])
        if isinstance(result, NotOwner):
            raise result
        return result

    async def append_many(self, batches: Sequence[Append]) -> Sequence[Appended | NotOwner]:
        _refuse_repeats(batches)
        async with self._database.transaction() as transaction:
            return await append_within(transaction, batches)

    async def read(self, partition: Partition, after: Offset, limit: int) -> Sequence[Event]:
        return [event_of(row) for row in await self._database.fetch(_READ, partition, after, limit)]

    async def heads(self, partitions: Iterable[Partition]) -> Mapping[Partition, Offset]:
        rows = await self._database.fetch(_HEADS, list(partitions))
        return {Partition(row["partition"]): Offset(row["last_offset"]) for row in rows}

    async def restore(
        self, accounts: Iterable[AccountId], since_ns: int
    ) -> Mapping[AccountId, Sequence[Fact]]:
        rows = await self._database.fetch(_RESTORE, list(accounts), since_ns)
        return {
            AccountId(account): [fact_of(row) for row in mine]
            for account, mine in groupby(rows, key=lambda row: row["account_id"])
        }

    async def sequences(self, accounts: Iterable[AccountId]) -> Mapping[AccountId, int]:
        rows = await self._database.fetch(_SEQUENCES, list(accounts))
        return {AccountId(row["account_id"]): row["last_sequence"] for row in rows}

    async def dead_letter(self, letters: Sequence[DeadLetter]) -> None:
        rows = [
            (each.broker, each.account_id, each.source, each.kind, each.detail, each.raw, each.received_ns)
            for each in letters
        ]
        await self._database.execute(_DEAD_LETTER, *columns(rows, 7))

    async def dead_letters(self, account_id: AccountId | None, limit: int) -> Sequence[DeadLetter]:
        rows = await self._database.fetch(_DEAD_LETTERS, account_id, limit)
        return [dead_letter_of(row) for row in rows]

    async def lay_weeks(self, first_day: date, weeks: int) -> int:
        return int(await self._database.value(_LAY_WEEKS, first_day, weeks))

    async def drop_before(self, first_kept: date) -> int:
        return int(await self._database.value(_DROP_WEEKS, first_kept))


async def append_within(transaction: Transaction, batches: Sequence[Append]) -> Sequence[Appended | NotOwner]:
    """As `append_many`, for a transaction that writes more than events; durable when that commits."""
    rows = await transaction.fetch(_LOCK, sorted(batch.partition for batch in batches))
    epochs = {row["partition"]: row["epoch"] for row in rows}
    owned = [batch for batch in batches if epochs.get(batch.partition) == batch.epoch]
    events = await _write(transaction, owned)
    fresh = {batch.partition: events.get(batch.partition, ()) for batch in owned}
    return [
        _appended(batch, fresh[batch.partition])
        if batch.partition in fresh
        else not_owner("feed", batch.partition, batch.epoch)
        for batch in batches
    ]


def _refuse_repeats(batches: Sequence[Append]) -> None:
    if len({batch.partition for batch in batches}) != len(batches):
        raise Invalid("batches", "a partition stands in one group once")


async def _write(transaction: Transaction, batches: Sequence[Append]) -> dict[Partition, tuple[Event, ...]]:
    """What is new, numbered, by partition in offset order."""
    given = _first_of_each(batches)
    if not given:
        return {}
    rows = [fact_columns(each.partition, each.fact, each.traceparent) for each in given.values()]
    written = await transaction.fetch(_APPEND, *columns(rows, FACT_WIDTH))
    events = [_numbered(given[row["identity"]], row) for row in written]
    events.sort(key=lambda event: (event.partition, event.offset))
    return {partition: tuple(mine) for partition, mine in groupby(events, key=lambda event: event.partition)}


def _first_of_each(batches: Sequence[Append]) -> dict[EventIdentity, _Given]:
    given: dict[EventIdentity, _Given] = {}
    for batch in batches:
        traces = batch.traceparents or [""] * len(batch.facts)
        for fact, trace in zip(batch.facts, traces, strict=True):
            given.setdefault(fact.identity, _Given(batch.partition, fact, trace))
    return given


def _numbered(given: _Given, row: Row) -> Event:
    return Event(
        partition=given.partition,
        offset=Offset(row["event_offset"]),
        sequence=row["sequence"],
        journaled_ns=row["journaled_ns"],
        fact=given.fact,
        traceparent=given.traceparent,
    )


def _appended(batch: Append, events: tuple[Event, ...]) -> Appended:
    new = {event.fact.identity for event in events}
    known = frozenset(fact.identity for fact in batch.facts if fact.identity not in new)
    return Appended(batch.partition, events, known)


def dead_letter_of(row: Row) -> DeadLetter:
    return DeadLetter(
        broker=Broker(row["broker"]),
        account_id=AccountId(row["account_id"]) if row["account_id"] is not None else None,
        source=row["source"],
        kind=MalformedKind(row["reason"]),
        detail=row["detail"],
        raw=row["raw"],
        received_ns=row["received_ns"],
    )
