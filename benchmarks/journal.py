"""Groups of facts of many accounts in one commit; below it, the same bytes into a bare table."""

import asyncio
import json
import time
from statistics import median
from typing import Any

import asyncpg

from benchmarks import given
from benchmarks.report import Result, spread
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.journal import PostgresJournal
from paceline.adapters.postgres.migrate import upgrade
from paceline.adapters.postgres.pool import PoolOptions, open_database
from paceline.domain.event import Fact
from paceline.domain.ids import AccountId, Epoch, Partition
from paceline.domain.partitioning import partition_of
from paceline.embedded.postgres import EmbeddedPostgres
from paceline.ports.journal import Append

BAR_EVENTS_PER_S = 2_000
GROUP = 1_000


def run(rounds: int, seed: int) -> Result:
    with EmbeddedPostgres() as server:
        upgrade(server.url)
        facts_s, bare_s = asyncio.run(_journaled(server.url, rounds))
    events, bare = GROUP / median(facts_s), GROUP / median(bare_s)
    return Result(
        name="journal",
        seed=seed,
        rounds=rounds,
        figures={"events_per_s": round(events), "commit_ms": spread([each * 1e3 for each in facts_s])},
        lower_bound={"rows_per_s": round(bare), "commit_ms": spread([each * 1e3 for each in bare_s])},
        ratio=round(bare / events, 2),
        bar=BAR_EVENTS_PER_S,
        met=events >= BAR_EVENTS_PER_S,
        headline=f"{events:,.0f} events/s in groups of {GROUP:,}",
        floor=f"bare insert {bare:,.0f} rows/s",
        notes=("fsync on; the wire and the sockets are not in it",),
    )


async def bare_inserts(url: str, rounds: int) -> list[float]:
    """Seconds of each commit of a group into a table without rules or indexes."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("CREATE TABLE bare (identity text, body jsonb, raw bytea)")
        taken = [await _insert(connection, _facts(number)) for number in range(rounds + 1)]
        await connection.execute("DROP TABLE bare")
        return taken[1:]
    finally:
        await connection.close()


async def _journaled(url: str, rounds: int) -> tuple[list[float], list[float]]:
    database = await open_database(url, PoolOptions(max_size=2, application_name="bench"))
    try:
        facts_s = [await _append(database, _facts(number)) for number in range(rounds + 1)]
    finally:
        await database.close()
    return facts_s[1:], await bare_inserts(url, rounds)


def _facts(group: int) -> list[Fact]:
    return [given.fill(AccountId(f"fyers:XF{each:05d}"), f"O{group}", f"T{group}") for each in range(GROUP)]


async def _append(database: Database, facts: list[Fact]) -> float:
    by_partition: dict[Partition, list[Fact]] = {}
    for fact in facts:
        by_partition.setdefault(partition_of(fact.account_id), []).append(fact)
    await _own(database, list(by_partition))
    batches = [Append(partition, Epoch(1), mine) for partition, mine in by_partition.items()]
    store = PostgresJournal(database)
    began = time.perf_counter()
    await store.append_many(batches)
    return time.perf_counter() - began


async def _own(database: Database, partitions: list[Partition]) -> None:
    """As leases that were won once."""
    await database.execute(
        "INSERT INTO leases (service, partition, epoch, owner) SELECT 'feed', p, 1, 'bench'"
        " FROM unnest($1::smallint[]) AS p ON CONFLICT (service, partition) DO UPDATE SET epoch = 1",
        partitions,
    )


async def _insert(connection: Any, facts: list[Fact]) -> float:
    identities, raws = [fact.identity for fact in facts], [fact.raw for fact in facts]
    bodies = [json.dumps({"quantity": "10", "price": "812.35"}) for _ in facts]
    began = time.perf_counter()
    await connection.execute(
        "INSERT INTO bare SELECT * FROM unnest($1::text[], $2::jsonb[], $3::bytea[])",
        identities,
        bodies,
        raws,
    )
    return time.perf_counter() - began
