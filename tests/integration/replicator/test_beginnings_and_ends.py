"""Subscriptions that begin and end, through real replicators and executors that die in between."""

import time
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from decimal import Decimal

from paceline.adapters.postgres.lives import PostgresLives
from paceline.adapters.postgres.plans import PostgresPlans
from paceline.adapters.postgres.subscriptions import PostgresSubscriptions
from paceline.adapters.redis.connection import open_redis
from paceline.adapters.redis.prices import RedisPrices
from paceline.domain.copy_order import CopyOrder, CopyStatus, Intent
from paceline.domain.ids import AccountId, SubscriptionId
from paceline.domain.ledger import Ledger
from paceline.domain.partitioning import partition_of
from paceline.domain.subscription import (
    EndPolicy,
    Sizing,
    SizingMode,
    Subscription,
    SubscriptionState,
    TakeOverPolicy,
)
from paceline.ports.lives import Ending, Tenancy
from paceline.ports.prices import Price
from paceline.runtime.lifecycle import Runtime
from services.replicator.settings import Settings
from simulator.orders import Status
from tests.integration.executor.world import LEADER, SHARE, until
from tests.integration.replicator.test_from_event_to_order import HOME, Copying, a_replicator, copying
from tests.unit.domain.given import KEY, d, subscription

NAME = SubscriptionId("s000")
TAKER = SubscriptionId("taker")


class Life:
    """One subscription from its beginning to its end."""

    def __init__(self, one: Copying) -> None:
        self.one = one
        self.store = PostgresSubscriptions(one.world.database)

    async def settle(self, **settings: object) -> None:
        changed: Subscription = replace(await self.store.get(NAME), **settings)  # type: ignore[arg-type]
        await self.store.update(changed)

    def last(self) -> Decimal:
        """A little below the market: what buys with an allowance may rest there."""
        return Decimal(self.one.world.sim.exchange.markets[SHARE.instrument_id].ltp - 300 * 5) / 100

    async def price(self) -> None:
        redis = open_redis(self.one.world.environ["PACELINE_REDIS_URL"])
        now_ns = time.time_ns()
        await RedisPrices(redis).put({SHARE.instrument_id: Price(self.last(), now_ns, now_ns, "test")})
        await redis.aclose()

    async def until_offset(self, offset: int) -> None:
        async def look() -> bool:
            return await self.one.offset() == offset

        await until(look, f"the journal is read up to {offset}")

    async def until_state(self, state: SubscriptionState) -> None:
        async def look() -> bool:
            return (await self.store.get(NAME)).state is state

        await until(look, f"it is {state}")

    async def until_waits(self, words: str) -> None:
        query = "SELECT waits_for FROM subscriptions WHERE subscription_id = $1"

        async def look() -> bool:
            return bool(await self.one.world.database.value(query, NAME) == words)

        await until(look, f"it waits for {words}")

    async def ledger(self, name: SubscriptionId = NAME) -> Ledger:
        ledgers = await PostgresPlans(self.one.world.database).ledgers_for([name], KEY)
        return ledgers.get((name, KEY), Ledger())

    async def filled(self, order: CopyOrder, quantity: int) -> None:
        await self.one.world.until_all([order], CopyStatus.WORKING)
        await self.one.fills(order, quantity, f"f-{order.tag}")
        await self.one.world.until_all([order], CopyStatus.FILLED)

    def replicator(self, name: str) -> AbstractAsyncContextManager[Runtime[Settings]]:
        return a_replicator(self.one.world, name)


async def test_what_the_leader_holds_is_taken_over_once_and_left_with_him(
    postgres_url: str, redis_url: str
) -> None:
    """From then on everything is copied, whoever replicates."""
    async with copying(postgres_url, redis_url, 1) as one, one.world.executor():
        life = Life(one)
        half = Sizing(SizingMode.FIXED_RATIO, d("0.5"))
        await life.settle(state=SubscriptionState.PENDING, take_over=TakeOverPolicy.NOW, sizing=half)
        async with life.replicator("first"):
            await one.trade(30)
            await life.until_offset((await one.trade(-10)).offset)
            await life.settle(state=SubscriptionState.APPROVED)
            await life.price()
            (entry,) = await one.until_orders(1)
            assert entry.spec.quantity == 10
        async with life.replicator("second"):
            await life.filled(entry, 10)
            await one.trade(-8)
            (exit_,) = await one.until_orders(1, Intent.EXIT)
            assert exit_.spec.quantity == 4
            await life.filled(exit_, 4)
            await one.trade(12)
            entries = await one.until_orders(2, Intent.ENTRY)
            assert sorted(each.spec.quantity for each in entries) == [6, 10]
        assert (await life.store.get(NAME)).opened
        assert (await life.ledger()).position == 6


async def test_at_the_leaders_price_it_rests_and_is_taken_back_when_he_leaves(
    postgres_url: str, redis_url: str
) -> None:
    async with copying(postgres_url, redis_url, 1) as one, one.world.executor():
        life = Life(one)
        await life.settle(state=SubscriptionState.PENDING, take_over=TakeOverPolicy.AT_LEADER_PRICE)
        async with life.replicator("r"):
            await life.until_offset((await one.trade(10)).offset)
            await life.settle(state=SubscriptionState.APPROVED)
            paid = await _trade_row(one, 10)
            (entry,) = await one.until_orders(1)
            assert (entry.spec.quantity, entry.spec.limit_price) == (d(10), paid)
            await one.world.until_all([entry], CopyStatus.WORKING)
            await one.trade(-10)
            await one.world.until_all([entry], CopyStatus.CANCELLED)
        assert await one.orders(Intent.EXIT) == []
        assert (await life.ledger()).idle


async def _trade_row(one: Copying, quantity: int) -> Decimal:
    """As the feed folds the leader's fills; answers what he paid."""
    paid = Life(one).last()
    await one.world.database.execute(
        "INSERT INTO trades (trade_id, account_id, instrument_id, product, side, quantity, entry_order_id,"
        " entry_price, entry_value) VALUES ('t', $1, $2, $3, 1, $4, 'o', $5, $4::numeric * $5)",
        LEADER,
        KEY.instrument_id,
        KEY.product.value,
        Decimal(quantity),
        paid,
    )
    return paid


async def test_at_its_end_orders_are_taken_back_and_copies_sold_whoever_dies_in_between(
    postgres_url: str, redis_url: str
) -> None:
    async with copying(postgres_url, redis_url, 1) as one, one.world.executor():
        life = Life(one)
        async with life.replicator("first"):
            await one.trade(10)
            (held,) = await one.until_orders(1)
            await life.filled(held, 10)
            await one.trade(5)
            (working,) = (each for each in await one.until_orders(2) if each.tag != held.tag)
            await one.world.until_all([working], CopyStatus.WORKING)
            await one.world.database.execute("UPDATE sessions SET state = 'LOGIN_NEEDED'")
            await life.settle(state=SubscriptionState.ENDING, ending=EndPolicy.FLATTEN)
            await until(lambda: one.world.at_broker(working).status is Status.CANCELLED, "it is cancelled")
            await life.until_waits(f"SESSION_UNUSABLE {SHARE.instrument_id}")
            assert await one.orders(Intent.EXIT) == []
            await one.world.database.execute("UPDATE sessions SET state = 'LIVE'")
            await life.until_waits(f"PRICE_UNKNOWN {SHARE.instrument_id}")
            await life.price()
            (sale,) = await one.until_orders(1, Intent.EXIT)
        late = await one.trade(20)
        async with life.replicator("second"):
            await life.until_offset(late.offset)
            await one.world.until_all([sale], CopyStatus.WORKING)
            assert (await life.store.get(NAME)).state is SubscriptionState.ENDING
            await life.filled(sale, 10)
            await life.until_state(SubscriptionState.ENDED)
        assert sale.spec.quantity == 10
        assert len(await one.orders()) == 3
        assert (await life.ledger()).idle


async def test_copies_that_are_handed_over_are_the_others_from_then_on(
    postgres_url: str, redis_url: str
) -> None:
    async with copying(postgres_url, redis_url, 1) as one, one.world.executor():
        life, other = Life(one), AccountId("fyers:XOTHER")
        await one.world.account(other)
        taker = replace(subscription(name=TAKER, follower=one.world.followers[0]), leader=other)
        await life.store.create(taker)
        async with life.replicator("r"):
            await one.trade(10)
            (held,) = await one.until_orders(1)
            await life.filled(held, 10)
            await life.settle(state=SubscriptionState.ENDING, ending=EndPolicy.HAND_OVER, successor=TAKER)
            await life.until_state(SubscriptionState.ENDED)
        assert (await life.ledger()).idle
        theirs = await life.ledger(TAKER)
        assert (theirs.position, theirs.ideal) == (d(10), d(10))
        assert len(await one.orders()) == 1
        again = Ending(replace(await life.store.get(NAME), version=1), (), {})
        assert not await PostgresLives(one.world.database).end(await _tenancy(one), again)


async def _tenancy(one: Copying) -> Tenancy:
    query = "SELECT epoch FROM leases WHERE service = 'replicator' AND partition = $1"
    return Tenancy(partition_of(LEADER), await one.world.database.value(query, HOME))
