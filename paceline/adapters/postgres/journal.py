"""The journal in PostgreSQL: two statements and one commit for a whole group of partitions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby

from paceline.adapters.postgres.database import Database, Row, Transaction, columns
from paceline.adapters.postgres.facts import FACT_WIDTH, event_of, fact_columns, fact_of
from paceline.adapters.postgres.fencing import not_owner
from paceline.adapters.postgres.queries import sql
from paceline.domain.account import Broker
from paceline.domain.errors import Forgotten, Invalid, NotOwner
from paceline.domain.event import Event, Fact
from paceline.domain.ids import AccountId, Epoch, EventIdentity, Offset, Partition
from paceline.ports.broker import MalformedKind
from paceline.ports.journal import Append, Appended, DeadLetter
from paceline.ports.leases import NEVER_PINNED

_LOCK = sql("journal_lock")
_PINS = sql("journal_pins")
_APPEND = sql("journal_append")
_NOTIFY = sql("journal_notify")
_READ = sql("journal_read")
_HEADS = sql("journal_heads")
_SEQUENCES = sql("journal_sequences")
_RESTORE = sql("journal_restore")
_LAY_WEEKS = sql("journal_lay_weeks")
_FLOOR = sql("journal_floor")
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
        async with self._database.transaction() as transaction:
            (result,) = await append_within(transaction, [Append(partition, epoch, facts, traceparents)])
            if isinstance(result, NotOwner):
                raise result
            if result.refused:
                raise NotOwner(f"pinned elsewhere: {', '.join(sorted(result.refused))}")
        return result

    async def append_many(self, batches: Sequence[Append]) -> Sequence[Appended | NotOwner]:
        _refuse_repeats(batches)
        async with self._database.transaction() as transaction:
            return await append_within(transaction, batches)

    async def read(self, partition: Partition, after: Offset, limit: int) -> Sequence[Event]:
        events = [event_of(row) for row in await self._database.fetch(_READ, partition, after, limit)]
        if not events or events[0].offset != after + 1:
            await self._require_kept(partition, after)
        return events

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

    async def _require_kept(self, partition: Partition, after: Offset) -> None:
        """Offsets have no holes: what begins later, or not at all, may have gone."""
        gone = await self._database.value(_FLOOR, partition) or 0
        if after < gone:
            raise Forgotten(
                f"partition {partition} is kept from offset {gone + 1} on; {after + 1} was asked for"
            )


async def append_within(transaction: Transaction, batches: Sequence[Append]) -> Sequence[Appended | NotOwner]:
    """As `append_many`, for a transaction that writes more than events; durable when that commits."""
    standing = await _lock(transaction, batches)
    owned = [batch for batch in batches if standing.owns(batch)]
    events = await _write(transaction, [_without(batch, standing.refused(batch)) for batch in owned])
    fresh = {batch.partition: events.get(batch.partition, ()) for batch in owned}
    foreign = [batch.partition for batch in owned if batch.epoch is None and fresh[batch.partition]]
    if foreign:
        await transaction.fetch(_NOTIFY, foreign)
    return [
        _appended(batch, fresh[batch.partition], standing.refused(batch))
        if batch.partition in fresh
        else not_owner("feed", batch.partition, batch.epoch)
        for batch in batches
    ]


async def may_journal(transaction: Transaction, account_id: AccountId, append: Append) -> bool:
    """Whether what is appended of this account would be taken, until the transaction ends."""
    standing = await _lock(transaction, [append])
    return standing.owns(append) and standing.knows(append, account_id)


@dataclass(frozen=True, slots=True)
class _Standing:
    """Who may write, read under locks that keep it so."""

    leases: Mapping[Partition, Epoch]
    pins: Mapping[AccountId, Epoch]

    def owns(self, batch: Append) -> bool:
        """A partition whose lease was never laid is locked by nobody."""
        return batch.partition in self.leases and batch.epoch in (None, self.leases[batch.partition])

    def knows(self, batch: Append, account_id: AccountId) -> bool:
        pin = self.pins.get(account_id, NEVER_PINNED)
        known = batch.pins.get(account_id, NEVER_PINNED)
        return known == pin and (batch.epoch is not None or pin != NEVER_PINNED)

    def refused(self, batch: Append) -> frozenset[AccountId]:
        accounts = {fact.account_id for fact in batch.facts}
        return frozenset(each for each in accounts if not self.knows(batch, each))


async def _lock(transaction: Transaction, batches: Sequence[Append]) -> _Standing:
    """Pins are read after the lock of the heads, which whoever changes them takes too."""
    rows = await transaction.fetch(_LOCK, sorted(batch.partition for batch in batches))
    pinned = [row["partition"] for row in rows if row["pinned"]]
    pins = await transaction.fetch(_PINS, pinned) if pinned else ()
    return _Standing(
        {Partition(row["partition"]): Epoch(row["epoch"]) for row in rows},
        {AccountId(row["account_id"]): Epoch(row["epoch"]) for row in pins},
    )


def _without(batch: Append, refused: frozenset[AccountId]) -> Append:
    if not refused:
        return batch
    traces = batch.traceparents or [""] * len(batch.facts)
    kept = [
        (fact, trace)
        for fact, trace in zip(batch.facts, traces, strict=True)
        if fact.account_id not in refused
    ]
    return replace(batch, facts=[fact for fact, _ in kept], traceparents=[trace for _, trace in kept])


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


def _appended(batch: Append, events: tuple[Event, ...], refused: frozenset[AccountId]) -> Appended:
    new = {event.fact.identity for event in events}
    known = frozenset(
        fact.identity for fact in batch.facts if fact.identity not in new and fact.account_id not in refused
    )
    return Appended(batch.partition, events, known, refused)


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
