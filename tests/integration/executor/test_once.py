"""Judged by the broker's own books: one order for each row, whatever dies or lies."""

from collections import Counter

import pytest
from redis.asyncio import Redis

from paceline.domain.copy_order import CopyStatus
from paceline.runtime.metric_names import ORDERS_SENT
from simulator.faults import FaultKind
from simulator.fyers.auth import TOKEN_EXPIRED
from tests.integration.executor.world import PATIENT, a_world, until


async def test_a_plan_of_a_hundred_followers_is_exactly_a_hundred_orders(
    postgres_url: str, redis_url: str
) -> None:
    async with (
        a_world(postgres_url, redis_url, followers=100) as world,
        world.executor(sweep_after_ms="60000", **PATIENT) as runtime,
    ):
        await world.until_owned(for_hints=True)
        orders = await world.plan(world.followers)
        assert await world.hint(orders) == Counter(accepted=100)
        assert await world.hint(orders) == Counter(known=100)
        await world.until_all(orders, CopyStatus.WORKING)
        world.assert_each_once(orders)
        assert len(world.books()) == 100
        rows = await world.rows.by_tags([orders[0].tag])
        row = rows[orders[0].tag]
        assert row.order.broker_order_id in world.sim.exchange.orders
        assert 0 < row.order.planned_ns < row.sent_ns < row.accepted_ns
        labels = {"command": "PLACE", "outcome": "accepted", "account_type": "copy_follower"}
        assert runtime.metrics.value(ORDERS_SENT, **labels) == 100


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        pytest.param(FaultKind.DROP_AFTER_ACCEPT, {}, id="drop after accept"),
        pytest.param(FaultKind.DROP_BEFORE_ACCEPT, {}, id="drop before accept"),
        pytest.param(FaultKind.CODE_201, {"accept": True}, id="201"),
        pytest.param(FaultKind.SERVER_5XX, {"accept": True, "status": 502}, id="502, taken"),
        pytest.param(FaultKind.SERVER_5XX, {"accept": False, "status": 503}, id="503, not taken"),
        pytest.param(FaultKind.LATE_LANDING, {"ms": 300}, id="lands after the client left"),
    ],
)
async def test_a_lost_answer_is_looked_up_by_its_tag(
    postgres_url: str, redis_url: str, kind: FaultKind, options: dict[str, object]
) -> None:
    async with a_world(postgres_url, redis_url, followers=8) as world, world.executor():
        await world.until_owned()
        world.sim.face.faults.add(kind, remaining=5, **options)
        orders = await world.plan(world.followers)
        await world.hint(orders)
        await until(lambda: world.sim.face.faults.hits[kind] == 5, "the fault hit")
        await world.until_all(orders, CopyStatus.WORKING)
        world.assert_each_once(orders)


async def test_429_is_waited_for(postgres_url: str, redis_url: str) -> None:
    async with a_world(postgres_url, redis_url, followers=6) as world, world.executor():
        await world.until_owned()
        world.sim.face.faults.add(FaultKind.RATE_429, remaining=6)
        orders = await world.plan(world.followers)
        await world.hint(orders)
        await world.until_all(orders, CopyStatus.WORKING)
        world.assert_each_once(orders)
        assert world.breaches() == 0


async def test_a_burst_of_fifteen_is_placed_without_a_429(postgres_url: str, redis_url: str) -> None:
    async with a_world(postgres_url, redis_url, followers=1) as world, world.executor():
        await world.until_owned()
        orders = [order for _ in range(15) for order in await world.plan(world.followers)]
        await world.hint(orders)
        await world.until_all(orders, CopyStatus.WORKING)
        world.assert_each_once(orders)
        limits = world.sim.face.clients["XF00000"].limits
        assert (limits.refused, world.breaches()) == (0, 0)
        assert limits.second.peak <= 10


async def test_redis_flushed_in_the_middle_breaches_no_window(postgres_url: str, redis_url: str) -> None:
    async with a_world(postgres_url, redis_url, followers=1) as world, world.executor():
        await world.until_owned()
        redis = Redis.from_url(redis_url)
        orders = [order for _ in range(25) for order in await world.plan(world.followers)]
        await world.hint(orders)
        for placed in (5, 15):
            await until(lambda wanted=placed: len(world.books()) >= wanted, f"{placed} are placed")  # type: ignore[misc]
            await redis.flushdb()
        await world.until_all(orders, CopyStatus.WORKING)
        await redis.aclose()
        world.assert_each_once(orders)
        limits = world.sim.face.clients["XF00000"].limits
        assert (limits.refused, world.breaches()) == (0, 0)
        assert limits.second.peak <= 10


async def test_a_redis_lost_before_the_take_over_is_counted_from_the_rows(
    postgres_url: str, redis_url: str
) -> None:
    async with a_world(postgres_url, redis_url, followers=1) as world:
        async with world.executor():
            await world.until_owned()
            first = [order for _ in range(10) for order in await world.plan(world.followers)]
            await world.hint(first)
            await world.until_all(first, CopyStatus.WORKING)
        redis = Redis.from_url(redis_url)
        await redis.flushdb()
        second = [order for _ in range(10) for order in await world.plan(world.followers)]
        async with world.executor("b"):
            await world.until_all(second, CopyStatus.WORKING)
        await redis.aclose()
        world.assert_each_once([*first, *second])
        assert world.breaches() == 0


async def test_rows_planned_while_no_executor_lived_are_swept_up(postgres_url: str, redis_url: str) -> None:
    async with a_world(postgres_url, redis_url, followers=20) as world:
        orders = await world.plan(world.followers)
        async with world.executor():
            await world.until_all(orders, CopyStatus.WORKING)
        world.assert_each_once(orders)


async def test_an_expired_token_is_replaced_by_the_next_in_the_table(
    postgres_url: str, redis_url: str
) -> None:
    async with a_world(postgres_url, redis_url, followers=3) as world, world.executor():
        await world.until_owned()
        world.sim.face.tokens.spoil(None, TOKEN_EXPIRED)
        for follower in world.followers:
            await world.log_in(follower)
        orders = await world.plan(world.followers)
        await world.hint(orders)
        await world.until_all(orders, CopyStatus.WORKING)
        world.assert_each_once(orders)


async def test_without_a_token_an_entry_fails_with_its_reason(postgres_url: str, redis_url: str) -> None:
    async with a_world(postgres_url, redis_url, followers=1) as world, world.executor():
        await world.until_owned()
        world.sim.face.tokens.spoil(None, TOKEN_EXPIRED)
        orders = await world.plan(world.followers)
        await world.hint(orders)
        await world.until_all(orders, CopyStatus.FAILED)
        (row,) = (await world.rows.by_tags([orders[0].tag])).values()
        assert row.error_code == "LOGIN_NEEDED"
        assert world.books() == []


async def test_an_executor_killed_between_write_and_answer_leaves_no_duplicate_and_no_gap(
    postgres_url: str, redis_url: str
) -> None:
    async with a_world(postgres_url, redis_url, followers=20) as world:
        victim = await world.process("victim")
        await world.until_owned()
        world.sim.face.faults.add(FaultKind.DELAY_AFTER, ms=400)
        orders = await world.plan(world.followers)
        await world.hint(orders)
        await until(lambda: len(world.books()) >= 10, "half of them are at the broker")
        victim.kill()
        await victim.wait()
        world.sim.face.faults.clear()
        late = await world.plan(world.followers)
        async with world.executor("heir"):
            await world.until_all([*orders, *late], CopyStatus.WORKING)
        world.assert_each_once([*orders, *late])


async def test_two_executors_share_and_one_hands_over_in_good_order(
    postgres_url: str, redis_url: str
) -> None:
    async with a_world(postgres_url, redis_url, followers=30) as world, world.executor("a"):
        async with world.executor("b"):
            await world.until_owned(by=2, for_hints=True)
            first = await world.plan(world.followers)
            told = await world.hint(first)
            assert told["accepted"] + told["known"] == 30
            second = await world.plan(world.followers)
            await world.hint(second)
        await world.until_owned(by=1)
        await world.until_all([*first, *second], CopyStatus.WORKING)
        world.assert_each_once([*first, *second])
