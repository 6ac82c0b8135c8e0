"""Risk as a process: the only place that names its concrete parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from redis.asyncio import Redis

from paceline.adapters.brokers.fyers import Egresses, Fyers, FyersSettings
from paceline.adapters.calendar.india import india
from paceline.adapters.clock import SystemClock
from paceline.adapters.notify.apprise import AppriseNotifier
from paceline.adapters.postgres.accounts import PostgresAccounts, PostgresBrokerApps
from paceline.adapters.postgres.alerts import PostgresOutbox
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.guards import PostgresGuards
from paceline.adapters.postgres.instruments import PostgresInstruments
from paceline.adapters.postgres.journal import PostgresJournal
from paceline.adapters.postgres.kill_switches import PostgresKillSwitches
from paceline.adapters.postgres.leases import PostgresLeases
from paceline.adapters.postgres.liquidation_requests import PostgresLiquidationRequests
from paceline.adapters.postgres.liquidations import PostgresLiquidations
from paceline.adapters.postgres.listen import ACCOUNTS, SESSIONS, Listener
from paceline.adapters.postgres.pool import PoolOptions, open_database
from paceline.adapters.postgres.position_facts import PostgresPositionFacts
from paceline.adapters.postgres.risk_limits import PostgresRiskLimits
from paceline.adapters.postgres.risk_states import PostgresRiskStates
from paceline.adapters.postgres.sessions import PostgresSessions
from paceline.adapters.redis.buckets import RedisBuckets
from paceline.adapters.redis.connection import connect_redis
from paceline.adapters.redis.portfolios import RedisPortfolios
from paceline.adapters.seal import KeyringSeal
from paceline.adapters.wire.events import event_from_wire
from paceline.api.v1 import risk_pb2, risk_pb2_grpc
from paceline.domain.account import Broker
from paceline.domain.calendar import always_open
from paceline.domain.ids import AccountId, Epoch, Offset, Partition
from paceline.runtime.broker_settings import lease_times
from paceline.runtime.budget import Budget
from paceline.runtime.common_settings import advertised_address
from paceline.runtime.credentials import CredentialStore
from paceline.runtime.domain_errors import map_domain_error
from paceline.runtime.follow import Follower
from paceline.runtime.grpc_client import channel_pool
from paceline.runtime.grpc_server import GrpcServer, grpc_server
from paceline.runtime.lifecycle import Runtime
from paceline.runtime.main import main as run_service
from paceline.runtime.market_hours import MarketHours
from paceline.runtime.meter import Meter
from paceline.runtime.notices import Notices
from paceline.runtime.ownership import own, partitions_of
from paceline.runtime.partitions import Held
from paceline.runtime.routes import Routes
from paceline.runtime.stores import hold
from services.risk.assess import Ages
from services.risk.board import Board
from services.risk.books import Books
from services.risk.checkpoints import Checkpointer
from services.risk.copy_guards import CopyWarden
from services.risk.funds import FundsReader, Rhythm
from services.risk.guards import Warden
from services.risk.passes import Passes
from services.risk.publish import Material, Publisher
from services.risk.sentinel import Sentinel
from services.risk.servicer import RiskServicer, Rows
from services.risk.settings import Settings
from services.risk.summons import Summoner
from services.risk.telling import Patience, Teller
from services.risk.ticks import TickFollower
from services.risk.tripping import Register, TradingHours
from services.risk.watch import Pace, Watches

SERVICE = "risk"


def main() -> None:
    run_service(SERVICE, Settings, compose, clock=SystemClock())


@dataclass(frozen=True, slots=True)
class Stores:
    """What outlives every part."""

    database: Database
    redis: Redis
    egresses: Egresses


class Parts:
    """What risk is made of, and how it follows the leases."""

    def __init__(self, runtime: Runtime[Settings], stores: Stores) -> None:
        settings, clock, database = runtime.settings, runtime.clock, stores.database
        self.requests = PostgresLiquidationRequests(database)
        self.guards = PostgresGuards(database)
        self.database = database
        self.board = Board(Ages(settings.price_age_max_ms, settings.funds_age_max_ms), self._demand)
        self.feeds = Routes(_leases(database, "feed", settings), clock)
        self.partitions = partitions_of(runtime, _leases(database, SERVICE, settings), lease_times(settings))
        channels = self.channels = channel_pool(runtime)
        self.meter = Meter(RedisBuckets(stores.redis, clock), clock)
        self.funds = self._funds(runtime, stores)
        self.passes = Passes(self.board, clock, runtime.metrics, settings.pass_ms)
        self._decides(runtime, database)
        self._tells(runtime, stores)
        self.books = Books(
            self.board,
            PostgresJournal(database),
            PostgresPositionFacts(database),
            PostgresAccounts(database),
            PostgresInstruments(database),
            clock,
            on_ready=self._follow,
            on_member=self._member,
            on_doubt=self.funds.hurry,
        )
        self.checkpoints = Checkpointer(
            PostgresPositionFacts(database),
            self.books.done,
            self._epoch,
            clock,
            settings.checkpoint_interval_s,
        )
        self.follower = Follower(
            SERVICE,
            channels,
            self.feeds,
            clock,
            self.books.handle,
            lambda response: [event_from_wire(each) for each in response.events],
            settings.stream_batch_events,
            settings.stream_gather_ms,
        )
        self.ticks = TickFollower(
            SERVICE,
            self.board,
            channels,
            self.feeds,
            clock,
            runtime.metrics,
            settings.ticks_interval_ms,
            self.passes.moved,
        )
        self.notices = Notices(clock, self.books.hear)

    def _decides(self, runtime: Runtime[Settings], database: Database) -> None:
        """Lines, and what is done when they are crossed."""
        settings, clock = runtime.settings, runtime.clock
        self.executors = Routes(_leases(database, "executor", settings), clock)
        self.summoner = Summoner(
            self.requests,
            self.partitions.held,
            self.channels,
            self.executors,
            clock,
            settings.summons_at_once,
        )
        calendar = india() if settings.market_hours is MarketHours.INDIA else always_open()
        self.sentinel = Sentinel(
            self.board,
            self.passes,
            PostgresRiskStates(database),
            self._epoch,
            calendar,
            clock,
            runtime.metrics,
            hurry=self.funds.hurry,
            wanted=self.summoner.wake,
        )
        self._guards(runtime, TradingHours(calendar, clock))

    def _guards(self, runtime: Runtime[Settings], hours: TradingHours) -> None:
        """What people allowed an account or a subscription to lose, and how much of it."""
        settings, clock = runtime.settings, runtime.clock
        register = Register(self.guards, self._epoch, runtime.metrics, self.summoner.wake)
        self.warden = Warden(
            self.board, self.passes, self.guards, register, hours, clock, hurry=self.funds.hurry
        )
        self.copy_warden = CopyWarden(
            self.board,
            self.passes,
            self.guards,
            register,
            hours,
            clock,
            settings.price_age_max_ms,
            self.partitions.held,
        )

    def _tells(self, runtime: Runtime[Settings], stores: Stores) -> None:
        """Readers of Redis, and people."""
        settings, clock, database = runtime.settings, runtime.clock, stores.database
        self.publisher = Publisher(
            self.board, self.passes, RedisPortfolios(stores.redis), clock, _material(settings)
        )
        self.notifier = AppriseNotifier(settings.alerts_at_once, settings.alert_timeout_s)
        self.teller = Teller(
            PostgresOutbox(database),
            self.notifier,
            _seal(settings),
            self.partitions.held,
            clock,
            runtime.metrics,
            Patience(settings.alerts_at_once, 2.0 * settings.alert_timeout_s, settings.alert_attempts_max),
        )

    async def gain(self, held: Sequence[Held]) -> None:
        self.books.want(each.partition for each in held)

    async def lose(self, partitions: Sequence[Partition]) -> None:
        await self.follower.drop(partitions)
        self.books.drop(partitions)

    def _epoch(self, partition: Partition) -> Epoch:
        return self.partitions.lease(partition).epoch

    def _member(self, account_id: AccountId) -> None:
        self.funds.hear(account_id)
        self.sentinel.hear(account_id)
        self.warden.hear(account_id)

    def _demand(self) -> None:
        self.ticks.demand()

    def _follow(self, cursors: Mapping[Partition, Offset]) -> None:
        self.follower.add(cursors)

    def _funds(self, runtime: Runtime[Settings], stores: Stores) -> FundsReader:
        settings, clock, database = runtime.settings, runtime.clock, stores.database
        sessions = PostgresSessions(database)
        credentials = CredentialStore(
            PostgresAccounts(database), PostgresBrokerApps(database), sessions, _seal(settings), clock
        )
        return FundsReader(
            self.board,
            {Broker.FYERS: Fyers(FyersSettings.of(settings), stores.egresses, clock)},
            credentials,
            sessions,
            Budget(self.meter, clock),
            clock,
            runtime.random,
            Rhythm(settings.funds_interval_ms, settings.funds_again_ms, settings.funds_at_once),
        )


async def compose(runtime: Runtime[Settings]) -> None:
    """Builds and starts risk."""
    settings = runtime.settings
    parts = Parts(runtime, await _stores(runtime))
    runtime.on_stop("notifier", parts.notifier.aclose)
    server = _server(runtime, parts)
    await runtime.start(server)
    listener = Listener(
        settings.postgres_url.reveal(),
        (ACCOUNTS, SESSIONS),
        lambda _channel, name: parts.notices.hear(name),
        parts.books.reread,
        runtime.clock,
    )
    runtime.spawn("feed routes", parts.feeds.run())
    runtime.spawn("books", parts.books.run())
    runtime.spawn("checkpoints", parts.checkpoints.run())
    runtime.spawn("notices", parts.notices.run())
    runtime.spawn("listener", listener.run())
    runtime.spawn("windows", parts.meter.run())
    runtime.spawn("funds", parts.funds.run())
    runtime.spawn("prices", parts.ticks.run())
    runtime.spawn("publish", parts.publisher.run())
    runtime.spawn("passes", parts.passes.run())
    runtime.spawn("passes of prices", parts.passes.follow_prices())
    runtime.spawn("sentinel", parts.sentinel.run())
    runtime.spawn("guards of accounts", parts.warden.run())
    runtime.spawn("guards of subscriptions", parts.copy_warden.run())
    runtime.spawn("executor routes", parts.executors.run())
    runtime.spawn("summons", parts.summoner.run())
    runtime.spawn("alerts", parts.teller.run())
    runtime.spawn("listings", parts.books.relist())
    runtime.spawn("events", parts.follower.run())
    own(
        runtime,
        parts.partitions,
        advertised_address(settings, server.port),
        gain=parts.gain,
        surrender=parts.lose,
        lose=parts.lose,
    )


async def _stores(runtime: Runtime[Settings]) -> Stores:
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


def _server(runtime: Runtime[Settings], parts: Parts) -> GrpcServer:
    settings = runtime.settings
    watches = Watches(
        parts.board,
        parts.passes,
        runtime.clock,
        runtime.draining,
        Pace(settings.pass_ms, settings.watch_batch),
    )
    server = grpc_server(runtime, map_error=map_domain_error)
    server.add(
        risk_pb2_grpc.add_RiskServiceServicer_to_server,
        RiskServicer(
            parts.board,
            parts.books,
            watches,
            parts.partitions,
            Rows(
                PostgresLiquidations(parts.database),
                parts.requests,
                PostgresKillSwitches(parts.database),
                PostgresRiskLimits(parts.database),
                parts.guards,
                parts.summoner.wake,
            ),
        ),
        risk_pb2.DESCRIPTOR.services_by_name["RiskService"].full_name,
    )
    return server


def _seal(settings: Settings) -> KeyringSeal:
    return KeyringSeal.from_text(",".join(key.reveal() for key in settings.encryption_keys))


def _leases(database: Database, service: str, settings: Settings) -> PostgresLeases:
    return PostgresLeases(database, service, ttl_ms=settings.lease_ttl_ms)


def _material(settings: Settings) -> Material:
    return Material(
        change_bps=settings.material_change_bps,
        refresh_ms=settings.refresh_ms,
        unknown_ms=settings.funds_age_max_ms,
        puts_max=settings.puts_max,
    )


if __name__ == "__main__":
    main()
