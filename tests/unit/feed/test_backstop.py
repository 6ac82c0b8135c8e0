"""A stream that looks healthy and loses frames: what it lost is found in the books, in time and once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from paceline.domain.account import SessionState
from paceline.domain.errors import BrokerAuthFailed, BrokerRateLimited, Unavailable
from paceline.domain.event import EventKind
from paceline.domain.order import BrokerStatus
from paceline.runtime.metric_names import BACKSTOP_READS, BACKSTOP_REPAIRS
from services.feed.session import Session
from tests.unit.domain.given import LEADER, S, fill, report
from tests.unit.feed.house import FakeConnection, House, an_account, at_work

T = BrokerStatus.TRADED
INTERVAL_S = 60.0


@pytest.fixture
async def house() -> House:
    made = House(an_account(), backstop_s=INTERVAL_S)
    await made.hold()
    await made.log_in(LEADER)
    return made


@asynccontextmanager
async def live(house: House) -> AsyncIterator[Session]:
    session = Session(an_account(), house.shared, lambda _session: None)
    async with at_work(house.journaler.run(), house.letters.run(), session.run()):
        await house.pass_(0.25)
        assert session.state is SessionState.LIVE
        yield session


def socket(house: House) -> FakeConnection:
    return house.broker.connections[-1]


def outcomes(house: House, outcome: str) -> float:
    return house.metrics.value(BACKSTOP_READS, broker="fyers", outcome=outcome)


def repaired(house: House, kind: EventKind) -> float:
    return house.metrics.value(BACKSTOP_REPAIRS, broker="fyers", kind=kind.value)


async def test_what_the_stream_lost_is_told_within_the_interval_and_once(house: House) -> None:
    async with live(house):
        await house.pass_(INTERVAL_S)
        lost_at = house.clock.now_ns()
        house.broker.orders = [report(T, filled=5, at=lost_at)]
        house.broker.trades = [fill(5, at=lost_at)]
        await house.pass_(INTERVAL_S)
        told = house.facts()
        assert [(fact.kind, fact.recovered, fact.raw) for fact in told] == [
            (EventKind.ORDER, True, b"row"),
            (EventKind.FILL, True, b"row"),
        ]
        assert repaired(house, EventKind.ORDER) == repaired(house, EventKind.FILL) == 1
        socket(house).say(report(T, filled=5, at=lost_at), fill(5, at=lost_at))
        await house.pass_(3 * INTERVAL_S)
        assert house.facts() == told
        assert repaired(house, EventKind.FILL) == 1
        assert len(house.broker.connections) == 1


async def test_one_fill_in_fifty_that_the_stream_loses_is_told_within_the_interval_and_once(
    house: House,
) -> None:
    async with live(house):
        reads, began_ns = house.broker.reads, house.clock.now_ns()
        for number in range(1, 201):
            one = fill(1, trade=f"t{number}", at=house.clock.now_ns())
            house.broker.trades.append(one)
            if number % 50:
                socket(house).say(one)
            await house.pass_(0.5)
        await house.pass_(INTERVAL_S)
        facts = [fact for fact in house.facts() if fact.kind is EventKind.FILL]
        assert sorted(fact.identity for fact in facts) == sorted({fact.identity for fact in facts})
        assert len(facts) == 200
        lost = [fact for fact in facts if fact.recovered]
        assert len(lost) == 200 // 50
        assert max(fact.seen_ns - fact.broker_time_ns for fact in lost) <= INTERVAL_S * S
        rounds = (house.clock.now_ns() - began_ns) / S / (INTERVAL_S * 0.8)
        assert house.broker.reads - reads <= 3 * (rounds + 1)


async def test_what_the_stream_told_is_no_repair(house: House) -> None:
    async with live(house):
        house.broker.trades = [fill(5, at=house.clock.now_ns())]
        socket(house).say(fill(5, at=house.clock.now_ns()))
        await house.pass_(3 * INTERVAL_S)
        assert len(house.facts()) == 1
        assert repaired(house, EventKind.FILL) == 0
        assert outcomes(house, "read") >= 3


async def test_it_is_slow_and_only_while_the_session_is_live(house: House) -> None:
    async with live(house) as session:
        reads = house.broker.reads
        await house.pass_(10 * INTERVAL_S)
        assert 3 * 9 <= house.broker.reads - reads <= 3 * 14
        house.broker.dial_failures = [BrokerAuthFailed("403")]
        socket(house).cut()
        await house.pass_(2)
        assert session.state is SessionState.LOGIN_NEEDED
        reads = house.broker.reads
        await house.pass_(5 * INTERVAL_S)
        assert house.broker.reads == reads


async def test_sessions_that_come_together_do_not_read_together(house: House) -> None:
    names = [f"fyers:L{number}" for number in range(20)]
    sessions = []
    for name in names:
        account = an_account(name)
        house.know(account)
        await house.log_in(account.account_id)
        sessions.append(Session(account, house.shared, lambda _session: None))
    async with at_work(house.journaler.run(), *(each.run() for each in sessions)):
        await house.pass_(1)
        first = {each.account_id: each.last_books_ns for each in sessions}
        assert all(first.values())
        await house.pass_(INTERVAL_S)
        again = [each.last_books_ns for each in sessions]
        assert len(set(again)) > 10
        assert all(each.last_books_ns > first[each.account_id] for each in sessions)


async def test_a_round_for_which_there_is_no_room_is_left_out(house: House) -> None:
    async with live(house) as session:
        await house.buckets.penalize(LEADER, house.clock.now_ns() + int(INTERVAL_S) * S)
        reads = house.broker.reads
        house.broker.trades = [fill(5, at=house.clock.now_ns())]
        await house.pass_(INTERVAL_S - 1)
        assert house.broker.reads == reads
        assert outcomes(house, "skipped") >= 1
        await house.pass_(INTERVAL_S + 1)
        assert repaired(house, EventKind.FILL) == 1
        assert session.state is SessionState.LIVE


async def test_a_failed_round_is_made_up_for_by_the_next(house: House) -> None:
    async with live(house) as session:
        house.broker.book_failures = [Unavailable("later")]
        house.broker.trades = [fill(5, at=house.clock.now_ns())]
        await house.pass_(2 * INTERVAL_S)
        assert outcomes(house, "failed") == 1
        assert repaired(house, EventKind.FILL) == 1
        assert session.state is SessionState.LIVE


async def test_a_rate_refusal_is_kept_to_by_everyone(house: House) -> None:
    async with live(house) as session:
        house.broker.book_failures = [BrokerRateLimited("429", retry_after_ms=600_000)]
        await house.pass_(INTERVAL_S)
        assert outcomes(house, "limited") == 1
        assert LEADER in await house.buckets.penalties([LEADER])
        assert session.state is SessionState.LIVE


async def test_a_token_that_died_is_noticed_though_the_socket_lives(house: House) -> None:
    async with live(house) as session:
        house.broker.book_failures = [BrokerAuthFailed("-8")]
        await house.pass_(INTERVAL_S)
        assert session.state is SessionState.LOGIN_NEEDED
        assert socket(house).closed


async def test_a_read_book_is_a_sign_of_life(house: House) -> None:
    async with live(house) as session:
        socket(house).last_frame_ns = quiet_since = house.clock.now_ns()
        await house.pass_(2 * INTERVAL_S)
        assert session.last_frame_ns == quiet_since
        assert session.last_heard_ns == session.last_books_ns > quiet_since
