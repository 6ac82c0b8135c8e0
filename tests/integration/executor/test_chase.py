"""Protected limits that rest, by the books of the broker: followed, bounded, once, whatever dies or lies."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal

from paceline.adapters.postgres.audit import PostgresAudit
from paceline.adapters.postgres.subscriptions import PostgresSubscriptions
from paceline.adapters.redis.connection import open_redis
from paceline.adapters.redis.prices import RedisPrices
from paceline.domain.copy_order import CommandStatus, CopyOrder, CopyStatus
from paceline.domain.ids import SubscriptionId, Tag
from paceline.ports.prices import Price
from paceline.runtime.metric_names import CHASE_STEPS
from simulator.faults import FaultKind
from simulator.orders import Status
from tests.integration.executor.world import LEADER, SHARE, World, a_world, until
from tests.unit.domain.given import d, subscription

FAST = {"PACELINE_CHASE_REST_MS": "100", "PACELINE_CHASE_REST_LONGEST_MS": "200"}
MODIFY = frozenset({"modify"})


@dataclass
class Stage:
    world: World
    entry: CopyOrder
    redis_url: str

    async def priced(self, last: Decimal, *, stale: bool = False) -> None:
        """As newest for as long as the test takes."""
        redis = open_redis(self.redis_url)
        later_ns = time.time_ns() + 600_000_000_000
        await RedisPrices(redis).put(
            {SHARE.instrument_id: Price(last, later_ns, later_ns, "test", stale=stale)}
        )
        await redis.aclose()

    def limit(self) -> Decimal:
        return Decimal(self.world.at_broker(self.entry).limit) / 100

    async def steps(self) -> list[tuple[str, int]]:
        """By the audit of the order, oldest first; each has its command."""
        audit = await PostgresAudit(self.world.database).page(
            subject_kind="copy_order", subject=self.entry.copy_order_id
        )
        return [(each.action, each.details["step"]) for each in reversed(audit)]  # type: ignore[misc]

    async def commands(self) -> list[str]:
        rows = await self.world.database.fetch("SELECT status FROM copy_commands ORDER BY number")
        return [row["status"] for row in rows]


@asynccontextmanager
async def a_stage(
    postgres_url: str, redis_url: str, *, allowance_bps: int, **settings: str
) -> AsyncIterator[Stage]:
    """An entry that rests a little below the market, and may follow so far from its leader's price."""
    async with a_world(postgres_url, redis_url, 1) as world:
        world.environ |= FAST | {f"PACELINE_{key.upper()}": value for key, value in settings.items()}
        (follower,) = world.followers
        await world.account(LEADER)
        follows = subscription(name=f"s-{follower}", follower=follower)
        filters = replace(follows.filters, allowance_bps=d(allowance_bps))
        await PostgresSubscriptions(world.database).create(replace(follows, leader=LEADER, filters=filters))
        (entry,) = await world.plan(world.followers)
        yield Stage(world, entry, redis_url)


async def test_an_entry_follows_the_price_within_its_allowance_and_fills(
    postgres_url: str, redis_url: str
) -> None:
    async with (
        a_stage(postgres_url, redis_url, allowance_bps=300) as stage,
        stage.world.executor() as runtime,
    ):
        world, entry = stage.world, stage.entry
        await world.until_all([entry], CopyStatus.WORKING)
        assert stage.limit() == entry.spec.limit_price
        await stage.priced(entry.leader_price * 2, stale=True)
        await stage.priced(entry.leader_price * Decimal("1.02"))
        await until(lambda: world.at_broker(entry).status is Status.TRADED, "the price was followed")
        order = world.at_broker(entry)
        assert (order.modifications, order.qty) == (1, 10)
        assert entry.spec.limit_price < stage.limit() <= entry.leader_price * Decimal("1.03")
        assert await stage.steps() == [("chase.moved", 1)]
        await until(
            lambda: runtime.metrics.value(CHASE_STEPS, intent="ENTRY", outcome="MOVED") == 1, "counted"
        )
        world.assert_each_once([entry])


async def test_a_modification_whose_answer_was_lost_is_made_once(postgres_url: str, redis_url: str) -> None:
    async with a_stage(postgres_url, redis_url, allowance_bps=110) as stage, stage.world.executor():
        world, entry = stage.world, stage.entry
        world.sim.face.faults.add(FaultKind.DROP_AFTER_ACCEPT, remaining=1, calls=MODIFY)
        await stage.priced(entry.leader_price * 2)
        await until(lambda: world.sim.face.faults.hits[FaultKind.DROP_AFTER_ACCEPT] == 1, "it was lost")
        await until_commands(stage, CommandStatus.DONE)
        await assert_moved_once(stage)


async def test_an_executor_killed_in_the_middle_of_a_step_leaves_it_made_once(
    postgres_url: str, redis_url: str
) -> None:
    async with a_stage(postgres_url, redis_url, allowance_bps=110) as stage:
        world, entry = stage.world, stage.entry
        victim = await world.process("victim")
        world.sim.face.faults.add(FaultKind.DELAY_AFTER, ms=400, calls=MODIFY)
        await stage.priced(entry.leader_price * 2)
        await until(
            lambda: any(each.modifications for each in world.books()), "it is carried out, and not answered"
        )
        victim.kill()
        await victim.wait()
        world.sim.face.faults.clear()
        async with world.executor("heir"):
            await until_commands(stage, CommandStatus.DONE)
            await assert_moved_once(stage)


async def test_an_entry_out_of_reach_is_cancelled_and_forgone_by_name(
    postgres_url: str, redis_url: str
) -> None:
    async with a_stage(postgres_url, redis_url, allowance_bps=100, chase_entry_max_ms="700") as stage:
        await stage.priced(stage.entry.leader_price * 2)
        async with stage.world.executor():
            await stage.world.until_all([stage.entry], CopyStatus.CANCELLED)
            await until_commands(stage, CommandStatus.DONE)
        order = stage.world.at_broker(stage.entry)
        assert (order.status, order.modifications) == (Status.CANCELLED, 0)
        rows = await stage.world.database.fetch(
            "SELECT kind, reason FROM ledger_entries WHERE kind IN ('RELEASED', 'FORGONE') ORDER BY kind"
        )
        named = "CHASE_OUT_OF_ALLOWANCE"
        assert [tuple(row) for row in rows] == [("FORGONE", named), ("RELEASED", named)]
        assert await stage.steps() == [("chase.given_up", 1)]


async def test_an_exit_follows_without_allowance_and_a_leaders_own_limit_never_moves(
    postgres_url: str, redis_url: str
) -> None:
    async with a_stage(postgres_url, redis_url, allowance_bps=0, chase_exit_step_bps="10") as stage:
        world, leaving = stage.world, stage.entry
        await world.database.execute("UPDATE copy_orders SET intent = 'EXIT', expires_ns = 0")
        (mirrored,) = await world.plan(world.followers)
        name = SubscriptionId(f"s-{world.followers[0]}")
        assert mirrored.subscription_id == name
        await world.database.execute("UPDATE copy_orders SET protected = false WHERE tag = $1", mirrored.tag)
        async with world.executor():
            await stage.priced(leaving.leader_price)
            await until(lambda: _modifications(stage) >= 2, "it is moved again and again")
            await until(lambda: world.at_broker(leaving).status is Status.TRADED, "until it is flat")
        untouched = world.at_broker(mirrored)
        assert (untouched.modifications, untouched.status) == (0, Status.PENDING)
        assert {each[0] for each in await stage.steps()} == {"chase.moved"}


async def test_an_exit_that_the_broker_refused_comes_again_as_its_next_step(
    postgres_url: str, redis_url: str
) -> None:
    """Its limit lies outside the band of the day, so that nobody may take it."""
    async with a_stage(postgres_url, redis_url, allowance_bps=0, exit_retry_first_ms="100") as stage:
        world, leaving = stage.world, stage.entry
        await world.database.execute(
            "UPDATE copy_orders SET intent = 'EXIT', expires_ns = 0, limit_price = 1"
        )
        short = "UPDATE ledgers SET ideal = 0, entry_planned = -10, entry_filled = -10, exit_planned = 10"
        await world.database.execute(short)
        async with world.executor():
            await world.until_all([leaving], CopyStatus.REJECTED)
            assert len(world.books()) == 1
            await stage.priced(leaving.leader_price * Decimal("1.02"))
            await until(lambda: len(world.books()) == 2, "it came again")
        refused, again = world.books()
        assert (refused.status, again.status, again.qty) == (Status.REJECTED, Status.TRADED, 10)
        row = (await world.rows.by_tags([Tag(again.tag)]))[Tag(again.tag)].order
        assert (row.step, row.decision_id, row.cause) == (1, leaving.decision_id, leaving.cause)
        acts = await PostgresAudit(world.database).page(
            subject_kind="copy_order", subject=leaving.copy_order_id
        )
        assert [each.action for each in acts] == ["chase.retried"]


def _modifications(stage: Stage) -> int:
    return sum(each.modifications for each in stage.world.books() if each.tag == stage.entry.tag)


async def until_commands(stage: Stage, *statuses: CommandStatus) -> None:
    async def look() -> bool:
        return await stage.commands() == [each.value for each in statuses]

    await until(look, f"the commands are {statuses}")


async def assert_moved_once(stage: Stage) -> None:
    """By the book: as far as it may, and no second time."""
    order = stage.world.at_broker(stage.entry)
    assert (order.modifications, order.status, order.qty) == (1, Status.PENDING, 10)
    assert stage.entry.spec.limit_price < stage.limit() <= stage.entry.leader_price * Decimal("1.011")
    assert await stage.steps() == [("chase.moved", 1)]
    stage.world.assert_each_once([stage.entry])
