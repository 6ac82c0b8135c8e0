"""Old weeks leave the journal whole or not at all, wherever it breaks off, and never while needed."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.journal import PostgresJournal
from paceline.adapters.postgres.offsets import PostgresOffsets
from paceline.adapters.postgres.pool import PoolOptions, open_database
from paceline.adapters.postgres.position_facts import PostgresPositionFacts
from paceline.adapters.postgres.retention import PostgresRemoval, PostgresRetention
from paceline.adapters.week_files import ArchiveBroken, WeekFiles, verify
from paceline.cli.__main__ import app as cli
from paceline.domain.errors import FailedPrecondition, Forgotten, Unavailable
from paceline.domain.event import Event, Fact
from paceline.domain.ids import AccountId, Epoch, Offset, Partition
from paceline.domain.partitioning import partition_of
from paceline.domain.retention import READERS, Stretch
from paceline.ports.retention import Archived
from paceline.runtime.partitions import LeaseTimes, Partitions
from services.feed.retention import Clearing, Keeping
from tests.fakes.clock import FakeClock
from tests.fakes.leases import FakeLeases
from tests.integration.storage.makers import HOME, a_fill, a_position, an_order, own

OTHER = AccountId("fyers:XOTHER")
ELSEWHERE = partition_of(OTHER)
OLD = date(2025, 1, 6)
NEXT = OLD + timedelta(days=7)
TODAY = OLD + timedelta(days=430)

KEEPING = Keeping(events_days=400, names_days=460, dead_letters_days=90, unarchived_go=False)


@pytest.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    opened = await open_database(postgres_url, PoolOptions(min_size=1, max_size=6))
    yield opened
    await opened.close()


@pytest.fixture
async def filled(database: Database) -> Database:
    """Two old weeks of two partitions, and today; everybody has read everything."""
    journal = PostgresJournal(database)
    epoch = await own(database, "feed", [HOME, ELSEWHERE])
    await journal.lay_weeks(OLD, 2)
    await put(database, OLD, [a_position(), a_fill(), an_order()], epoch)
    await put(database, OLD, [a_fill(OTHER)], epoch)
    await put(database, NEXT, [a_fill(), a_fill()], epoch)
    await journal.append(HOME, epoch, [a_fill()])
    await everybody_read(database)
    return database


async def put(database: Database, week: date, facts: Sequence[Fact], epoch: Epoch) -> list[Event]:
    """As journaled in the middle of that week."""
    appended = await PostgresJournal(database).append(partition_of(facts[0].account_id), epoch, facts)
    names = [fact.identity for fact in facts]
    day = week + timedelta(days=2)
    await database.execute("UPDATE events SET journaled_on = $1 WHERE identity = ANY($2::text[])", day, names)
    await database.execute(
        "UPDATE event_identities SET journaled_on = $1 WHERE identity = ANY($2::text[])", day, names
    )
    return list(appended.events)


async def everybody_read(database: Database) -> None:
    for consumer in READERS:
        epochs = await own(database, consumer, [HOME, ELSEWHERE])
        for partition in (HOME, ELSEWHERE):
            await PostgresOffsets(database).move(consumer, partition, epochs, Offset(1_000))


def clearing(
    database: Database, archive: WeekFiles | None, keeping: Keeping = KEEPING, retention: Any = None
) -> Clearing:
    clock = FakeClock()
    partitions = Partitions(FakeLeases(clock), clock, owner="me", address="me:1")
    return Clearing(retention or PostgresRetention(database), archive, partitions, clock, keeping)


async def offsets(database: Database, partition: Partition = HOME) -> list[int]:
    rows = await database.fetch("SELECT event_offset FROM events WHERE partition = $1 ORDER BY 1", partition)
    return [row["event_offset"] for row in rows]


async def test_weeks_go_into_files_that_hold_all_of_them(filled: Database, tmp_path: Path) -> None:
    journal = PostgresJournal(filled)
    before = await journal.read(HOME, Offset(0), 10)
    assert await clearing(filled, WeekFiles(tmp_path / "deep" / "er")).clear(TODAY) == 2
    assert await offsets(filled) == [6]
    assert await offsets(filled, ELSEWHERE) == []
    files = sorted(tmp_path.glob("deep/er/*"))
    assert [file.name for file in files] == [
        "events_20250106.jsonl.gz",
        "events_20250106.manifest.json",
        "events_20250113.jsonl.gz",
        "events_20250113.manifest.json",
    ]
    manifest = verify(files[1])
    assert manifest.week == OLD
    assert set(manifest.stretches) == {
        Stretch(HOME, Offset(1), Offset(3), 3),
        Stretch(ELSEWHERE, Offset(1), Offset(1), 1),
    }
    gone = await filled.fetch("SELECT week, events, archive, sha256 FROM journal_weeks_gone ORDER BY week")
    assert [(row["week"], row["events"], row["archive"]) for row in gone] == [
        (OLD, 4, "events_20250106.jsonl.gz"),
        (NEXT, 2, "events_20250113.jsonl.gz"),
    ]
    assert gone[0]["sha256"] == manifest.sha256
    # what is in the file is what was in the table, byte for byte
    await filled.execute("SELECT paceline_lay_event_weeks($1, 2)", OLD)
    for file in (files[0], files[2]):
        lines = gzip.decompress(file.read_bytes()).decode().splitlines()
        await filled.execute(
            "INSERT INTO events SELECT (jsonb_populate_record(NULL::events, line::jsonb)).*"
            " FROM unnest($1::text[]) AS line",
            lines,
        )
    await filled.execute("DELETE FROM journal_floors")
    assert await journal.read(HOME, Offset(0), 10) == before


async def test_whoever_reads_behind_what_is_kept_is_told_the_first_that_is(
    filled: Database, tmp_path: Path
) -> None:
    await clearing(filled, WeekFiles(tmp_path)).clear(TODAY)
    journal, facts = PostgresJournal(filled), PostgresPositionFacts(filled)
    for behind in (0, 4):
        with pytest.raises(Forgotten, match=rf"partition {HOME} is kept from offset 6 on; {behind + 1} was"):
            await journal.read(HOME, Offset(behind), 10)
        with pytest.raises(Forgotten, match="kept from offset 6 on"):
            await facts.read(HOME, Offset(behind), Offset(6), 10)
    assert [event.offset for event in await journal.read(HOME, Offset(5), 10)] == [6]
    assert await journal.read(HOME, Offset(6), 10) == []
    with pytest.raises(Forgotten, match="kept from offset 2 on; 1 was asked for"):
        await journal.read(ELSEWHERE, Offset(0), 10)
    assert await journal.read(ELSEWHERE, Offset(1), 10) == []


async def test_rows_of_weeks_without_a_table_go_like_the_others(filled: Database, tmp_path: Path) -> None:
    await filled.execute(
        "UPDATE events SET journaled_on = journaled_on - 100 WHERE journaled_on < '2025-06-01'"
    )
    assert await filled.value("SELECT count(*) FROM events_default") == 6
    assert await clearing(filled, WeekFiles(tmp_path)).clear(TODAY) == 4, "two empty tables go with them"
    assert (await offsets(filled), await offsets(filled, ELSEWHERE)) == ([6], [])


async def test_without_an_archive_nothing_goes_unless_it_is_set(filled: Database) -> None:
    assert await clearing(filled, None).clear(TODAY) == 0
    assert len(await offsets(filled)) == 6
    assert await clearing(filled, None, replace(KEEPING, unarchived_go=True)).clear(TODAY) == 2
    assert await filled.value("SELECT count(*) FROM journal_weeks_gone WHERE archive IS NULL") == 2


async def test_names_outlive_their_events_and_are_forgotten_in_the_end(
    filled: Database, tmp_path: Path
) -> None:
    keeper = clearing(filled, WeekFiles(tmp_path))
    known = await filled.fetch("SELECT identity FROM event_identities WHERE journaled_on < '2025-06-01'")
    await keeper.clear(TODAY)
    assert len(known) == 6
    names = "SELECT count(*) FROM event_identities WHERE identity = ANY($1::text[])"
    assert await filled.value(names, [row["identity"] for row in known]) == 6
    await keeper.clear(TODAY + timedelta(days=60))
    assert await filled.value(names, [row["identity"] for row in known]) == 0


async def test_names_stay_as_long_as_a_week_that_is_held(filled: Database, tmp_path: Path) -> None:
    await filled.execute("UPDATE consumer_offsets SET event_offset = 0 WHERE consumer = 'risk'")
    assert await clearing(filled, WeekFiles(tmp_path)).clear(TODAY + timedelta(days=500)) == 0
    assert await filled.value("SELECT count(*) FROM event_identities WHERE journaled_on < '2025-06-01'") == 6


async def test_old_dead_letters_are_forgotten(filled: Database, tmp_path: Path) -> None:
    await filled.execute(
        "INSERT INTO dead_letters (broker, source, reason, raw, received_ns, recorded_at)"
        " SELECT 'fyers', 'order_socket', 'UNPARSEABLE', '', 0, now() - make_interval(days => age)"
        " FROM unnest(ARRAY[1, 89, 91, 500]) AS age"
    )
    await clearing(filled, WeekFiles(tmp_path)).clear(TODAY)
    assert await filled.value("SELECT count(*) FROM dead_letters") == 2


async def test_a_week_that_somebody_has_still_to_read_stays(filled: Database, tmp_path: Path) -> None:
    keeper = clearing(filled, WeekFiles(tmp_path))
    behind = "UPDATE consumer_offsets SET event_offset = $2 WHERE consumer = $1"
    for consumer in ("replicator", "trades"):
        await filled.execute(behind, consumer, 2)
        assert await keeper.clear(TODAY) == 0
        await filled.execute(behind, consumer, 9)
    await filled.execute("INSERT INTO consumer_offsets VALUES ('somebody', $1, 0)", HOME)
    assert await keeper.clear(TODAY) == 0, "whoever ever kept a place counts"
    await filled.execute("DELETE FROM consumer_offsets WHERE consumer = 'somebody'")
    await filled.execute("DELETE FROM consumer_offsets WHERE consumer = 'risk' AND partition = $1", ELSEWHERE)
    assert await keeper.clear(TODAY) == 0, "whoever reads everything counts without a place"
    await filled.execute("INSERT INTO consumer_offsets VALUES ('risk', $1, 3)", ELSEWHERE)
    await filled.execute(behind, "risk", 3)
    assert await keeper.clear(TODAY) == 1, "and the week behind it as long as it is held"
    assert await offsets(filled) == [4, 5, 6]


_OPEN_ORDER = """
    INSERT INTO copy_orders (copy_order_id, decision_id, cause_kind, cause_identity, account_id, partition,
        instrument_id, product, side, order_type, quantity, limit_price, trigger_price, validity, disclosed,
        offline, intent, lane, leg, slice, step, tag, leader_price, leader_time_ns, seen_ns, planned_ns,
        expires_ns, status)
    VALUES ('c', 'd', 'EVENT', $1, 'a', 1, 'i', 'CNC', 1, 'LIMIT', 1, 1, 0, 'DAY', 0, false, 'EXIT', 2, 0, 0,
        0, 'tag', 1, 1, 1, 1, 0, 'WORKING')
"""
_OPEN_TRADE = """
    INSERT INTO trades (trade_id, account_id, subscription_id, instrument_id, product, side, quantity,
        entry_order_id, entry_price)
    VALUES ($1, 'a', 's', 'i', 'CNC', 1, 1, 'o', 1)
"""
_ORDER_BODY = "UPDATE events SET body = body || '{}' WHERE kind = 'ORDER' AND identity <> $1"
STANDS = {
    "plan": (
        "INSERT INTO plans (event_identity, partition, event_offset, leader) VALUES ($1, 1, 1, 'x')",
        "UPDATE plans SET complete = event_identity = $1",
    ),
    "copy order": (_OPEN_ORDER, "UPDATE copy_orders SET status = 'FILLED' WHERE cause_identity = $1"),
    "open copy": (_OPEN_TRADE, "UPDATE trades SET status = 'closed' WHERE trade_id = $1"),
    "standing order": (
        _ORDER_BODY.replace("{}", '{"validity": "GTC"}'),
        _ORDER_BODY.replace("{}", '{"status": "CANCELLED"}'),
    ),
}


async def test_a_week_on_which_something_living_stands_stays(filled: Database, tmp_path: Path) -> None:
    name = (await PostgresJournal(filled).read(HOME, Offset(1), 1))[0].fact.identity
    keeper = clearing(filled, WeekFiles(tmp_path))
    for what, (stand, let_go) in STANDS.items():
        await filled.execute(stand, name)
        async with PostgresRetention(filled).removal(OLD) as removal:
            assert [each.startswith(what) for each in await removal.living()] == [True]
        assert await keeper.clear(TODAY) == 0, what
        await filled.execute(let_go, name)
    assert await keeper.clear(TODAY) == 2


class BrokenOffError(Exception):
    """A crash."""


class Crashing:
    """The database's part, ending at one step."""

    def __init__(self, database: Database, step: str) -> None:
        self._real = PostgresRetention(database)
        self.step = step

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    @asynccontextmanager
    async def removal(self, week: date) -> AsyncIterator["CrashingRemoval"]:
        async with self._real.removal(week) as removal:
            yield CrashingRemoval(removal, self.step)
            if self.step == "before the commit":
                raise BrokenOffError
        if self.step == "after the commit":
            raise BrokenOffError


class CrashingRemoval:
    def __init__(self, real: PostgresRemoval, step: str) -> None:
        self._real = real
        self._step = step

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    async def lines(self, page: int) -> AsyncIterator[Sequence[str]]:
        async for lines in self._real.lines(1 if self._step == "while it is written" else page):
            yield lines
            if self._step == "while it is written":
                raise BrokenOffError

    async def remove(self, stretches: Sequence[Stretch], archived: Archived | None) -> None:
        if self._step == "before it is dropped":
            raise BrokenOffError
        await self._real.remove(stretches, archived)


@pytest.mark.parametrize(
    "step",
    [
        "while it is written",
        "without its manifest",
        "before it is dropped",
        "before the commit",
        "after the commit",
    ],
)
async def test_wherever_it_breaks_off_the_next_time_ends_it(
    filled: Database, tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = WeekFiles(tmp_path)
    if step == "without its manifest":
        with monkeypatch.context() as patch:
            patch.setattr("paceline.adapters.week_files._document", _crash)
            with pytest.raises(BrokenOffError):
                await clearing(filled, files).clear(TODAY)
    else:
        with pytest.raises(BrokenOffError):
            await clearing(filled, files, retention=Crashing(filled, step)).clear(TODAY)
    left = 3 if step == "after the commit" else 6
    assert len(await offsets(filled)) == left
    assert await clearing(filled, files).clear(TODAY) == (1 if left == 3 else 2)
    assert await offsets(filled) == [6]
    assert len(list(tmp_path.iterdir())) == 4, "no part of a file is left"
    manifests = sorted(tmp_path.glob("*.manifest.json"))
    assert [sum(each.count for each in verify(one).stretches) for one in manifests] == [4, 2]
    assert await filled.value("SELECT sum(events) FROM journal_weeks_gone") == 6


def _crash(*_: object) -> Any:
    raise BrokenOffError


async def test_a_whole_file_is_used_again_and_a_broken_one_is_not(filled: Database, tmp_path: Path) -> None:
    files = WeekFiles(tmp_path)
    with pytest.raises(BrokenOffError):
        await clearing(filled, files, retention=Crashing(filled, "before it is dropped")).clear(TODAY)
    (packed,), (manifest,) = tmp_path.glob("*.gz"), tmp_path.glob("*.json")
    written = packed.stat().st_mtime_ns
    with pytest.raises(BrokenOffError):
        await clearing(filled, files, retention=Crashing(filled, "before it is dropped")).clear(TODAY)
    assert packed.stat().st_mtime_ns == written
    packed.write_bytes(packed.read_bytes()[:-9])
    with pytest.raises(ArchiveBroken, match="its sha256 differs"):
        verify(manifest)
    assert await clearing(filled, files).clear(TODAY) == 2
    assert sum(each.count for each in verify(manifest).stretches) == 4


async def test_a_week_that_reads_back_as_something_else_is_not_dropped(
    filled: Database, tmp_path: Path
) -> None:
    class Spoiling(WeekFiles):
        spoil: Callable[[list[str]], list[str]]

        async def write(
            self, week: date, stretches: Sequence[Stretch], lines: AsyncIterator[Sequence[str]]
        ) -> Archived:
            async def spoilt() -> AsyncIterator[Sequence[str]]:
                async for page in lines:
                    yield self.spoil(list(page))

            return await super().write(week, stretches, spoilt())

    spoils: list[tuple[Callable[[list[str]], list[str]], str]] = [
        (lambda lines: lines[:-1], "does not hold what it should"),
        (lambda lines: lines[::-1], "out of order"),
        (lambda lines: [*lines, "{"], "cannot be read back"),
    ]
    files = Spoiling(tmp_path)
    for files.spoil, words in spoils:
        with pytest.raises(FailedPrecondition, match=words):
            await clearing(filled, files).clear(TODAY)
        assert len(await offsets(filled)) == 6
        assert list(tmp_path.iterdir()) == []


async def test_one_replica_clears_at_a_time(filled: Database, tmp_path: Path) -> None:
    async with PostgresRetention(filled).removal(OLD):
        with pytest.raises(Unavailable, match="another replica"):
            await clearing(filled, WeekFiles(tmp_path)).clear(TODAY)
    assert await clearing(filled, WeekFiles(tmp_path)).clear(TODAY) == 2


async def test_whoever_reads_long_is_not_waited_for(filled: Database, tmp_path: Path) -> None:
    async with filled.transaction() as reader:
        await reader.fetch("SELECT count(*) FROM events")
        with pytest.raises(Unavailable, match="wants it again"):
            await clearing(filled, WeekFiles(tmp_path)).clear(TODAY)
    assert await clearing(filled, WeekFiles(tmp_path)).clear(TODAY) == 2


async def test_an_archive_that_cannot_be_written_drops_nothing(filled: Database, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable, match="cannot be written"):
        await clearing(filled, WeekFiles(tmp_path / "file")).clear(TODAY)
    assert len(await offsets(filled)) == 6


async def test_an_operator_reads_weeks_back(filled: Database, tmp_path: Path) -> None:
    await clearing(filled, WeekFiles(tmp_path)).clear(TODAY)
    weeks = [str(file) for file in sorted(tmp_path.glob("*.manifest.json"))]
    read = CliRunner().invoke(cli, ["journal", "verify", *weeks])
    assert (read.exit_code, read.output.count(", whole")) == (0, 2)
    assert "week of 2025-01-06, 4 events, whole" in read.output
    (tmp_path / "events_20250106.jsonl.gz").write_bytes(b"")
    (tmp_path / "new.manifest.json").write_text('{"format": 2}')
    others = [str(tmp_path / name) for name in ("absent.manifest.json", "new.manifest.json")]
    read = CliRunner().invoke(cli, ["journal", "verify", *weeks, *others])
    assert (read.exit_code, read.output.count(", whole")) == (1, 1)
    for words in ("sha256 differs", "No such file", "is no manifest"):
        assert words in read.output


async def test_it_is_looked_once_a_day_and_again_after_a_failure(filled: Database, tmp_path: Path) -> None:
    """By who keeps house, and by the clock of the day."""
    clock = FakeClock()
    times = LeaseTimes(ttl_ms=600_000)
    partitions = Partitions(FakeLeases(clock), clock, owner="me", address="me:1", times=times)
    days: list[date] = []
    failures: list[Exception] = [Unavailable("away"), ArchiveBroken("broken")]

    class Counting(Clearing):
        async def clear(self, today: date) -> int:
            days.append(today)
            if failures:
                raise failures.pop()
            return 0

    keeper = Counting(PostgresRetention(filled), None, partitions, clock, KEEPING)
    running = asyncio.create_task(keeper.run())

    async def pass_minutes(count: int) -> None:
        for _ in range(count):
            await partitions.turn()
            await clock.settle()
            clock.advance(60)
            await clock.settle()

    clock.advance(60)
    await clock.settle()
    assert days == [], "whoever does not hold the first partition does nothing"
    await pass_minutes(40)
    first = date(2026, 1, 1)
    assert days == [first] * 3
    clock.step_wall(86_400)
    await pass_minutes(3)
    assert days == [first] * 3 + [first + timedelta(days=1)]
    running.cancel()
