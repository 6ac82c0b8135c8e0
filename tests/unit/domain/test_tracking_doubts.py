"""What a session makes of contradictions, of its baseline, and of clocks; its facts in whole values."""

from dataclasses import replace
from datetime import timedelta

import pytest

from paceline.domain.calendar import trading_day
from paceline.domain.event import EventKind, Fact
from paceline.domain.facts import baseline_identity, fill_identity, order_identity
from paceline.domain.instrument import Exchange
from paceline.domain.order import BrokerStatus, OrderReport
from paceline.domain.revisions import Verdict
from paceline.domain.tracking import STALE, Baseline, NeedsTradeBook, Observation, Tracker
from tests.unit.domain.given import LEADER, NOW, S, d, fill, report
from tests.unit.domain.test_tracking import NAME, ONE, position, tracker

P, T, C = BrokerStatus.PENDING, BrokerStatus.TRADED, BrokerStatus.CANCELLED
DAY = 86_400 * S
BACK = NOW - 600 * S


def known_time(session: Tracker) -> int:
    known = session.order(NAME)
    assert known is not None
    return known.broker_time_ns


def test_a_fact_says_what_was_told_when_and_how() -> None:
    session = tracker()
    placed, traded = report(P, at=NOW), fill(10, at=NOW + S)
    assert session.observe(placed, NOW + 2 * S) == Observation(
        Verdict.NEWS,
        (
            Fact(
                order_identity(placed, 1),
                LEADER,
                EventKind.ORDER,
                placed,
                NOW,
                NOW + 2 * S,
                recovered=False,
                raw=b"",
                revision=1,
            ),
        ),
    )
    assert session.observe(traded, NOW + 3 * S, b"raw", recovered=True) == Observation(
        Verdict.NEWS,
        (
            Fact(
                fill_identity(traded),
                LEADER,
                EventKind.FILL,
                traded,
                NOW + S,
                NOW + 3 * S,
                recovered=True,
                raw=b"raw",
            ),
        ),
    )


def test_what_is_held_at_a_first_connect_is_a_fact_of_no_frame() -> None:
    assert Tracker(LEADER).baseline((), (), (position(10), position(0)), NOW) == (
        Fact(
            baseline_identity(position(10), NOW),
            LEADER,
            EventKind.POSITION,
            position(10),
            NOW,
            NOW,
            recovered=True,
            raw=b"",
        ),
    )


def test_the_first_change_of_an_order_that_stood_is_its_first_revision() -> None:
    session = Tracker(LEADER)
    session.baseline([report(P)], (), (), NOW)
    assert [fact.revision for fact in session.observe(report(C, at=NOW + S), NOW + S).facts] == [1]


def test_recovery_says_whether_anything_was_new() -> None:
    session = tracker()
    assert session.recover([report(P)], [], NOW).verdict is Verdict.NEWS
    assert session.recover([report(P)], [], NOW).verdict is Verdict.DUPLICATE


def test_the_ended_orders_of_a_day_are_forgotten_after_it_and_not_on_it() -> None:
    session, day = tracker(), trading_day(Exchange.NSE, NOW)
    session.observe(report(T), NOW)
    session.forget_before(day)
    assert session.order(NAME) is not None
    session.forget_before(day + timedelta(days=1))
    assert session.order(NAME) is None


def test_a_book_is_believed_where_a_frame_would_be_asked_about() -> None:
    session = tracker()
    session.observe(report(P, filled=50), NOW)
    ended = report(T, filled=40)
    (fact,) = session.recover([ended], [], NOW + S).facts
    assert fact.body == replace(ended, filled=d(50))


def test_only_readings_lay_a_contradiction_aside() -> None:
    session = tracker()
    session.observe(report(P), NOW)
    session.observe(report(P, limit=99), NOW)
    for _ in range(3):
        session.observe(report(P), NOW)
    assert session.puzzled()
    session.observe(report(P), NOW, read=True)
    assert session.puzzled()
    session.observe(report(P), NOW, read=True)
    assert not session.puzzled()


def test_a_contradiction_that_was_confirmed_by_one_reading_counts_the_next_from_nothing() -> None:
    session = tracker()
    session.observe(report(P), NOW)
    session.observe(report(P, limit=99), NOW)
    session.observe(report(P), NOW, read=True)
    session.observe(report(P, limit=99), NOW, read=True)
    session.observe(report(P, limit=98), NOW)
    session.observe(report(P, limit=99), NOW, read=True)
    assert session.puzzled()


def test_each_contradiction_is_laid_aside_by_two_readings_of_its_own() -> None:
    session = tracker()
    session.observe(report(P), NOW)
    for _ in range(2):
        session.observe(report(P, limit=99), NOW)
        session.observe(report(P), NOW, read=True)
        assert session.puzzled()
        session.observe(report(P), NOW, read=True)
        assert not session.puzzled()


def test_frames_confirm_no_contradiction_of_frames() -> None:
    session = tracker()
    session.observe(report(P), NOW)
    told = [session.observe(report(P, limit=99), NOW).verdict for _ in range(3)]
    assert told == [Verdict.UNCLEAR] * 3


def test_a_later_frame_settles_every_doubt() -> None:
    session = tracker()
    session.observe(report(P), NOW)
    session.observe(report(P, limit=99), NOW)
    session.observe(report(P, limit=98, at=NOW + S), NOW)
    assert not session.puzzled()


def test_what_stood_is_no_news_though_it_was_forgotten_since() -> None:
    session = Tracker(LEADER)
    session.baseline([report(T)], (), (), NOW)
    session.forget_before(trading_day(Exchange.NSE, NOW) + timedelta(days=1))
    assert session.observe(report(T), NOW + S) == STALE


@pytest.mark.parametrize(("doubts", "believed"), [(32, True), (33, False)])
def test_the_oldest_of_more_than_32_contradictions_gives_way(doubts: int, believed: bool) -> None:
    session = tracker()
    session.observe(report(P), NOW)
    for limit in range(1_000, 1_000 + doubts):
        session.observe(report(P, limit=limit), NOW)
    assert bool(session.recover([report(P, limit=1_000)], [], NOW + S).facts) is believed


@pytest.mark.parametrize(("asked", "in_doubt"), [(NOW + 1, True), (NOW + 2, True), (NOW + 3, False)])
def test_an_answer_settles_what_was_told_before_its_question(asked: int, in_doubt: bool) -> None:
    session = tracker()
    session.observe(report(P), NOW)
    session.observe(report(P, limit=99), NOW)
    session.observe(report(P, limit=98), NOW + 2)
    session.observe(report(P, limit=99), NOW + 4, read=True, asked_ns=asked)
    assert session.puzzled() is in_doubt


def test_a_state_that_two_books_told_says_nothing_of_the_clock() -> None:
    session, old = tracker(), report(P, limit=101, at=BACK)
    session.observe(report(P), NOW)
    assert [len(session.recover([old], [], NOW + n * S).facts) for n in (1, 2)] == [0, 1]
    assert known_time(session) == NOW


def test_a_state_that_a_frame_told_long_before_says_that_the_clock_was_put_back() -> None:
    session = tracker()
    session.observe(report(P, tag="tag"), NOW)
    session.observe(report(P, limit=101, at=BACK), NOW + S)
    (fact,) = session.recover([report(P, limit=101, at=BACK)], [], NOW + 2 * S).facts
    assert known_time(session) == BACK
    assert isinstance(fact.body, OrderReport)
    assert fact.body.tag == "tag"


@pytest.mark.parametrize(
    ("confirmed", "known"), [(NOW + 2 * S, NOW + 2 * S), (NOW + 5 * S, NOW + 5 * S), (NOW + 5 * S + 1, NOW)]
)
def test_a_state_that_a_frame_told_a_moment_before_says_nothing_of_the_clock(
    confirmed: int, known: int
) -> None:
    session = tracker()
    session.observe(report(P), NOW)
    session.observe(report(P, limit=101), NOW)
    session.observe(report(P, at=confirmed), confirmed)
    assert len(session.recover([report(P, limit=101, at=BACK)], [], NOW + 9 * S).facts) == 1
    assert known_time(session) == known


def test_where_only_the_time_of_a_baseline_is_known_its_second_is_news() -> None:
    session = Tracker(LEADER, Baseline(NOW + S // 2))
    assert session.observe(fill(10, at=NOW - 1), NOW + S) == STALE
    assert session.observe(fill(10, trade="t2", at=NOW), NOW + S).verdict is Verdict.NEWS


def test_an_order_of_yesterday_that_stood_and_then_changed_is_news() -> None:
    session = Tracker(LEADER)
    session.baseline([report(P, at=NOW)], (), (), NOW + DAY)
    again = Tracker(LEADER, session.baseline_taken)
    assert again.observe(report(P, at=NOW), NOW + DAY) == STALE
    again = Tracker(LEADER, session.baseline_taken)
    assert again.observe(report(C, at=NOW), NOW + DAY).verdict is Verdict.NEWS


def test_the_trades_that_an_order_lacks_are_asked_for_until_they_are_told() -> None:
    session = tracker()
    assert session.observe(report(T, filled=10), NOW).needs == (NeedsTradeBook(ONE),)
    session.observe(fill(9), NOW)
    assert session.observe(report(T, filled=10), NOW).needs == (NeedsTradeBook(ONE),)
    session.observe(fill(1, trade="t2"), NOW)
    assert session.observe(report(T, filled=10), NOW).needs == ()
    assert not session.puzzled()
