"""What single parts cost: deciding, journaling, and the simulator that everything is measured against."""

import asyncio
import json
import time
from collections.abc import Callable
from decimal import ROUND_DOWN, Decimal
from hashlib import blake2b
from statistics import median
from typing import Any

import asyncpg

from benchmarks.report import Result, spread
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.journal import PostgresJournal
from paceline.adapters.postgres.migrate import upgrade
from paceline.adapters.postgres.pool import PoolOptions, open_database
from paceline.domain.copying.plan import plan_chunk
from paceline.domain.event import Fact
from paceline.domain.ids import AccountId, BrokerOrderId
from paceline.domain.partitioning import partition_of
from paceline.embedded.postgres import EmbeddedPostgres
from paceline.ports.journal import Append
from simulator.bench import BAR_ORDERS_PER_S
from simulator.bench import measure as measure_simulator
from tests.integration.storage.makers import a_fill, own
from tests.unit.domain import given

JOURNAL_BAR = 2_000
_GROUP = 1_000
_NAMES_OF_A_COPY = 3


def plan(followers: int, rounds: int, seed: int) -> Result:
    """Deciding for everyone, in one chunk; below it, one multiplication and the names that a copy needs."""
    copiers = [given.copier("1.5", name=f"s{number}") for number in range(followers)]
    event = given.event(given.fill(40))
    leader, market = given.leader(), given.market()
    decide = _per_one_us(lambda: plan_chunk(event, leader, copiers, market), followers, rounds)
    bare = _per_one_us(lambda: [_bare_copy(number) for number in range(followers)], followers, rounds)
    ratio = round(median(decide) / median(bare), 1)
    return Result(
        name="plan",
        seed=seed,
        rounds=rounds,
        figures={"us_per_follower": spread(decide), "followers": followers},
        lower_bound={"us_per_follower": spread(bare)},
        ratio=ratio,
        bar=None,
        met=None,
        headline=f"{median(decide):.1f} us a follower",
        floor=f"a product and {_NAMES_OF_A_COPY} hashes {median(bare):.1f} us",
    )


def journal(rounds: int, seed: int) -> Result:
    """Groups of facts of many accounts in one commit; below it, the same bytes into a bare table."""
    with EmbeddedPostgres() as server:
        upgrade(server.url)
        facts_s, bare_s = asyncio.run(_journaled(server.url, rounds))
    events, bare = _GROUP / median(facts_s), _GROUP / median(bare_s)
    return Result(
        name="journal",
        seed=seed,
        rounds=rounds,
        figures={"events_per_s": round(events), "commit_ms": spread([each * 1e3 for each in facts_s])},
        lower_bound={
            "rows_per_s": round(bare),
            "commit_ms": spread([each * 1e3 for each in bare_s]),
        },
        ratio=round(bare / events, 2),
        bar=JOURNAL_BAR,
        met=events >= JOURNAL_BAR,
        headline=f"{events:,.0f} events/s in groups of {_GROUP:,}",
        floor=f"bare insert {bare:,.0f} rows/s",
        notes=("fsync on; the wire and the sockets are not in it",),
    )


def simulator(seconds: float, seed: int) -> Result:
    """Orders over warm connections with every order socket open; the bar is per second of its own CPU."""
    figures = measure_simulator(100, seconds, sockets=True)
    rate = figures["orders_per_cpu_s"]
    return Result(
        name="simulator",
        seed=seed,
        rounds=1,
        figures=figures,
        lower_bound={"client_cpu_us_per_order": figures["client_cpu_us_per_order"]},
        ratio=round(figures["cpu_us_per_order"] / figures["client_cpu_us_per_order"], 2),
        bar=BAR_ORDERS_PER_S,
        met=rate >= BAR_ORDERS_PER_S,
        headline=f"{figures['orders_per_s']:,.0f} orders/s, {figures['cpu_us_per_order']:.0f} us of CPU each",
        floor=f"asking costs {figures['client_cpu_us_per_order']:.0f} us",
    )


def _per_one_us(work: Callable[[], object], count: int, rounds: int) -> list[float]:
    work()
    taken = []
    for _ in range(rounds):
        began = time.perf_counter_ns()
        work()
        taken.append((time.perf_counter_ns() - began) / 1e3 / count)
    return taken


def _bare_copy(number: int) -> tuple[Any, ...]:
    quantity = (Decimal("1.5") * Decimal(40)).quantize(Decimal(1), ROUND_DOWN)
    named = f"fyers:LEADER:20260101:NSE:CAPITAL_MARKET:1:t1/s{number}"
    return quantity, *(blake2b(f"{each}{named}".encode()).hexdigest() for each in range(_NAMES_OF_A_COPY))


async def _journaled(url: str, rounds: int) -> tuple[list[float], list[float]]:
    database = await open_database(url, PoolOptions(max_size=2, application_name="bench"))
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("CREATE TABLE bare (identity text, body jsonb, raw bytea)")
        facts_s, bare_s = [], []
        for number in range(rounds + 1):
            facts = [_fact(number, each) for each in range(_GROUP)]
            facts_s.append(await _append(database, facts))
            bare_s.append(await _insert(connection, facts))
        return facts_s[1:], bare_s[1:]
    finally:
        await connection.close()
        await database.close()


def _fact(group: int, number: int) -> Fact:
    account = AccountId(f"fyers:XF{number:05d}")
    return a_fill(account, trade=f"T{group}", order=BrokerOrderId(f"O{group}"))


async def _append(database: Database, facts: list[Fact]) -> float:
    by_partition: dict[Any, list[Fact]] = {}
    for fact in facts:
        by_partition.setdefault(partition_of(fact.account_id), []).append(fact)
    epoch = await own(database, "feed", by_partition)
    batches = [Append(partition, epoch, mine) for partition, mine in by_partition.items()]
    store = PostgresJournal(database)
    began = time.perf_counter()
    await store.append_many(batches)
    return time.perf_counter() - began


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
