"""What every keeper of request windows promises; run against Redis and against the fake."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from paceline.adapters.redis.buckets import RedisBuckets
from paceline.adapters.redis.connection import open_redis
from paceline.domain.ids import AccountId
from paceline.ports.broker import Call, LimitScope, Window
from paceline.ports.buckets import Buckets, Late, Take
from tests.fakes.buckets import FakeBuckets
from tests.fakes.clock import FakeClock

ORDERS = frozenset({Call.PLACE, Call.MODIFY, Call.CANCEL})
SECOND = Window("second", 10, 1_000, LimitScope.ACCOUNT, ORDERS)
MINUTE = Window("minute", 200, 60_000, LimitScope.ACCOUNT, ORDERS)
DAY = Window("day", 1_000, 86_400_000, LimitScope.ACCOUNT, ORDERS)
FYERS = (SECOND, MINUTE, DAY)
JITTER_MS = 50
ALICE, BOB = AccountId("fyers:XA"), AccountId("fyers:XB")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["redis", "fake"])
async def buckets(request: pytest.FixtureRequest, clock: FakeClock) -> AsyncIterator[Buckets]:
    if request.param == "fake":
        yield FakeBuckets(clock, jitter_ms=JITTER_MS)
        return
    redis = open_redis(request.getfixturevalue("redis_url"))
    yield RedisBuckets(redis, clock, jitter_ms=JITTER_MS, driven=True)
    await redis.aclose()


def entry(account: AccountId = ALICE, windows: tuple[Window, ...] = FYERS, cost: int = 1) -> Take:
    return Take(account, windows, Call.PLACE, entry=True, cost=cost)


def exit_(account: AccountId = ALICE, windows: tuple[Window, ...] = FYERS) -> Take:
    return Take(account, windows, Call.PLACE, entry=False)


async def granted(buckets: Buckets, takes: list[Take]) -> int:
    return sum(taken.granted for taken in await buckets.take(takes))


async def test_a_burst_is_granted_up_to_the_window_and_told_when_to_come_back(
    buckets: Buckets, clock: FakeClock
) -> None:
    taken = await buckets.take([entry() for _ in range(15)])
    assert [each.granted for each in taken] == [True] * 10 + [False] * 5
    assert {each.window for each in taken[10:]} == {"second"}
    assert {each.retry_at_ns for each in taken[10:]} == {clock.now_ns() + 1_050_000_000}


async def test_coming_back_at_the_time_told_is_granted(buckets: Buckets, clock: FakeClock) -> None:
    taken = await buckets.take([entry() for _ in range(11)])
    clock.advance((taken[10].retry_at_ns - clock.now_ns()) / 1e9)
    assert await granted(buckets, [entry() for _ in range(15)]) == 10


async def test_accounts_have_windows_of_their_own(buckets: Buckets) -> None:
    takes = [entry(account) for _ in range(12) for account in (ALICE, BOB)]
    assert await granted(buckets, takes) == 20


async def test_ten_at_the_end_of_one_second_leave_none_for_the_start_of_the_next(
    buckets: Buckets, clock: FakeClock
) -> None:
    assert await granted(buckets, [entry()]) == 1
    clock.advance(0.9)
    assert await granted(buckets, [entry() for _ in range(9)]) == 9
    clock.advance(0.2)
    assert await granted(buckets, [entry() for _ in range(10)]) == 1


async def test_entries_leave_the_last_thirty_percent_of_a_minute_to_exits(
    buckets: Buckets, clock: FakeClock
) -> None:
    entries = 0
    for _ in range(20):
        entries += await granted(buckets, [entry() for _ in range(10)])
        clock.advance(1.06)
    assert entries == 140
    assert (await buckets.take([entry()]))[0].window == "minute"
    assert await granted(buckets, [exit_() for _ in range(10)]) == 10


async def test_a_day_is_counted_too(buckets: Buckets, clock: FakeClock) -> None:
    narrow = (Window("day", 20, 86_400_000, LimitScope.ACCOUNT, ORDERS),)
    assert await granted(buckets, [entry(windows=narrow) for _ in range(20)]) == 14
    assert await granted(buckets, [exit_(windows=narrow) for _ in range(20)]) == 6
    clock.advance(86_400 * 1.2)
    assert await granted(buckets, [entry(windows=narrow)]) == 1


async def test_a_call_takes_only_from_windows_that_count_it(buckets: Buckets) -> None:
    reads = Window("reads", 1, 1_000, LimitScope.ACCOUNT, frozenset({Call.READ}))
    windows = (SECOND, reads)
    read = Take(ALICE, windows, Call.READ, entry=False)
    assert await granted(buckets, [entry(windows=windows) for _ in range(10)]) == 10
    assert [each.granted for each in await buckets.take([read, read])] == [True, False]


async def test_windows_of_other_scopes_are_passed_over(buckets: Buckets) -> None:
    per_order = Window("changes", 1, 1_000, LimitScope.ORDER, ORDERS)
    assert await granted(buckets, [entry(windows=(SECOND, per_order)) for _ in range(10)]) == 10


async def test_a_basket_costs_what_it_holds(buckets: Buckets) -> None:
    assert await granted(buckets, [entry(cost=7), entry(cost=7), entry(cost=3)]) == 2


async def test_a_penalty_empties_the_bucket_until_the_time_the_broker_named(
    buckets: Buckets, clock: FakeClock
) -> None:
    until = clock.now_ns() + 5_000_000_000
    await buckets.penalize(ALICE, until)
    await buckets.penalize(ALICE, until - 1_000_000_000)
    (taken,) = await buckets.take([exit_()])
    assert (taken.granted, taken.retry_at_ns, taken.window) == (False, until, "penalty")
    assert await buckets.penalties([ALICE, BOB]) == {ALICE: until}
    clock.advance(5)
    assert await granted(buckets, [exit_()]) == 1


async def test_what_was_sent_before_the_store_was_lost_is_counted_once(
    buckets: Buckets, clock: FakeClock
) -> None:
    before = [clock.now_ns() - n * 10_000_000 for n in range(1, 8)]
    assert await buckets.incomplete([ALICE]) == {ALICE}
    assert await granted(buckets, [entry()]) == 1
    await buckets.rebuild({ALICE: [*before, clock.now_ns()]}, FYERS)
    await buckets.rebuild({ALICE: before}, FYERS)
    assert await buckets.incomplete([ALICE]) == frozenset()
    assert await granted(buckets, [entry() for _ in range(10)]) == 2


async def test_what_arrived_late_is_counted_late(buckets: Buckets, clock: FakeClock) -> None:
    taken = await buckets.take([entry() for _ in range(10)])
    stamp_us = clock.now_ns() // 1000
    assert {each.stamp_us for each in taken} == {stamp_us}
    clock.advance(0.8)
    late = Late(entry(), stamp_us, 600_000)
    assert await buckets.restamp([late, late]) == [stamp_us + 600_000] * 2
    clock.advance(0.3)
    assert await granted(buckets, [entry() for _ in range(15)]) == 8
    clock.advance(0.6)
    assert await granted(buckets, [entry() for _ in range(15)]) == 2


async def test_a_late_one_stands_behind_none_that_was_granted_after_it(
    buckets: Buckets, clock: FakeClock
) -> None:
    await buckets.take([entry()])
    stamp_us = clock.now_ns() // 1000
    clock.advance(0.5)
    await buckets.take([entry()])
    assert await buckets.restamp([Late(entry(), stamp_us, 200_000)]) == [stamp_us + 500_000]
    everyone = [Late(entry(BOB), stamp_us, 200_000), Late(entry(), stamp_us + 500_000, 100_000)]
    assert await buckets.restamp(everyone) == [stamp_us + 200_000, stamp_us + 600_000]


async def test_since_when_an_account_is_counted_is_told(buckets: Buckets, clock: FakeClock) -> None:
    (first,) = await buckets.take([entry()])
    assert first.began_us == clock.now_ns() // 1000
    clock.advance(0.5)
    await buckets.rebuild({ALICE: []}, FYERS)
    taken = await buckets.take([entry() for _ in range(11)])
    assert {each.began_us for each in taken} == {first.began_us}


async def test_a_lost_store_is_told_by_another_beginning(redis_url: str, clock: FakeClock) -> None:
    redis = open_redis(redis_url)
    buckets = RedisBuckets(redis, clock, jitter_ms=JITTER_MS, driven=True)
    (before,) = await buckets.take([entry()])
    clock.advance(0.5)
    await redis.flushdb()
    (after,) = await buckets.take([entry()])
    await redis.aclose()
    assert after.began_us == before.began_us + 500_000


BORDERS = [950, 999, 1_000, 1_001, 1_049, 1_050, 3_000, 3_049, 3_050]
MS = st.one_of(st.integers(0, 700), st.sampled_from(BORDERS))
LATE_MS = st.sampled_from([0, 1, JITTER_MS - 1, JITTER_MS])
HISTORY = st.lists(st.tuples(MS, st.integers(1, 8), st.booleans(), LATE_MS), min_size=1, max_size=40)
NARROW = (
    Window("short", 5, 1_000, LimitScope.ACCOUNT, ORDERS),
    Window("longer", 9, 3_000, LimitScope.ACCOUNT, ORDERS),
    Window("counted", 30, 90_000, LimitScope.ACCOUNT, ORDERS),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=HISTORY)
async def test_no_sliding_interval_exceeds_a_window_however_late_the_sends_are(
    redis_url: str, history: list[tuple[int, int, bool, int]]
) -> None:
    clock = FakeClock()
    redis = open_redis(redis_url)
    await redis.flushdb()
    takers = [RedisBuckets(redis, clock, jitter_ms=JITTER_MS, driven=True) for _ in range(2)]
    sent: list[int] = []
    for n, (pause_ms, size, is_entry, late_ms) in enumerate(history):
        clock.advance(pause_ms / 1000)
        take = Take(ALICE, NARROW, Call.PLACE, entry=is_entry)
        taken = await takers[n % 2].take([take] * size)
        sent += [clock.now_ns() + late_ms * 1_000_000] * sum(each.granted for each in taken)
    await redis.aclose()
    for window in NARROW:
        assert fullest(sent, window.period_ms) <= window.calls


def fullest(sent: list[int], period_ms: int) -> int:
    """The most sends in any half-open interval of that length."""
    ordered = sorted(sent)
    return max(
        (sum(start <= at < start + period_ms * 1_000_000 for at in ordered) for start in ordered), default=0
    )


async def test_concurrent_takers_share_one_window(redis_url: str) -> None:
    clients = [open_redis(redis_url) for _ in range(4)]
    takers = [RedisBuckets(client, FakeClock()) for client in clients]
    taken = await asyncio.gather(*(taker.take([entry()] * 3) for taker in takers for _ in range(5)))
    assert sum(each.granted for batch in taken for each in batch) == 10
    for client in clients:
        await client.aclose()


@pytest.mark.parametrize("back_s", [0.01, 0.9, 30.0, 7200.0])
async def test_a_clock_that_goes_back_frees_nothing_and_blocks_no_longer_than_a_window(
    redis_url: str, back_s: float
) -> None:
    clock = FakeClock()
    redis = open_redis(redis_url)
    buckets = RedisBuckets(redis, clock, jitter_ms=JITTER_MS, driven=True)
    short = (SECOND,)
    assert await granted(buckets, [entry(windows=short)] * 10) == 10
    clock.step_wall(-back_s)
    assert await granted(buckets, [entry(windows=short)]) == 0
    clock.advance(2.2)
    assert await granted(buckets, [entry(windows=short)]) == 1
    await redis.aclose()


async def test_a_restarted_server_learns_the_scripts_again(redis_url: str) -> None:
    redis = open_redis(redis_url)
    buckets = RedisBuckets(redis, FakeClock())
    await granted(buckets, [entry()])
    await redis.script_flush()
    assert await granted(buckets, [entry(ALICE), entry(BOB)]) == 2
    await redis.aclose()


async def test_every_key_of_a_bucket_dies(redis_url: str) -> None:
    redis = open_redis(redis_url)
    buckets = RedisBuckets(redis, clock := FakeClock())
    await granted(buckets, [entry()])
    await buckets.penalize(ALICE, clock.now_ns() + 1_000_000_000)
    lives = [await redis.pttl(key) for key in await redis.keys("*")]
    assert len(lives) == 4
    assert all(life > 0 for life in lives)
    await redis.aclose()


def test_the_fullest_interval_is_found() -> None:
    assert fullest([0, 400_000_000, 999_000_000, 1_000_000_000], 1_000) == 3
