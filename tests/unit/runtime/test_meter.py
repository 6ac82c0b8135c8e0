"""No sliding window of the broker is ever fuller than it allows: however long requests fly, whoever sends
them, and whatever the store forgets.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paceline.domain.errors import Unavailable
from paceline.domain.ids import AccountId
from paceline.ports.broker import Call, LimitScope, Window
from paceline.ports.buckets import JITTER_MS, Late, Take, Taken
from paceline.runtime.meter import Meter, Ticket
from tests.fakes.buckets import FakeBuckets
from tests.fakes.clock import FakeClock

S = 1_000_000_000
ACCOUNT = AccountId("fyers:X")
ALL = frozenset(Call)
SECOND = Window("second", 5, 1_000, LimitScope.ACCOUNT, ALL)
MINUTE = Window("minute", 12, 60_000, LimitScope.ACCOUNT, ALL)
WINDOWS = (SECOND, MINUTE)


def a_take(call: Call = Call.PLACE, windows: tuple[Window, ...] = WINDOWS, cost: int = 1) -> Take:
    return Take(ACCOUNT, windows, call, entry=False, cost=cost)


def tickets(passed: Sequence[Ticket | Taken]) -> list[Ticket]:
    return [each for each in passed if isinstance(each, Ticket)]


@dataclass
class World:
    clock: FakeClock = field(default_factory=lambda: FakeClock(auto_jump=True))

    def __post_init__(self) -> None:
        self.buckets = FakeBuckets(self.clock)
        self.meter = Meter(self.buckets, self.clock)

    async def take(self, count: int) -> list[Ticket]:
        return tickets(await self.meter.take([a_take()] * count))

    async def refused(self) -> Taken:
        (taken,) = await self.meter.take([a_take()])
        assert isinstance(taken, Taken)
        assert not taken.granted
        return taken


async def test_the_store_decides() -> None:
    world = World()
    other = Meter(world.buckets, world.clock)
    passed = await other.take([a_take()] * 7)
    assert [isinstance(each, Ticket) for each in passed] == [True] * 5 + [False] * 2
    taken = await world.refused()
    assert (taken.window, taken.retry_at_ns) == ("second", world.clock.now_ns() + S + JITTER_MS * 1_000_000)


async def test_what_memory_refuses_is_not_asked_of_the_store() -> None:
    world = World()
    await world.take(5)
    counted = list(world.buckets._accounts[ACCOUNT].times["second"])
    taken = await world.refused()
    assert (taken.window, taken.retry_at_ns) == ("second", world.clock.now_ns() + S)
    assert world.buckets._accounts[ACCOUNT].times["second"] == counted


async def test_what_was_asked_in_vain_takes_no_place() -> None:
    class Away(FakeBuckets):
        async def take(self, takes: Sequence[Take]) -> Sequence[Taken]:
            raise Unavailable("no Redis")

    clock = FakeClock()
    meter = Meter(Away(clock), clock)
    for _ in range(20):
        with pytest.raises(Unavailable):
            await meter.take([a_take()])
    assert meter.recent() == set()


async def test_an_answer_that_came_late_is_what_counts() -> None:
    world = World()
    flying = await world.take(5)
    world.clock.advance(0.9)
    for ticket in flying:
        world.meter.land(ticket)
    world.clock.advance(0.3)
    taken = await world.refused()
    assert (taken.window, taken.retry_at_ns - world.clock.now_ns()) == ("second", 7 * S // 10)
    world.clock.advance(0.7)
    assert len(await world.take(9)) == 5


async def test_what_flies_takes_its_place_until_it_lands() -> None:
    world = World()
    flying = await world.take(5)
    world.clock.advance(3)
    taken = await world.refused()
    assert taken.retry_at_ns == world.clock.now_ns() + S
    world.meter.land(flying[0])
    world.meter.land(flying[0])
    world.clock.advance(1)
    assert len(await world.take(9)) == 1


async def test_others_hear_of_what_is_late_from_the_store() -> None:
    world = World()
    other = Meter(world.buckets, world.clock)
    looking = asyncio.create_task(world.meter.run())
    flying = await world.take(5)
    await world.clock.sleep(1.5)
    assert tickets(await other.take([a_take()])) == []
    for ticket in flying:
        world.meter.land(ticket)
    await world.clock.sleep(0.8)
    assert tickets(await other.take([a_take()])) == []
    await world.clock.sleep(0.5)
    assert len(tickets(await other.take([a_take()] * 9))) == 5
    looking.cancel()


async def test_a_store_that_is_away_hears_of_it_later() -> None:
    world = World()
    restamp, failures = world.buckets.restamp, iter(range(2))

    async def away(lates: Sequence[Late]) -> Sequence[int]:
        if next(failures, None) is not None:
            raise Unavailable("no Redis")
        return await restamp(lates)

    world.buckets.restamp = away  # type: ignore[method-assign]
    flying = await world.take(1)
    world.clock.advance(0.4)
    world.meter.land(flying[0])
    looking = asyncio.create_task(world.meter.run())
    await world.clock.sleep(1)
    looking.cancel()
    landed_ns = world.clock.now_ns() - S
    assert world.buckets._accounts[ACCOUNT].times["second"][0] >= landed_ns - JITTER_MS * 1_000_000


async def test_a_ticket_that_nobody_lands_blocks_nobody_for_ever() -> None:
    world = World()
    looking = asyncio.create_task(world.meter.run())
    await world.take(5)
    await world.clock.sleep(62)
    looking.cancel()
    assert len(await world.take(9)) == 5


async def test_calls_that_are_counted_apart_wait_apart() -> None:
    reads = Window("reads", 1, 1_000, LimitScope.ACCOUNT, frozenset({Call.READ}))
    orders = Window("orders", 2, 1_000, LimitScope.ACCOUNT, frozenset({Call.PLACE}))
    per_order = Window("changes", 1, 1_000, LimitScope.ORDER, ALL)
    windows, world = (reads, orders, per_order), World()
    assert len(tickets(await world.meter.take([a_take(Call.PLACE, windows)] * 3))) == 2
    assert len(tickets(await world.meter.take([a_take(Call.READ, windows)] * 2))) == 1


async def test_an_account_that_the_store_forgot_waits_until_nothing_of_it_counts() -> None:
    world = World()
    other = Meter(world.buckets, world.clock)
    for ticket in [*await world.take(2), *tickets(await other.take([a_take()] * 3))]:
        (world.meter if ticket in world.meter._flying else other).land(ticket)
    world.clock.advance(0.01)
    world.buckets._accounts.clear()
    assert (await world.refused()).window == "forgotten"
    assert world.meter.lost() == {ACCOUNT}
    assert world.meter.lost() == set()
    world.clock.advance(1.1)
    assert len(await world.take(9)) == 5


async def test_no_more_is_remembered_than_a_minute_of_calls() -> None:
    world = World()
    for _ in range(40):
        for ticket in await world.take(1):
            world.meter.land(ticket)
        world.clock.advance(10)
    (memory,) = world.meter._memory.values()
    assert len(memory.ended) == 6


async def test_who_sent_nothing_lately_is_forgotten() -> None:
    world = World()
    (ticket,) = await world.take(1)
    assert world.meter.recent() == {ACCOUNT}
    world.meter.land(ticket)
    world.clock.advance(61)
    assert world.meter.recent() == set()


STEP = st.tuples(
    st.sampled_from([0, 0.03, 0.2, 0.5, 0.95, 1.0, 1.05, 1.3]),
    st.integers(0, 1),
    st.integers(1, 6),
    st.sampled_from([0, 0.01, 0.09, 0.4, 0.8, 1.2, 2.5]),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.sampled_from([False] * 9 + [True]),
)
"""A pause, who takes, how many, how long they fly, at which part of it they arrive, and whether the store is
lost before.
"""


@settings(max_examples=60, deadline=None)
@given(steps=st.lists(STEP, min_size=1, max_size=25))
async def test_no_second_is_ever_too_full(steps: list[tuple[float, int, int, float, float, bool]]) -> None:
    """The minute after a loss is the business of whoever can read what was written."""
    clock = FakeClock(auto_jump=True)
    buckets = FakeBuckets(clock)
    meters = [Meter(buckets, clock), Meter(buckets, clock)]
    arrivals: list[int] = []
    lost = False

    async def fly(meter: Meter, ticket: Ticket, flight_s: float, part: float) -> None:
        await clock.sleep(flight_s * part)
        arrivals.append(clock.now_ns())
        await clock.sleep(flight_s * (1 - part))
        meter.land(ticket)

    looking = [asyncio.create_task(meter.run()) for meter in meters]
    async with asyncio.TaskGroup() as group:
        for meter in meters:
            for ticket in tickets(await meter.take([a_take()])):
                group.create_task(fly(meter, ticket, 0, 0))
        for pause_s, who, count, flight_s, part, loses in steps:
            await clock.sleep(pause_s)
            if loses:
                await clock.sleep(0.001)
                buckets._accounts.clear()
                lost = True
            for ticket in tickets(await meters[who].take([a_take()] * count)):
                group.create_task(fly(meters[who], ticket, flight_s, part))
    for task in looking:
        task.cancel()
    assert fullest(arrivals, SECOND) <= SECOND.calls
    assert lost or fullest(arrivals, MINUTE) <= MINUTE.calls


def fullest(arrivals: list[int], window: Window) -> int:
    period_ns = window.period_ms * 1_000_000
    return max((sum(start <= at < start + period_ns for at in arrivals) for start in arrivals), default=0)
