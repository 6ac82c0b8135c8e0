"""A broker, two stores, a feed and risk: the two services as processes, the rest here."""

import asyncio
import base64
import os
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import grpc
import grpc.aio

import simulator
from paceline.adapters.postgres.accounts import PostgresAccounts, PostgresBrokerApps
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.pool import PoolOptions, open_database
from paceline.adapters.postgres.sessions import PostgresSessions
from paceline.adapters.redis.connection import open_redis
from paceline.adapters.redis.portfolios import RedisPortfolios
from paceline.adapters.seal import KeyringSeal
from paceline.api.v1 import risk_pb2, risk_pb2_grpc
from paceline.domain.account import Account, AccountState, AccountType, Broker
from paceline.domain.errors import NotFound
from paceline.domain.ids import AccountId, BrokerAppId
from paceline.domain.instrument import Segment
from paceline.domain.partitioning import partition_of
from paceline.domain.secret import Secret
from paceline.embedded.leash import leashed
from paceline.ports.accounts import BrokerApp
from paceline.ports.broker import Tokens
from paceline.ports.sessions import SessionId
from paceline.runtime.credentials import app_context, sealed_tokens
from simulator.server import Simulator

T = TypeVar("T")

ROOT = Path(__file__).parents[3]
PATIENCE_S = 90.0
KEY = base64.b64encode(b"k" * 32).decode()
APP = BrokerAppId("app")
SBIN, IDEA = "NSE:SBIN-EQ", "NSE:IDEA-EQ"


@dataclass(slots=True)
class World:
    """What a test does at the broker, and what it reads of the platform."""

    sim: Simulator
    control: aiohttp.ClientSession
    database: Database
    portfolios: RedisPortfolios
    environ: dict[str, str]
    stack: AsyncExitStack
    processes: dict[str, Process] = field(default_factory=dict)

    async def account(self, client_id: str, type_: AccountType, *, token: bool = True) -> AccountId:
        """One at the broker and here, logged in unless told otherwise."""
        client = self.sim.face.add_client(client_id)
        account_id = AccountId(f"fyers:{client_id}")
        seal = KeyringSeal.from_text(KEY)
        apps = PostgresBrokerApps(self.database)
        try:
            await apps.get(APP)
        except NotFound:
            app = BrokerApp(APP, Broker.FYERS, client.app.id, client.app.redirect_uri)
            await apps.create(app, seal.seal(client.app.secret.encode(), app_context(APP)))
        segments = frozenset({Segment.CAPITAL_MARKET})
        state = AccountState.ACTIVE
        await PostgresAccounts(self.database).create(
            Account(account_id, Broker.FYERS, client_id, type_, state, segments, APP)
        )
        if token:
            await self.log_in(account_id)
        return account_id

    async def log_in(self, account_id: AccountId) -> None:
        client = self.sim.face.clients[account_id.partition(":")[2]]
        token = self.sim.face.tokens.issue(client).text
        tokens = Tokens(Secret(token), Secret(""), time.time_ns() + 3_600_000_000_000, client.id)
        session = SessionId(account_id)
        sealed = sealed_tokens(KeyringSeal.from_text(KEY), session, tokens)
        await PostgresSessions(self.database).set_tokens(session, sealed)

    async def trade(self, account_id: AccountId, symbol: str, quantity: int, price: float) -> None:
        """By hand at the broker; signed."""
        body = {
            "client_id": account_id.partition(":")[2],
            "symbol": symbol,
            "side": 1 if quantity > 0 else -1,
            "qty": abs(quantity),
            "price": price,
            "product": "INTRADAY",
        }
        async with self.control.post(self.sim.urls.control_url + "/trades", json=body) as answer:
            assert answer.status == 200, await answer.text()

    async def start(self, service: str, name: str = "", **settings: str) -> Process:
        command = leashed([sys.executable, "-m", f"services.{service}"])
        environ = self.environ | {f"PACELINE_{name.upper()}": value for name, value in settings.items()}
        process = await asyncio.create_subprocess_exec(*command, env=environ, cwd=ROOT)
        self.processes[name or service] = process
        self.stack.push_async_callback(_end, process)
        return process

    async def address_of(self, account_id: AccountId) -> str:
        """Of the risk replica that holds it; empty while none does."""
        address = await self.database.value(
            "SELECT address FROM leases WHERE service = 'risk' AND partition = $1 AND owner IS NOT NULL",
            partition_of(account_id),
        )
        return address or ""

    @asynccontextmanager
    async def risk(self, account_id: AccountId) -> AsyncIterator[Any]:
        """A stub at the replica that holds it."""

        async def address() -> str:
            return await self.address_of(account_id)

        async with grpc.aio.insecure_channel(await until(address, "a risk replica holds it")) as channel:
            yield risk_pb2_grpc.RiskServiceStub(channel)

    async def portfolio(
        self, account_id: AccountId, true: Callable[[risk_pb2.Portfolio], object], what: str
    ) -> risk_pb2.Portfolio:
        """Once it is as wanted."""

        async def look() -> risk_pb2.Portfolio | None:
            try:
                async with self.risk(account_id) as stub:
                    request = risk_pb2.GetPortfolioRequest(account_id=account_id)
                    portfolio: risk_pb2.Portfolio = (await stub.GetPortfolio(request)).portfolio
            except grpc.aio.AioRpcError as error:
                if error.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.NOT_FOUND}:
                    return None
                raise
            return portfolio if true(portfolio) else None

        found = await until(look, what)
        assert found is not None
        return found


async def _end(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
        await process.wait()


async def until(look: Callable[[], Awaitable[T]], what: str) -> T:
    """What it finds, once that is something."""
    give_up = time.monotonic() + PATIENCE_S
    while not (found := await look()):
        assert time.monotonic() < give_up, f"not within {PATIENCE_S} s: {what}"
        await asyncio.sleep(0.02)
    return found


@asynccontextmanager
async def world(postgres_url: str, redis_url: str) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        sim = await stack.enter_async_context(simulator.serve(simulator.Settings(seed=7)))
        control = await stack.enter_async_context(aiohttp.ClientSession())
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
            **{f"fyers_{name}": url for name, url in sim.urls.as_dict().items() if name != "control_url"},
        }
        environ = {f"PACELINE_{name.upper()}": value for name, value in values.items()}
        environ |= {name: value for name, value in os.environ.items() if not name.startswith("PACELINE_")}
        yield World(sim, control, database, RedisPortfolios(redis), environ, stack)
