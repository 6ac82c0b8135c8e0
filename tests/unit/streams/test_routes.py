"""Lease rows as a routing table."""

import asyncio
from dataclasses import replace

from paceline.domain.ids import Partition
from paceline.runtime.routes import Routes
from tests.fakes.clock import FakeClock
from tests.fakes.leases import FakeLeases

ONE, TWO, NOBODYS = Partition(1), Partition(2), Partition(3)


async def test_the_table_is_read_again_by_and_by_and_at_once_when_doubted() -> None:
    clock = FakeClock()
    leases = FakeLeases(clock)
    await leases.prepare()
    routes = Routes(leases, clock, refresh_ms=500)
    running = asyncio.create_task(routes.run())
    for partition, address in ((ONE, "a:1"), (TWO, "b:1")):
        leases.table[partition] = replace(leases.table[partition], owner=address, address=address)
    await clock.settle()
    assert routes.by_address([ONE, TWO, NOBODYS]) == {"a:1": [ONE], "b:1": [TWO]}
    assert routes.addresses() == {"a:1", "b:1"}
    assert routes.address(NOBODYS) is None

    leases.table[ONE] = replace(leases.table[ONE], address="b:1")
    await clock.settle()
    assert routes.address(ONE) == "a:1"
    routes.doubt()
    await clock.settle()
    assert routes.address(ONE) == "b:1"

    leases.away = True
    clock.advance(0.5)
    await clock.settle()
    assert routes.address(ONE) == "b:1"
    leases.away = False
    leases.table[ONE] = replace(leases.table[ONE], owner=None)
    clock.advance(0.5)
    await clock.settle()
    assert routes.address(ONE) is None
    running.cancel()
    await asyncio.wait({running})
