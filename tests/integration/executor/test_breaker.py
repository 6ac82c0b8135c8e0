"""A broker that is out of order: entries fail at once by that name, and go again once it answers."""

from paceline.domain.copy_order import CopyOrder, CopyStatus
from paceline.runtime.metric_names import BREAKER_OPEN
from simulator.faults import FaultKind
from tests.integration.executor.world import World, a_world, until

PLACE = frozenset({"place"})


async def ended(world: World, order: CopyOrder) -> tuple[CopyStatus, str]:
    """Once it was tried."""

    async def look() -> bool:
        return await world.statuses([order]) not in ({CopyStatus.PLANNED: 1}, {CopyStatus.UNKNOWN: 1})

    await until(look, "it was tried")
    row = (await world.rows.by_tags([order.tag]))[order.tag]
    return row.order.status, row.error_code


async def test_entries_fail_at_once_until_the_broker_answers_again(postgres_url: str, redis_url: str) -> None:
    settings = {"breaker_failures_max": "3", "breaker_open_ms": "500"}
    async with a_world(postgres_url, redis_url, 4) as world, world.executor(**settings) as runtime:
        await world.until_owned(for_hints=True)
        *unlucky, late = world.followers
        world.sim.face.faults.add(FaultKind.SERVER_5XX, calls=PLACE)
        lost = await world.plan(unlucky)
        await world.hint(lost)
        await until(lambda: runtime.metrics.value(BREAKER_OPEN, broker="fyers", egress="") == 1, "it is open")
        (entry,) = await world.plan([late])
        await world.hint([entry])
        assert await ended(world, entry) == (CopyStatus.FAILED, "BROKER_AWAY")
        assert world.placed([entry]) == {}
        world.sim.face.faults.clear()
        status = CopyStatus.FAILED
        while status is CopyStatus.FAILED:
            (again,) = await world.plan([late])
            await world.hint([again])
            status, _ = await ended(world, again)
        assert status is CopyStatus.WORKING
        assert runtime.metrics.value(BREAKER_OPEN, broker="fyers", egress="") == 0
        for each in lost:
            await ended(world, each)
        assert set(world.placed(lost).values()) <= {1}
