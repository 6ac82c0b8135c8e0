"""The gateway behind a real server on real stores, with a feed that tests play."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import Any

import grpc
import grpc.aio
import pytest
from redis.asyncio import Redis

from paceline.adapters.clock import SystemClock
from paceline.adapters.notify.apprise import AppriseNotifier
from paceline.adapters.postgres.audit import PostgresAudit
from paceline.adapters.postgres.changes import PostgresChanges
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.leases import PostgresLeases
from paceline.adapters.postgres.requests import PostgresRequests
from paceline.adapters.seal import KeyringSeal
from paceline.api.v1 import (
    account_pb2,
    account_pb2_grpc,
    common_pb2,
    feed_pb2,
    feed_pb2_grpc,
    query_pb2,
    query_pb2_grpc,
    session_pb2_grpc,
    subscription_pb2,
    subscription_pb2_grpc,
)
from paceline.domain.ids import AccountId
from paceline.domain.partitioning import partition_of
from paceline.runtime.grpc_client import ChannelPool
from paceline.runtime.grpc_client_calls import ClientCalls
from paceline.runtime.grpc_server import GrpcServer, Listen
from paceline.runtime.grpc_status import RpcStatus, status_of
from paceline.runtime.log import get_logger
from paceline.runtime.metrics import Metrics
from paceline.runtime.readiness import Readiness
from paceline.runtime.routes import Routes
from paceline.runtime.telemetry import start_telemetry
from services.gateway.__main__ import Parts, serve
from services.gateway.feed_door import FeedDoor
from services.gateway.once import ACTOR_KEY, Once
from services.gateway.replicator_door import ReplicatorDoor
from services.gateway.risk_door import RiskDoor
from tests.integration.gateway.feed_stand_in import FeedStandIn

TOKEN = "planted-access-token"
APP_SECRET = "planted-app-secret"
KEYRING = "k1:" + "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
ALICE = ((ACTOR_KEY, "alice"),)
_numbers = count(1)


@dataclass
class House:
    """What a client of the gateway holds, and what is behind the door."""

    channel: grpc.aio.Channel
    database: Database
    redis: Redis
    seal: KeyringSeal
    feed: FeedStandIn
    feed_address: str
    routes: Routes
    metrics: Metrics
    replicators: Routes

    def __post_init__(self) -> None:
        self.accounts = account_pb2_grpc.AccountServiceStub(self.channel)
        self.subscriptions = subscription_pb2_grpc.SubscriptionServiceStub(self.channel)
        self.sessions = session_pb2_grpc.SessionServiceStub(self.channel)
        self.queries = query_pb2_grpc.QueryServiceStub(self.channel)

    async def an_app(self) -> str:
        app = account_pb2.BrokerApp(
            broker=common_pb2.BROKER_FYERS, app_id=f"APP{next(_numbers)}-100", app_secret=APP_SECRET
        )
        made = await self.accounts.CreateBrokerApp(account_pb2.CreateBrokerAppRequest(broker_app=app))
        return made.broker_app.broker_app_id

    async def an_account(self, client_id: str = "", **fields: Any) -> str:
        made = await self.accounts.CreateAccount(
            account_pb2.CreateAccountRequest(account=account(client_id, **fields))
        )
        return made.account.account_id

    async def a_subscription(self, leader: str = "", follower: str = "", **fields: Any) -> str:
        asked = subscription(leader or await self.an_account(), follower or await self.an_account(), **fields)
        made = await self.subscriptions.CreateSubscription(
            subscription_pb2.CreateSubscriptionRequest(subscription=asked)
        )
        return made.subscription.subscription_id

    async def owned_by(self, address: str, *account_ids: str) -> None:
        """The lease rows of these accounts' partitions name a feed at an address."""
        await self.database.execute(
            "INSERT INTO leases (service, partition, epoch, owner, address)"
            " SELECT 'feed', p, 1, 'feed-1', $2 FROM unnest($1::smallint[]) AS p"
            " ON CONFLICT (service, partition) DO UPDATE SET address = excluded.address",
            [partition_of(AccountId(each)) for each in account_ids],
            address,
        )
        await self.routes.refresh()

    async def audit(self, subject: str = "") -> list[query_pb2.AuditEntry]:
        """Oldest first."""
        asked = query_pb2.ListAuditEntriesRequest(subject=subject, page_size=1000)
        return list(reversed((await self.queries.ListAuditEntries(asked)).audit_entries))


def account(client_id: str = "", **fields: Any) -> account_pb2.Account:
    return account_pb2.Account(
        **{
            "broker": common_pb2.BROKER_FYERS,
            "client_id": client_id or f"C{next(_numbers)}",
            "type": common_pb2.ACCOUNT_TYPE_LIVE,
            "segments": [common_pb2.SEGMENT_CAPITAL_MARKET],
            **fields,
        }
    )


def subscription(leader: str, follower: str, **fields: Any) -> subscription_pb2.Subscription:
    return subscription_pb2.Subscription(
        **{
            "leader_id": leader,
            "follower_id": follower,
            "auto_copy": True,
            "mode": subscription_pb2.COPY_MODE_ON_FILL,
            "style": subscription_pb2.EXECUTION_STYLE_PROTECTED_LIMIT,
            "sizing": subscription_pb2.Sizing(
                mode=subscription_pb2.SIZING_MODE_FIXED_RATIO, value=common_pb2.Decimal(value="0.5")
            ),
            **fields,
        }
    )


async def refusal_of(call: Awaitable[Any]) -> RpcStatus:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return status_of(caught.value)


def fields_of(status: RpcStatus) -> set[str]:
    """Which fields a refusal names; each with its rule."""
    assert status.code is grpc.StatusCode.INVALID_ARGUMENT
    assert status.reason == "INVALID_ARGUMENT"
    assert all(violation.rule for violation in status.violations)
    return {violation.field for violation in status.violations}


@asynccontextmanager
async def a_server(metrics: Metrics) -> AsyncIterator[GrpcServer]:
    """Filled and started by whoever asks; stopped at the end."""
    server = GrpcServer(
        Listen(),
        metrics=metrics,
        telemetry=start_telemetry(service="gateway", replica_id="1"),
        readiness=Readiness(),
        draining=asyncio.Event(),
        log=get_logger("gateway"),
    )
    try:
        yield server
    finally:
        await server.stop()


@asynccontextmanager
async def a_feed(feed: FeedStandIn) -> AsyncIterator[str]:
    """Its address."""
    async with a_server(Metrics()) as server:
        name = feed_pb2.DESCRIPTOR.services_by_name["FeedService"].full_name
        server.add(feed_pb2_grpc.add_FeedServiceServicer_to_server, feed, name)
        await server.start()
        yield f"127.0.0.1:{server.port}"


@asynccontextmanager
async def a_house(database: Database, redis: Redis) -> AsyncIterator[House]:
    feed, clock, metrics = FeedStandIn(), SystemClock(), Metrics()
    telemetry = start_telemetry(service="gateway", replica_id="1")
    routes = Routes(PostgresLeases(database, "feed", ttl_ms=0), clock)
    replicators = Routes(PostgresLeases(database, "replicator", ttl_ms=0), clock)
    channels = ChannelPool(ClientCalls(metrics=metrics, telemetry=telemetry, deadline_s=5))
    seal = KeyringSeal.from_text(KEYRING)
    parts = Parts(
        database=database,
        redis=redis,
        seal=seal,
        notifier=AppriseNotifier(1, 60.0),
        once=Once(
            PostgresChanges(database),
            PostgresRequests(database),
            PostgresAudit(database),
            [b"a key of tests"],
        ),
        door=FeedDoor(channels, routes, clock),
        replicators=ReplicatorDoor(channels, replicators, clock),
        risks=RiskDoor(channels, Routes(PostgresLeases(database, "risk", ttl_ms=0), clock), clock),
        clock=clock,
        random=Random(7),
    )
    routing = asyncio.create_task(routes.run())
    try:
        async with a_feed(feed) as feed_address, a_server(metrics) as server:
            serve(server, parts)
            await server.start()
            async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
                yield House(channel, database, redis, seal, feed, feed_address, routes, metrics, replicators)
    finally:
        routing.cancel()
        await channels.close()
