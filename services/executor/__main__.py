"""The executor as a process: the only place that names its concrete parts."""

from dataclasses import dataclass

from redis.asyncio import Redis

from paceline.adapters.brokers.fyers import Egresses, Fyers, FyersLogins, FyersSettings
from paceline.adapters.calendar.india import india
from paceline.adapters.clock import SystemClock
from paceline.adapters.postgres.accounts import PostgresAccounts, PostgresBrokerApps
from paceline.adapters.postgres.chases import PostgresChases
from paceline.adapters.postgres.copy_commands import PostgresCopyCommands
from paceline.adapters.postgres.copy_orders import PostgresCopyOrders
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.drift_looks import PostgresDriftLooks
from paceline.adapters.postgres.drifts import PostgresDrifts
from paceline.adapters.postgres.instruments import PostgresInstruments
from paceline.adapters.postgres.kill_switches import PostgresKillSwitches
from paceline.adapters.postgres.leases import PostgresLeases
from paceline.adapters.postgres.liquidations import PostgresLiquidations
from paceline.adapters.postgres.listen import FREEZES, SESSIONS, Listener
from paceline.adapters.postgres.logins import PostgresLogins
from paceline.adapters.postgres.offsets import PostgresOffsets
from paceline.adapters.postgres.pool import PoolOptions, open_database
from paceline.adapters.postgres.sessions import PostgresSessions
from paceline.adapters.postgres.settlement import PostgresSettlement
from paceline.adapters.redis.buckets import RedisBuckets
from paceline.adapters.redis.connection import connect_redis
from paceline.adapters.redis.presence import RedisPresence
from paceline.adapters.redis.prices import RedisPrices
from paceline.adapters.seal import KeyringSeal
from paceline.adapters.wire.events import event_from_wire
from paceline.api.v1 import executor_pb2, executor_pb2_grpc
from paceline.domain.account import Broker
from paceline.domain.breaker import BreakerPolicy
from paceline.domain.calendar import Calendar, always_open
from paceline.domain.ids import AccountId
from paceline.ports.broker import Call
from paceline.ports.copy_orders import CopyOrders
from paceline.ports.settlement import Settlement
from paceline.runtime.broker_settings import lease_times
from paceline.runtime.budget import Budget
from paceline.runtime.common_settings import advertised_address
from paceline.runtime.credentials import CredentialStore
from paceline.runtime.domain_errors import map_domain_error
from paceline.runtime.follow import Follower
from paceline.runtime.grpc_client import channel_pool
from paceline.runtime.grpc_server import grpc_server
from paceline.runtime.kill_watch import KillWatch
from paceline.runtime.lifecycle import Runtime
from paceline.runtime.main import main as run_service
from paceline.runtime.market_hours import MarketHours
from paceline.runtime.market_judge import MarketJudge
from paceline.runtime.meter import Meter
from paceline.runtime.metric_names import BROKER_CALL_SECONDS
from paceline.runtime.notices import Notices
from paceline.runtime.ownership import own, partitions_of
from paceline.runtime.partitions import Partitions
from paceline.runtime.relogin import LoginStores, Relogin, login_times
from paceline.runtime.routes import Routes
from paceline.runtime.stores import hold
from services.executor.books import OrderBooks
from services.executor.breakers import Breakers
from services.executor.changes import Changes
from services.executor.chase import Chaser, chase_policy
from services.executor.drift import DriftWatch, Pace, PositionBooks
from services.executor.flights import patience_of
from services.executor.floor import Floor
from services.executor.freezes import Freezes
from services.executor.hands import Hands
from services.executor.links import Links
from services.executor.liquidate import Liquidator, Outlets
from services.executor.liquidation_view import Sights
from services.executor.logins import Logins
from services.executor.lots import Lots
from services.executor.observe import Observer
from services.executor.place import Placer
from services.executor.quoted import SharedPrices
from services.executor.results import Results
from services.executor.roster import Roster
from services.executor.servicer import ExecutorServicer
from services.executor.settings import Settings
from services.executor.stops import Refusal, stopping
from services.executor.sweep import Sweeper
from services.executor.takeover import Reconciler
from services.executor.tenure import Fates, Tenure
from services.executor.timing import Timing
from services.executor.warm import Warmer
from services.executor.windows import Windows

SERVICE = "executor"


def main() -> None:
    run_service(SERVICE, Settings, compose, clock=SystemClock())


@dataclass(frozen=True, slots=True)
class Stores:
    """What everything else stands on."""

    database: Database
    redis: Redis
    egresses: Egresses


@dataclass(frozen=True, slots=True)
class Trading:
    """Who trades, with whom, within which limits."""

    broker: Fyers
    roster: Roster
    logins: Logins
    windows: Windows
    placer: Placer


@dataclass(frozen=True, slots=True)
class Desks:
    """Where rows become requests, and answers rows."""

    floor: Floor
    results: Results
    reconciler: Reconciler
    changes: Changes
    fates: Fates
    lots: Lots
    settlement: Settlement
    links: Links
    freezes: Freezes


async def compose(runtime: Runtime[Settings]) -> None:
    """Builds and starts the executor."""
    settings, clock = runtime.settings, runtime.clock
    stores = await open_stores(runtime)
    database = stores.database
    partitions = partitions_of(runtime, leases_of(runtime, database, SERVICE), lease_times(settings))
    feeds = Routes(leases_of(runtime, database, "feed"), clock)
    copy_orders = PostgresCopyOrders(database)
    trading = trading_of(runtime, stores, partitions, copy_orders)
    kills = await kills_of(runtime, database)
    desks = desks_of(runtime, database, partitions, trading, copy_orders, kills)
    sweeper = Sweeper(
        copy_orders,
        desks.floor,
        desks.reconciler,
        desks.changes,
        partitions,
        clock,
        settings.sweep_after_ms,
    )
    hearers = (desks.fates.observed, desks.floor.take_in, desks.links.timing.traded)
    observer = Observer(desks.settlement, desks.lots, partitions, clock, *hearers)
    follower = Follower(
        SERVICE,
        channel_pool(runtime),
        feeds,
        clock,
        observer.handle,
        lambda response: [event_from_wire(each) for each in response.events],
        settings.stream_batch_events,
        settings.stream_gather_ms,
    )
    liquidator = liquidator_of(runtime, stores, partitions, trading, desks)
    offsets = PostgresOffsets(database)
    tenure = Tenure(
        trading.roster,
        trading.windows,
        sweeper,
        desks.floor,
        desks.results,
        desks.reconciler,
        desks.changes,
        follower,
        offsets,
        liquidator,
    )
    address = await serve(runtime, desks, trading.roster, liquidator)
    runtime.spawn("feed routes", feeds.run())
    listen(runtime, trading, desks)
    work(runtime, trading, desks)
    runtime.spawn("sweep", sweeper.run())
    runtime.spawn("events", follower.run())
    watch_drift(runtime, stores, partitions, trading, desks)
    chase_limits(runtime, stores, partitions, trading, desks)
    own(runtime, partitions, address, gain=tenure.gain, surrender=tenure.surrender, lose=tenure.lose)


async def open_stores(runtime: Runtime[Settings]) -> Stores:
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
    egresses = Egresses(FyersSettings.of(settings))
    runtime.on_stop("broker connections", egresses.aclose)
    return Stores(database, redis, egresses)


def leases_of(runtime: Runtime[Settings], database: Database, service: str) -> PostgresLeases:
    return PostgresLeases(database, service, ttl_ms=runtime.settings.lease_ttl_ms)


def trading_of(
    runtime: Runtime[Settings], stores: Stores, partitions: Partitions, copy_orders: CopyOrders
) -> Trading:
    settings, clock, database = runtime.settings, runtime.clock, stores.database
    seal = KeyringSeal.from_text(",".join(key.reveal() for key in settings.encryption_keys))
    broker = Fyers(FyersSettings.of(settings), stores.egresses, clock)
    accounts, sessions = PostgresAccounts(database), PostgresSessions(database)
    credentials = CredentialStore(accounts, PostgresBrokerApps(database), sessions, seal, clock)
    relogin = Relogin(
        LoginStores(accounts, sessions, PostgresLogins(database), credentials, seal),
        {Broker.FYERS: FyersLogins(FyersSettings.of(settings), stores.egresses, clock)},
        clock,
        runtime.random,
        runtime.metrics,
        login_times(settings),
        settings.replica_id,
    )
    roster = Roster(accounts, credentials, partitions)
    buckets = RedisBuckets(stores.redis, clock)
    windows = Windows(Meter(buckets, clock), buckets, copy_orders, broker.limits, clock)
    logins = Logins(credentials, relogin)
    policy = BreakerPolicy(settings.breaker_failures_max, settings.breaker_open_ms)
    breakers = Breakers(Broker.FYERS, policy, clock, runtime.metrics)
    placer = Placer(broker, logins, roster.type_of, clock, runtime.metrics, runtime.telemetry, breakers)
    return Trading(broker, roster, logins, windows, placer)


def desks_of(
    runtime: Runtime[Settings],
    database: Database,
    partitions: Partitions,
    trading: Trading,
    copy_orders: CopyOrders,
    kills: KillWatch,
) -> Desks:
    clock, links = runtime.clock, Links()
    links.timing = Timing(runtime.metrics, trading.roster.type_of)
    settlement, lots = PostgresSettlement(database), Lots(PostgresInstruments(database), clock)
    copy_commands = PostgresCopyCommands(database)
    results = Results(copy_orders, copy_commands, settlement, lots, clock, links.written)
    freezes = Freezes(PostgresLiquidations(database), runtime.settings.replica_id)
    refusal = stopping(kills, freezes.refusal)
    floor = floor_of(runtime, partitions, trading, results, links, refusal)
    reconciler = reconciler_of(runtime, trading, results, links)
    links.changes = Changes(
        copy_orders,
        copy_commands,
        floor,
        reconciler,
        partitions,
        clock,
        runtime.metrics,
        results.put,
        runtime.settings.sweep_after_ms,
    )
    links.fates = Fates(floor, reconciler, links.changes, links.stir)
    return Desks(floor, results, reconciler, links.changes, links.fates, lots, settlement, links, freezes)


async def kills_of(runtime: Runtime[Settings], database: Database) -> KillWatch:
    """Known before anything is sent."""
    switches = PostgresKillSwitches(database)
    kills = KillWatch(switches, SERVICE, runtime.settings.replica_id, runtime.clock)
    await kills.look()
    runtime.spawn("kill switches", kills.run())
    return kills


def floor_of(
    runtime: Runtime[Settings],
    partitions: Partitions,
    trading: Trading,
    results: Results,
    links: Links,
    refusal: Refusal,
) -> Floor:
    return Floor(
        trading.broker.limits,
        trading.placer.send,
        trading.logins.relogin,
        trading.windows.meter,
        partitions,
        runtime.clock,
        runtime.metrics,
        results.put,
        patience_of(runtime.settings, runtime.random),
        links.answered,
        links.claimed,
        refusal,
    )


def reconciler_of(runtime: Runtime[Settings], trading: Trading, results: Results, links: Links) -> Reconciler:
    settings, clock = runtime.settings, runtime.clock
    seconds = runtime.metrics.histogram(BROKER_CALL_SECONDS).labels(Broker.FYERS, Call.READ)
    books = OrderBooks(trading.broker, trading.logins, Budget(trading.windows.meter, clock), clock, seconds)
    return Reconciler(
        books.read,
        clock,
        runtime.metrics,
        results.put,
        links.shown,
        request_max_ms=settings.broker_request_max_ms,
        settle_ms=settings.settle_ms,
        reads_at_once=settings.reads_at_once,
    )


def watch_drift(
    runtime: Runtime[Settings], stores: Stores, partitions: Partitions, trading: Trading, desks: Desks
) -> None:
    settings = runtime.settings
    watch = DriftWatch(
        PostgresDrifts(stores.database),
        PostgresDriftLooks(stores.database),
        PositionBooks(trading.broker, trading.logins, trading.windows.meter, runtime.clock),
        desks.lots,
        RedisPrices(stores.redis),
        partitions,
        desks.floor.take_in,
        runtime.clock,
        runtime.random,
        runtime.metrics,
        Pace(settings.drift_every_ms, settings.settle_ms, settings.drift_quiet_ms),
    )
    runtime.spawn("drift", watch.run())


def chase_limits(
    runtime: Runtime[Settings], stores: Stores, partitions: Partitions, trading: Trading, desks: Desks
) -> None:
    chaser = Chaser(
        PostgresChases(stores.database),
        desks.lots,
        RedisPrices(stores.redis),
        partitions,
        desks.changes.bring,
        desks.floor.take_in,
        runtime.clock,
        runtime.metrics,
        chase_policy(runtime.settings, trading.broker.limits),
    )
    runtime.spawn("chase", chaser.run())


def liquidator_of(
    runtime: Runtime[Settings], stores: Stores, partitions: Partitions, trading: Trading, desks: Desks
) -> Liquidator:
    settings, clock = runtime.settings, runtime.clock
    liquidations = PostgresLiquidations(stores.database)
    hands = Hands(
        trading.broker,
        trading.logins,
        Budget(trading.windows.meter, clock),
        SharedPrices(RedisPrices(stores.redis)),
        partitions,
        clock,
        settings.broker_request_max_ms,
    )
    settle_ns = settings.settle_ms * 1_000_000
    sights = Sights(
        liquidations, hands, desks.lots, calendar_of(runtime, stores.redis), clock, settle_ns, settle_ns
    )
    desks.links.liquidator = Liquidator(
        liquidations,
        desks.freezes,
        sights,
        hands,
        Outlets(desks.floor.take_in, desks.changes.bring, desks.results.put),
        partitions,
        clock,
        runtime.metrics,
        settings.settle_ms,
    )
    return desks.links.liquidator


def calendar_of(runtime: Runtime[Settings], redis: Redis) -> Calendar:
    """The exchanges' own days, judged by what the broker says of the market just now."""
    if runtime.settings.market_hours is MarketHours.ALWAYS_OPEN:
        return always_open()
    judge = MarketJudge(india(), RedisPresence(redis), runtime.clock)
    runtime.spawn("market word", judge.listen())
    return judge.calendar


async def serve(runtime: Runtime[Settings], desks: Desks, roster: Roster, liquidator: Liquidator) -> str:
    """The address that the lease rows tell."""
    server = grpc_server(runtime, map_error=map_domain_error)
    server.add(
        executor_pb2_grpc.add_ExecutorServiceServicer_to_server,
        ExecutorServicer(desks.floor.hint, desks.changes.bring, roster.prepare, liquidator),
        executor_pb2.DESCRIPTOR.services_by_name["ExecutorService"].full_name,
    )
    await runtime.start(server)
    return advertised_address(runtime.settings, server.port)


def listen(runtime: Runtime[Settings], trading: Trading, desks: Desks) -> None:
    """Tokens and freezes may change at any moment."""
    clock, roster = runtime.clock, trading.roster

    async def changed(names: frozenset[str]) -> None:
        await desks.freezes.reload(AccountId(name) for name in names if roster.is_ours(AccountId(name)))
        desks.floor.wake(await roster.changed(names))

    async def reread() -> None:
        for account_id in roster.accounts():
            notices.hear(account_id)

    notices = Notices(clock, changed)
    listener = Listener(
        runtime.settings.postgres_url.reveal(),
        (SESSIONS, FREEZES),
        lambda _channel, account: notices.hear(account),
        reread,
        clock,
    )
    runtime.spawn("listener", listener.run())
    runtime.spawn("notices", notices.run())


def work(runtime: Runtime[Settings], trading: Trading, desks: Desks) -> None:
    """Results are started first, and so stopped last: what the others leave is still written."""
    warm_max = runtime.settings.warm_connections
    warmer = Warmer(trading.broker.warm, trading.roster.egresses, runtime.clock, warm_max)
    runtime.spawn("instruments", desks.lots.forget_daily())
    runtime.spawn("warm connections", warmer.run())
    runtime.spawn("windows", trading.windows.run())
    runtime.spawn("results", desks.results.run())
    runtime.spawn("floor", desks.floor.run())
    runtime.spawn("reconciler", desks.reconciler.run())
    runtime.spawn("changes", desks.changes.run())
    runtime.spawn("liquidations", desks.links.liquidator.run())


if __name__ == "__main__":
    main()
