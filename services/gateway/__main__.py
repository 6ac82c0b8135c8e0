"""The gateway as a process: the only place that names its concrete parts."""

from dataclasses import dataclass
from hashlib import blake2b
from random import Random
from types import ModuleType

from redis.asyncio import Redis

from paceline.adapters.clock import SystemClock
from paceline.adapters.notify.apprise import AppriseNotifier
from paceline.adapters.postgres.alerts import PostgresTargets
from paceline.adapters.postgres.audit import PostgresAudit
from paceline.adapters.postgres.barriers import PostgresBarriers
from paceline.adapters.postgres.changes import PostgresChanges
from paceline.adapters.postgres.copy_orders import PostgresCopyOrders
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.history import PostgresHistory
from paceline.adapters.postgres.instruments import PostgresInstruments
from paceline.adapters.postgres.leases import PostgresLeases
from paceline.adapters.postgres.ordered import PostgresOrdered
from paceline.adapters.postgres.pins import PostgresPins
from paceline.adapters.postgres.pool import PoolOptions, open_database
from paceline.adapters.postgres.requests import PostgresRequests
from paceline.adapters.postgres.views import PostgresViews
from paceline.adapters.redis.connection import connect_redis
from paceline.adapters.redis.portfolios import RedisPortfolios
from paceline.adapters.redis.presence import RedisRelations
from paceline.adapters.seal import KeyringSeal
from paceline.api.v1 import (
    account_pb2,
    account_pb2_grpc,
    auth_pb2,
    auth_pb2_grpc,
    operations_pb2,
    operations_pb2_grpc,
    query_pb2,
    query_pb2_grpc,
    risk_pb2,
    risk_pb2_grpc,
    session_pb2,
    session_pb2_grpc,
    signal_pb2,
    signal_pb2_grpc,
    subscription_pb2,
    subscription_pb2_grpc,
)
from paceline.ports.clock import Clock
from paceline.ports.notifier import Notifier
from paceline.ports.seal import Seal
from paceline.runtime.domain_errors import map_domain_error
from paceline.runtime.grpc_client import channel_pool
from paceline.runtime.grpc_server import GrpcServer, grpc_server
from paceline.runtime.lifecycle import Runtime
from paceline.runtime.main import main as run_service
from paceline.runtime.routes import Routes
from paceline.runtime.stores import hold
from services.gateway.accounts import AccountDesk
from services.gateway.catalogue import Catalogue
from services.gateway.feed_door import FeedDoor
from services.gateway.once import Once
from services.gateway.replicator_door import ReplicatorDoor
from services.gateway.risk_door import RiskDoor
from services.gateway.servicer_accounts import AccountServicer
from services.gateway.servicer_operations import OperationsServicer
from services.gateway.servicer_queries import QueryServicer
from services.gateway.servicer_risk import RiskServicer
from services.gateway.servicer_sessions import SessionServicer
from services.gateway.servicer_subscriptions import SubscriptionServicer
from services.gateway.servicer_targets import TargetParts
from services.gateway.settings import Settings
from services.gateway.subscriptions import SubscriptionDesk
from services.gateway.upkeep import FORGET_EVERY_S, RELATE_EVERY_S, every, forgetting, relating

SERVICE = "gateway"
_KEY_BYTES = 32
_NOTIFY_THREADS = 1
_NOTIFY_TIMEOUT_S = 30.0
"""Targets are looked at here, never told anything."""


def main() -> None:
    run_service(SERVICE, Settings, compose, clock=SystemClock())


@dataclass(frozen=True, slots=True)
class Parts:
    """What the servicers are made of."""

    database: Database
    redis: Redis
    seal: Seal
    notifier: Notifier
    once: Once
    door: FeedDoor
    replicators: ReplicatorDoor
    risks: RiskDoor
    clock: Clock
    random: Random

    def new_name(self) -> str:
        """One that nobody gave before; names go in the order of time."""
        return f"{self.clock.now_ns() // 1_000_000:012x}{self.random.getrandbits(80):020x}"


async def compose(runtime: Runtime[Settings]) -> None:
    """Builds and starts the gateway."""
    settings = runtime.settings
    database, redis = await _stores(runtime)
    changes, requests = PostgresChanges(database), PostgresRequests(database)
    routes = Routes(
        PostgresLeases(database, "feed", ttl_ms=0), runtime.clock, pins=PostgresPins(database, ttl_ms=0)
    )
    replicators = Routes(PostgresLeases(database, "replicator", ttl_ms=0), runtime.clock)
    risks = Routes(PostgresLeases(database, "risk", ttl_ms=0), runtime.clock)
    channels = channel_pool(runtime)
    notifier = AppriseNotifier(_NOTIFY_THREADS, _NOTIFY_TIMEOUT_S)
    parts = Parts(
        database=database,
        redis=redis,
        seal=KeyringSeal.from_text(",".join(key.reveal() for key in settings.encryption_keys)),
        notifier=notifier,
        once=Once(changes, requests, PostgresAudit(database), fingerprint_keys(settings)),
        door=FeedDoor(channels, routes, runtime.clock),
        replicators=ReplicatorDoor(channels, replicators, runtime.clock),
        risks=RiskDoor(channels, risks, runtime.clock),
        clock=runtime.clock,
        random=runtime.random,
    )
    runtime.on_stop("notifier", notifier.aclose)
    server = grpc_server(runtime, map_error=map_domain_error)
    serve(server, parts)
    await runtime.start(server)
    runtime.spawn("feed routes", routes.run())
    runtime.spawn("replicator routes", replicators.run())
    runtime.spawn("risk routes", risks.run())
    forget = forgetting(requests, settings.requests_kept_h)
    runtime.spawn("old requests", every(runtime.clock, FORGET_EVERY_S, "old requests", forget))
    relate = relating(changes, RedisRelations(redis))
    runtime.spawn("relations", every(runtime.clock, RELATE_EVERY_S, "relations", relate))


async def _stores(runtime: Runtime[Settings]) -> tuple[Database, Redis]:
    settings = runtime.settings
    postgres_url, redis_url = settings.postgres_url.reveal(), settings.redis_url.reveal()
    options = PoolOptions(
        max_size=settings.postgres_pool_max, application_name=f"paceline-{SERVICE}", plan_each_time=True
    )
    database = await hold(
        runtime,
        "postgres",
        settings.postgres_url,
        lambda: open_database(postgres_url, options),
        Database.close,
    )
    redis = await hold(
        runtime, "redis", settings.redis_url, lambda: connect_redis(redis_url), lambda one: one.aclose()
    )
    return database, redis


def serve(server: GrpcServer, parts: Parts) -> None:
    """Every public service; what is not built yet answers UNIMPLEMENTED."""
    once, database, views = parts.once, parts.database, PostgresViews(parts.database)
    accounts = AccountServicer(
        once,
        views,
        AccountDesk(parts.seal, RedisPortfolios(parts.redis)),
        Catalogue(parts.seal),
        parts.clock,
        TargetParts(PostgresTargets(database), parts.notifier, parts.seal, parts.new_name),
    )
    server.add(account_pb2_grpc.add_AccountServiceServicer_to_server, accounts, _name(account_pb2))
    desk = SubscriptionDesk(RedisRelations(parts.redis), PostgresInstruments(database))
    subscriptions = SubscriptionServicer(once, views, desk, parts.replicators, parts.new_name)
    server.add(
        subscription_pb2_grpc.add_SubscriptionServiceServicer_to_server,
        subscriptions,
        _name(subscription_pb2),
    )
    sessions = SessionServicer(once, views, parts.door)
    server.add(session_pb2_grpc.add_SessionServiceServicer_to_server, sessions, _name(session_pb2))
    queries = QueryServicer(
        PostgresHistory(database), views, PostgresCopyOrders(database), PostgresInstruments(database)
    )
    server.add(query_pb2_grpc.add_QueryServiceServicer_to_server, queries, _name(query_pb2))
    risks = RiskServicer(parts.risks)
    server.add(risk_pb2_grpc.add_RiskServiceServicer_to_server, risks, _name(risk_pb2))
    operations = OperationsServicer(
        once,
        PostgresOrdered(database),
        PostgresBarriers(database),
        PostgresInstruments(database),
        parts.clock,
        parts.new_name,
    )
    server.add(operations_pb2_grpc.add_OperationsServiceServicer_to_server, operations, _name(operations_pb2))
    signals = signal_pb2_grpc.SignalServiceServicer()
    server.add(signal_pb2_grpc.add_SignalServiceServicer_to_server, signals, _name(signal_pb2))
    auth = auth_pb2_grpc.AuthServiceServicer()
    server.add(auth_pb2_grpc.add_AuthServiceServicer_to_server, auth, _name(auth_pb2))


def _name(file: ModuleType) -> str:
    """The full name of the one service of a proto file."""
    (service,) = file.DESCRIPTOR.services_by_name.values()
    return str(service.full_name)


def fingerprint_keys(settings: Settings) -> tuple[bytes, ...]:
    """Others than those that seal, made of what each key is, whatever it is called."""
    keys = (key.reveal().rpartition(":")[2].encode() for key in settings.encryption_keys)
    return tuple(blake2b(key, digest_size=_KEY_BYTES, person=b"requests").digest() for key in keys)


if __name__ == "__main__":
    main()
