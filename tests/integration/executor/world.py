"""A broker, two stores and accounts; executors in this process, or in one that can be killed."""

import asyncio
import base64
import os
import sys
import time
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from random import Random

import grpc
import grpc.aio

import simulator
from paceline.adapters.clock import SystemClock
from paceline.adapters.postgres.accounts import PostgresAccounts, PostgresBrokerApps
from paceline.adapters.postgres.copy_commands import PostgresCopyCommands, insert_commands
from paceline.adapters.postgres.copy_orders import PostgresCopyOrders
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.instruments import PostgresInstruments
from paceline.adapters.postgres.plans import PostgresPlans
from paceline.adapters.postgres.pool import PoolOptions, open_database
from paceline.adapters.postgres.sessions import PostgresSessions
from paceline.adapters.redis.buckets import RedisBuckets
from paceline.adapters.redis.connection import open_redis
from paceline.adapters.seal import KeyringSeal
from paceline.adapters.wire.copy_commands import command_to_wire
from paceline.adapters.wire.copy_orders import copy_order_to_wire
from paceline.api.v1 import executor_pb2, executor_pb2_grpc
from paceline.domain.account import Account, AccountState, AccountType, Broker
from paceline.domain.copy_order import Cause, CauseKind, CommandStatus, CopyCommand, CopyOrder, CopyStatus
from paceline.domain.copying.build import Origin
from paceline.domain.copying.changes import cancelled, modified
from paceline.domain.copying.decision import Decision
from paceline.domain.copying.plan import plan_chunk
from paceline.domain.copying.view import Copier, LeaderState, Market
from paceline.domain.event import Event
from paceline.domain.ids import AccountId, BrokerAppId, DecisionId, Epoch, InstrumentId, Offset, Partition
from paceline.domain.instrument import Exchange, Instrument, InstrumentKind, Segment
from paceline.domain.order import Fill
from paceline.domain.partitioning import partition_of
from paceline.domain.secret import Secret
from paceline.domain.subscription import Subscription
from paceline.embedded.leash import leashed
from paceline.ports.accounts import BrokerApp
from paceline.ports.broker import Listing, Tokens
from paceline.ports.plans import Chunk
from paceline.ports.sessions import SessionId
from paceline.runtime.credentials import app_context, sealed_tokens
from paceline.runtime.lifecycle import Runtime
from paceline.runtime.metrics import Metrics
from paceline.runtime.settings import load
from paceline.runtime.telemetry import start_telemetry
from services.executor.__main__ import compose
from services.executor.settings import Settings
from simulator.orders import Order
from simulator.server import Simulator
from tests.unit.domain.given import KEY as SBIN_KEY
from tests.unit.domain.given import event, fill, subscription

ROOT = Path(__file__).parents[3]
PATIENCE_S = 60.0
SECRET = base64.b64encode(b"k" * 32).decode()
APP = BrokerAppId("app")
LEADER = AccountId("fyers:XLEADER")
SHARE = Instrument(
    InstrumentId("NSE:SBIN-EQ"),
    Exchange.NSE,
    Segment.CAPITAL_MARKET,
    InstrumentKind.EQUITY,
    Decimal(1),
    Decimal("0.05"),
)
FAST = {
    "PACELINE_LEASE_TTL_MS": "1500",
    "PACELINE_LEASE_BEAT_MS": "200",
    "PACELINE_BROKER_REQUEST_MAX_MS": "600",
    "PACELINE_BROKER_READ_TIMEOUT_MS": "600",
    "PACELINE_SETTLE_MS": "200",
    "PACELINE_SWEEP_AFTER_MS": "300",
    "PACELINE_RETRY_FIRST_MS": "20",
    "PACELINE_HELD_EXIT_RETRY_MS": "300",
    "PACELINE_CHASE_ENTRY_MAX_MS": "600000",
    "PACELINE_MARKET_HOURS": "always-open",
}
PATIENT = {
    "lease_ttl_ms": "20000",
    "lease_beat_ms": "1000",
    "broker_request_max_ms": "8000",
    "broker_read_timeout_ms": "8000",
}
"""For what nobody dies in: a machine with other things to do is no lost lease and no lost answer."""
_CLOCKS_APART = timedelta(seconds=1.1)
_events = count(1)


@dataclass(slots=True)
class World:
    """What a test does at the broker and in the tables, and what it reads of both."""

    sim: Simulator
    database: Database
    environ: dict[str, str]
    followers: list[AccountId]
    stack: AsyncExitStack
    plans: PostgresPlans = field(init=False)
    rows: PostgresCopyOrders = field(init=False)
    changes: PostgresCopyCommands = field(init=False)

    def __post_init__(self) -> None:
        self.plans, self.rows = PostgresPlans(self.database), PostgresCopyOrders(self.database)
        self.changes = PostgresCopyCommands(self.database)

    async def plan(self, followers: Iterable[AccountId], *, below_ticks: int = 200) -> list[CopyOrder]:
        """One leader fill, committed as a replicator does: an order for each, resting below the market."""
        happened = self.leader_fill(below_ticks)
        copiers = [Copier(_ageless(each)) for each in followers]
        market = Market({SHARE.instrument_id: SHARE}, time.time_ns())
        decisions = plan_chunk(happened, LeaderState(LEADER), copiers, market).decisions
        return await self.commit(happened, decisions)

    async def commit(self, happened: Event, decisions: Sequence[Decision]) -> list[CopyOrder]:
        chunk = Chunk(happened.partition, Epoch(1), happened, tuple(decisions))
        committed = await self.plans.commit_chunk(chunk)
        return [order for decision in committed.inserted for order in decision.orders]

    async def working(self, followers: Iterable[AccountId]) -> list[CopyOrder]:
        """Planned, sent, and resting at the broker."""
        orders = await self.plan(followers)
        await self.hint(orders)
        await self.until_all(orders, CopyStatus.WORKING)
        return orders

    async def cancel(self, orders: Iterable[CopyOrder]) -> list[CopyCommand]:
        """Written ahead, as a plan's changes are; nobody is told of them yet."""
        return await self.command([cancelled(_origin(each), each) for each in orders])

    async def modify(self, orders: Iterable[CopyOrder], quantity: int) -> list[CopyCommand]:
        specs = [(each, replace(each.spec, quantity=Decimal(quantity))) for each in orders]
        return await self.command([modified(_origin(each), each, spec) for each, spec in specs])

    async def command(self, commands: list[CopyCommand]) -> list[CopyCommand]:
        async with self.database.transaction() as transaction:
            await insert_commands(transaction, commands)
        return commands

    async def until_changed(self, commands: Sequence[CopyCommand], status: CommandStatus) -> None:
        """Every change ended so."""
        names = [each.command_id for each in commands]

        async def look() -> bool:
            found = await self.changes.by_ids(names)
            return Counter(row.command.status for row in found.values()) == {status: len(names)}

        await until(look, f"{len(names)} changes are {status}")

    def at_broker(self, order: CopyOrder) -> Order:
        (found,) = (each for each in self.sim.exchange.orders.values() if each.tag == order.tag)
        return found

    def leader_fill(self, below_ticks: int = 200) -> Event:
        number = next(_events)
        last = self.sim.exchange.markets["NSE:SBIN-EQ"].ltp - below_ticks * 5
        body = replace(
            fill(10, trade=f"t{number}", order=f"o{number}", account=LEADER, at=time.time_ns()),
            price=Decimal(last) / 100,
        )
        assert isinstance(body, Fill)
        assert body.key == SBIN_KEY
        made = event(body, offset=number)
        return replace(made, partition=partition_of(LEADER), offset=Offset(number), traceparent="")

    def placed(self, orders: Iterable[CopyOrder]) -> Counter[str]:
        """How often each tag stands in the broker's own books."""
        wanted = {order.tag for order in orders}
        return Counter(each.tag for each in self.sim.exchange.orders.values() if each.tag in wanted)

    def books(self) -> list[Order]:
        return [each for each in self.sim.exchange.orders.values() if each.tag]

    async def statuses(self, orders: Iterable[CopyOrder]) -> Counter[CopyStatus]:
        rows = await self.rows.by_tags([order.tag for order in orders])
        return Counter(row.order.status for row in rows.values())

    async def until_all(self, orders: Sequence[CopyOrder], status: CopyStatus) -> None:
        """Every row says so."""

        async def look() -> bool:
            return await self.statuses(orders) == {status: len(orders)}

        await until(look, f"{len(orders)} rows are {status}")

    def assert_each_once(self, orders: Sequence[CopyOrder]) -> None:
        assert self.placed(orders) == {order.tag: 1 for order in orders}

    def breaches(self) -> int:
        return sum(sum(client.limits.breaches.values()) for client in self.sim.face.clients.values())

    async def penalize(self, account_id: AccountId, *, seconds: float) -> None:
        """As a broker's 429 that names a time."""
        redis = open_redis(self.environ["PACELINE_REDIS_URL"])
        until_ns = time.time_ns() + round(seconds * 1e9)
        await RedisBuckets(redis, SystemClock()).penalize(account_id, until_ns)
        await redis.aclose()

    async def account(self, name: AccountId, egress: str = "") -> None:
        """In the tables; whoever trades has one at the broker too."""
        segments = frozenset({Segment.CAPITAL_MARKET})
        kind, state, client = AccountType.COPY_FOLLOWER, AccountState.ACTIVE, name.partition(":")[2]
        await PostgresAccounts(self.database).create(
            Account(name, Broker.FYERS, client, kind, state, segments, APP, egress)
        )

    async def follower(self, name: AccountId, egress: str = "") -> None:
        """One who can trade: at the broker, in the tables, logged in."""
        self.sim.face.add_client(name.partition(":")[2])
        await self.account(name, egress)
        await self.log_in(name)

    async def log_in(self, account_id: AccountId) -> None:
        client = self.sim.face.clients[account_id.partition(":")[2]]
        token = self.sim.face.tokens.issue(client).text
        expires_ns = time.time_ns() + 3_600_000_000_000
        session = SessionId(account_id)
        sealed = sealed_tokens(
            KeyringSeal.from_text(SECRET), session, Tokens(Secret(token), Secret(""), expires_ns, client.id)
        )
        await PostgresSessions(self.database).set_tokens(session, sealed)

    async def hint(self, orders: Sequence[CopyOrder], commands: Sequence[CopyCommand] = ()) -> Counter[str]:
        """As the replicator's dispatcher does, to whoever holds each account; what was acknowledged."""
        told: Counter[str] = Counter()
        groups: dict[str, executor_pb2.ExecuteRequest] = {}
        rows: list[CopyOrder | CopyCommand] = [*orders, *commands]
        for each in rows:
            address = await self.owner_of(partition_of(each.account_id))
            request = groups.setdefault(address, executor_pb2.ExecuteRequest(batch_id="b"))
            if isinstance(each, CopyOrder):
                request.orders.append(copy_order_to_wire(each))
            else:
                request.commands.append(command_to_wire(each))
        for address, request in groups.items():
            async with grpc.aio.insecure_channel(address) as channel:
                call = executor_pb2_grpc.ExecutorServiceStub(channel).Execute(iter([request]))
                async for response in call:
                    for ack in response.acks:
                        told += Counter(
                            accepted=ack.accepted, known=ack.known, foreign=len(ack.not_owned_ids)
                        )
        return told

    async def owner_of(self, partition: Partition) -> str:
        found = await self.database.value(
            "SELECT address FROM leases WHERE service = 'executor' AND partition = $1 AND owner IS NOT NULL",
            partition,
        )
        return found or ""

    async def until_owned(self, by: int = 1, *, for_hints: bool = False) -> None:
        """All partitions have an owner. Hints are heeded once the leases are older than clocks may differ."""

        wanted = _CLOCKS_APART if for_hints else timedelta()

        async def look() -> bool:
            row = await self.database.row(
                "SELECT count(*) AS held, count(DISTINCT owner) AS owners,"
                " min(now() - acquired_at) AS held_for"
                " FROM leases WHERE service = 'executor' AND owner IS NOT NULL"
            )
            assert row is not None
            return bool(row["held"] == 256 and row["owners"] == by and row["held_for"] > wanted)

        await until(look, f"{by} executors hold everything")

    @asynccontextmanager
    async def executor(self, name: str = "a", **settings: str) -> AsyncIterator[Runtime[Settings]]:
        """In this process."""
        own = {f"PACELINE_{key.upper()}": value for key, value in settings.items()}
        loaded = load(Settings, self.environ | {"PACELINE_REPLICA_ID": name} | own)
        runtime = Runtime(
            "executor",
            loaded,
            clock=SystemClock(),
            random=Random(7),
            metrics=Metrics(),
            telemetry=start_telemetry(service="executor", replica_id=name),
        )
        try:
            await compose(runtime)
            yield runtime
        finally:
            await runtime.stop_all()

    async def process(self, name: str, **settings: str) -> Process:
        """One that can be killed."""
        own = {f"PACELINE_{key.upper()}": value for key, value in settings.items()}
        environ = os.environ | self.environ | {"PACELINE_REPLICA_ID": name} | own
        command = leashed([sys.executable, "-m", "services.executor"])
        process = await asyncio.create_subprocess_exec(*command, env=environ, cwd=ROOT)
        self.stack.push_async_callback(_end, process)
        return process


@asynccontextmanager
async def a_world(postgres_url: str, redis_url: str, followers: int) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        sim = await stack.enter_async_context(simulator.serve(simulator.Settings(seed=7)))
        database = await open_database(postgres_url, PoolOptions(min_size=1, max_size=6))
        stack.push_async_callback(database.close)
        environ = {
            "PACELINE_POSTGRES_URL": postgres_url,
            "PACELINE_REDIS_URL": redis_url,
            "PACELINE_ENCRYPTION_KEY": SECRET,
            "PACELINE_GRPC_PORT": "0",
            "PACELINE_METRICS_PORT": "0",
            "PACELINE_FYERS_API_URL": sim.urls.api_url,
            "PACELINE_FYERS_DATA_URL": sim.urls.data_url,
            "PACELINE_FYERS_AUTH_URL": sim.urls.auth_url,
            **FAST,
        }
        names = [AccountId(f"fyers:XF{n:05d}") for n in range(followers)]
        world = World(sim, database, environ, names, stack)
        await _people(world)
        listing = Listing(SHARE, "101000000003045")
        await PostgresInstruments(database).save(Broker.FYERS, [listing], _today())
        await database.execute(
            "INSERT INTO leases (service, partition, epoch, owner) VALUES ('replicator', $1, 1, 'tests')",
            partition_of(LEADER),
        )
        yield world


def _ageless(follower: AccountId) -> Subscription:
    """His entries do not grow too old on a machine that has other things to do."""
    follows = subscription(name=f"s-{follower}", follower=follower)
    return replace(follows, leader=LEADER, filters=replace(follows.filters, max_age_ms=600_000))


def _origin(order: CopyOrder) -> Origin:
    """Of a decision about an event of its own."""
    number, now_ns = next(_events), time.time_ns()
    assert order.subscription_id is not None
    return Origin(
        decision_id=DecisionId(f"change-{number}"),
        cause=Cause(CauseKind.EVENT, f"change-{number}"),
        subscription_id=order.subscription_id,
        follower=order.account_id,
        key=order.spec.key,
        leader_price=order.leader_price,
        leader_time_ns=now_ns,
        seen_ns=now_ns,
        planned_ns=now_ns,
        traceparent="",
    )


async def _people(world: World) -> None:
    seal = KeyringSeal.from_text(SECRET)
    app = world.sim.face.add_client("XLEADER").app
    await PostgresBrokerApps(world.database).create(
        BrokerApp(APP, Broker.FYERS, app.id, app.redirect_uri),
        seal.seal(app.secret.encode(), app_context(APP)),
    )
    for name in world.followers:
        await world.follower(name)


async def until(true: Callable[[], object], what: str, *, seconds: float = PATIENCE_S) -> None:
    """Wait for what must become true."""
    give_up = time.monotonic() + seconds
    while True:
        answer = true()
        if await answer if asyncio.iscoroutine(answer) else answer:
            return
        assert time.monotonic() < give_up, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.02)


def _today() -> date:
    return datetime.now(UTC).date()


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()
