"""When a broker that cannot be reached is left alone, and when it is tried again."""

from hypothesis import given
from hypothesis import strategies as st

from paceline.domain.breaker import CLOSED, Breaker, BreakerPolicy

MS = 1_000_000
POLICY = BreakerPolicy(failures_max=3, open_ms=1_000, open_longest_ms=4_000)


def failing(times: int, now_ns: int = 0) -> Breaker:
    breaker = CLOSED
    for _ in range(times):
        breaker = breaker.failed(now_ns, POLICY)
    return breaker


def test_it_opens_after_so_many_failures_in_a_row_and_not_before() -> None:
    assert failing(2).closed
    assert failing(2).lets(0, POLICY, entering=True)
    assert not failing(3).closed
    assert not failing(3).lets(999 * MS, POLICY, entering=True)


def test_every_failure_in_a_row_is_counted_and_those_of_an_open_breaker_are_not() -> None:
    opened = failing(3, now_ns=7)
    assert opened == Breaker(3, 7)
    assert opened.failed(7 + 1_000 * MS - 1, POLICY) == opened
    assert opened.failed(7 + 1_000 * MS, POLICY) == Breaker(4, 7 + 1_000 * MS, 1)


def test_what_must_happen_is_always_let_through() -> None:
    assert failing(3).lets(0, POLICY, entering=False)
    assert failing(3).leaves(0, entering=False) == failing(3)


def test_one_entry_at_a_time_tries_whether_it_is_over() -> None:
    probing = failing(3).leaves(1_000 * MS, entering=True)
    assert failing(3).lets(1_000 * MS, POLICY, entering=True)
    assert not probing.lets(1_001 * MS, POLICY, entering=True)
    assert probing.lets(2_000 * MS, POLICY, entering=True), "the answer to the first never came"


def test_each_probe_that_fails_doubles_the_pause_up_to_the_longest() -> None:
    breaker, now_ns, pauses = failing(3), 0, []
    for _ in range(5):
        opened_ns = now_ns
        while not breaker.lets(now_ns, POLICY, entering=True):
            now_ns += 500 * MS
        pauses.append((now_ns - opened_ns) // MS)
        breaker = breaker.leaves(now_ns, entering=True).failed(now_ns, POLICY)
    assert pauses == [1_000, 2_000, 4_000, 4_000, 4_000]


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 3_000)), max_size=60))
def test_entries_pass_only_while_it_is_closed_or_as_its_probe(
    history: list[tuple[bool, bool, int]],
) -> None:
    breaker, now_ns, row, since_ns = CLOSED, 0, 0, 0
    for entering, reached, after_ms in history:
        now_ns += after_ms * MS
        if not breaker.lets(now_ns, POLICY, entering=entering):
            assert entering
            assert row >= POLICY.failures_max
            assert now_ns - since_ns < POLICY.open_longest_ms * MS
            continue
        breaker = breaker.leaves(now_ns, entering=entering)
        breaker = CLOSED if reached else breaker.failed(now_ns, POLICY)
        row = 0 if reached else row + 1
        assert breaker.closed == (row < POLICY.failures_max)
        since_ns = breaker.opened_ns or since_ns
