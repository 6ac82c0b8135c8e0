"""PostgreSQL as the arbiter: one owner a partition, epochs that rise, writers that are fenced."""

import asyncio
from collections import Counter

import pytest

from paceline.adapters.clock import SystemClock
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.journal import PostgresJournal
from paceline.adapters.postgres.leases import PostgresLeases
from paceline.domain.errors import NotOwner
from paceline.domain.ids import Epoch, Partition
from paceline.domain.partitioning import PARTITIONS
from paceline.ports.leases import Grant
from paceline.runtime.partitions import LeaseTimes, Partitions
from tests.integration.storage.makers import HOME, a_fill

ONE, TWO = Partition(1), Partition(2)


@pytest.fixture
async def leases(database: Database) -> PostgresLeases:
    made = PostgresLeases(database, "feed", ttl_ms=2_000)
    await made.prepare()
    return made


async def claims(leases: PostgresLeases) -> list[tuple[Partition, int]]:
    return [(row.partition, row.version) for row in await leases.rows()]


async def won(leases: PostgresLeases, owner: str, *partitions: Partition) -> dict[Partition, Epoch]:
    wanted = [claim for claim in await claims(leases) if claim[0] in partitions]
    grants = await leases.acquire(owner, f"{owner}:1", wanted)
    return {grant.partition: grant.epoch for grant in grants}


async def test_rows_are_laid_once_and_for_one_service(leases: PostgresLeases, database: Database) -> None:
    await leases.prepare()
    rows = await leases.rows()
    assert [row.partition for row in rows] == list(range(PARTITIONS))
    assert {(row.epoch, row.owner, row.address) for row in rows} == {(0, None, "")}
    other = PostgresLeases(database, "risk", ttl_ms=2_000)
    await other.prepare()
    await won(other, "a", ONE)
    assert {row.owner for row in await leases.rows()} == {None}


async def test_claimants_at_once_never_both_win(leases: PostgresLeases) -> None:
    seen = await claims(leases)
    turned = [seen if number % 2 else seen[::-1] for number in range(8)]
    tries = [leases.acquire(f"r{number}", "", claim) for number, claim in enumerate(turned)]
    grants: list[Grant] = [grant for each in await asyncio.gather(*tries) for grant in each]
    assert max(Counter(grant.partition for grant in grants).values()) == 1
    assert len(grants) == PARTITIONS
    assert {grant.epoch for grant in grants} == {1}


async def test_a_claim_of_what_moved_meanwhile_loses(leases: PostgresLeases) -> None:
    stale = await claims(leases)
    held = await won(leases, "a", ONE)
    assert await leases.acquire("b", "b:1", [claim for claim in stale if claim[0] == ONE]) == []
    seen = dict(await claims(leases))
    assert await leases.renew("a", list(held.items())) == [ONE]
    assert await leases.acquire("b", "b:1", [(ONE, seen[ONE])]) == []


async def test_epochs_rise_with_every_owner_and_old_ones_renew_and_release_nothing(
    leases: PostgresLeases,
) -> None:
    first = await won(leases, "a", ONE, TWO)
    second = await won(leases, "b", ONE)
    third = await won(leases, "a", ONE)
    assert (first[ONE], second[ONE], third[ONE]) == (1, 2, 3)
    assert await leases.renew("a", list(first.items())) == [TWO]
    await leases.release("b", list(second.items()))
    assert await leases.renew("a", list(third.items())) == [ONE]


async def test_a_release_frees_at_once_and_keeps_the_epoch(leases: PostgresLeases) -> None:
    held = await won(leases, "a", ONE)
    await leases.release("a", list(held.items()))
    row = (await leases.rows())[ONE]
    assert (row.owner, row.address, row.epoch) == (None, "", 1)
    assert await won(leases, "b", ONE) == {ONE: 2}


async def test_replicas_beat_withdraw_and_are_forgotten_only_while_silent(leases: PostgresLeases) -> None:
    assert [row.version for row in await leases.announce("a", "a:1")] == [1]
    await leases.announce("b", "b:1")
    seen = {row.owner: (row.address, row.version) for row in await leases.announce("a", "a:2")}
    assert seen == {"a": ("a:2", 2), "b": ("b:1", 1)}
    await leases.forget("a", 1)
    await leases.forget("b", 1)
    assert {row.owner for row in await leases.announce("a", "a:2")} == {"a"}
    await leases.withdraw("a")
    assert {row.owner for row in await leases.announce("c", "c:1")} == {"c"}


async def test_a_writer_in_the_middle_delays_the_claim_but_no_renewal_and_a_stale_one_is_refused(
    leases: PostgresLeases, database: Database
) -> None:
    journal = PostgresJournal(database)
    held = await won(leases, "a", HOME)
    await journal.append(HOME, held[HOME], [a_fill()])
    async with database.transaction() as writing:
        await writing.fetch(
            "SELECT 1 FROM leases WHERE service = 'feed' AND partition = $1 FOR KEY SHARE", HOME
        )
        assert await leases.renew("a", list(held.items())) == [HOME]
        challenge = asyncio.create_task(won(leases, "b", HOME))
        await asyncio.sleep(0.05)
        assert not challenge.done()
    taken = await challenge
    assert taken == {HOME: 2}
    with pytest.raises(NotOwner):
        await journal.append(HOME, held[HOME], [a_fill()])
    assert len((await journal.append(HOME, taken[HOME], [a_fill()])).events) == 1


async def test_two_replicas_share_and_hand_over_without_ever_holding_the_same(
    leases: PostgresLeases,
) -> None:
    clock, times = SystemClock(), LeaseTimes(ttl_ms=2_000, beat_ms=100)
    replicas = [Partitions(leases, clock, owner=name, address=name, times=times) for name in "ab"]
    for _ in range(4):
        for each in replicas:
            await each.turn()
            assert not replicas[0].held() & replicas[1].held()
    assert [len(each.held()) for each in replicas] == [PARTITIONS // 2] * 2
    await replicas[0].stop()
    await replicas[1].turn()
    assert len(replicas[1].held()) == PARTITIONS
