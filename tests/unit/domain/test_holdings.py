"""Where a position book says what no fill explains: told once, and never a false alarm."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.domain.event import EventKind, Fact
from paceline.domain.instrument import Exchange, InstrumentKey, Product, Segment
from paceline.domain.order import BrokerStatus
from paceline.domain.position import PositionReport
from paceline.domain.tracking import Tracker
from tests.unit.domain.given import KEY, LEADER, NOW, SBIN, S, d, fill, report

DAY = 86_400 * S
DELIVERY = InstrumentKey(SBIN, Product.CNC)


def position(quantity: int, key: InstrumentKey = KEY) -> PositionReport:
    return PositionReport(LEADER, key, Exchange.NSE, Segment.CAPITAL_MARKET, d(quantity), d(100))


class Reader:
    """Reads the position book every so often."""

    def __init__(self, tracker: Tracker) -> None:
        self.tracker = tracker
        self.now = NOW

    def reads(self, *rows: PositionReport, after_s: int = 6, whole: bool = True) -> tuple[Fact, ...]:
        self.now += after_s * S
        return self.tracker.compare_positions(rows, self.now, self.now, whole=whole)


@pytest.fixture
def reader() -> Reader:
    tracker = Tracker(LEADER)
    tracker.baseline((), (), (), NOW - 60 * S)
    return Reader(tracker)


def quantities(facts: tuple[Fact, ...]) -> list[int]:
    return [int(fact.body.quantity) for fact in facts if isinstance(fact.body, PositionReport)]


def test_what_fills_explain_is_nothing_new(reader: Reader) -> None:
    reader.tracker.observe(fill(10), NOW)
    for _ in range(3):
        assert reader.reads(position(10)) == ()
    assert not reader.tracker.puzzled()


def test_a_difference_that_stands_is_told_once(reader: Reader) -> None:
    reader.tracker.observe(fill(10), NOW)
    assert reader.reads(position(4)) == ()
    assert reader.tracker.puzzled()
    (fact,) = reader.reads(position(4))
    assert (fact.kind, fact.recovered, quantities((fact,))) == (EventKind.POSITION, True, [4])
    assert not reader.tracker.puzzled()
    assert reader.tracker.position(KEY) == 4
    for _ in range(3):
        assert reader.reads(position(4)) == ()


def test_the_same_difference_later_that_day_is_another_fact(reader: Reader) -> None:
    told = [fact for held in (4, 4, 0, 0, 4, 4) for fact in reader.reads(position(held))]
    assert quantities(tuple(told)) == [4, 0, 4]
    assert len({fact.identity for fact in told}) == 3


def test_a_second_reading_too_soon_proves_nothing(reader: Reader) -> None:
    assert reader.reads(position(4)) == ()
    assert reader.reads(position(4), after_s=1) == ()
    assert quantities(reader.reads(position(4), after_s=5)) == [4]


def test_it_stands_from_the_very_moment_it_is_old_enough(reader: Reader) -> None:
    assert reader.reads(position(4)) == ()
    assert quantities(reader.reads(position(4), after_s=5)) == [4]


def test_a_trade_that_the_position_book_knew_first_is_no_alarm(reader: Reader) -> None:
    assert reader.reads(position(10)) == ()
    reader.tracker.observe(fill(10), reader.now)
    assert reader.reads(position(10)) == ()
    assert not reader.tracker.puzzled()


def test_a_key_that_trades_between_two_readings_is_looked_at_again(reader: Reader) -> None:
    assert reader.reads(position(1)) == ()
    reader.tracker.observe(fill(1, trade="t1"), reader.now)
    assert reader.reads(position(2)) == ()
    reader.tracker.observe(fill(1, trade="t2"), reader.now)
    assert reader.reads(position(3)) == ()
    assert quantities(reader.reads(position(3))) == [3]


def test_trades_that_are_known_to_be_missing_explain_it(reader: Reader) -> None:
    reader.tracker.observe(report(BrokerStatus.TRADED, filled=10), NOW)
    for _ in range(3):
        assert reader.reads(position(10)) == ()
    reader.tracker.observe(fill(10), reader.now)
    assert reader.reads(position(10)) == ()


def test_what_is_gone_from_a_whole_book_is_flat(reader: Reader) -> None:
    reader.tracker.observe(fill(10), NOW)
    for _ in range(3):
        assert reader.reads(whole=False) == ()
    assert reader.reads() == ()
    assert quantities(reader.reads()) == [0]


def test_rows_of_one_key_are_one_position(reader: Reader) -> None:
    reader.tracker.observe(fill(10), NOW)
    for _ in range(3):
        assert reader.reads(position(7), position(3)) == ()


def test_delivery_stands_in_the_book_for_its_own_day(reader: Reader) -> None:
    """Bought today it is a position, tomorrow a holding; sold from the holdings the book shows a short."""
    reader.tracker.observe(fill(10, key=DELIVERY), NOW)
    assert reader.reads(position(10, DELIVERY)) == ()
    reader.now += DAY
    for book in ((), (position(10, DELIVERY),), (), ()):  # also where it was not begun anew this morning
        assert reader.reads(*book) == ()
    reader.tracker.observe(fill(-4, trade="t2", key=DELIVERY, at=NOW + DAY), reader.now)
    for _ in range(3):
        assert reader.reads(position(-4, DELIVERY)) == ()
    assert reader.tracker.position(DELIVERY) == 6
    assert reader.reads(position(-6, DELIVERY)) == ()
    assert quantities(reader.reads(position(-6, DELIVERY))) == [4]


def test_delivery_of_one_day_is_one_position_however_often_it_trades(reader: Reader) -> None:
    for number in (1, 2):
        reader.tracker.observe(fill(5, trade=f"t{number}", key=DELIVERY), NOW)
    for _ in range(3):
        assert reader.reads(position(10, DELIVERY)) == ()


def test_a_book_of_delivery_that_was_not_begun_anew_shows_what_was_traded_last(reader: Reader) -> None:
    reader.tracker.observe(fill(10, key=DELIVERY), NOW)
    reader.tracker.observe(fill(4, trade="t2", key=DELIVERY, at=NOW + DAY), NOW + DAY)
    reader.now += 2 * DAY
    for _ in range(3):
        assert reader.reads(position(4, DELIVERY)) == ()


def test_a_late_trade_of_yesterday_is_carried_beside_what_was_carried_already(reader: Reader) -> None:
    reader.tracker.observe(fill(5, trade="t0", key=DELIVERY), NOW)
    reader.now += DAY
    reader.tracker.observe(fill(3, trade="t1", key=DELIVERY, at=NOW + DAY), reader.now)
    reader.tracker.observe(fill(10, trade="late", key=DELIVERY), reader.now)
    for _ in range(3):
        assert reader.reads(position(3, DELIVERY)) == ()
    assert reader.tracker.position(DELIVERY) == 18


def test_what_is_carried_and_no_delivery_must_stand_in_the_book(reader: Reader) -> None:
    reader.tracker.observe(fill(10), NOW)
    reader.now += DAY
    reader.tracker.observe(fill(4, trade="t2", at=NOW + DAY), reader.now)
    assert reader.reads(position(4)) == ()
    assert quantities(reader.reads(position(4))) == [4]


def test_a_trade_of_yesterday_that_is_told_today_is_no_trade_of_today(reader: Reader) -> None:
    reader.now += DAY
    reader.tracker.observe(fill(3, key=DELIVERY, at=NOW + DAY), reader.now)
    reader.tracker.observe(fill(10, trade="late", key=DELIVERY), reader.now)
    for _ in range(3):
        assert reader.reads(position(3, DELIVERY)) == ()


def test_what_is_carried_over_night_is_compared_whole(reader: Reader) -> None:
    reader.tracker.observe(fill(10), NOW)
    reader.now += DAY
    for _ in range(3):
        assert reader.reads(position(10)) == ()


def test_a_restored_tracker_knows_what_was_told(reader: Reader) -> None:
    reader.reads(position(4))
    told = reader.reads(position(4))
    reader.tracker = Tracker(LEADER, reader.tracker.baseline_taken)
    reader.tracker.restore(told)
    for _ in range(3):
        assert reader.reads(position(4)) == ()


STEPS = st.lists(
    st.tuples(st.sampled_from(["trade", "lose", "read", "late"]), st.integers(-9, 9)), max_size=30
)


@given(STEPS)
def test_in_the_end_the_book_is_right_and_while_fills_explain_it_silent(steps: list[tuple[str, int]]) -> None:
    tracker = Tracker(LEADER)
    tracker.baseline((), (), (), NOW - 60 * S)
    reader, held, lost = Reader(tracker), 0, False
    told: list[Fact] = []
    for number, (step, quantity) in enumerate(steps):
        made = fill(quantity or 1, trade=f"t{number}")
        if step in ("trade", "lose"):
            held += quantity or 1
        if step == "trade":
            tracker.observe(made, reader.now)
        lost = lost or step == "lose"
        told += reader.reads(replace(position(held)))
    assert lost or not told
    for _ in range(2):
        told += reader.reads(position(held))
    assert tracker.position(KEY) == held
    assert reader.reads(position(held)) == ()
    assert len({fact.identity for fact in told}) == len(told)
