"""What is news to a session: revisions, fills by trade number, stale and contradicting reports, recovery."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.domain.calendar import trading_day
from paceline.domain.event import EventKind, Fact
from paceline.domain.facts import fill_identity, order_identity
from paceline.domain.ids import BrokerOrderId
from paceline.domain.instrument import Exchange, Segment
from paceline.domain.order import BrokerStatus, Fill, OrderReport
from paceline.domain.position import PositionReport
from paceline.domain.revisions import Verdict, judge
from paceline.domain.tracking import (
    DUPLICATE,
    STALE,
    Baseline,
    NeedsRead,
    NeedsTradeBook,
    OrderName,
    Tracker,
)
from tests.unit.domain.given import KEY, LEADER, NOW, S, d, fill, report

ONE = BrokerOrderId("1")
NAME = OrderName(Exchange.NSE, Segment.CAPITAL_MARKET, ONE)
P, T, C, X = BrokerStatus.PENDING, BrokerStatus.TRADED, BrokerStatus.CANCELLED, BrokerStatus.REJECTED
TRANSIT = BrokerStatus.IN_TRANSIT


def tracker() -> Tracker:
    """A session that began a minute ago with empty books."""
    session = Tracker(LEADER)
    session.baseline((), (), (), NOW - 60 * S)
    return session


def position(quantity: int) -> PositionReport:
    return PositionReport(LEADER, KEY, Exchange.NSE, Segment.CAPITAL_MARKET, d(quantity), d(100))


def test_each_change_is_the_next_revision_of_its_order() -> None:
    session = tracker()
    told = [report(TRANSIT), report(P, at=NOW + S), report(P, limit=101, at=NOW + 2 * S)]
    facts = [session.observe(r, NOW, b"raw").facts[0] for r in told]
    assert [fact.revision for fact in facts] == [1, 2, 3]
    assert len({fact.identity for fact in facts}) == 3
    assert {(fact.kind, fact.raw, fact.recovered) for fact in facts} == {(EventKind.ORDER, b"raw", False)}


def test_a_report_that_changes_nothing_is_no_event() -> None:
    session = tracker()
    session.observe(report(), NOW)
    again = replace(report(limit="100.00", at=NOW + 9 * S), exchange_order_id="x9")
    assert session.observe(again, NOW) == DUPLICATE
    known = session.order(NAME)
    assert known is not None
    assert (known.exchange_order_id, known.broker_time_ns) == ("x9", NOW + 9 * S)
    assert session.observe(report(limit=99, at=NOW + 5 * S), NOW) == STALE


def test_a_source_that_leaves_names_out_does_not_take_them_back() -> None:
    session = tracker()
    session.observe(replace(report(tag="PCX"), parent_id="p", exchange_order_id="x"), NOW)
    (fact,) = session.observe(report(limit=101, at=NOW + S), NOW).facts
    assert isinstance(fact.body, OrderReport)
    assert (fact.body.tag, fact.body.parent_id, fact.body.exchange_order_id) == ("PCX", "p", "x")
    named = replace(report(limit=102, at=NOW + 2 * S, tag="PCY"), parent_id="q", exchange_order_id="y")
    (next_fact,) = session.observe(named, NOW).facts
    assert next_fact.body == named


@pytest.mark.parametrize(
    ("last", "then", "verdict"),
    [
        (report(P), report(P, limit=99, at=NOW - S), Verdict.STALE),
        (report(P), report(P, limit=99, at=NOW + S), Verdict.NEWS),
        (report(P), report(P, limit=99), Verdict.UNCLEAR),
        (report(P), report(TRANSIT), Verdict.STALE),
        (report(P), report(TRANSIT, at=NOW + S), Verdict.NEWS),
        (report(P), report(T, filled=100), Verdict.NEWS),
        (report(P, filled=5), report(P, filled=3, at=NOW + S), Verdict.STALE),
        (report(P, filled=5), report(P, filled=9), Verdict.NEWS),
        (report(P, filled=5), report(C, filled=3, at=NOW + S), Verdict.UNCLEAR),
        (report(T, filled=100), report(P, filled=50, at=NOW + S), Verdict.STALE),
        (report(C), report(P, at=NOW + S), Verdict.STALE),
        (report(C, filled=3), report(P, filled=5, at=NOW + S), Verdict.UNCLEAR),
        (report(C), report(X, at=NOW + S), Verdict.UNCLEAR),
        (report(C, filled=3), report(C, filled=4, at=NOW + S), Verdict.NEWS),
        (report(P, filled=3), report(P, filled=9, at=NOW - S), Verdict.NEWS),
        (report(P), report(C, at=NOW - S), Verdict.NEWS),
        (report(P, filled=3), report(C, at=NOW - S), Verdict.UNCLEAR),
        (report(P), report(P, limit=99, at=NOW - 6 * S), Verdict.UNCLEAR),
        (report(P, filled=3), report(P, filled=2, limit=99, at=NOW - 6 * S), Verdict.STALE),
        (report(TRANSIT), report(P, at=NOW - S), Verdict.STALE),
    ],
)
def test_what_a_report_is_against_what_is_known(
    last: OrderReport, then: OrderReport, verdict: Verdict
) -> None:
    assert judge(last, then) is verdict


def test_two_of_one_second_that_contradict_are_read() -> None:
    session = tracker()
    session.observe(report(), NOW)
    unclear = session.observe(report(limit=99), NOW)
    assert (unclear.verdict, unclear.facts, unclear.needs) == (Verdict.UNCLEAR, (), (NeedsRead(ONE),))
    assert session.puzzled()
    assert session.observe(report(limit=99), NOW, read=True).verdict is Verdict.NEWS
    assert not session.puzzled()


@pytest.mark.parametrize(
    "told",
    [
        report(C, filled=3, at=NOW + S),
        report(P, limit=7),
        report(P, limit=7, at=NOW - 3600 * S),
        report(X, at=NOW - S),
        report(P, filled=6, at=NOW - S),
    ],
)
@pytest.mark.parametrize("last", [report(P, filled=5), report(C, filled=3), report(TRANSIT)])
def test_two_answers_to_a_question_always_settle_it(last: OrderReport, told: OrderReport) -> None:
    session = tracker()
    session.observe(last, NOW)
    session.observe(told, NOW)
    for _ in range(2):
        session.recover([told], [], NOW + S)
    assert session.lacking_trades() or not session.puzzled()
    facts = session.recover([told], [], NOW + S).facts
    assert not facts


def test_a_change_of_which_the_frame_was_lost_is_found_though_books_stamp_the_order() -> None:
    """The row keeps the time at which the order came; one reading may lag, two of a kind do not."""
    session = tracker()
    session.observe(report(P, at=NOW), NOW)
    session.observe(report(P, limit=101, at=NOW + 8 * S), NOW)
    book = [report(P, limit=102, at=NOW)]
    assert session.recover(book, [], NOW + 9 * S).facts == ()
    assert session.puzzled()
    (found,) = session.recover(book, [], NOW + 10 * S).facts
    assert isinstance(found.body, OrderReport)
    assert (str(found.body.limit_price), found.revision) == ("102", 3)
    assert not session.puzzled()


def test_a_book_that_lags_takes_nothing_back() -> None:
    session = tracker()
    session.observe(report(P, at=NOW), NOW)
    session.observe(report(P, limit=101, at=NOW), NOW)
    session.observe(report(P, limit=101, at=NOW), NOW, read=True)
    assert session.recover([report(P, at=NOW)], [], NOW + S).facts == ()
    assert session.recover([report(P, limit=101, at=NOW)], [], NOW + 2 * S).facts == ()
    assert session.recover([report(P, limit=101, at=NOW)], [], NOW + 3 * S).facts == ()
    assert not session.puzzled()


def test_a_contradiction_that_one_lagging_book_does_not_show_is_asked_for_again() -> None:
    session = tracker()
    session.observe(report(P, at=NOW), NOW)
    session.observe(report(P, limit=101, at=NOW), NOW)
    assert session.recover([report(P, at=NOW)], [], NOW + S).facts == ()
    assert session.puzzled()
    assert len(session.recover([report(P, limit=101, at=NOW)], [], NOW + 2 * S).facts) == 1


def test_a_contradiction_of_which_no_book_speaks_is_laid_aside() -> None:
    session = tracker()
    session.observe(report(P), NOW)
    session.observe(report(P, limit=99), NOW)
    for _ in range(2):
        assert session.puzzled()
        session.recover([], [], NOW + S)
    assert not session.puzzled()


def test_what_is_told_after_the_question_is_not_settled_by_its_answer() -> None:
    session = tracker()
    session.observe(report(P, limit=100), NOW)
    session.observe(report(P, limit=99), NOW + 1)
    session.observe(report(P, limit=98), NOW + 3)
    assert len(session.recover([report(P, limit=99)], [], NOW + 4, asked_ns=NOW + 2).facts) == 1
    assert session.puzzled()
    (found,) = session.recover([report(P, limit=98)], [], NOW + 6, asked_ns=NOW + 5).facts
    assert isinstance(found.body, OrderReport)
    assert found.body.limit_price == 98


def test_an_order_that_returns_to_an_earlier_state_within_a_second_is_news_each_time() -> None:
    session = tracker()
    facts = [
        fact
        for limit in (100, 101, 100)
        for read in (False, True)
        for fact in session.observe(report(P, limit=limit), NOW, read=read).facts
    ]
    assert [fact.revision for fact in facts] == [1, 2, 3]
    assert len({fact.identity for fact in facts}) == 3


def test_after_a_clock_was_put_back_changes_are_read_once_and_then_follow() -> None:
    session = tracker()
    session.observe(report(P), NOW)
    back = NOW - 600 * S
    unclear = session.observe(report(P, limit=101, at=back), NOW + S)
    assert unclear.needs == (NeedsRead(ONE),)
    assert len(session.recover([report(P, limit=101, at=back)], [], NOW + 2 * S).facts) == 1
    assert session.observe(report(P, limit=102, at=back + 3 * S), NOW + 3 * S).verdict is Verdict.NEWS
    assert session.observe(report(C, at=back + 4 * S), NOW + 4 * S).verdict is Verdict.NEWS


def test_an_order_that_fills_in_37_parts_is_37_events() -> None:
    session = tracker()
    seen = [session.observe(fill(1, trade=f"t{n}"), NOW) for n in range(37)]
    assert len({o.facts[0].identity for o in seen}) == 37
    assert all(session.observe(fill(1, trade=f"t{n}"), NOW) == DUPLICATE for n in range(37))
    assert session.position(KEY) == 37


def test_a_fill_is_named_by_all_that_makes_it_one() -> None:
    assert fill_identity(fill(1, trade="800-1", order="77")) == (
        "fyers:LEADER:20231115:NSE:CAPITAL_MARKET:77:800-1"
    )
    tomorrow = fill(1, trade="800-1", order="77", at=NOW + 86_400 * S)
    assert fill_identity(tomorrow) != fill_identity(fill(1, trade="800-1", order="77"))


def test_the_name_of_a_state_is_what_the_broker_said_and_not_how_he_wrote_it() -> None:
    assert order_identity(report(limit=100), 1) == order_identity(report(limit="100.00"), 1)
    assert order_identity(report(limit=100), 1) != order_identity(report(limit=101), 1)
    assert order_identity(report(), 1) != order_identity(report(at=NOW + S), 1)
    assert order_identity(report(), 1) != order_identity(report(), 2)


def test_more_filled_than_traded_asks_for_the_trade_book() -> None:
    session = tracker()
    partly = session.observe(report(filled=60), NOW)
    assert (len(partly.facts), partly.needs) == (1, (NeedsTradeBook(ONE),))
    session.observe(fill(60), NOW)
    assert session.lacking_trades() == ()
    assert session.observe(report(filled=60, at=NOW + S), NOW) == DUPLICATE
    lost = session.observe(report(T, filled=100, at=NOW + S), NOW)
    assert lost.needs == (NeedsTradeBook(ONE),)
    repeated = session.observe(report(T, filled=100, at=NOW + 2 * S), NOW)
    assert (repeated.verdict, repeated.needs) == (Verdict.DUPLICATE, (NeedsTradeBook(ONE),))


def test_an_order_number_that_returns_on_another_day_is_another_order() -> None:
    session = tracker()
    session.observe(report(T, filled=0), NOW)
    later = session.observe(report(P, at=NOW + 86_400 * S), NOW)
    assert (later.verdict, later.facts[0].revision) == (Verdict.NEWS, 1)


def test_a_first_connect_takes_the_books_as_known_and_makes_positions_facts() -> None:
    session = Tracker(LEADER)
    old = fill(10, at=NOW - 5 * S)
    facts = session.baseline([report(P, filled=10)], [old], [position(40), position(0)], NOW)
    assert [(fact.kind, fact.recovered) for fact in facts] == [(EventKind.POSITION, True)]
    assert session.position(KEY) == 40
    assert session.observe(old, NOW) == DUPLICATE
    assert session.observe(report(P, filled=10), NOW) == DUPLICATE
    assert session.lacking_trades() == ()
    assert session.observe(fill(5, trade="new", at=NOW), NOW).verdict is Verdict.NEWS


def test_without_a_baseline_nothing_is_too_old() -> None:
    assert Tracker(LEADER).observe(fill(10, at=S), NOW).verdict is Verdict.NEWS


def test_an_order_that_contradicts_itself_without_end_is_not_remembered_without_end() -> None:
    session = tracker()
    session.observe(report(P, limit=100), NOW)
    for limit in range(1_000, 2_000):
        assert session.observe(report(P, limit=limit), NOW).verdict is Verdict.UNCLEAR
    assert session.recover([report(P, limit=1_010)], [], NOW + S).facts == ()
    assert len(session.recover([report(P, limit=1_010)], [], NOW + 2 * S).facts) == 1
    assert not session.recover([report(P, limit=1_010)], [], NOW + 3 * S).facts
    assert not session.puzzled()


def test_nothing_older_than_the_session_is_news() -> None:
    session = Tracker(LEADER, Baseline(NOW))
    assert session.observe(fill(10, at=NOW - S), NOW) == STALE
    assert session.observe(report(P, filled=10, at=NOW - S), NOW) == STALE
    assert session.lacking_trades() == ()
    assert session.observe(report(C, filled=10, at=NOW + S), NOW).facts[0].revision == 1


def test_what_stood_in_the_books_is_known_by_name_after_a_restart() -> None:
    """Of the baseline's own second as of any other, and whatever the broker's clock says."""
    session = Tracker(LEADER)
    ahead = NOW + 600 * S
    old = [fill(1, trade="t1", at=NOW), fill(1, trade="t2", at=ahead)]
    session.baseline([report(P, at=ahead), report(T, order="2", at=NOW)], old, (), NOW)
    again = Tracker(LEADER, session.baseline_taken)
    for known in old:
        assert again.observe(known, NOW) == STALE
    assert again.observe(report(P, at=ahead), NOW) == STALE
    assert again.observe(report(T, order="2", at=NOW), NOW) == STALE
    assert again.observe(fill(1, trade="t3", at=NOW), NOW).verdict is Verdict.NEWS
    assert again.observe(fill(1, trade="t4", at=NOW - 600 * S), NOW).verdict is Verdict.NEWS
    assert again.observe(fill(1, trade="t1", order="2", at=NOW), NOW).verdict is Verdict.NEWS
    assert again.observe(fill(1, trade="t9", at=NOW - 86_400 * S), NOW) == STALE
    (changed,) = again.observe(report(P, limit=7, at=ahead + S), NOW).facts
    assert changed.revision == 1


def test_an_order_of_the_baseline_that_changed_while_we_were_away_is_news() -> None:
    session = Tracker(LEADER)
    session.baseline([report(P, at=NOW - 60 * S)], (), (), NOW)
    again = Tracker(LEADER, session.baseline_taken)
    (found,) = again.recover([report(C, at=NOW - 60 * S)], [], NOW + S).facts
    assert found.kind is EventKind.ORDER


def test_positions_follow_from_fills_and_are_never_news() -> None:
    session = tracker()
    session.observe(fill(10), NOW)
    assert session.observe(position(10), NOW) == DUPLICATE
    drift = session.observe(position(12), NOW)
    assert (drift.verdict, drift.facts) == (Verdict.UNCLEAR, ())


def test_recovery_turns_the_difference_into_events_in_broker_time_order() -> None:
    session = tracker()
    session.observe(report(P), NOW)
    session.observe(fill(10, trade="t1"), NOW)
    orders = [report(T, filled=100, at=NOW + 3 * S), report(P, order="2", at=NOW + S)]
    trades = [
        fill(60, trade="t3", at=NOW + 3 * S),
        fill(10, trade="t1"),
        fill(30, trade="t2", at=NOW + 2 * S),
    ]
    found = session.recover(orders, trades, NOW + 9 * S)
    assert [(f.body.order_id, f.kind) for f in found.facts if not isinstance(f.body, PositionReport)] == [
        ("2", EventKind.ORDER),
        ("1", EventKind.FILL),
        ("1", EventKind.ORDER),
        ("1", EventKind.FILL),
    ]
    assert all(fact.recovered for fact in found.facts)
    assert found.needs == ()
    assert session.recover(orders, trades, NOW + 9 * S).verdict is Verdict.DUPLICATE


def test_recovery_says_which_trades_the_book_does_not_show_yet() -> None:
    assert tracker().recover([report(T, filled=100)], [], NOW).needs == (NeedsTradeBook(ONE),)


def test_ended_orders_of_earlier_days_are_forgotten() -> None:
    session = tracker()
    session.observe(report(T), NOW)
    session.observe(report(P, order="2"), NOW)
    session.forget_before(trading_day(Exchange.NSE, NOW) + timedelta(days=1))
    assert session.order(NAME) is None
    assert session.order(NAME._replace(order_id=BrokerOrderId("2"))) is not None


def test_the_trading_day_is_the_exchanges_own() -> None:
    almost_midnight_in_india = NOW - NOW % (86_400 * S) + 18 * 3600 * S + 1740 * S
    assert trading_day(Exchange.NSE, almost_midnight_in_india) == date(2023, 11, 14)
    assert trading_day(Exchange.NSE, almost_midnight_in_india + 60 * S) == date(2023, 11, 15)
    assert trading_day(Exchange.CRYPTO, almost_midnight_in_india + 60 * S) == date(2023, 11, 14)


TOLD = st.one_of(
    st.builds(
        lambda status, filled, at, limit, order: report(
            status, filled=filled, at=NOW + at * S, limit=limit, order=order
        ),
        st.sampled_from(BrokerStatus),
        st.integers(0, 5),
        st.integers(0, 3),
        st.sampled_from([99, 100]),
        st.sampled_from("12"),
    ),
    st.builds(
        lambda trade, at, order: fill(1, trade=trade, at=NOW + at * S, order=order),
        st.sampled_from("abcde"),
        st.integers(0, 3),
        st.sampled_from("12"),
    ),
)


def facts_of(session: Tracker, told: list[OrderReport | Fill]) -> list[Fact]:
    return [fact for item in told for fact in session.observe(item, NOW).facts]


@given(st.lists(TOLD, max_size=40))
def test_ends_and_filled_quantities_never_go_back(told: list[OrderReport | Fill]) -> None:
    session = tracker()
    last: dict[str, OrderReport] = {}
    for fact in facts_of(session, told):
        if not isinstance(fact.body, OrderReport):
            continue
        before = last.get(fact.body.order_id)
        if before is not None:
            assert fact.body.filled >= before.filled
            assert fact.body.status.terminal or not before.status.terminal
            further = fact.body.filled > before.filled or fact.body.status.terminal
            assert further or fact.body.broker_time_ns >= before.broker_time_ns
            assert fact.revision > 1
        last[fact.body.order_id] = fact.body


@given(st.lists(TOLD, max_size=40), st.integers(0, 40))
def test_a_restored_tracker_knows_what_was_journaled(told: list[OrderReport | Fill], cut: int) -> None:
    """Told everything again, it makes no fact that stands in the journal already."""
    session = tracker()
    journaled = facts_of(session, told[:cut])
    restored = Tracker(LEADER, session.baseline_taken)
    restored.restore(journaled)
    again = facts_of(restored, told[:cut])
    assert {fact.identity for fact in again if fact.kind is EventKind.FILL}.isdisjoint(
        fact.identity for fact in journaled
    )
    assert not [fact for fact in again if fact.kind is EventKind.FILL]


def test_a_restored_tracker_goes_on_counting() -> None:
    session = Tracker(LEADER)
    held = session.baseline((), (), [position(7)], NOW)
    first = session.observe(report(), NOW).facts
    traded = session.observe(fill(3), NOW).facts
    restored = Tracker(LEADER, session.baseline_taken)
    restored.restore([*held, *first, *traded])
    assert restored.position(KEY) == 10
    assert restored.observe(report(limit=101, at=NOW + S), NOW).facts[0].revision == 2
    assert restored.observe(fill(3), NOW) == DUPLICATE
