"""The replicator as a process: the only place that names its concrete parts."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from redis.asyncio import Redis

from paceline.adapters.calendar.india import india
from paceline.adapters.clock import SystemClock
from paceline.adapters.postgres.accounts import PostgresAccountGroups, PostgresAccounts
from paceline.adapters.postgres.barriers import PostgresBarriers
from paceline.adapters.postgres.copy_commands import PostgresCopyCommands
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.drift_looks import PostgresDriftLooks
from paceline.adapters.postgres.drifts import PostgresDrifts
from paceline.adapters.postgres.history import PostgresHistory
from paceline.adapters.postgres.instruments import PostgresInstruments
from paceline.adapters.postgres.kill_switches import PostgresKillSwitches
from paceline.adapters.postgres.leader_orders import PostgresLeaderOrders
from paceline.adapters.postgres.leases import PostgresLeases
from paceline.adapters.postgres.listen import ACCOUNTS, SESSIONS, SUBSCRIPTIONS, Listener
from paceline.adapters.postgres.lives import PostgresLives
from paceline.adapters.postgres.news import PostgresNews
from paceline.adapters.postgres.offsets import PostgresOffsets
from paceline.adapters.postgres.ordered import PostgresOrdered
from paceline.adapters.postgres.plans import PostgresPlans
from paceline.adapters.postgres.pool import PoolOptions, open_database
from paceline.adapters.postgres.sessions import PostgresSessions
from paceline.adapters.postgres.subscriptions import PostgresSubscriptions
from paceline.adapters.postgres.trades import PostgresTrades
from paceline.adapters.redis.connection import connect_redis
from paceline.adapters.redis.portfolios import RedisPortfolios
from paceline.adapters.redis.presence import RedisPresence
from paceline.adapters.redis.prices import RedisPrices
from paceline.adapters.wire.events import event_from_wire
from paceline.api.v1 import replicator_pb2, replicator_pb2_grpc
from paceline.domain.calendar import Calendar, always_open
from paceline.domain.errors import Unavailable
from paceline.domain.ids import Partition
from paceline.ports.lives import Tenancy
from paceline.ports.offsets import Offsets
from paceline.runtime.broker_settings import lease_times
from paceline.runtime.common_settings import advertised_address
from paceline.runtime.domain_errors import map_domain_error
from paceline.runtime.follow import Follower
from paceline.runtime.grpc_client import channel_pool
from paceline.runtime.grpc_server import grpc_server
from paceline.runtime.kill_watch import KillWatch
from paceline.runtime.lifecycle import Runtime
from paceline.runtime.main import main as run_service
from paceline.runtime.market_hours import MarketHours
from paceline.runtime.market_judge import MarketJudge
from paceline.runtime.ownership import own, partitions_of
from paceline.runtime.partitions import Held
from paceline.runtime.routes import Routes
from paceline.runtime.stores import hold
from services.replicator.adjusting import Adjustments, Ledgers
from services.replicator.barriers import BarrierWatch
from services.replicator.compare import Comparisons
from services.replicator.directory import Directory
from services.replicator.dispatch import Dispatcher
from services.replicator.holdings import LotRules
from services.replicator.lives import Beginnings, Stores
from services.replicator.order_books import OrderBooks
from services.replicator.preview import Limits, Previews
from services.replicator.replicate import Replicator
from services.replicator.servicer import ReplicatorServicer
from services.replicator.settings import Settings
from services.replicator.silence import Silence
from services.replicator.views import Views

SERVICE = "replicator"


def main() -> None:
    run_service(SERVICE, Settings, compose, clock=SystemClock())


@dataclass(frozen=True, slots=True)
class Tenure:
    """What begins and ends with the leases of partitions."""

    directory: Directory
    follower: Follower
    replicator: Replicator
    adjustments: Adjustments
    offsets: Offsets

    async def gain(self, held: Sequence[Held]) -> None:
        partitions = [each.partition for each in held]
        self.replicator.forget(partitions)
        await self.directory.gain(partitions)
        await self.adjustments.gain([Tenancy(each.partition, each.epoch) for each in held])
        self.follower.add(await self.offsets.load(SERVICE, partitions))

    async def surrender(self, partitions: Sequence[Partition]) -> None:
        """What is being planned is committed, and how far was read is written; then nothing of it is ours."""
        await self.follower.drop(partitions)
        with suppress(Unavailable):  # the next owner reads the same stretch again, and plans nothing new
            await self.replicator.settle(partitions)
        await self.lose(partitions)

    async def lose(self, partitions: Sequence[Partition]) -> None:
        await self.follower.drop(partitions)
        self.directory.lose(partitions)
        self.replicator.forget(partitions)


async def compose(runtime: Runtime[Settings]) -> None:
    """Builds and starts the replicator."""
    settings, clock = runtime.settings, runtime.clock
    database, redis = await open_stores(runtime)
    partitions = partitions_of(runtime, leases_of(runtime, database, SERVICE), lease_times(settings))
    feeds = Routes(leases_of(runtime, database, "feed"), clock)
    executors = Routes(leases_of(runtime, database, "executor"), clock)
    channels, offsets = channel_pool(runtime), PostgresOffsets(database)
    directory = directory_of(runtime, database)
    silence = Silence(
        RedisPresence(redis), directory.followed, clock, runtime.metrics, settings.leader_silence_ms
    )
    calendar = calendar_of(runtime, redis)
    kills, barriers = await watches(runtime, database)
    views = views_of(runtime, database, redis, directory, silence, calendar, kills, barriers)
    dispatcher = Dispatcher(channels, executors, clock, runtime.metrics, settings.dispatch_queue_chunks)
    runtime.on_stop("dispatch", dispatcher.stop)
    replicator = Replicator(
        directory,
        views,
        OrderBooks(PostgresLeaderOrders(database)),
        PostgresPlans(database),
        offsets,
        dispatcher,
        partitions,
        clock,
        runtime.metrics,
        runtime.telemetry,
        chunk_followers=settings.chunk_followers,
        chunks_at_once=settings.chunks_at_once,
    )
    stores = life_stores(database, redis, calendar)
    beginnings = Beginnings(stores, directory, views, replicator, dispatcher, partitions, clock)
    ledgers = Ledgers(PostgresOrdered(database), stores.plans, stores.copy_commands, stores.subscriptions)
    adjustments = Adjustments(ledgers, beginnings, replicator, partitions, clock)
    follower = Follower(
        SERVICE,
        channels,
        feeds,
        clock,
        beginnings.handle,
        lambda response: [event_from_wire(each) for each in response.events],
        settings.stream_batch_events,
    )
    address = await serve(runtime, servicer_of(runtime, database, redis))
    runtime.spawn("feed routes", feeds.run())
    runtime.spawn("executor routes", executors.run())
    listen(runtime, directory)
    runtime.spawn("instruments", views.forget_daily())
    runtime.spawn("silence", silence.run())
    runtime.spawn("settling", replicator.keep_settling())
    runtime.spawn("beginnings", beginnings.run())
    runtime.spawn("events", follower.run())
    runtime.spawn("adjustments", adjustments.run())
    tenure = Tenure(directory, follower, replicator, adjustments, offsets)
    own(runtime, partitions, address, gain=tenure.gain, surrender=tenure.surrender, lose=tenure.lose)


async def watches(runtime: Runtime[Settings], database: Database) -> tuple[KillWatch, BarrierWatch]:
    """What is read all the time, and was once before anything is planned."""
    replica, clock = runtime.settings.replica_id, runtime.clock
    kills = KillWatch(PostgresKillSwitches(database), SERVICE, replica, clock)
    barriers = BarrierWatch(PostgresBarriers(database), clock)
    await kills.look()
    await barriers.look()
    runtime.spawn("kill switches", kills.run())
    runtime.spawn("barriers", barriers.run())
    return kills, barriers


async def open_stores(runtime: Runtime[Settings]) -> tuple[Database, Redis]:
    settings = runtime.settings
    postgres_url, redis_url = settings.postgres_url.reveal(), settings.redis_url.reveal()
    options = PoolOptions(max_size=settings.postgres_pool_max, application_name=f"paceline-{SERVICE}")
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


def leases_of(runtime: Runtime[Settings], database: Database, service: str) -> PostgresLeases:
    return PostgresLeases(database, service, ttl_ms=runtime.settings.lease_ttl_ms)


def views_of(
    runtime: Runtime[Settings],
    database: Database,
    redis: Redis,
    directory: Directory,
    silence: Silence,
    calendar: Calendar,
    kills: KillWatch,
    barriers: BarrierWatch,
) -> Views:
    return Views(
        directory,
        PostgresPlans(database),
        PostgresCopyCommands(database),
        PostgresLeaderOrders(database),
        PostgresAccountGroups(database),
        PostgresInstruments(database),
        RedisPortfolios(redis),
        RedisPrices(redis),
        calendar,
        runtime.clock,
        runtime.settings.equity_age_max_ms,
        silence,
        lambda each: kills.entry(each.leader, each.follower),
        barriers.known,
        lambda each: kills.tripped(each.subscription_id, each.follower),
    )


def directory_of(runtime: Runtime[Settings], database: Database) -> Directory:
    return Directory(
        PostgresNews(database),
        PostgresSubscriptions(database),
        PostgresAccounts(database),
        PostgresSessions(database),
        runtime.clock,
    )


def life_stores(database: Database, redis: Redis, calendar: Calendar) -> Stores:
    return Stores(
        PostgresLives(database),
        PostgresSubscriptions(database),
        PostgresPlans(database),
        PostgresCopyCommands(database),
        PostgresTrades(database),
        PostgresInstruments(database),
        RedisPrices(redis),
        calendar,
    )


def calendar_of(runtime: Runtime[Settings], redis: Redis) -> Calendar:
    """The exchanges' own days, judged by what the broker says of the market just now."""
    if runtime.settings.market_hours is MarketHours.ALWAYS_OPEN:
        return always_open()
    judge = MarketJudge(india(), RedisPresence(redis), runtime.clock)
    runtime.spawn("market word", judge.listen())
    return judge.calendar


def previews_of(runtime: Runtime[Settings], database: Database, redis: Redis) -> Previews:
    """By the schedule alone: what brokers say of the markets now says nothing about another day."""
    settings = runtime.settings
    by_hours = settings.market_hours is MarketHours.INDIA
    return Previews(
        PostgresHistory(database),
        PostgresInstruments(database),
        PostgresAccounts(database),
        LotRules(PostgresAccountGroups(database), runtime.clock),
        RedisPortfolios(redis),
        india() if by_hours else always_open(),
        runtime.clock,
        Limits(settings.preview_days_max, settings.preview_events_max, settings.previews_at_once),
    )


def servicer_of(runtime: Runtime[Settings], database: Database, redis: Redis) -> ReplicatorServicer:
    drifts = PostgresDrifts(database)
    return ReplicatorServicer(
        PostgresHistory(database),
        previews_of(runtime, database, redis),
        drifts,
        Comparisons(PostgresDriftLooks(database), drifts, PostgresAccounts(database), runtime.clock),
    )


async def serve(runtime: Runtime[Settings], servicer: ReplicatorServicer) -> str:
    """The address that the lease rows tell."""
    server = grpc_server(runtime, map_error=map_domain_error)
    server.add(
        replicator_pb2_grpc.add_ReplicatorServiceServicer_to_server,
        servicer,
        replicator_pb2.DESCRIPTOR.services_by_name["ReplicatorService"].full_name,
    )
    await runtime.start(server)
    return advertised_address(runtime.settings, server.port)


def listen(runtime: Runtime[Settings], directory: Directory) -> None:
    """Who follows whom, and who can trade, may change at any moment."""

    async def reread() -> None:
        directory.hear()

    listener = Listener(
        runtime.settings.postgres_url.reveal(),
        (ACCOUNTS, SESSIONS, SUBSCRIPTIONS),
        lambda _channel, _name: directory.hear(),
        reread,
        runtime.clock,
    )
    runtime.spawn("directory", directory.run())
    runtime.spawn("notices", listener.run())


if __name__ == "__main__":
    main()
