"""The replicator itself, planning one leader's fills for everyone: transactions, and pauses of its loop.

The service is composed as it runs, in this process, on PostgreSQL with fsync and on Redis; the events come
over gRPC. Beside it a task wants its turn every millisecond: by how much the latest one was late, while an
event is planned, is the pause. The same is asked with nothing to do, for what the machine itself takes.
"""

import asyncio
import base64
import gc
import logging
import secrets
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any

import grpc.aio
import structlog
import uvloop

from benchmarks import given
from benchmarks.crowd import enrol, open_app
from paceline.adapters.clock import SystemClock
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.instruments import PostgresInstruments
from paceline.adapters.postgres.journal import PostgresJournal
from paceline.adapters.postgres.migrate import upgrade
from paceline.adapters.postgres.pool import PoolOptions, open_database
from paceline.adapters.postgres.subscriptions import PostgresSubscriptions
from paceline.adapters.seal import KeyringSeal
from paceline.adapters.wire.events import event_to_wire
from paceline.api.v1 import feed_pb2, feed_pb2_grpc
from paceline.cli.demo.people import together
from paceline.domain.account import AccountType, Broker
from paceline.domain.event import Event
from paceline.domain.ids import Epoch, Offset
from paceline.domain.partitioning import PARTITIONS, partition_of
from paceline.embedded.ports import LOOPBACK
from paceline.embedded.postgres import EmbeddedPostgres
from paceline.embedded.redis import EmbeddedRedis
from paceline.ports.broker import Listing
from paceline.runtime.lifecycle import Runtime
from paceline.runtime.main import GC_THRESHOLDS
from paceline.runtime.metric_names import COMMIT_SECONDS, PLAN_SECONDS
from paceline.runtime.metrics import Metrics
from paceline.runtime.settings import load
from paceline.runtime.telemetry import start_telemetry
from services.replicator.__main__ import compose
from services.replicator.settings import Settings

_WITHIN_S = 120.0
_LOOK_S = 0.005
_NS_PER_MS = 1_000_000
_WARM_UP = 2


@dataclass(frozen=True, slots=True)
class Planned:
    """Of each event. Microseconds for each follower until its last chunk was committed; milliseconds else."""

    us_per_follower: Sequence[float]
    transaction_ms: Sequence[float]
    pause_ms: Sequence[float]
    idle_pause_ms: float


class _Feed(feed_pb2_grpc.FeedServiceServicer):
    """Streams what it is given, to whoever asks."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[Event] = asyncio.Queue()

    async def StreamEvents(  # noqa: N802 - the interface's name
        self, _request: feed_pb2.StreamEventsRequest, _context: Any
    ) -> AsyncIterator[feed_pb2.StreamEventsResponse]:
        while True:
            event = await self.events.get()
            yield feed_pb2.StreamEventsResponse(events=[event_to_wire(event)], sent_ns=time.time_ns())


@dataclass(slots=True)
class _Pauses:
    """A task that wants its turn every millisecond."""

    longest_ns: int = 0

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            due_ns = time.perf_counter_ns() + _NS_PER_MS
            await asyncio.sleep(0.001)
            self.longest_ns = max(self.longest_ns, time.perf_counter_ns() - due_ns)

    def take_ms(self) -> float:
        longest_ns, self.longest_ns = self.longest_ns, 0
        return longest_ns / _NS_PER_MS


def measured(subscriptions: int, rounds: int) -> Planned:
    """As a service collects its garbage; what it has to say goes to standard error, if it is a warning."""
    gc.set_threshold(*GC_THRESHOLDS)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    with EmbeddedPostgres() as postgres, EmbeddedRedis() as redis:
        upgrade(postgres.url)
        return uvloop.run(_measured(postgres.url, redis.url, subscriptions, rounds))


async def _measured(postgres_url: str, redis_url: str, subscriptions: int, rounds: int) -> Planned:
    database = await open_database(postgres_url, PoolOptions(application_name="bench"))
    try:
        key = base64.b64encode(secrets.token_bytes(32)).decode()
        await _enrolled(database, KeyringSeal.from_text(key), subscriptions)
        environ = {
            "PACELINE_POSTGRES_URL": postgres_url,
            "PACELINE_REDIS_URL": redis_url,
            "PACELINE_ENCRYPTION_KEY": key,
            "PACELINE_GRPC_PORT": "0",
            "PACELINE_METRICS_PORT": "0",
            "PACELINE_MARKET_HOURS": "always-open",
        }
        async with _feed(database) as feed, _replicator(environ) as metrics:
            return await _rounds(database, feed, metrics, subscriptions, rounds)
    finally:
        await database.close()


async def _rounds(
    database: Database, feed: _Feed, metrics: Metrics, subscriptions: int, rounds: int
) -> Planned:
    journal, pauses = PostgresJournal(database), _Pauses()
    planned, committed, longest = [], [], []
    watching = asyncio.create_task(pauses.watch())
    try:
        for number in range(1, _WARM_UP + rounds + 1):
            before = _sums(metrics)
            pauses.take_ms()
            fact = given.fill(given.LEADER, f"O{number}", f"T{number}", 40, time.time_ns())
            (event,) = (await journal.append(partition_of(given.LEADER), Epoch(1), [fact])).events
            feed.events.put_nowait(event)
            await _until_offset(database, event.offset)
            longest.append(pauses.take_ms())
            plan_s, commit_s, commits = (now - then for now, then in zip(_sums(metrics), before, strict=True))
            planned.append(plan_s * 1e6 / subscriptions)
            committed.append(commit_s * 1e3 / commits)
        pauses.take_ms()
        await asyncio.sleep(1)
        idle_ms = pauses.take_ms()
    finally:
        watching.cancel()
    await _require_all(database, subscriptions * (_WARM_UP + rounds))
    return Planned(planned[_WARM_UP:], committed[_WARM_UP:], longest[_WARM_UP:], idle_ms)


def _sums(metrics: Metrics) -> tuple[float, float, float]:
    commits = metrics.histogram(COMMIT_SECONDS)
    plans = metrics.histogram(PLAN_SECONDS)
    return _sample(plans, "_sum"), _sample(commits, "_sum"), _sample(commits, "_count")


def _sample(histogram: Any, suffix: str) -> float:
    found = [each for family in histogram.collect() for each in family.samples if each.name.endswith(suffix)]
    return float(sum(each.value for each in found))


async def _until_offset(database: Database, offset: Offset) -> None:
    """Planned for everyone: the offset goes last. Raises TimeoutError."""
    query = "SELECT event_offset FROM consumer_offsets WHERE consumer = 'replicator' AND partition = $1"
    async with asyncio.timeout(_WITHIN_S):
        while (await database.value(query, partition_of(given.LEADER)) or 0) < offset:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_S)


async def _require_all(database: Database, wanted: int) -> None:
    """Raises where a decision is missing or was a skip: that would have been easier."""
    query = "SELECT count(*) FROM decisions WHERE outcome = 'PLANNED'"
    found = int(await database.value(query))
    if found != wanted:
        raise RuntimeError(f"{found} of {wanted} decisions are planned: this is no measurement")


async def _enrolled(database: Database, seal: KeyringSeal, count: int) -> None:
    await open_app(database, seal, "BENCH-100", "http://127.0.0.1/back", "secret")
    listing = Listing(given.market().instruments[given.KEY.instrument_id], "101000000003045")
    await PostgresInstruments(database).save(Broker.FYERS, [listing], datetime.now(UTC).date())
    copied = [given.copier(number, Decimal("1.5")).subscription for number in range(count)]
    roles = {each.follower: AccountType.COPY_FOLLOWER for each in copied}
    roles[given.LEADER] = AccountType.STRATEGY_PROVIDER
    await together(
        enrol(database, seal, account_id.partition(":")[2], role, "token")
        for account_id, role in roles.items()
    )
    await PostgresSubscriptions(database).create_many(copied)
    await database.execute("UPDATE sessions SET state = 'LIVE'")


@asynccontextmanager
async def _feed(database: Database) -> AsyncIterator[_Feed]:
    """It holds every partition, and its leases tell where it is."""
    feed, server = _Feed(), grpc.aio.server()
    feed_pb2_grpc.add_FeedServiceServicer_to_server(feed, server)
    port = server.add_insecure_port(f"{LOOPBACK}:0")
    await server.start()
    await database.execute(
        "INSERT INTO leases (service, partition, epoch, owner, address)"
        " SELECT 'feed', p, 1, 'bench', $2 FROM generate_series(0, $1 - 1) AS p",
        PARTITIONS,
        f"{LOOPBACK}:{port}",
    )
    try:
        yield feed
    finally:
        await server.stop(0)


@asynccontextmanager
async def _replicator(environ: dict[str, str]) -> AsyncIterator[Metrics]:
    metrics = Metrics()
    runtime = Runtime(
        "replicator",
        load(Settings, environ),
        clock=SystemClock(),
        random=Random(7),
        metrics=metrics,
        telemetry=start_telemetry(service="replicator", replica_id="bench"),
    )
    try:
        await compose(runtime)
        yield metrics
    finally:
        await runtime.stop_all()
