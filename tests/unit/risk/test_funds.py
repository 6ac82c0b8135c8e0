"""Funds are read once an account can be asked, then rarely, a few at a time, and again when in doubt."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import cast

from paceline.domain.account import Broker as BrokerName
from paceline.domain.account import SessionState
from paceline.domain.errors import (
    BrokerAuthFailed,
    BrokerError,
    BrokerLoginNeeded,
    BrokerRateLimited,
    Unavailable,
)
from paceline.domain.ids import AccountId
from paceline.domain.position import Funds, PositionReport
from paceline.domain.secret import Secret
from paceline.ports.broker import Book, BookRow, Broker, Call, Credentials, Limits, LimitScope, Window
from paceline.ports.sessions import Session, SessionId, Sessions
from paceline.runtime.budget import Budget
from paceline.runtime.credentials import CredentialStore
from paceline.runtime.meter import Meter
from services.risk.board import Board
from services.risk.funds import FundsReader, Rhythm
from tests.fakes.buckets import FakeBuckets
from tests.fakes.clock import FakeClock
from tests.unit.risk.given import account, baseline, board, fill, funds

_ROUNDS = 12
"""More steps than anything here takes without waiting for time."""
READS = frozenset({Call.READ})
LIMITS = Limits((Window("second", 2, 1_000, LimitScope.ACCOUNT, READS),), dict.fromkeys(Call, 1), 1)


@dataclass
class Door:
    """A broker that answers when it is let."""

    limits: Limits = LIMITS
    asked: list[AccountId] = field(default_factory=list)
    problem: Exception | None = None
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    answering: int = 0
    most: int = 0
    told: Funds | None = None
    book: list[PositionReport] = field(default_factory=list)

    async def funds(self, credentials: Credentials) -> Funds:
        self.asked.append(credentials.account_id)
        self.answering += 1
        self.most = max(self.most, self.answering)
        await self.gate.wait()
        self.answering -= 1
        if self.problem is not None:
            raise self.problem
        return self.told or funds(credentials.account_id, 1000)

    async def positions(self, credentials: Credentials) -> Book[PositionReport]:
        return Book(tuple(BookRow(each, bytes) for each in self.book), (), 0)


@dataclass
class Desk:
    """Sessions and tokens as the database has them."""

    states: dict[AccountId, SessionState] = field(default_factory=dict)
    tokens: set[AccountId] = field(default_factory=set)
    away: bool = False

    async def of_accounts(self, accounts: Iterable[AccountId]) -> Mapping[AccountId, Session]:
        if self.away:
            raise Unavailable("the database is away")
        return {
            each: Session(SessionId(each), BrokerName.FYERS, each, (each,), self.states[each])
            for each in accounts
            if each in self.states
        }

    def forget(self, account_id: AccountId) -> None:
        pass

    async def load(self, account_ids: Iterable[AccountId]) -> None:
        pass

    def get(self, account_id: AccountId) -> Credentials:
        if account_id not in self.tokens:
            raise BrokerLoginNeeded(f"{account_id} must log in")
        return Credentials(account_id, account_id, "app", Secret("t"))


class Stage:
    def __init__(self, *names: str, at_once: int = 4) -> None:
        self.clock = FakeClock()
        self.board: Board = board(*names)
        self.door, self.desk = Door(), Desk()
        self.buckets = FakeBuckets(self.clock)
        self.door.gate.set()
        self.accounts = list(self.board.seats)
        for account_id in self.accounts:
            self.desk.states[account_id] = SessionState.LIVE
            self.desk.tokens.add(account_id)
        self.reader = FundsReader(
            self.board,
            {BrokerName.FYERS: cast(Broker, self.door)},
            cast(CredentialStore, self.desk),
            cast(Sessions, self.desk),
            Budget(Meter(self.buckets, self.clock), self.clock),
            self.clock,
            Random(7),
            Rhythm(interval_ms=60_000, again_ms=3_000, at_once=at_once),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.reader.run())
        await self.pass_time(0.1)
        yield
        assert not task.done(), task.exception()
        task.cancel()
        await asyncio.wait({task})

    async def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.05)):
            self.clock.advance(0.05)
            for _ in range(_ROUNDS):
                await asyncio.sleep(0)

    def hear_all(self) -> None:
        for account_id in self.accounts:
            self.reader.hear(account_id)

    def funds_ns(self, n: int = 0) -> int:
        return int(self.board.accounts.funds_ns[self.board.seats[self.accounts[n]].row])


async def test_once_when_it_can_be_asked_and_then_each_interval() -> None:
    stage = Stage("F1")
    async with stage.running():
        assert stage.door.asked == []
        stage.hear_all()
        await stage.pass_time(0.2)
        assert len(stage.door.asked) == 1
        assert stage.funds_ns() > 0
        stage.hear_all()
        await stage.pass_time(40)
        assert len(stage.door.asked) == 1
        await stage.pass_time(40)
        assert len(stage.door.asked) == 2


async def test_who_has_no_session_is_not_asked_for_until_he_has_one() -> None:
    stage = Stage("F1", "F2")
    one, other = stage.accounts
    stage.desk.states[one] = SessionState.LOGIN_NEEDED
    stage.desk.tokens.discard(other)
    async with stage.running():
        stage.hear_all()
        await stage.pass_time(0.2)
        assert stage.door.asked == []
        stage.desk.states[one] = SessionState.LIVE
        stage.reader.hear(one)
        await stage.pass_time(0.2)
        assert stage.door.asked == [one]


async def test_no_more_than_so_many_at_once() -> None:
    stage = Stage(*(f"F{n}" for n in range(10)), at_once=3)
    stage.door.gate.clear()
    async with stage.running():
        stage.hear_all()
        await stage.pass_time(0.5)
        assert len(stage.door.asked) == 3
        stage.door.gate.set()
        await stage.pass_time(0.9)
        assert (len(stage.door.asked), stage.door.most) == (10, 3)


async def test_a_reading_that_a_fill_crossed_counts_and_is_taken_again() -> None:
    stage = Stage("F1")
    stage.door.gate.clear()
    async with stage.running():
        stage.hear_all()
        await stage.pass_time(0.2)
        stage.board.fold(fill(stage.accounts[0], 1, "100", at=stage.clock.now_ns()))
        stage.door.gate.set()
        await stage.pass_time(0.2)
        assert stage.funds_ns() > 0
        await stage.pass_time(4)
        assert len(stage.door.asked) == 2
        await stage.pass_time(4)
        assert len(stage.door.asked) == 2


async def test_a_loss_that_no_fill_told_yet_is_not_counted_twice() -> None:
    """Sold at the broker, and still held by all that was told: it would count realised and unrealised."""
    stage = Stage("F1")
    (me,) = stage.accounts
    seat = stage.board.seats[me]
    stage.board.fold(fill(me, 10, "100"))
    stage.door.told = funds(me, 1_000, used=200)
    async with stage.running():
        stage.hear_all()
        await stage.pass_time(0.2)
        before_ns = stage.funds_ns()
        stage.door.told = funds(me, 1_000, realised=-900)
        stage.reader.hurry(me)
        await stage.pass_time(4)
        stage.board.assess(stage.clock.now_ns())
        assert stage.funds_ns() == before_ns > 0
        assert stage.board.accounts.stale[seat.row]
        stage.board.fold(fill(me, -10, "10"))
        await stage.pass_time(4)
        stage.board.assess(stage.clock.now_ns())
        assert stage.funds_ns() > before_ns
        assert not stage.board.accounts.stale[seat.row]


async def test_a_reading_below_the_line_counts_once_the_position_book_bears_it_out() -> None:
    stage = Stage("F1")
    (me,) = stage.accounts
    stage.board.accounts.lower[stage.board.seats[me].row] = 50.0
    stage.board.fold(fill(me, 10, "100"))
    stage.door.told = funds(me, 50, used=200)
    async with stage.running():
        stage.hear_all()
        await stage.pass_time(0.2)
        assert not stage.funds_ns()
        stage.door.book = [baseline(me, 10, "100")]
        await stage.pass_time(4)
        assert stage.funds_ns() > 0


async def test_margin_for_positions_that_nobody_told_of_is_no_reading() -> None:
    """The fills are on their way, or the session that would tell them is down. Orders that rest bind too."""
    stage = Stage("F1")
    (me,) = stage.accounts
    stage.door.told, stage.door.book = funds(me, 1_000, used=200), [baseline(me, 10, "100")]
    async with stage.running():
        stage.hear_all()
        await stage.pass_time(0.2)
        assert not stage.funds_ns()
        stage.door.book = []
        await stage.pass_time(4)
        assert stage.funds_ns() > 0


async def test_a_doubt_brings_the_next_reading_forward_and_begins_none() -> None:
    stage = Stage("F1", "F2")
    async with stage.running():
        stage.reader.hear(stage.accounts[0])
        await stage.pass_time(0.2)
        for account_id in stage.accounts:
            stage.reader.hurry(account_id)
        await stage.pass_time(4)
        assert stage.door.asked == [stage.accounts[0]] * 2


async def test_a_refused_token_ends_the_readings_until_the_session_is_heard_of() -> None:
    stage = Stage("F1")
    stage.door.problem = BrokerAuthFailed("token", code="-16")
    async with stage.running():
        stage.hear_all()
        await stage.pass_time(100)
        assert len(stage.door.asked) == 1
        stage.door.problem = None
        stage.hear_all()
        await stage.pass_time(0.2)
        assert stage.funds_ns() > 0


async def test_other_refusals_wait_for_the_next_turn() -> None:
    for problem, wait_s in (
        (BrokerError("what?"), 80),
        (Unavailable("the windows cannot be asked"), 80),
        (BrokerRateLimited("slow down", retry_after_ms=90_000), 100),
    ):
        stage = Stage("F1")
        stage.door.problem = problem
        async with stage.running():
            stage.hear_all()
            await stage.pass_time(40)
            assert len(stage.door.asked) == 1
            stage.door.problem = None
            await stage.pass_time(wait_s - 40)
            assert stage.funds_ns() > 0


async def test_who_left_is_not_asked_for_and_gets_no_late_answer() -> None:
    stage = Stage("F1", "F2")
    stage.door.gate.clear()
    async with stage.running():
        stage.reader.hear(stage.accounts[0])
        await stage.pass_time(0.2)
        stage.board.remove(stage.accounts[0])
        stage.door.gate.set()
        await stage.pass_time(70)
        assert stage.door.asked == stage.accounts[:1]
        assert not stage.board.accounts.funds_ns.any()


async def test_who_comes_back_is_read_at_once() -> None:
    stage = Stage("F1")
    async with stage.running():
        stage.hear_all()
        await stage.pass_time(0.2)
        stage.board.remove(stage.accounts[0])
        stage.board.admit(account("F1"))
        stage.hear_all()
        await stage.pass_time(0.2)
        assert len(stage.door.asked) == 2
        assert stage.funds_ns() > 0


async def test_a_database_that_is_away_is_asked_again() -> None:
    stage = Stage("F1")
    stage.desk.away = True
    async with stage.running():
        stage.hear_all()
        await stage.pass_time(0.2)
        stage.desk.away = False
        await stage.pass_time(0.8)
        assert stage.funds_ns() > 0


async def test_the_windows_that_all_services_share_are_respected() -> None:
    stage = Stage("F1")
    spent = Budget(Meter(stage.buckets, stage.clock), stage.clock)
    for _ in range(2):
        async with spent.call(stage.accounts[0], LIMITS, Call.READ):
            pass
    async with stage.running():
        stage.hear_all()
        await stage.pass_time(0.5)
        assert stage.door.asked == []
        await stage.pass_time(0.9)
        assert stage.funds_ns() > 0
