"""One request for each copy order, however often it is brought, in order, within limits and leases."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from paceline.domain.copy_order import CopyOrder
from paceline.domain.copying.fold import GivenUp, Placed
from paceline.domain.errors import (
    BrokerAuthFailed,
    BrokerLoginNeeded,
    BrokerNeverSent,
    BrokerOutcomeUnknown,
    BrokerRateLimited,
    BrokerRejected,
    Unavailable,
)
from paceline.domain.execution import Command
from paceline.domain.ids import AccountId, CopyOrderId, Epoch, Partition
from paceline.domain.partitioning import partition_of
from paceline.ports.broker import Call
from paceline.ports.buckets import Take
from paceline.runtime.meter import Meter
from paceline.runtime.metric_names import BUCKET_WAIT_SECONDS, QUEUE_DEPTH
from paceline.runtime.metrics import Metrics
from paceline.runtime.partitions import Partitions
from services.executor.flights import Patience
from services.executor.floor import Floor
from services.executor.known import REMEMBERED_NS
from services.executor.outcome import Answer, Outcome
from tests.fakes.buckets import FakeBuckets
from tests.fakes.clock import FakeClock
from tests.unit.executor.given import FOLLOWER, HOME, LIMITS, FakeBroker, S, an_exit, holding, order

EVERYWHERE = [Partition(each) for each in range(256)]


@dataclass
class World:
    clock: FakeClock
    broker: FakeBroker
    buckets: FakeBuckets
    partitions: Partitions
    floor: Floor
    metrics: Metrics
    outcomes: list[Outcome]
    answers: list[Answer]
    claimed: set[CopyOrderId]

    def bring(self, *orders: CopyOrder) -> tuple[int, int, list[str]]:
        new, known, foreign = self.floor.take_in(orders)
        return new, known, list(foreign)

    async def until(self, true: Callable[[], object], *, seconds: float = 120) -> None:
        async with asyncio.timeout(120):  # on a machine that has other things to do
            end = self.clock.monotonic_ns() + round(seconds * S)
            while not true():
                assert self.clock.monotonic_ns() < end, "it did not become true in time"
                await self.clock.sleep(0.01)

    async def outcome_of(self, order: CopyOrder) -> Outcome:
        await self.until(lambda: [each for each in self.outcomes if each.order.tag == order.tag])
        return next(each for each in self.outcomes if each.order.tag == order.tag)


@asynccontextmanager
async def a_floor(**patience: int) -> AsyncIterator[World]:
    clock = FakeClock(auto_jump=True)
    broker, metrics = FakeBroker(clock), Metrics()
    buckets, partitions = FakeBuckets(clock), await holding(clock)
    outcomes: list[Outcome] = []
    answers: list[Answer] = []
    claimed: set[CopyOrderId] = set()
    settings = {"need_ms": 0, "sends_max": 100, "attempts_max": 3, "held_exit_retry_ms": 5_000} | patience
    floor = Floor(
        LIMITS,
        broker.send,
        broker.relogin,
        Meter(buckets, clock),
        partitions,
        clock,
        metrics,
        outcomes.append,
        Patience(**settings, backoff_s=lambda attempt: 0.1 * attempt),
        answers.append,
        claimed.__contains__,
    )
    floor.open(EVERYWHERE)
    beating = asyncio.create_task(partitions.run())
    running = asyncio.create_task(floor.run())
    try:
        yield World(clock, broker, buckets, partitions, floor, metrics, outcomes, answers, claimed)
    finally:
        for task in (running, beating):
            task.cancel()
        await asyncio.gather(running, beating, return_exceptions=True)


async def test_an_order_goes_once_however_often_it_is_brought() -> None:
    async with a_floor() as world:
        one = order("e1")
        assert world.bring(one, one) == (1, 1, [])
        assert world.bring(one) == (0, 1, [])
        told = await world.outcome_of(one)
        assert isinstance(told.told, Placed)
        assert (told.attempts, told.epoch) == (1, Epoch(1))
        world.floor.written(one)
        assert world.bring(one) == (0, 1, [])
        assert world.broker.tags == [one.tag]
        assert world.metrics.value(BUCKET_WAIT_SECONDS, lane="ENTRY") == 1


async def test_what_is_not_held_here_is_named_and_not_sent() -> None:
    async with a_floor() as world:
        world.floor.leave([HOME])
        one = order("e1")
        assert world.bring(one) == (0, 0, [one.copy_order_id])
        await world.clock.sleep(2)
        assert world.broker.sent == []


async def test_a_partition_is_closed_until_its_former_owners_orders_are_marked() -> None:
    async with a_floor() as world:
        world.floor.leave([HOME])
        maybe_sent = order("e1")
        world.floor.mark(maybe_sent)
        world.floor.open([HOME])
        assert world.bring(maybe_sent) == (0, 1, [])


async def test_a_message_from_before_the_lease_is_left_to_the_sweep() -> None:
    async with a_floor() as world:
        await world.clock.sleep(120)
        now_ns = world.clock.now_ns()
        before_lease = order("e1", planned_ns=world.partitions.lease(HOME).acquired_ns)
        late, fresh = order("e2", planned_ns=now_ns - 60 * S), order("e3", planned_ns=now_ns)
        assert world.floor.hint([before_lease, late, fresh]) == (1, 2, [])
        await world.outcome_of(fresh)
        assert world.broker.tags == [fresh.tag]


async def test_nothing_is_remembered_for_ever() -> None:
    async with a_floor() as world:
        one = order("e1")
        world.bring(one)
        await world.outcome_of(one)
        assert world.floor.knows(one.copy_order_id)
        world.floor.written(one)
        await world.clock.sleep(REMEMBERED_NS / S + 1)
        assert not world.floor.knows(one.copy_order_id)


async def test_fifteen_in_a_burst_go_within_the_windows() -> None:
    async with a_floor() as world:
        orders = [order(f"e{n}", key=f"NSE:K{n}-EQ") for n in range(15)]
        began = world.clock.now_ns()
        world.bring(*orders)
        await world.until(lambda: len(world.outcomes) == 15)
        times = sorted(at for _, at in world.broker.sent)
        assert all(later - earlier > S for earlier, later in zip(times, times[10:], strict=False))
        assert times[-1] - began < 2 * S


async def test_entries_leave_the_last_third_of_a_minute_to_exits() -> None:
    async with a_floor() as world:
        entries = [order(f"e{n}", key=f"NSE:K{n}-EQ") for n in range(160)]
        world.bring(*entries)
        await world.until(lambda: len(world.broker.sent) == 140)
        leaving = an_exit("x", key="NSE:X-EQ")
        world.bring(leaving)
        await world.until(lambda: leaving.tag in world.broker.tags, seconds=2)
        assert len(world.broker.sent) == 141
        await world.until(lambda: len(world.broker.sent) == 161)


async def test_a_429_rests_the_account_and_is_sent_again() -> None:
    async with a_floor() as world:
        refused, other = order("e1"), order("e2", key="NSE:PNB-EQ")
        world.broker.says[refused.tag] = [BrokerRateLimited("slow down", retry_after_ms=3_000)]
        world.bring(refused)
        await world.until(lambda: world.broker.sent)
        world.bring(other)
        told = await world.outcome_of(refused)
        assert (type(told.told), told.attempts) == (Placed, 2)
        first, second = world.broker.times(refused.tag)
        assert second - first >= 3 * S
        assert world.broker.times(other.tag)[0] - first >= 0
        assert await world.buckets.penalties([FOLLOWER]) == {}


async def test_what_was_never_sent_is_tried_thrice_with_pauses_then_given_up() -> None:
    async with a_floor() as world:
        entry = order("e1")
        world.broker.says[entry.tag] = [BrokerNeverSent("refused") for _ in range(3)]
        world.bring(entry)
        told = await world.outcome_of(entry)
        assert told.told == GivenUp("NEVER_SENT")
        assert (told.attempts, told.code, told.words) == (3, "NEVER_SENT", "refused")
        first, second, third = world.broker.times(entry.tag)
        assert second - first >= 0.1 * S
        assert third - second >= 0.2 * S


async def test_an_exit_that_cannot_be_sent_is_held_for_as_long_as_it_takes() -> None:
    async with a_floor() as world:
        leaving = an_exit("e1")
        world.broker.says[leaving.tag] = [BrokerNeverSent("refused") for _ in range(6)]
        world.bring(leaving)
        told = await world.outcome_of(leaving)
        assert isinstance(told.told, Placed)
        times = world.broker.times(leaving.tag)
        assert len(times) == 7
        assert times[3] - times[2] >= 5 * S


async def test_a_refused_token_is_looked_up_once_more_and_then_used() -> None:
    async with a_floor() as world:
        entry = order("e1")
        world.broker.says[entry.tag] = [BrokerAuthFailed("expired", code="-8")]
        world.broker.has_new_token = True
        world.bring(entry)
        assert isinstance((await world.outcome_of(entry)).told, Placed)
        assert (world.broker.relogins, len(world.broker.sent)) == (1, 2)


async def test_a_token_that_is_refused_again_and_again_ends_the_entry() -> None:
    async with a_floor() as world:
        entry = order("e1")
        world.broker.says[entry.tag] = [BrokerAuthFailed("expired", code="-8") for _ in range(9)]
        world.broker.has_new_token = True
        world.bring(entry)
        assert (await world.outcome_of(entry)).told == GivenUp("LOGIN_NEEDED")
        assert len(world.broker.sent) == 3


async def test_without_a_login_entries_fail_and_exits_wait_for_it() -> None:
    async with a_floor() as world:
        entry, leaving = order("e1"), an_exit("e2", key="NSE:PNB-EQ")
        for each in (entry, leaving):
            world.broker.says[each.tag] = [BrokerLoginNeeded("a person must log in")]
        world.bring(entry, leaving)
        assert (await world.outcome_of(entry)).told == GivenUp("LOGIN_NEEDED")
        await world.clock.sleep(1)
        world.floor.wake([FOLLOWER])
        await world.until(lambda: len(world.broker.times(leaving.tag)) == 2, seconds=1)


async def test_a_lookup_that_fails_for_want_of_a_store_is_no_login() -> None:
    async with a_floor() as world:
        entry = order("e1")
        world.broker.says[entry.tag] = [BrokerAuthFailed("expired")]

        async def away(account: AccountId) -> bool:
            raise Unavailable("the database is away")

        world.floor.flights._relogin = away
        world.bring(entry)
        assert (await world.outcome_of(entry)).told == GivenUp("LOGIN_NEEDED")


@pytest.mark.parametrize("told", [BrokerRejected("no margin", code="-99"), BrokerOutcomeUnknown("reset")])
async def test_what_may_stand_or_was_refused_is_not_sent_again(
    told: BrokerRejected | BrokerOutcomeUnknown,
) -> None:
    async with a_floor() as world:
        one = order("e1")
        world.broker.says[one.tag] = [told]
        world.bring(one)
        outcome = await world.outcome_of(one)
        assert (outcome.told, outcome.words, outcome.code) == (told, told.words, told.code)
        await world.clock.sleep(10)
        assert len(world.broker.sent) == 1


async def test_a_request_that_breaks_in_an_unforeseen_way_may_stand_too() -> None:
    async with a_floor() as world:
        one = order("e1")

        async def broken(each: Command) -> Placed:
            raise KeyError("planted")

        world.floor.flights._send = broken
        world.bring(one)
        assert isinstance((await world.outcome_of(one)).told, BrokerOutcomeUnknown)


async def test_aged_entries_are_dropped_with_their_reason() -> None:
    async with a_floor() as world:
        old = order("e1", expires_ns=world.clock.now_ns() - 1)
        world.bring(old)
        told = await world.outcome_of(old)
        assert (told.told, told.code, told.attempts) == (GivenUp("TOO_OLD"), "TOO_OLD", 0)
        assert world.broker.sent == []


async def test_who_waits_for_a_login_takes_nobodys_place() -> None:
    async with a_floor(sends_max=1) as world:
        waiting = order("e1")
        other = order("e2", account=AccountId("fyers:OTHER"))
        world.broker.says[waiting.tag] = [BrokerAuthFailed("expired", code="-8")]
        logged_in = asyncio.Event()

        async def slow(account: AccountId) -> bool:
            await logged_in.wait()
            return True

        world.floor.flights._relogin = slow
        world.bring(waiting)
        await world.until(lambda: len(world.broker.sent) == 1)
        world.bring(other)
        assert isinstance((await world.outcome_of(other)).told, Placed)
        logged_in.set()
        assert isinstance((await world.outcome_of(waiting)).told, Placed)


async def test_an_entry_whose_broker_is_away_fails_at_once_by_that_name() -> None:
    async with a_floor() as world:
        one = order("e1")
        world.broker.says[one.tag] = [BrokerNeverSent("not reached lately", away=True)]
        world.bring(one)
        outcome = await world.outcome_of(one)
        assert (outcome.told, outcome.words) == (GivenUp("BROKER_AWAY"), "not reached lately")
        assert len(world.broker.sent) == 1


async def test_nothing_leaves_with_less_lease_than_a_request_may_take() -> None:
    async with a_floor(need_ms=60_000) as world:
        world.bring(order("e1"))
        await world.clock.sleep(10)
        assert world.broker.sent == []
        (taken,) = await world.buckets.take([_take()])
        assert taken.granted


async def test_a_lease_that_grew_too_short_between_grant_and_send_keeps_the_order() -> None:
    async with a_floor() as world:
        one = order("e1")
        world.floor.flights._partitions = ShortOnce(world.partitions)  # type: ignore[assignment]
        world.bring(one)
        assert isinstance((await world.outcome_of(one)).told, Placed)
        assert len(world.broker.sent) == 1
        assert world.broker.sent[0][1] >= world.clock.now_ns() - S


async def test_a_grant_that_grew_old_is_lost_and_taken_anew() -> None:
    async with a_floor() as world:
        one = order("e1")
        launch = world.floor.flights.launch

        def late(*arguments: object) -> None:
            launch(*arguments)  # type: ignore[arg-type]
            world.clock.advance(0.2)
            world.floor.flights.launch = launch  # type: ignore[method-assign]

        world.floor.flights.launch = late  # type: ignore[method-assign,assignment]
        world.bring(one)
        assert isinstance((await world.outcome_of(one)).told, Placed)
        assert len(world.broker.sent) == 1


async def test_a_store_of_limits_that_is_away_sends_nothing_and_loses_nothing() -> None:
    async with a_floor() as world:
        take, failures = world.buckets.take, iter(range(5))

        async def away(takes: list[Take]) -> object:
            if next(failures, None) is not None:
                raise Unavailable("Redis is away")
            return await take(takes)

        world.buckets.take = away  # type: ignore[assignment,method-assign]
        one = order("e1")
        world.bring(one)
        await world.outcome_of(one)
        assert len(world.broker.sent) == 1


async def test_no_more_are_in_the_air_than_there_is_room_for() -> None:
    async with a_floor(sends_max=3) as world:
        orders = [order(f"e{n}", account=AccountId(f"fyers:F{n}")) for n in range(9)]
        world.broker.silent = {each.tag for each in orders[:3]}
        world.bring(*orders)
        await world.clock.sleep(5)
        assert len(world.broker.sent) == 3


async def test_a_partition_that_leaves_waits_for_its_answers() -> None:
    async with a_floor() as world:
        one = order("e1")
        world.broker.takes_s = 0.5
        world.bring(one)
        await world.until(lambda: world.broker.sent)
        await world.floor.flights.landed([HOME])
        assert isinstance(world.outcomes[0].told, Placed)


async def test_what_is_in_the_air_when_nobody_waits_any_more_is_unknown() -> None:
    async with a_floor() as world:
        one, elsewhere = order("e1"), order("e2", account=AccountId("fyers:OTHER"))
        assert partition_of(elsewhere.account_id) != HOME
        world.broker.silent = {one.tag, elsewhere.tag}
        world.bring(one, elsewhere)
        await world.until(lambda: len(world.broker.sent) == 2)
        await world.floor.flights.cut([HOME])
        (told,) = world.outcomes
        assert (told.order, type(told.told), told.sent_ns > 0) == (one, BrokerOutcomeUnknown, True)
    assert [each.order for each in world.outcomes] == [one, elsewhere]


async def test_an_order_whose_partition_left_while_it_asked_for_a_grant_is_not_sent() -> None:
    async with a_floor() as world:
        take = world.buckets.take

        async def leaving(takes: list[Take]) -> object:
            world.floor.leave([HOME])
            return await take(takes)

        world.buckets.take = leaving  # type: ignore[assignment,method-assign]
        world.bring(order("e1"))
        await world.clock.sleep(2)
        assert world.broker.sent == []


async def test_the_queue_is_told_by_lane() -> None:
    async with a_floor() as world:
        await world.buckets.penalize(FOLLOWER, world.clock.now_ns() + 60 * S)
        world.bring(order("e1"), an_exit("e2", key="NSE:PNB-EQ"))
        await world.clock.sleep(1)
        assert world.metrics.value(QUEUE_DEPTH, lane="ENTRY") == 1
        assert world.metrics.value(QUEUE_DEPTH, lane="EXIT") == 1


def _take() -> Take:
    return Take(FOLLOWER, LIMITS.windows, Call.PLACE, entry=False, cost=10)


class ShortOnce:
    """Partitions whose lease is too short for one look."""

    def __init__(self, partitions: Partitions) -> None:
        self._partitions = partitions
        self._looks = 0

    def usable(self, partition: Partition, need_ms: int = 0) -> bool:
        self._looks += 1
        return self._looks > 1 and self._partitions.usable(partition, need_ms)
