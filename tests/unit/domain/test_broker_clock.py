"""A broker's clock that runs wrong is found out by what it says of things whose time is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.domain.broker_clock import TOLERANCE_NS, BrokerClock
from paceline.domain.ids import BrokerOrderId
from paceline.domain.order import BrokerStatus, Fill, OrderReport
from paceline.domain.succession import in_order
from tests.unit.domain.given import NOW, S, fill, report

MIN = 60 * S


def test_a_clock_that_is_right_is_left_alone() -> None:
    clock = BrokerClock()
    for delay in (0, S, 4 * S, 40 * S):
        assert clock.hear(NOW - delay, NOW, after_ns=NOW - MIN) == NOW - delay
    assert clock.error_ns == 0


@pytest.mark.parametrize("error", [-10 * MIN, 10 * MIN])
def test_one_live_fact_proves_it_wrong_and_the_next_are_told_right(error: int) -> None:
    clock = BrokerClock()
    assert clock.hear(NOW + error, NOW, after_ns=NOW - 5 * S) == NOW
    assert clock.error_ns == error
    later = NOW + 30 * S
    assert clock.hear(later - 20 * S + error, later, after_ns=NOW - 5 * S) == later - 20 * S
    assert clock.right(NOW + error) == NOW


def test_what_is_late_within_what_the_books_allow_is_late() -> None:
    """A frame held up on its way is no proof against the clock."""
    clock = BrokerClock()
    assert clock.hear(NOW - 40 * S, NOW, after_ns=NOW - MIN) == NOW - 40 * S
    assert clock.hear(NOW - 10 * MIN, NOW) == NOW - 10 * MIN


def test_a_clock_that_is_put_right_is_found_right() -> None:
    clock = BrokerClock()
    clock.hear(NOW + 10 * MIN, NOW, after_ns=NOW - S)
    assert clock.hear(NOW + S, NOW + S, after_ns=NOW - S) == NOW + S
    assert clock.error_ns == 0
    clock.hear(NOW - 10 * MIN, NOW, after_ns=NOW - S)
    assert clock.hear(NOW + S, NOW + S, after_ns=NOW - S) == NOW + S


def test_what_a_book_told_later_is_as_old_as_it_may_be() -> None:
    clock = BrokerClock()
    now, looked = NOW + 5 * MIN, NOW
    assert clock.hear(NOW - 10 * MIN, now, after_ns=looked, live=False) == looked
    assert clock.hear(now - 10 * MIN, now, after_ns=now - S) == now
    assert clock.error_ns == -10 * MIN


def test_what_was_known_of_a_clock_is_recalled_until_something_is_heard() -> None:
    clock = BrokerClock()
    clock.recall(S)
    assert clock.error_ns == 0
    clock.recall(-10 * MIN)
    assert clock.right(NOW - 10 * MIN) == NOW
    assert clock.hear(NOW - 10 * MIN - 2 * S, NOW) == NOW
    clock.recall(10 * MIN)
    assert clock.error_ns == -10 * MIN - 2 * S


WRONG = 10 * MIN


@pytest.mark.parametrize(
    ("told", "after", "true"),
    [
        pytest.param(-2 * S, -MIN, -2 * S, id="a moment late"),
        pytest.param(5 * S, -MIN, 5 * S, id="early within tolerance"),
        pytest.param(5 * S + 1, -MIN, 0, id="early beyond it"),
        pytest.param(-6 * S, -4 * S, -6 * S, id="before the reading, within tolerance"),
        pytest.param(-9 * S, -4 * S, -9 * S, id="just at the tolerance"),
        pytest.param(-9 * S - 1, -4 * S, 0, id="before the reading, beyond it"),
    ],
)
def test_a_known_error_is_kept_until_a_time_proves_another(told: int, after: int, true: int) -> None:
    clock = BrokerClock()
    clock.hear(NOW + WRONG, NOW)
    now = NOW + MIN
    assert clock.hear(now + told + WRONG, now, after_ns=now + after) == now + true
    assert clock.error_ns == (WRONG if told == true else WRONG + told)


def test_an_error_of_the_tolerance_is_none() -> None:
    for error in (TOLERANCE_NS, -TOLERANCE_NS, TOLERANCE_NS + 1, -TOLERANCE_NS - 1):
        clock = BrokerClock()
        clock.recall(error)
        assert clock.error_ns == (error if abs(error) > TOLERANCE_NS else 0)


def test_what_was_recalled_first_stands_and_what_was_heard_stands_above_it() -> None:
    clock = BrokerClock()
    clock.recall(-WRONG)
    clock.recall(3 * MIN)
    assert clock.error_ns == -WRONG
    clock.hear(NOW + S, NOW + S)
    assert clock.error_ns == 0
    clock.recall(-WRONG)
    assert clock.error_ns == 0


def test_only_the_first_live_fact_corrects_what_was_recalled() -> None:
    clock = BrokerClock()
    clock.recall(-WRONG)
    assert clock.hear(NOW - WRONG - 2 * S, NOW) == NOW
    assert clock.hear(NOW - WRONG - S, NOW + S, after_ns=NOW) == NOW + S
    assert clock.hear(NOW - WRONG - S, NOW + 3 * S, after_ns=NOW) == NOW + S


@given(
    st.integers(-900, 900),
    st.lists(st.tuples(st.integers(1, 50), st.integers(0, 3)), min_size=1, max_size=20),
)
def test_a_fact_is_never_much_older_or_younger_than_it_is(error_s: int, heard: list[tuple[int, int]]) -> None:
    clock = BrokerClock()
    now = NOW
    for pause_s, delay_s in heard:
        looked, now = now, now + pause_s * S
        happened = max(looked, now - delay_s * S)
        told = clock.hear(happened + error_s * S, now, after_ns=looked)
        slack = TOLERANCE_NS + 3 * S
        if abs(error_s) * S > pause_s * S + TOLERANCE_NS:
            assert happened - slack <= told <= happened + slack


def parts(*told: tuple[str, int]) -> list[Fill]:
    return [fill(1, order=f"o{number}", trade=number, at=NOW + at * S) for number, at in told]


def shown(trades: list[Fill]) -> list[str]:
    return [each.order_id for each in in_order([], trades)]


def test_a_book_is_told_by_time_and_within_a_second_by_number() -> None:
    assert shown(parts(("3", 2), ("1", 1), ("2", 1))) == ["o1", "o2", "o3"]


@pytest.mark.parametrize("backward", [False, True])
def test_a_book_that_was_listed_as_it_grew_is_told_so_across_a_clock_put_back(backward: bool) -> None:
    grown = parts(("7", 0), ("9", 10), ("12", -590), ("15", -580))
    assert shown(grown[::-1] if backward else grown) == ["o7", "o9", "o12", "o15"]


def test_numbers_that_say_nothing_of_time_are_not_followed() -> None:
    assert shown(parts(("1", 9), ("2", 3), ("3", 8), ("4", 2), ("5", 7), ("6", 1))) == [
        "o6",
        "o4",
        "o2",
        "o5",
        "o3",
        "o1",
    ]


def test_a_book_whose_times_stand_still_was_listed_as_it_grew() -> None:
    assert shown(parts(("1", 0), ("2", 0), ("3", 0), ("4", 0), ("5", -600))) == [
        "o1",
        "o2",
        "o3",
        "o4",
        "o5",
    ]


def test_a_clock_is_put_back_twice_at_most() -> None:
    assert shown(parts(("1", 0), ("2", -600), ("3", -1_200))) == ["o1", "o2", "o3"]
    thrice = parts(("1", 0), ("2", -600), ("3", -1_200), ("4", -1_800))
    assert shown(thrice) == ["o4", "o3", "o2", "o1"]


def test_numbers_that_repeat_say_nothing_of_time() -> None:
    listed = [("a", "1", 9), ("b", "1", 3), ("c", "2", 1)]
    trades = [fill(1, order=name, trade=number, at=NOW + at) for name, number, at in listed]
    assert shown(trades) == ["c", "b", "a"]


def test_within_a_second_all_orders_come_before_all_trades() -> None:
    trades = parts(("1", 0), ("2", 0))
    told = in_order([report(order="o2"), report(order="o1")], trades)
    assert [(type(each), each.order_id) for each in told] == [
        (OrderReport, "o1"),
        (OrderReport, "o2"),
        (Fill, "o1"),
        (Fill, "o2"),
    ]


def test_an_order_that_a_book_shows_twice_is_told_as_it_was_listed() -> None:
    twice = [report(limit=99), report(limit=101)]
    assert in_order(twice, []) == twice


def test_within_a_second_orders_come_before_trades() -> None:
    told = in_order([report(order="2")], [fill(1, order="1")])
    assert [(type(each), each.order_id) for each in told] == [(OrderReport, "2"), (Fill, "1")]


def test_an_order_moves_with_its_trades() -> None:
    trades = parts(("1", 10), ("2", -590))
    orders = [
        report(BrokerStatus.TRADED, order=each.order_id, filled=1, at=each.broker_time_ns) for each in trades
    ]
    told = in_order(orders, trades)
    assert [each.order_id for each in told] == [BrokerOrderId(name) for name in ("o1", "o1", "o2", "o2")]
