"""Sizes for whole orders, caps and changes to orders, through a real replicator onto its tables."""

import time
from collections import Counter
from dataclasses import replace
from decimal import Decimal

from paceline.adapters.postgres.copy_commands import PostgresCopyCommands
from paceline.adapters.postgres.plans import PostgresPlans
from paceline.adapters.postgres.subscriptions import PostgresSubscriptions
from paceline.domain.copy_order import CommandKind, CopyOrder
from paceline.domain.copying.decision import SkipReason
from paceline.domain.event import EventKind, Fact
from paceline.domain.facts import order_identity
from paceline.domain.ids import SubscriptionId
from paceline.domain.partitioning import partition_of
from paceline.domain.subscription import Caps, Sizing, SizingMode, Subscription
from tests.integration.executor.world import LEADER, until
from tests.integration.replicator.test_from_event_to_order import Copying, a_replicator, copying
from tests.unit.domain.given import d, fill, report

FIXED = SubscriptionId("s000")
CAPPED = SubscriptionId("s001")
FULL = SubscriptionId("s002")


async def set_up(one: Copying) -> None:
    """One of five for each order, one of at most twenty shares, one who may hold nothing."""
    store = PostgresSubscriptions(one.world.database)

    async def settle(name: SubscriptionId, **settings: object) -> None:
        changed: Subscription = replace(await store.get(name), **settings)  # type: ignore[arg-type]
        await store.update(changed)

    await settle(FIXED, sizing=Sizing(SizingMode.FIXED_QUANTITY, d(50)))
    await settle(CAPPED, caps=Caps(max_lots_per_order=d(20)))
    await settle(FULL, caps=Caps(max_exposure=Decimal("0.01")))


async def the_leader_orders(one: Copying, quantity: int) -> None:
    body = replace(report(quantity=quantity, order="LO", account=LEADER), broker_time_ns=time.time_ns())
    now_ns = body.broker_time_ns
    fact = Fact(order_identity(body, 1), LEADER, EventKind.ORDER, body, now_ns, now_ns, False, b"{}")
    await one.feed.tell([fact])


async def the_leader_trades(one: Copying, quantity: int, name: str) -> str:
    body = fill(quantity, trade=name, order="LO", account=LEADER)
    return (await one._tell(replace(body, broker_time_ns=time.time_ns()))).fact.identity


async def test_sizes_for_whole_orders_and_caps_hold_through_the_fills_of_a_leaders_order(
    postgres_url: str, redis_url: str
) -> None:
    async with copying(postgres_url, redis_url, 3) as one:
        await set_up(one)
        async with a_replicator(one.world):
            await the_leader_orders(one, 100)
            identities = [await the_leader_trades(one, part, f"T{part}") for part in (30, 70)]
            orders = await one.until_orders(4)
            sums: Counter[str] = Counter()
            for order in orders:
                sums[str(order.subscription_id)] += int(order.spec.quantity)
            assert sums == {FIXED: 50, CAPPED: 20}
            plans = PostgresPlans(one.world.database)
            decided = [each for name in identities for each in await plans.decisions_of(name)]  # type: ignore[arg-type]
            reasons = {(each.subscription_id, each.reason) for each in decided}
            assert reasons == {
                (FIXED, None),
                (CAPPED, SkipReason.CAPPED_LOTS),
                (FULL, SkipReason.CAPPED_EXPOSURE),
            }


async def test_an_exit_before_any_fill_leaves_a_change_for_every_order_on_its_way(
    postgres_url: str, redis_url: str
) -> None:
    async with copying(postgres_url, redis_url, 3) as one:
        commands = PostgresCopyCommands(one.world.database)
        async with a_replicator(one.world):
            await one.trade(10)
            orders: list[CopyOrder] = await one.until_orders(3)
            await one.trade(-10)
            homes = {partition_of(order.account_id) for order in orders}

            async def written() -> bool:
                return len(await commands.open_commands(homes)) == 3

            await until(written, "the changes are written")
            rows = await commands.open_commands(homes)
            assert {(row.command.tag, row.command.kind) for row in rows} == {
                (order.tag, CommandKind.CANCEL) for order in orders
            }
            assert len(await one.orders()) == 3, "nothing is sold that was never held"
