"""Owners that are killed, sent away, or go out through a thousand addresses: judged by the broker's books."""

import asyncio
from ipaddress import IPv4Address
from itertools import count

from paceline.domain.copy_order import CopyStatus
from paceline.domain.ids import AccountId, Partition
from paceline.domain.partitioning import partition_of
from simulator.faults import FaultKind
from tests.integration.executor.world import PATIENCE_S, PATIENT, World, a_world, until

CROWD = 1_000
FIRST_ADDRESS = IPv4Address("127.1.0.1")
HELD_MS = 60_000
"""An answer that nobody waits for."""
LONG_LEASE = {
    "lease_ttl_ms": "60000",
    "lease_beat_ms": "1000",
    "broker_request_max_ms": "50000",
    "broker_read_timeout_ms": "50000",
}
"""Nobody waits until it has run out."""
CALM = {
    "lease_ttl_ms": "4000",
    "lease_beat_ms": "400",
    "broker_request_max_ms": "2500",
    "broker_read_timeout_ms": "2500",
}
"""Three at once on a machine with other things to do, and yet one that is killed is soon replaced."""


async def test_a_burst_of_fifteen_outlives_the_owner_among_three(postgres_url: str, redis_url: str) -> None:
    async with a_world(postgres_url, redis_url, followers=0) as world:
        victim = await world.process("victim", **CALM)
        async with world.executor("b", **CALM), world.executor("c", **CALM):
            await world.until_owned(by=3, for_hints=True)
            follower = await _held_by(world, "victim")
            await world.follower(follower)
            orders = [order for _ in range(15) for order in await world.plan([follower])]
            await world.hint(orders)
            await until(lambda: len(world.books()) >= 5, "some of them are at the broker")
            victim.kill()
            await victim.wait()
            await world.until_all(orders, CopyStatus.WORKING)
        world.assert_each_once(orders)
        _within_ten_a_second(world, follower)


async def test_in_good_order_what_is_in_the_air_is_handed_over_as_unknown(
    postgres_url: str, redis_url: str
) -> None:
    """More answers are waited for than a client lets through by default, and none comes before the end."""
    async with a_world(postgres_url, redis_url, followers=120) as world:
        leaving = await world.process("leaving", **LONG_LEASE)
        await world.until_owned(for_hints=True)
        rule = world.sim.face.faults.add(FaultKind.DELAY_AFTER, ms=HELD_MS)
        orders = await world.plan(world.followers)
        await world.hint(orders)
        await until(lambda: len(world.books()) == len(orders), "all are at the broker at once")
        assert await world.statuses(orders) == {CopyStatus.PLANNED: len(orders)}
        assert rule.hits == len(orders)
        leaving.terminate()
        assert await leaving.wait() == 0
        assert await world.statuses(orders) == {CopyStatus.UNKNOWN: len(orders)}
        held = "SELECT count(*) FROM leases WHERE service = 'executor' AND owner IS NOT NULL"
        assert await world.database.value(held) == 0
        world.sim.face.faults.clear()
        async with world.executor("heir", **LONG_LEASE):
            await world.until_all(orders, CopyStatus.WORKING)
        world.assert_each_once(orders)


async def test_a_thousand_accounts_go_out_through_a_thousand_addresses(
    postgres_url: str, redis_url: str
) -> None:
    async with a_world(postgres_url, redis_url, followers=0) as world:
        egress = {AccountId(f"fyers:XE{n:05d}"): str(FIRST_ADDRESS + n) for n in range(CROWD)}
        await asyncio.gather(*(world.follower(name, address) for name, address in egress.items()))
        async with world.executor(warm_connections="1", sweep_after_ms="60000", **PATIENT):
            await world.until_owned(for_hints=True)
            orders = await world.plan(egress)
            await world.hint(orders)
            await until(lambda: len(world.books()) == CROWD, "all are at the broker", seconds=3 * PATIENCE_S)
            await world.until_all(orders, CopyStatus.WORKING)
        world.assert_each_once(orders)
        clients = world.sim.face.clients
        assert {name: list(clients[name.partition(":")[2]].addresses) for name in egress} == {
            name: [address] for name, address in egress.items()
        }


async def _held_by(world: World, replica: str) -> AccountId:
    """A name whose partition is its."""
    rows = await world.database.fetch(
        "SELECT partition FROM leases WHERE service = 'executor' AND owner = $1", replica
    )
    held = {Partition(row["partition"]) for row in rows}
    names = (AccountId(f"fyers:XH{n:05d}") for n in count())
    return next(name for name in names if partition_of(name) in held)


def _within_ten_a_second(world: World, follower: AccountId) -> None:
    """By the broker's own counters, and by when each order arrived there."""
    limits = world.sim.face.clients[follower.partition(":")[2]].limits
    assert (limits.refused, world.breaches()) == (0, 0)
    assert limits.second.peak <= 10
    arrived = sorted(each.received.mono_ns for each in world.books())
    assert all(
        later - earlier >= 1_000_000_000 for earlier, later in zip(arrived, arrived[10:], strict=False)
    )
