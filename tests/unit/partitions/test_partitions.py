"""A partition has one owner; it moves within ten seconds of a death and at once on a hand-over."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from paceline.domain.errors import NotOwner, Unavailable
from paceline.domain.ids import Epoch, Partition
from paceline.runtime.partitions import Held, LeaseTimes, Partitions
from tests.fakes.clock import FakeClock
from tests.fakes.leases import FakeLeases

TTL_S = LeaseTimes().ttl_ms / 1000


def replica(name: str, leases: FakeLeases, clock: FakeClock) -> Partitions:
    return Partitions(leases, clock, owner=name, address=f"{name}:1")


async def turns(clock: FakeClock, seconds: int, *replicas: Partitions) -> None:
    for _ in range(seconds):
        clock.advance(1)
        for one in replicas:
            await one.turn()


def owners(leases: FakeLeases) -> dict[str | None, int]:
    counts: dict[str | None, int] = {}
    for row in leases.table.values():
        counts[row.owner] = counts.get(row.owner, 0) + 1
    return counts


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def leases(clock: FakeClock) -> FakeLeases:
    return FakeLeases(clock)


async def test_a_lone_replica_holds_everything(clock: FakeClock, leases: FakeLeases) -> None:
    one = replica("a", leases, clock)
    await one.turn()
    assert len(one.held()) == 256
    assert one.lease(Partition(0)).epoch == 1


async def test_a_second_replica_gets_its_half_without_waiting_for_a_ttl(
    clock: FakeClock, leases: FakeLeases
) -> None:
    one, two = replica("a", leases, clock), replica("b", leases, clock)
    await one.turn()
    await turns(clock, 3, two, one)
    assert owners(leases) == {"a": 128, "b": 128}
    assert not one.held() & two.held()


async def test_three_replicas_share_within_one(clock: FakeClock, leases: FakeLeases) -> None:
    three = [replica(name, leases, clock) for name in "abc"]
    await turns(clock, 6, *three)
    assert sorted(owners(leases).values()) == [85, 85, 86]


async def test_a_dead_replica_is_replaced_within_ten_seconds_and_not_before_its_ttl(
    clock: FakeClock, leases: FakeLeases
) -> None:
    one, two = replica("a", leases, clock), replica("b", leases, clock)
    await turns(clock, 4, one, two)
    await turns(clock, int(TTL_S) - 1, two)
    assert len(two.held()) == 128
    await turns(clock, 10 - int(TTL_S) + 1, two)
    assert len(two.held()) == 256
    assert list(leases.replicas) == ["b"]


async def test_epochs_rise_with_every_owner(clock: FakeClock, leases: FakeLeases) -> None:
    one, two = replica("a", leases, clock), replica("b", leases, clock)
    await one.turn()
    await one.stop()
    await two.turn()
    assert {two.lease(partition).epoch for partition in two.held()} == {2}


async def test_a_paused_owner_knows_at_once_that_it_lost(clock: FakeClock, leases: FakeLeases) -> None:
    """Time spent suspended counts: boot time runs on while the monotonic clock stands still."""
    one = replica("a", leases, clock)
    await one.turn()
    clock.suspend(TTL_S)
    assert one.held() == frozenset()
    assert not one.usable(Partition(0))
    with pytest.raises(NotOwner):
        one.lease(Partition(0))


async def test_nobody_sends_with_less_lease_left_than_a_request_may_take(
    clock: FakeClock, leases: FakeLeases
) -> None:
    one = replica("a", leases, clock)
    await one.turn()
    clock.advance(TTL_S - 2)
    assert one.usable(Partition(0), need_ms=1_000)
    assert not one.usable(Partition(0), need_ms=2_000)


async def test_what_another_took_is_told_as_a_loss(clock: FakeClock, leases: FakeLeases) -> None:
    lost: list[Partition] = []

    async def note(partitions: Sequence[Partition]) -> None:
        lost.extend(partitions)

    one, two = replica("a", leases, clock), replica("b", leases, clock)
    one.on_loss = note
    await one.turn()
    await turns(clock, 10, two)
    await one.turn()
    assert len(lost) == 256


async def test_a_database_that_is_away_costs_the_leases_and_not_the_loop(
    clock: FakeClock, leases: FakeLeases
) -> None:
    one = replica("a", leases, clock)
    await one.turn()
    leases.away = True
    await one.beat()
    assert len(one.held()) == 256
    clock.advance(TTL_S)
    await one.beat()
    assert one.held() == frozenset()
    leases.away = False
    await turns(clock, 10, one)
    assert len(one.held()) == 256


async def test_work_in_flight_ends_before_a_row_is_freed(clock: FakeClock, leases: FakeLeases) -> None:
    seen: list[tuple[bool, str | None]] = []
    one = replica("a", leases, clock)

    async def drain(partitions: Sequence[Partition]) -> None:
        seen.extend((one.usable(p), leases.table[p].owner) for p in partitions)

    one.on_surrender = drain
    await one.turn()
    await one.stop()
    assert set(seen) == {(False, "a")}
    assert owners(leases) == {None: 256}


async def test_what_could_not_be_begun_is_given_back_and_tried_again(
    clock: FakeClock, leases: FakeLeases
) -> None:
    tries: list[int] = []

    async def begin(held: Sequence[Held]) -> None:
        tries.append(len(held))
        if len(tries) == 1:
            raise Unavailable("a store is away")

    one = replica("a", leases, clock)
    one.on_gain = begin
    await one.beat()
    assert one.held() == frozenset()
    assert owners(leases) == {None: 256}
    await turns(clock, 1, one)
    assert tries == [256, 256]
    assert len(one.held()) == 256


async def waiting(clock: FakeClock, seconds: float) -> None:
    for _ in range(int(seconds)):
        clock.advance(1)
        for _ in range(10):
            await asyncio.sleep(0)


async def test_a_hook_may_outlast_a_lease_but_not_for_ever(clock: FakeClock, leases: FakeLeases) -> None:
    begun = asyncio.Event()

    async def begin(_held: Sequence[Held]) -> None:
        await begun.wait()

    one = replica("a", leases, clock)
    one.on_gain = begin
    turn = asyncio.create_task(one.turn())
    await waiting(clock, 3 * TTL_S)
    assert len(one.held()) == 256
    assert {one.lease(partition).epoch for partition in one.held()} == {1}
    await waiting(clock, 4 * TTL_S)
    assert one.held() == frozenset()
    begun.set()
    await turn


async def test_what_was_lost_during_a_hook_is_told_after_it(clock: FakeClock, leases: FakeLeases) -> None:
    begun = asyncio.Event()
    lost: list[Partition] = []

    async def begin(_held: Sequence[Held]) -> None:
        await begun.wait()

    async def note(partitions: Sequence[Partition]) -> None:
        lost.extend(partitions)

    one = replica("a", leases, clock)
    one.on_gain, one.on_loss = begin, note
    turn = asyncio.create_task(one.turn())
    await waiting(clock, 1)
    taken = leases.table[Partition(7)]
    leases.table[Partition(7)] = replace(taken, owner="b", epoch=Epoch(taken.epoch + 1))
    await waiting(clock, TTL_S)
    assert Partition(7) not in one.held()
    begun.set()
    await turn
    await one.turn()
    assert lost == [Partition(7)]


async def test_a_former_life_of_ours_is_waited_for_like_a_stranger(
    clock: FakeClock, leases: FakeLeases
) -> None:
    await replica("a", leases, clock).turn()
    reborn = replica("a", leases, clock)
    await turns(clock, int(TTL_S), reborn)
    assert reborn.held() == frozenset()
    await turns(clock, 2, reborn)
    assert len(reborn.held()) == 256
