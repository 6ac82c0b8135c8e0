"""Windows that truly slide, breaches, and the block for the day."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.limits import MINUTE_NS, SECOND_NS, Limits, Quota, Verdict, Window

QUOTA = Quota(per_second=10, per_minute=30, per_day=1_000)


def test_two_calls_a_whole_span_apart_share_no_window() -> None:
    window = Window(SECOND_NS)
    assert [window.add(at) for at in (0, SECOND_NS - 1, SECOND_NS)] == [1, 2, 2]
    assert window.peak == 2


def test_a_bucket_with_a_burst_is_seen_through() -> None:
    """Ten at the end of one second and nine at the start of the next are nineteen in one sliding second."""
    window = Window(SECOND_NS)
    for n in range(10):
        window.add(SECOND_NS - 10 + n)
    for n in range(9):
        window.add(SECOND_NS + n)
    assert window.peak == 19


def test_a_call_whose_body_came_late_is_counted_where_it_arrived() -> None:
    window = Window(SECOND_NS)
    moments = [50, 0, 60, SECOND_NS + 10]
    assert [window.add(at) for at in moments] == [1, 2, 3, 3]
    assert window.add(SECOND_NS + 55) == 3


@given(st.lists(st.integers(0, 5 * SECOND_NS), max_size=60))
def test_the_peak_is_the_most_that_any_window_holds(moments: list[int]) -> None:
    moments.sort()
    window = Window(SECOND_NS)
    for at in moments:
        window.add(at)
    truth = [sum(1 for other in moments if at - SECOND_NS < other <= at) for at in moments]
    assert window.peak == max(truth, default=0)


def test_the_eleventh_call_in_a_second_is_refused_and_counts_all_the_same() -> None:
    limits = Limits(QUOTA)
    assert [limits.admit(n) for n in range(10)] == [Verdict.ADMITTED] * 10
    assert limits.admit(10) is Verdict.SECOND
    assert limits.admit(SECOND_NS + 5) is Verdict.ADMITTED
    assert (limits.refused, limits.breaches[Verdict.SECOND], limits.second.peak) == (1, 1, 11)


def test_the_wait_ends_when_there_is_room() -> None:
    limits = Limits(QUOTA)
    for n in range(11):
        limits.admit(n)
    wait = limits.retry_after_ns(10, Verdict.SECOND)
    assert wait == SECOND_NS + 1 - 10
    assert limits.admit(10 + wait) is Verdict.ADMITTED
    assert Window(SECOND_NS).free_in(0, 10) == 0


def breach_a_minute(limits: Limits, start: int) -> Verdict:
    """One call too many in a minute, at a pace that the second allows."""
    verdict = Verdict.ADMITTED
    for n in range(QUOTA.per_minute + 1):
        verdict = limits.admit(start + n * SECOND_NS)
    return verdict


def test_the_fourth_breach_of_the_minute_blocks_for_the_day() -> None:
    limits = Limits(QUOTA)
    for n in range(3):
        assert breach_a_minute(limits, 10 * n * MINUTE_NS) is Verdict.MINUTE
    assert not limits.blocked

    assert breach_a_minute(limits, 30 * MINUTE_NS) is Verdict.BLOCKED
    assert limits.admit(60 * MINUTE_NS) is Verdict.BLOCKED

    limits.new_day()
    assert limits.admit(90 * MINUTE_NS) is Verdict.ADMITTED


def test_one_minute_over_the_limit_is_one_breach_however_often_it_is_hammered() -> None:
    limits = Limits(QUOTA)
    breach_a_minute(limits, 0)
    for n in range(5):
        assert limits.admit(31 * SECOND_NS + n * SECOND_NS // 2) is Verdict.MINUTE
    assert limits.breaches[Verdict.MINUTE] == 1


def test_the_day_has_its_own_limit() -> None:
    limits = Limits(Quota(0, 0, 2))
    assert [limits.admit(n) for n in range(3)] == [Verdict.ADMITTED, Verdict.ADMITTED, Verdict.DAY]
    assert limits.retry_after_ns(3, Verdict.DAY) > 0
    assert (limits.day_peak, limits.total) == (3, 3)


def test_no_limit_refuses_nothing_and_still_counts() -> None:
    limits = Limits(Quota(0, 0, 0))
    assert {limits.admit(n) for n in range(500)} == {Verdict.ADMITTED}
    assert limits.second.peak == 500


def test_orders_of_a_basket_are_counted_beside_the_call() -> None:
    limits = Limits(QUOTA)
    limits.admit(0)
    limits.count_orders(0, 10)
    assert (limits.total, limits.orders, limits.order_second.peak) == (1, 10, 10)


@pytest.mark.parametrize("breached", [True, False])
def test_a_reset_forgets_everything(*, breached: bool) -> None:
    limits = Limits(Quota(1, 1, 1))
    limits.admit(0)
    if breached:
        limits.admit(1)
    limits.reset()
    assert (limits.total, limits.second.peak, limits.refused, limits.day) == (0, 0, 0, 0)
    assert limits.admit(2) is Verdict.ADMITTED
