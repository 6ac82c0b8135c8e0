"""From a journaled leader fill to the broker's books, through a real replicator and a real executor."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random

from paceline.adapters.clock import SystemClock
from paceline.adapters.postgres.plans import PostgresPlans
from paceline.adapters.postgres.subscriptions import PostgresSubscriptions
from paceline.domain.copy_order import CopyOrder, CopyStatus, Intent
from paceline.domain.copying.decision import Decision, SkipReason
from paceline.domain.event import Event, EventKind, Fact
from paceline.domain.facts import fill_identity
from paceline.domain.ids import AccountId, BrokerOrderId, SubscriptionId
from paceline.domain.ledger import Ledger
from paceline.domain.order import Fill
from paceline.domain.partitioning import partition_of
from paceline.domain.subscription import Subscription
from paceline.runtime.lifecycle import Runtime
from paceline.runtime.metric_names import DISPATCHED
from paceline.runtime.metrics import Metrics
from paceline.runtime.settings import load
from paceline.runtime.telemetry import start_telemetry
from services.replicator.__main__ import compose
from services.replicator.settings import Settings
from simulator.orders import Status
from tests.integration.executor import world as executors
from tests.integration.executor.world import LEADER, SHARE, World, until
from tests.integration.replicator.feed_stand_in import Feed, a_feed
from tests.unit.domain.given import KEY, fill, subscription

HOME = partition_of(LEADER)


@dataclass
class Copying:
    """A world with a feed, and subscriptions to the leader at a ratio of one."""

    world: World
    feed: Feed
    trades: int = 0

    async def trade(self, quantity: int, *, leader: AccountId = LEADER) -> Event:
        """A leader trades below the market: copies that buy rest there."""
        self.trades += 1
        last = self.world.sim.exchange.markets[SHARE.instrument_id].ltp - 200 * 5
        body = replace(
            fill(quantity, trade=f"L{self.trades}", order=f"LO{self.trades}", account=leader),
            price=Decimal(last) / 100,
            broker_time_ns=time.time_ns(),
        )
        return await self._tell(body)

    async def fills(self, order: CopyOrder, quantity: int, name: str) -> Event:
        """The follower's own session tells a fill of his copy."""
        rows = await self.world.rows.by_tags([order.tag])
        number = rows[order.tag].order.broker_order_id or BrokerOrderId("b1")
        signed = quantity * int(order.spec.side)
        body = replace(
            fill(signed, trade=name, order=number, account=order.account_id, tag=order.tag),
            price=order.leader_price,
            broker_time_ns=time.time_ns(),
        )
        return await self._tell(body)

    async def orders(self, intent: Intent | None = None) -> list[CopyOrder]:
        rows = await self.world.rows.page(limit=1_000)
        return [row.order for row in rows if intent in (None, row.order.intent)]

    async def until_orders(self, count: int, intent: Intent | None = None) -> list[CopyOrder]:
        async def look() -> bool:
            return len(await self.orders(intent)) >= count

        await until(look, f"{count} orders are planned")
        return await self.orders(intent)

    async def offset(self) -> int:
        query = "SELECT event_offset FROM consumer_offsets WHERE consumer = 'replicator' AND partition = $1"
        return await self.world.database.value(query, HOME) or 0

    async def ledger(self, order: CopyOrder) -> Ledger:
        assert order.subscription_id is not None
        plans = PostgresPlans(self.world.database)
        return (await plans.ledgers_for([order.subscription_id], KEY))[order.subscription_id, KEY]

    async def _tell(self, body: Fill) -> Event:
        identity = fill_identity(body)
        fact = Fact(
            identity, body.account_id, EventKind.FILL, body, body.broker_time_ns, time.time_ns(), False, b"{}"
        )
        (event,) = await self.feed.tell([fact])
        return event


@asynccontextmanager
async def copying(postgres_url: str, redis_url: str, followers: int) -> AsyncIterator[Copying]:
    async with executors.a_world(postgres_url, redis_url, followers) as world, a_feed(world.database) as feed:
        await world.database.execute("DELETE FROM leases WHERE service = 'replicator'")
        await world.database.execute("UPDATE sessions SET state = 'LIVE'")
        await world.account(LEADER)
        subscriptions = [_subscription(n, each) for n, each in enumerate(world.followers)]
        await PostgresSubscriptions(world.database).create_many(subscriptions)
        yield Copying(world, feed)


def _subscription(number: int, follower: AccountId) -> Subscription:
    return replace(subscription(name=f"s{number:03d}", follower=follower), leader=LEADER)


@asynccontextmanager
async def a_replicator(world: World, name: str = "r", **settings: str) -> AsyncIterator[Runtime[Settings]]:
    own = {f"PACELINE_{key.upper()}": value for key, value in settings.items()}
    environ = world.environ | {"PACELINE_REPLICA_ID": name, "PACELINE_MARKET_HOURS": "always-open"} | own
    runtime = Runtime(
        "replicator",
        load(Settings, environ),
        clock=SystemClock(),
        random=Random(7),
        metrics=Metrics(),
        telemetry=start_telemetry(service="replicator", replica_id=name),
    )
    try:
        await compose(runtime)
        yield runtime
    finally:
        await runtime.stop_all()


async def test_one_leader_fill_is_one_order_for_every_follower(postgres_url: str, redis_url: str) -> None:
    async with (
        copying(postgres_url, redis_url, 40) as one,
        one.world.executor(),
        a_replicator(one.world, chunk_followers="15") as replicator,
    ):
        await one.world.until_owned(for_hints=True)
        event = await one.trade(10)
        orders = await one.until_orders(40)
        await one.world.until_all(orders, CopyStatus.WORKING)
        one.world.assert_each_once(orders)
        assert len(one.world.books()) == 40
        assert {order.spec.quantity for order in orders} == {Decimal(10)}
        assert await one.offset() == event.offset
        assert replicator.metrics.value(DISPATCHED) == 40


async def test_events_that_nobody_planned_are_planned_by_the_next_replicator_and_none_twice(
    postgres_url: str, redis_url: str
) -> None:
    async with copying(postgres_url, redis_url, 10) as one:
        async with a_replicator(one.world, "first"):
            await one.trade(10)
            await one.until_orders(10)
        await one.trade(5)
        async with a_replicator(one.world, "second"):
            orders = await one.until_orders(20)

            async def done() -> bool:
                return await one.offset() == 2

            await until(done, "the second moved the offset")
        assert len(orders) == 20
        assert Counter(order.spec.quantity for order in orders) == {Decimal(10): 10, Decimal(5): 10}
        state = await PostgresPlans(one.world.database).leader_states([LEADER])
        assert state[LEADER].position(KEY).own == 15


async def test_followers_fills_come_back_through_the_journal_and_an_exit_sells_them(
    postgres_url: str, redis_url: str
) -> None:
    async with (
        copying(postgres_url, redis_url, 2) as one,
        one.world.executor(),
        a_replicator(one.world),
    ):
        await one.trade(10)
        entries = await one.until_orders(2, Intent.ENTRY)
        await one.world.until_all(entries, CopyStatus.WORKING)
        for order in entries:
            await one.fills(order, 4, f"a-{order.tag}")
            await one.fills(order, 6, f"b-{order.tag}")
        await one.world.until_all(entries, CopyStatus.FILLED)
        assert (await one.ledger(entries[0])).position == 10
        await one.trade(-10)
        exits = await one.until_orders(2, Intent.EXIT)
        await one.world.until_all(exits, CopyStatus.WORKING)
        one.world.assert_each_once([*entries, *exits])
        assert {order.spec.quantity for order in exits} == {Decimal(10)}
        row = (await one.world.rows.by_tags([entries[0].tag]))[entries[0].tag]
        assert (row.slippage_bps, row.order.average_price) == (Decimal(0), entries[0].leader_price)


async def test_an_entry_that_fills_after_the_leader_left_is_sold_again(
    postgres_url: str, redis_url: str
) -> None:
    async with (
        copying(postgres_url, redis_url, 1) as one,
        one.world.executor(),
        a_replicator(one.world),
    ):
        await one.trade(10)
        (entry,) = await one.until_orders(1, Intent.ENTRY)
        await one.world.until_all([entry], CopyStatus.WORKING)
        left = await one.trade(-10)

        async def planned() -> bool:
            return await one.offset() == left.offset

        await until(planned, "the exit is planned")
        assert await one.orders(Intent.EXIT) == []
        await one.fills(entry, 10, "late")
        (sale,) = await one.until_orders(1, Intent.EXIT)
        await one.world.until_all([sale], CopyStatus.WORKING)
        assert (int(sale.spec.side), sale.spec.quantity) == (-1, Decimal(10))
        assert sale.subscription_id == SubscriptionId("s000")
        one.world.assert_each_once([entry, sale])


async def test_a_leader_who_left_before_the_copy_filled_has_it_cancelled_and_nothing_sold(
    postgres_url: str, redis_url: str
) -> None:
    async with (
        copying(postgres_url, redis_url, 1) as one,
        one.world.executor(),
        a_replicator(one.world),
    ):
        await one.trade(10)
        (entry,) = await one.until_orders(1, Intent.ENTRY)
        await one.world.until_all([entry], CopyStatus.WORKING)
        await one.trade(-10)
        await until(lambda: one.world.at_broker(entry).status is Status.CANCELLED, "it is cancelled")
        await one.world.until_all([entry], CopyStatus.CANCELLED)
        assert await one.orders(Intent.EXIT) == []
        assert (await one.ledger(entry)).entries_working == 0
        one.world.assert_each_once([entry])


async def test_an_entry_still_unsent_when_the_leader_leaves_is_not_sent_for_nothing(
    postgres_url: str, redis_url: str
) -> None:
    """Held back by the limits: what the exit made unwanted is withdrawn once the exit comes to the desk."""
    async with (
        copying(postgres_url, redis_url, 1) as one,
        one.world.executor(),
        a_replicator(one.world),
    ):
        await one.trade(10)
        (first,) = await one.until_orders(1)
        await one.world.until_all([first], CopyStatus.WORKING)
        await one.fills(first, 10, "f1")
        await one.world.until_all([first], CopyStatus.FILLED)
        await one.world.penalize(one.world.followers[0], seconds=4)
        await one.trade(5)
        await one.until_orders(2, Intent.ENTRY)
        await one.trade(-15)
        (exit_,) = await one.until_orders(1, Intent.EXIT)
        await one.world.until_all([exit_], CopyStatus.WORKING)
        entries = await one.orders(Intent.ENTRY)
        assert Counter(order.status for order in entries) == {CopyStatus.FILLED: 1, CopyStatus.CANCELLED: 1}
        assert len(one.world.books()) == 2
        assert (await one.ledger(first)).entries_working == 0


async def test_an_entry_against_the_copies_of_another_leader_is_skipped_by_name(
    postgres_url: str, redis_url: str
) -> None:
    async with copying(postgres_url, redis_url, 2) as one:
        other, (first, second) = AccountId("fyers:XOTHER"), one.world.followers
        await one.world.account(other)
        rival = replace(subscription(name="rival", follower=first), leader=other)
        free = replace(subscription(name="friend", follower=second), leader=other, allow_opposite=True)
        await PostgresSubscriptions(one.world.database).create_many([rival, free])
        decisions = await _decisions_on_two_leaders(one, other)
    assert {each.subscription_id: each.reason for each in decisions} == {
        "rival": SkipReason.OPPOSITE_HELD,
        "friend": None,
    }


async def _decisions_on_two_leaders(one: Copying, other: AccountId) -> Sequence[Decision]:
    plans = PostgresPlans(one.world.database)
    async with a_replicator(one.world):
        await one.trade(10)
        await one.until_orders(2)
        event = await one.trade(-7, leader=other)

        async def decided() -> bool:
            return len(await plans.decisions_of(event.fact.identity)) == 2

        await until(decided, "the other leader's fill is decided")
        return await plans.decisions_of(event.fact.identity)
