"""The life of one session: what it waits for, what it tells, and what never stops it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from paceline.domain.account import SessionState
from paceline.domain.errors import BrokerAuthFailed, BrokerRejected, NotOwner, Unavailable
from paceline.domain.event import EventKind
from paceline.domain.ids import AccountId
from paceline.domain.instrument import Exchange, Segment
from paceline.domain.order import BrokerStatus, Fill, OrderReport
from paceline.domain.position import PositionReport
from paceline.domain.tracking import Baseline
from paceline.ports.broker import Book, Credentials, Malformed, MalformedKind
from paceline.ports.sessions import SessionId
from paceline.runtime.metric_names import DEAD_LETTERS, SESSION_RECONNECTS
from services.feed.session import Session
from tests.unit.domain.given import KEY, LEADER, S, d, fill, report
from tests.unit.feed.house import HOME, FakeConnection, House, an_account, at_work

P, T = BrokerStatus.PENDING, BrokerStatus.TRADED


class Stage:
    """A session at work, and the states it went through."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.states: list[SessionState] = []
        self.session = Session(an_account(), house.shared, self._note)
        self.task: asyncio.Task[Any] | None = None

    def _note(self, session: Session) -> None:
        self.states.append(session.state)

    @property
    def socket(self) -> FakeConnection:
        return self.house.broker.connections[-1]

    @property
    def now(self) -> int:
        return self.house.clock.now_ns()

    def kinds(self) -> list[EventKind]:
        return [fact.kind for fact in self.house.facts()]


@asynccontextmanager
async def live(house: House) -> AsyncIterator[Stage]:
    stage = Stage(house)
    async with at_work(house.journaler.run(), house.letters.run(), stage.session.run()) as tasks:
        stage.task = tasks[-1]
        await house.pass_(0.25)
        yield stage


def a_position(quantity: int) -> PositionReport:
    return PositionReport(LEADER, KEY, Exchange.NSE, Segment.CAPITAL_MARKET, d(quantity), d(100))


async def test_it_connects_recovers_and_is_live(house: House) -> None:
    async with live(house) as stage:
        assert stage.states == [SessionState.CONNECTING, SessionState.RECOVERING, SessionState.LIVE]
        assert stage.session.since_ns > 0


async def test_a_first_connect_copies_nothing_old(house: House) -> None:
    early = house.clock.now_ns() - 60 * S
    house.broker.orders = [report(T, filled=100, at=early)]
    house.broker.trades = [fill(100, at=early)]
    house.broker.held = [a_position(100)]
    async with live(house) as stage:
        assert stage.kinds() == [EventKind.POSITION]
        stage.socket.say(fill(100, at=early))
        stage.socket.say(fill(5, trade="t2", order="2", at=stage.now))
        await house.clock.settle()
        assert stage.kinds() == [EventKind.POSITION, EventKind.FILL]


async def test_books_that_do_not_hold_still_are_no_baseline(house: House) -> None:
    class Busy(list[Fill]):
        def __iter__(self) -> Any:
            self.append(fill(1, trade=f"t{len(self)}"))
            return super().__iter__()

    house.broker.trades = Busy()
    async with live(house) as stage:
        await house.pass_(2)
        assert stage.states[:3] == [
            SessionState.CONNECTING,
            SessionState.RECOVERING,
            SessionState.CONNECTING,
        ]
        assert "do not hold still" in stage.session.reason
        assert LEADER not in house.baselines.taken


async def test_a_baseline_that_another_took_stands_and_what_came_after_is_news(house: House) -> None:
    stage = Stage(house)
    house.baselines.taken[LEADER] = Baseline(stage.now - 60 * S)
    house.broker.trades = [fill(3, at=stage.now - 30 * S), fill(4, trade="old", at=stage.now - 90 * S)]
    async with live(house) as stage:
        assert [fact.recovered for fact in house.facts()] == [True]
        assert house.facts()[0].raw == b"row"


async def test_facts_come_in_the_order_they_were_told(house: House) -> None:
    async with live(house) as stage:
        for number in range(1, 31):
            stage.socket.say(fill(1, trade=f"t{number}", at=stage.now))
        await house.clock.settle()
        trades = [fact.body.trade_id for fact in house.facts() if isinstance(fact.body, Fill)]
        assert trades == [f"t{number}" for number in range(1, 31)]
        assert stage.session.last_frame_ns == stage.now


async def test_without_a_token_it_waits_and_does_not_dial(house: House) -> None:
    house.credentials.forget(LEADER)
    house.sessions.sealed.clear()
    async with live(house) as stage:
        await house.pass_(120)
        assert stage.states == [SessionState.CONNECTING, SessionState.LOGIN_NEEDED]
        assert house.broker.connections == []
        await house.log_in(LEADER)
        stage.session.wake()
        await house.pass_(0.25)
        assert stage.session.state is SessionState.LIVE


async def test_a_refused_token_waits_for_a_person_and_is_remembered(house: House) -> None:
    house.broker.dial_failures = [BrokerAuthFailed("403")]
    async with live(house) as stage:
        await house.pass_(120)
        assert stage.session.state is SessionState.LOGIN_NEEDED
        assert house.sessions.sealed[SessionId(LEADER)].refused
        assert house.announced == [LEADER]
        await house.log_in(LEADER, "better")
        stage.session.wake()
        await house.pass_(0.25)
        assert stage.states[-3:] == [SessionState.CONNECTING, SessionState.RECOVERING, SessionState.LIVE]


async def try_token(house: House, stage: Stage, token: str) -> SessionState:
    await house.log_in(LEADER, token)
    stage.session.wake()
    await house.pass_(2)
    return stage.session.state


async def test_two_new_tokens_refused_in_a_row_suspend_it_until_a_person_is_at_it(house: House) -> None:
    house.broker.dial_failures = [BrokerAuthFailed("403") for _ in range(3)]
    async with live(house) as stage:
        assert stage.session.state is SessionState.LOGIN_NEEDED
        assert await try_token(house, stage, "second") is SessionState.SUSPENDED
        assert stage.session.reason == "403"
        assert await try_token(house, stage, "unasked") is SessionState.SUSPENDED
        await house.book.pardon(SessionId(LEADER))
        stage.session.pardon()
        assert await try_token(house, stage, "third") is SessionState.LOGIN_NEEDED
        assert await try_token(house, stage, "fourth") is SessionState.LIVE


async def test_the_same_token_tried_again_is_no_further_failure(house: House) -> None:
    house.broker.dial_failures = [BrokerAuthFailed("403")]
    async with live(house) as stage:
        for _ in range(3):
            stage.session.wake()
            await house.pass_(2)
            assert stage.session.state is SessionState.LOGIN_NEEDED
        assert await try_token(house, stage, "best") is SessionState.LIVE


async def test_a_token_that_lived_ends_the_row_of_refusals(house: House) -> None:
    house.broker.dial_failures = [BrokerAuthFailed("403")]
    async with live(house) as stage:
        assert await try_token(house, stage, "fine") is SessionState.LIVE
        house.sessions.lived(SessionId(LEADER))
        stage.socket.cut(BrokerAuthFailed("expired"))
        await house.clock.settle()
        house.broker.dial_failures = [BrokerAuthFailed("403")]
        assert await try_token(house, stage, "worse") is SessionState.LOGIN_NEEDED
        assert await try_token(house, stage, "finer") is SessionState.LIVE


async def test_a_token_of_another_client_is_not_used(house: House) -> None:
    house.broker.client_of_token["good"] = "XOTHER"
    async with live(house) as stage:
        assert stage.session.state is SessionState.LOGIN_NEEDED
        assert stage.session.reason == "the token is of XOTHER, and not of LEADER"
        assert house.broker.connections == []


async def test_a_failed_profile_fails_the_session_with_the_brokers_words(house: House) -> None:
    async def refuse(_credentials: object) -> None:
        raise BrokerRejected("blocked by compliance", code="-99")

    house.broker.profile = refuse  # type: ignore[method-assign, assignment]
    async with live(house) as stage:
        assert "blocked by compliance" in stage.session.reason


async def test_a_cut_is_followed_by_a_growing_pause_without_a_last_attempt(house: House) -> None:
    async with live(house) as stage:
        house.broker.dial_failures = [Unavailable("no") for _ in range(12)]
        stage.socket.cut()
        await house.clock.settle()
        await house.pass_(1)
        assert (stage.session.state, len(house.broker.dial_failures)) == (SessionState.CONNECTING, 11)
        await house.pass_(1.5)
        assert len(house.broker.dial_failures) == 11
        await house.pass_(1)
        assert len(house.broker.dial_failures) == 10
        await house.pass_(100)
        assert stage.session.state is SessionState.LIVE
        assert house.broker.connections[0].closed
        assert house.metrics.value(SESSION_RECONNECTS, broker="fyers", reason="Unavailable") == 13


async def test_after_a_steady_minute_the_pause_begins_anew(house: House) -> None:
    async with live(house) as stage:
        for _ in range(4):
            stage.socket.cut()
            await house.pass_(10)
        await house.pass_(61)
        dials = len(house.broker.connections)
        stage.socket.cut()
        await house.pass_(1.25)
        assert len(house.broker.connections) == dials + 1


async def test_a_wake_ends_the_pause(house: House) -> None:
    async with live(house) as stage:
        stage.socket.cut()
        await house.clock.settle()
        stage.session.wake()
        await house.clock.settle()
        assert stage.session.state is SessionState.LIVE


async def test_what_happened_meanwhile_is_recovered_once_and_in_broker_time(house: House) -> None:
    async with live(house) as stage:
        stage.socket.say(fill(1, trade="a", at=stage.now))
        await house.clock.settle()
        stage.socket.cut()
        first, later = stage.now + S, stage.now + 2 * S
        house.broker.trades = [
            fill(3, trade="c", at=later),
            fill(1, trade="a", at=stage.now),
            fill(2, trade="b", at=first),
        ]
        await house.pass_(5)
        stage.socket.say(fill(2, trade="b", at=first))
        await house.clock.settle()
        found = [(f.body.trade_id, f.recovered) for f in house.facts() if isinstance(f.body, Fill)]
        assert found == [("a", False), ("b", True), ("c", True)]


async def test_a_restarted_session_knows_what_was_journaled(house: House) -> None:
    async with live(house) as stage:
        stage.socket.say(report(T, filled=1, at=stage.now), fill(1, at=stage.now))
        await house.clock.settle()
    told = len(house.facts())
    house.broker.orders, house.broker.trades = [report(T, filled=1)], [fill(1)]
    async with live(house) as again:
        assert again.session.state is SessionState.LIVE
        assert len(house.facts()) == told


async def test_the_trade_book_is_read_only_when_a_trade_stays_away(house: House) -> None:
    async with live(house) as stage:
        reads = house.broker.reads
        stage.socket.say(report(T, filled=5, at=stage.now))
        stage.socket.say(fill(5, at=stage.now))
        await house.pass_(5)
        assert house.broker.reads == reads
        stage.socket.say(report(T, order="2", filled=7, at=stage.now))
        house.broker.trades = [fill(7, order="2", trade="t9", at=stage.now)]
        await house.pass_(2)
        assert house.broker.reads == reads + 3
        assert stage.kinds().count(EventKind.FILL) == 2
        await house.pass_(30)
        assert house.broker.reads == reads + 3


async def test_a_book_that_lags_is_asked_again_and_more_slowly(house: House) -> None:
    async with live(house) as stage:
        reads = house.broker.reads
        house.broker.book_failures = [Unavailable("later")]
        stage.socket.say(report(T, filled=5, at=stage.now))
        await house.pass_(60)
        assert reads + 12 < house.broker.reads < reads + 36
        house.broker.trades = [fill(5, at=stage.now)]
        await house.pass_(10)
        assert stage.kinds().count(EventKind.FILL) == 1


async def test_reports_of_one_second_that_contradict_are_read(house: House) -> None:
    async with live(house) as stage:
        stage.socket.say(report(P, limit=100, at=stage.now))
        stage.socket.say(report(P, limit=99, at=stage.now))
        house.broker.orders = [report(P, limit=99, at=stage.now)]
        await house.pass_(2)
        assert [
            str(f.body.limit_price) for f in house.facts() if not isinstance(f.body, Fill | PositionReport)
        ] == [
            "100",
            "99",
        ]


async def test_what_becomes_unclear_while_it_is_read_is_read_again(house: House) -> None:
    async with live(house) as stage:
        at = stage.now
        trade_book, calls = house.broker.trade_book, 0

        async def trades_after_another_change(credentials: Credentials) -> Book[Fill]:
            nonlocal calls
            calls += 1
            if calls == 1:
                stage.socket.say(report(P, limit=98, at=at))
                await house.clock.settle()
                house.broker.orders = [report(P, limit=98, at=at)]
            return await trade_book(credentials)

        house.broker.trade_book = trades_after_another_change  # type: ignore[method-assign, assignment]
        stage.socket.say(report(P, limit=100, at=at), report(P, limit=99, at=at))
        house.broker.orders = [report(P, limit=99, at=at)]
        await house.pass_(5)
        limits = [str(fact.body.limit_price) for fact in house.facts() if isinstance(fact.body, OrderReport)]
        assert limits == ["100", "99", "98"]
        assert calls == 2


async def test_a_token_that_dies_while_books_are_read_needs_a_login(house: House) -> None:
    async with live(house) as stage:
        house.broker.book_failures = [BrokerAuthFailed("-8")]
        stage.socket.say(report(T, filled=5, at=stage.now))
        await house.pass_(2)
        assert stage.session.state is SessionState.LOGIN_NEEDED
        assert house.sessions.sealed[SessionId(LEADER)].refused
        assert house.broker.connections[0].closed


async def test_bad_frames_are_counted_kept_and_passed_over(house: House) -> None:
    house.baselines.taken[LEADER] = Baseline(house.clock.now_ns())
    house.broker.broken_rows = (Malformed(b"row", MalformedKind.BAD_VALUE, "qty: '\x00\ud800'"),)
    async with live(house) as stage:
        stage.socket.said.put_nowait(Malformed(b"}{", MalformedKind.UNPARSEABLE, "not JSON"))
        stage.socket.said.put_nowait(Malformed(b"{}", MalformedKind.MISSING_FIELD, "no id"))
        stage.socket.say(fill(1, account=AccountId("fyers:STRANGER")), raw=b"stranger")
        stage.socket.say(fill(1, at=stage.now))
        await house.clock.settle()
        assert stage.session.state is SessionState.LIVE
        kept = {letter.kind: letter for letter in house.journal.letters}
        assert set(kept) == set(MalformedKind)
        assert kept[MalformedKind.UNKNOWN_CLIENT].raw == b"stranger"
        assert kept[MalformedKind.BAD_VALUE].source == "books"
        assert kept[MalformedKind.BAD_VALUE].detail == "qty: '\ufffd?'"
        assert stage.kinds() == [EventKind.FILL]
        for kind in MalformedKind:
            assert house.metrics.value(DEAD_LETTERS, reason=kind.value) == 1


async def test_an_account_whose_limits_are_used_up_keeps_no_place_at_the_door(house: House) -> None:
    await house.buckets.penalize(LEADER, house.clock.now_ns() + 30 * S)
    async with live(house) as stage:
        assert "used up" in stage.session.reason
        assert not house.shared.dials.locked()
        await house.pass_(45)
        assert stage.session.state is SessionState.LIVE


async def test_it_ends_when_its_partition_went(house: House) -> None:
    async with live(house) as stage:
        assert stage.task is not None
    house.clock.suspend(60)
    fresh = Session(an_account(), house.shared, lambda _session: None)
    with pytest.raises(NotOwner):
        await fresh.run()
    assert HOME not in house.partitions.held()


async def test_a_fact_carries_the_trace_that_began_with_it() -> None:
    exporter = InMemorySpanExporter()
    house = House(an_account(), exporter=exporter)
    await house.hold()
    await house.log_in(LEADER)
    async with live(house) as stage:
        stage.socket.say(fill(1, at=stage.now))
        await house.clock.settle()
    await asyncio.to_thread(house.desk.telemetry.shutdown)
    (event,) = house.journal.events[HOME]
    (span,) = exporter.get_finished_spans()
    assert span.context is not None
    assert format(span.context.trace_id, "032x") in event.traceparent
    assert span.attributes is not None
    assert span.attributes["paceline.event"] == event.fact.identity
