"""Rebuilt from the journal up to a head and followed from there: each event once, whatever comes between."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import cast

import pytest

from paceline.domain.account import Account, AccountState
from paceline.domain.errors import Forgotten, Unavailable
from paceline.domain.event import Event, EventKind, Fact
from paceline.domain.ids import AccountId, Epoch, EventIdentity, InstrumentId, Offset, Partition
from paceline.domain.instrument import Instrument
from paceline.domain.order import Fill, OrderReport
from paceline.domain.partitioning import partition_of
from paceline.domain.position import PositionReport
from paceline.ports.accounts import Accounts
from paceline.ports.instruments import Instruments
from paceline.ports.position_facts import Checkpoint, Taken
from services.risk.board import Board
from services.risk.books import Books
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeJournal
from tests.unit.risk.given import AGES, NOW, SBIN, account, baseline, fill

ME = account("F1")
HOME = partition_of(ME.account_id)


@dataclass
class Rows:
    """Accounts and instruments as the database has them."""

    accounts: dict[AccountId, Account] = field(default_factory=dict)
    multipliers: dict[InstrumentId, Decimal] = field(default_factory=dict)
    away: bool = False

    async def in_partitions(self, partitions: Iterable[Partition]) -> Sequence[Account]:
        if self.away:
            raise Unavailable("the database is away")
        wanted = set(partitions)
        return [each for each in self.accounts.values() if partition_of(each.account_id) in wanted]

    async def get_many(self, ids: Iterable[str]) -> Mapping[str, object]:
        if self.away:
            raise Unavailable("the database is away")
        found: dict[str, object] = {}
        for each in ids:
            if each in self.accounts:
                found[each] = self.accounts[AccountId(each)]
            if each in self.multipliers:
                found[each] = _Listed(self.multipliers[InstrumentId(each)])
        return found


@dataclass
class _Listed:
    multiplier: Decimal


class Facts:
    """Of the journal; can journal more just before it is read."""

    def __init__(self, journal: FakeJournal) -> None:
        self.journal = journal
        self.meanwhile: list[Fact] = []
        self.reads = 0
        self.floor = 0
        self.away = False

    async def read(self, partition: Partition, after: Offset, up_to: Offset, limit: int) -> Sequence[Event]:
        if self.away:
            raise Unavailable("the database is away")
        self.reads += 1
        if after < self.floor:
            raise Forgotten(f"kept from {self.floor + 1} on")
        if self.meanwhile:
            await self.journal.append(partition, Epoch(1), self.meanwhile)
            self.meanwhile = []
        events = await self.journal.read(partition, after, 10_000)
        kinds = (EventKind.FILL, EventKind.POSITION)
        return [each for each in events if each.offset <= up_to and each.fact.kind in kinds][:limit]

    async def checkpoints(self, _partitions: Sequence[Partition]) -> Mapping[Partition, Checkpoint]:
        return {}

    async def keep(self, taken: Taken) -> None:
        raise AssertionError(f"books keep nothing: {taken}")


class Stage:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.journal = FakeJournal(self.clock)
        self.journal.own(HOME, Epoch(1))
        self.rows = Rows({ME.account_id: ME})
        self.facts = Facts(self.journal)
        self.board = Board(AGES)
        self.followed: dict[Partition, Offset] = {}
        self.members: list[AccountId] = []
        self.doubted: list[AccountId] = []
        self.books = Books(
            self.board,
            self.journal,
            self.facts,
            cast(Accounts, self.rows),
            cast(Instruments, self.rows),
            self.clock,
            on_ready=self.followed.update,
            on_member=self.members.append,
            on_doubt=self.doubted.append,
        )

    async def journaled(self, *bodies: Fill | PositionReport | OrderReport) -> Sequence[Event]:
        return (await self.journal.append(HOME, Epoch(1), [fact(body) for body in bodies])).events

    async def rest(self) -> dict[Partition, Sequence[Event]]:
        """What the follower would bring: everything behind where it was told to begin."""
        return {HOME: await self.journal.read(HOME, self.followed[HOME], 10_000)}

    def held(self) -> int:
        seat = self.board.seats[ME.account_id]
        return self.board.position(seat, SBIN).quantity


def fact(body: Fill | PositionReport | OrderReport) -> Fact:
    kind = EventKind.FILL if isinstance(body, Fill) else EventKind.POSITION
    name = body.trade_id if isinstance(body, Fill) else f"baseline-{body.key.instrument_id}"
    return Fact(EventIdentity(name), body.account_id, kind, body, NOW, NOW, recovered=False, raw=b"")


def bought(quantity: int) -> Fill:
    return fill(ME.account_id, quantity, "100")


@pytest.mark.parametrize("before", range(5))
async def test_wherever_the_rebuild_ends_each_event_counts_once(before: int) -> None:
    stage = Stage()
    history: list[Fill | PositionReport] = [
        baseline(ME.account_id, 1000, "99"),
        bought(1),
        bought(10),
        bought(-3),
        bought(100),
    ]
    await stage.journaled(*history[:before])
    stage.facts.meanwhile = [fact(body) for body in history[before:]]
    stage.books.want([HOME])
    await stage.books.load([HOME])
    assert stage.followed == {HOME: before}
    if stage.facts.meanwhile:
        await stage.journaled(*history[before:])
    await stage.books.handle(await stage.rest())
    assert stage.held() == 1108


async def test_what_comes_again_is_passed_over() -> None:
    stage = Stage()
    stage.books.want([HOME])
    await stage.books.load([HOME])
    events = await stage.journaled(bought(1), bought(10))
    await stage.books.handle({HOME: events[:1]})
    await stage.books.handle({HOME: events})
    await stage.books.handle({HOME: events})
    assert stage.held() == 11


async def test_a_long_journal_is_read_page_by_page() -> None:
    stage = Stage()
    await stage.journaled(*(bought(1) for _ in range(1_200)))
    stage.books.want([HOME])
    await stage.books.load([HOME])
    assert (stage.held(), stage.facts.reads) == (1_200, 3)


async def test_a_failure_before_the_fold_folds_nothing() -> None:
    stage = Stage()
    stage.books.want([HOME])
    await stage.books.load([HOME])
    events = await stage.journaled(bought(7))
    stage.rows.away = True
    with pytest.raises(Unavailable):
        await stage.books.handle({HOME: events})
    stage.rows.away = False
    await stage.books.handle({HOME: events})
    assert stage.held() == 7


async def test_a_partition_lost_while_it_is_read_is_neither_seated_nor_followed() -> None:
    stage = Stage()
    stage.books.want([HOME])
    loading = asyncio.create_task(stage.books.load([HOME]))
    stage.books.drop([HOME])
    await loading
    assert (dict(stage.board.seats), stage.followed, stage.books.ready(HOME)) == ({}, {}, False)


async def test_one_that_comes_back_is_read_anew() -> None:
    stage = Stage()
    await stage.journaled(bought(1))
    stage.books.want([HOME])
    await stage.books.load([HOME])
    stage.books.drop([HOME])
    assert not stage.board.seats
    await stage.journaled(bought(4))
    stage.books.want([HOME])
    await stage.books.load([HOME])
    assert (stage.held(), stage.followed) == (5, {HOME: 2})


async def test_a_database_that_is_away_is_asked_again() -> None:
    stage = Stage()
    stage.rows.away = True
    stage.books.want([HOME])
    running = asyncio.create_task(stage.books.run())
    await stage.clock.settle()
    stage.rows.away = False
    stage.clock.advance(0.5)
    await stage.clock.settle()
    assert stage.books.ready(HOME)
    running.cancel()


async def test_an_account_made_later_is_seated_when_heard_of_and_leaves_when_closed() -> None:
    stage = Stage()
    newcomer = replace(ME, display_name="new")
    stage.rows.accounts = {}
    stage.books.want([HOME])
    await stage.books.load([HOME])
    assert not stage.board.seats
    stage.rows.accounts = {ME.account_id: newcomer}
    await stage.books.hear(frozenset({ME.account_id}))
    assert (stage.board.seats[ME.account_id].account, stage.members) == (newcomer, [ME.account_id])
    stage.rows.accounts = {ME.account_id: replace(newcomer, state=AccountState.CLOSED)}
    await stage.books.reread()
    assert not stage.board.seats


async def test_an_account_made_later_is_seated_with_its_first_event() -> None:
    stage = Stage()
    stage.rows.accounts = {}
    stage.books.want([HOME])
    await stage.books.load([HOME])
    stage.rows.accounts = {ME.account_id: ME}
    await stage.books.handle({HOME: await stage.journaled(bought(3))})
    assert stage.held() == 3


async def test_what_was_heard_while_a_partition_is_read_is_looked_up_afterwards() -> None:
    stage = Stage()
    stage.rows.accounts = {}
    stage.books.want([HOME])
    await stage.books.hear(frozenset({ME.account_id}))
    assert not stage.board.seats
    loading = asyncio.create_task(stage.books.load([HOME]))
    stage.rows.accounts = {ME.account_id: ME}
    await loading
    assert ME.account_id in stage.board.seats


async def test_nobody_is_seated_before_his_positions_are_read() -> None:
    """Heard of while another partition is loaded, he would be judged by his money alone."""
    stage = Stage()
    await stage.journaled(bought(3))
    other = next(part for part in map(Partition, range(2)) if part != HOME)
    stage.books.want([other, HOME])
    await stage.books.hear(frozenset({ME.account_id}))
    await stage.books.load([other])
    assert not stage.board.seats
    await stage.books.load([HOME])
    assert stage.held() == 3


async def test_events_of_nobody_are_passed_over() -> None:
    stage = Stage()
    stage.rows.accounts = {}
    stage.books.want([HOME])
    await stage.books.load([HOME])
    await stage.books.handle({HOME: await stage.journaled(bought(3))})
    assert not stage.board.seats


async def test_the_multiplier_is_the_master_s() -> None:
    stage = Stage()
    stage.rows.multipliers = {SBIN.instrument_id: Decimal(25)}
    await stage.journaled(bought(1))
    stage.books.want([HOME])
    await stage.books.load([HOME])
    assert stage.board.instruments.multiplier[0] == 25


async def test_what_the_journal_cannot_be_counted_from_marks_its_account() -> None:
    stage = Stage()
    await stage.journaled(fill(ME.account_id, Decimal("0.5"), "100"))
    stage.books.want([HOME])
    await stage.books.load([HOME])
    assert stage.board.accounts.broken[stage.board.seats[ME.account_id].row]


async def test_a_journal_that_no_longer_reaches_back_leaves_everyone_marked() -> None:
    stage = Stage()
    await stage.journaled(bought(1), bought(2))
    stage.facts.floor = 1
    stage.books.want([HOME])
    await stage.books.load([HOME])
    assert stage.board.accounts.broken[stage.board.seats[ME.account_id].row]
    assert (stage.followed, stage.books.done()) == ({HOME: 2}, {HOME: 2})


def test_a_listed_instrument_has_what_is_asked_of_it() -> None:
    """Keeps the stand-in honest."""
    assert "multiplier" in Instrument.__dataclass_fields__


async def test_what_is_loaded_together_is_followed_together_as_far_as_it_came() -> None:
    stage = Stage()
    told: list[Mapping[Partition, Offset]] = []
    stage.books._on_ready = told.append
    await stage.journaled(bought(1))
    empty, another = Partition((HOME + 1) % 256), Partition((HOME + 2) % 256)
    stage.books.want([empty, another, HOME])
    stage.facts.away = True
    with pytest.raises(Unavailable):
        await stage.books.load([empty, another, HOME])
    assert told == [{empty: 0, another: 0}]
    stage.facts.away = False
    await stage.books.load([HOME])
    assert told[1:] == [{HOME: 1}]
