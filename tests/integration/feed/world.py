"""A broker, two stores and feeds: some in the test's own loop, some as processes that can be killed."""

import asyncio
import base64
import os
import sys
import time
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import aiohttp
import grpc
import grpc.aio
from redis.asyncio import Redis

import simulator
from paceline.adapters.clock import SystemClock
from paceline.adapters.postgres.accounts import PostgresAccounts, PostgresBrokerApps
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.journal import PostgresJournal
from paceline.adapters.postgres.pool import PoolOptions, open_database
from paceline.adapters.postgres.sessions import PostgresSessions
from paceline.adapters.redis.connection import open_redis
from paceline.adapters.seal import KeyringSeal
from paceline.api.v1 import feed_pb2_grpc
from paceline.domain.account import Account, AccountState, AccountType, Broker
from paceline.domain.event import Event, EventKind
from paceline.domain.ids import AccountId, BrokerAppId, Offset
from paceline.domain.instrument import Segment
from paceline.domain.order import Fill
from paceline.domain.partitioning import partition_of
from paceline.domain.secret import Secret
from paceline.embedded.leash import leashed
from paceline.ports.accounts import BrokerApp
from paceline.ports.broker import NO_SECRET, Tokens
from paceline.ports.sessions import SessionId
from paceline.runtime.credentials import app_context, sealed_tokens
from paceline.runtime.lifecycle import Runtime, live
from paceline.runtime.metrics import Metrics
from paceline.runtime.settings import load
from paceline.runtime.telemetry import start_telemetry
from services.feed.__main__ import compose
from services.feed.settings import Settings
from simulator.limits import Quota
from simulator.server import Simulator
from tests.contract.brokers.venue import Control

T = TypeVar("T")

ROOT = Path(__file__).parents[3]
PATIENCE_S = 40.0
KEY = base64.b64encode(b"k" * 32).decode()
APP = BrokerAppId("app")
SBIN, IDEA = "NSE:SBIN-EQ", "NSE:IDEA-EQ"
Row = dict[str, Any]


@dataclass(slots=True)
class World:
    """What a test does at the broker, and what it reads of the platform."""

    sim: Simulator
    control: Control
    database: Database
    redis: Redis
    environ: dict[str, str]
    stack: AsyncExitStack

    async def account(self, client_id: str, *, token: bool = True, app: bool = True) -> AccountId:
        """One at the broker and here, logged in unless told otherwise."""
        client = self.sim.face.add_client(client_id)
        account_id = AccountId(f"fyers:{client_id}")
        if app and not await PostgresBrokerApps(self.database).page():
            made = BrokerApp(APP, Broker.FYERS, client.app.id, client.app.redirect_uri)
            sealed = self.seal.seal(client.app.secret.encode(), app_context(APP))
            await PostgresBrokerApps(self.database).create(made, sealed)
        segments = frozenset({Segment.CAPITAL_MARKET})
        await PostgresAccounts(self.database).create(
            Account(
                account_id,
                Broker.FYERS,
                client_id,
                AccountType.STRATEGY_PROVIDER,
                AccountState.ACTIVE,
                segments,
                APP if app else None,
            )
        )
        if token:
            await self.log_in(account_id)
        return account_id

    @property
    def seal(self) -> KeyringSeal:
        return KeyringSeal.from_text(KEY)

    def token(self, client_id: str) -> str:
        """A fresh one of the broker."""
        return self.sim.face.tokens.issue(self.sim.face.clients[client_id]).text

    async def log_in(self, account_id: AccountId, client_id: str = "") -> None:
        """Store a good token, of that client or of another."""
        named = client_id or client_of(account_id)
        tokens = Tokens(Secret(self.token(named)), NO_SECRET, time.time_ns() + 3_600_000_000_000, named)
        session = SessionId(account_id)
        await PostgresSessions(self.database).set_tokens(session, sealed_tokens(self.seal, session, tokens))

    async def trade(
        self, account_id: AccountId, quantity: int, *, parts: int = 1, symbol: str = SBIN
    ) -> None:
        """By hand at the broker; signed."""
        await self.control.post(
            "/trades",
            client_id=client_of(account_id),
            symbol=symbol,
            side=1 if quantity > 0 else -1,
            qty=abs(quantity),
            parts=parts,
            product="INTRADAY",
        )

    async def events(self, account_id: AccountId) -> list[Event]:
        partition = partition_of(account_id)
        found = await PostgresJournal(self.database).read(partition, Offset(0), 100_000)
        assert [event.offset for event in found] == list(range(1, len(found) + 1))
        mine = [event for event in found if event.fact.account_id == account_id]
        assert [event.sequence for event in mine] == list(range(1, len(mine) + 1))
        return mine

    async def fills(self, account_id: AccountId) -> Counter[tuple[str, int]]:
        """Trade numbers and quantities in the journal, and how often."""
        bodies = [event.fact.body for event in await self.events(account_id)]
        fills = [body for body in bodies if isinstance(body, Fill)]
        return Counter((f"{fill.order_id}-{fill.trade_id}", int(fill.quantity)) for fill in fills)

    async def truth(self, account_id: AccountId) -> Counter[tuple[str, int]]:
        """The same in the broker's books."""
        trades: list[Row] = (await self.control.get("/trades", client_id=client_of(account_id)))["trades"]
        return Counter((str(trade["number"]), int(trade["qty"])) for trade in trades)

    async def agrees(self, account_id: AccountId) -> bool:
        return await self.fills(account_id) == await self.truth(account_id)

    async def state(self, account_id: AccountId) -> tuple[str, str]:
        row = (await PostgresSessions(self.database).of_accounts([account_id]))[account_id]
        return row.state.value, row.reason

    async def until_state(self, account_id: AccountId, state: str) -> str:
        """The reason, once it stands so."""

        async def look() -> tuple[str, str] | None:
            found = await self.state(account_id)
            return found if found[0] == state else None

        found = await until(look, f"{account_id} is {state}")
        assert found is not None
        return found[1]

    async def until_agreed(self, *accounts: AccountId) -> None:
        for account_id in accounts:

            async def look(name: AccountId = account_id) -> bool:
                return await self.agrees(name)

            await until(look, f"the journal of {account_id} has the broker's trades")

    async def address_of(self, account_id: AccountId) -> str:
        """Of the feed that holds it; empty while none does."""
        address: str | None = await self.database.value(
            "SELECT address FROM leases WHERE service = 'feed' AND partition = $1 AND owner IS NOT NULL",
            partition_of(account_id),
        )
        return address or ""

    @asynccontextmanager
    async def stub(self, account_id: AccountId) -> AsyncIterator[Any]:
        """At the feed that holds it."""

        async def look() -> str:
            return await self.address_of(account_id)

        address = await until(look, "a feed holds it")
        async with grpc.aio.insecure_channel(address) as channel:
            yield feed_pb2_grpc.FeedServiceStub(channel)

    @asynccontextmanager
    async def feed(
        self, name: str = "feed", *, waits: bool = True, **settings: str
    ) -> AsyncIterator[Runtime[Settings]]:
        """One in this loop, ready unless nobody waits for that."""
        environ = self.environ | {f"PACELINE_{key.upper()}": value for key, value in settings.items()}
        chosen = load(Settings, environ | {"PACELINE_REPLICA_ID": name})
        telemetry = start_telemetry(
            service="feed", replica_id=name, environment="test", otlp_endpoint=None, sample_ratio=1.0
        )
        runtime = Runtime(
            "feed", chosen, clock=SystemClock(), random=Random(7), metrics=Metrics(), telemetry=telemetry
        )
        running = asyncio.create_task(live(runtime, compose))

        async def ready() -> bool:
            assert not running.done(), "the feed ended"
            return runtime.readiness.ready

        try:
            if waits:
                await until(ready, "the feed is ready")
            yield runtime
            assert not runtime.failed
        finally:
            runtime.request_stop("the test is over")
            await running

    async def process(self, name: str, **settings: str) -> Process:
        """One that can be killed."""
        chosen = self.environ | {f"PACELINE_{key.upper()}": value for key, value in settings.items()}
        command = leashed([sys.executable, "-m", "services.feed"])
        environ = {key: value for key, value in os.environ.items() if not key.startswith("PACELINE_")}
        made = await asyncio.create_subprocess_exec(
            *command, env=environ | chosen | {"PACELINE_REPLICA_ID": name}, cwd=ROOT
        )
        self.stack.push_async_callback(_end, made)
        return made


def client_of(account_id: AccountId) -> str:
    return account_id.partition(":")[2]


def kinds(events: Sequence[Event]) -> Counter[EventKind]:
    return Counter(event.fact.kind for event in events)


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.kill()
        await process.wait()


async def until(look: Callable[[], Awaitable[T]], what: str) -> T:
    """What it finds, once that is something."""
    give_up = time.monotonic() + PATIENCE_S
    while not (found := await look()):
        assert time.monotonic() < give_up, f"not within {PATIENCE_S} s: {what}"
        await asyncio.sleep(0.02)
    return found


@asynccontextmanager
async def world(postgres_url: str, redis_url: str, **settings: str) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        made = simulator.Settings(seed=7, quota=Quota(0, 0, 0))
        sim = await stack.enter_async_context(simulator.serve(made))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        database = await open_database(postgres_url, PoolOptions(min_size=1, max_size=4))
        stack.push_async_callback(database.close)
        redis = open_redis(redis_url)
        stack.push_async_callback(redis.aclose)
        values = {
            "postgres_url": postgres_url,
            "redis_url": redis_url,
            "encryption_key": KEY,
            "grpc_port": "0",
            "metrics_port": "0",
            "lease_ttl_ms": "2000",
            "lease_beat_ms": "100",
            "log_level": "warning",
            "reconnect_first_ms": "20",
            "trades_settle_ms": "100",
            **{f"fyers_{name}": url for name, url in sim.urls.as_dict().items() if name != "control_url"},
            **settings,
        }
        environ = {f"PACELINE_{name.upper()}": value for name, value in values.items()}
        yield World(sim, Control(sim.urls.control_url, http), database, redis, environ, stack)
