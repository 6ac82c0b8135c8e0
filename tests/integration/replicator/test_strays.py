"""What a follower trades himself in what he copies, through a real replicator and real executors."""

import time
from dataclasses import replace

from paceline.domain.copy_order import CopyStatus, Intent
from paceline.domain.subscription import AttributionPolicy
from tests.integration.executor.world import until
from tests.integration.replicator.test_beginnings_and_ends import Life
from tests.integration.replicator.test_from_event_to_order import copying
from tests.unit.domain.given import fill


async def test_what_a_follower_sells_himself_is_taken_from_the_copies_once(
    postgres_url: str, redis_url: str
) -> None:
    """His own net tells what is his where it goes first; whoever executes reads a fill once."""
    async with copying(postgres_url, redis_url, 1) as one:
        life, follower = Life(one), one.world.followers[0]
        await life.settle(attribution=AttributionPolicy.OWN_FIRST)

        async def by_hand(quantity: int, name: str) -> None:
            body = fill(quantity, trade=name, order=name, account=follower)
            await one._tell(replace(body, broker_time_ns=time.time_ns()))

        async def until_position(quantity: int) -> None:
            async def look() -> bool:
                return (await life.ledger()).position == quantity

            await until(look, f"{quantity} are copied")

        async with life.replicator("r"):
            async with one.world.executor("first"):
                await by_hand(3, "his")
                await one.trade(10)
                (entry,) = await one.until_orders(1)
                await life.filled(entry, 10)
                await by_hand(-7, "sold")
                await until_position(6)
            async with one.world.executor("second"):
                await by_hand(-2, "more")
                await until_position(4)
                await one.trade(-5)
                (exit_,) = await one.until_orders(1, Intent.EXIT)
                assert exit_.spec.quantity == 2
                await one.world.until_all([exit_], CopyStatus.WORKING)
                await by_hand(-3, "last")
                await until_position(1)
                shrink = "SELECT (spec ->> 'quantity')::int FROM copy_commands WHERE tag = $1"
                assert await one.world.database.value(shrink, exit_.tag) == 1
        audit = "SELECT count(*) FROM audit WHERE action = 'ledger.closed_by_hand'"
        assert await one.world.database.value(audit) == 3
