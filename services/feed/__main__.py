"""The feed as a process: the only place that names its concrete parts."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from redis.asyncio import Redis

from paceline.adapters.brokers.fyers import (
    Egresses,
    Fyers,
    FyersLogins,
    FyersOrderStreams,
    FyersSettings,
    FyersSymbols,
    FyersTickStreams,
)
from paceline.adapters.calendar.india import india
from paceline.adapters.clock import SystemClock
from paceline.adapters.postgres import listen
from paceline.adapters.postgres.accounts import PostgresAccounts, PostgresBrokerApps
from paceline.adapters.postgres.baselines import PostgresBaselines
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.day_ends import PostgresDayEnds
from paceline.adapters.postgres.instruments import PostgresInstruments
from paceline.adapters.postgres.journal import PostgresJournal
from paceline.adapters.postgres.leases import PostgresLeases
from paceline.adapters.postgres.logins import PostgresLogins
from paceline.adapters.postgres.pins import PostgresPins
from paceline.adapters.postgres.pool import PoolOptions, open_database
from paceline.adapters.postgres.position_facts import PostgresPositionFacts
from paceline.adapters.postgres.retention import PostgresRetention
from paceline.adapters.postgres.sessions import PostgresSessions
from paceline.adapters.postgres.subscriptions import PostgresSubscriptions
from paceline.adapters.postgres.trades import PostgresTrades
from paceline.adapters.redis.buckets import RedisBuckets
from paceline.adapters.redis.connection import connect_redis
from paceline.adapters.redis.presence import RedisPresence
from paceline.adapters.redis.prices import RedisPrices
from paceline.adapters.seal import KeyringSeal
from paceline.adapters.week_files import WeekFiles
from paceline.adapters.wire.events import event_to_wire
from paceline.api.v1 import event_pb2, feed_pb2, feed_pb2_grpc
from paceline.domain.account import Broker, SessionState
from paceline.domain.calendar import Calendar, always_open
from paceline.domain.errors import BrokerAuthFailed
from paceline.domain.event import Event, Fact
from paceline.domain.ids import AccountId, Partition
from paceline.ports.broker import Credentials, Malformed, MalformedKind
from paceline.ports.clock import Clock
from paceline.runtime.broker_settings import lease_times
from paceline.runtime.budget import Budget
from paceline.runtime.common_settings import advertised_address
from paceline.runtime.credentials import CredentialStore
from paceline.runtime.domain_errors import map_domain_error
from paceline.runtime.grpc_server import GrpcServer, grpc_server
from paceline.runtime.lifecycle import Runtime
from paceline.runtime.log import RepeatGate
from paceline.runtime.main import main as run_service
from paceline.runtime.market_hours import MarketHours
from paceline.runtime.meter import Meter
from paceline.runtime.metric_names import LEASES_HELD
from paceline.runtime.ownership import own, partitions_of
from paceline.runtime.partitions import Held, Partitions
from paceline.runtime.relogin import LoginStores, Relogin, login_times
from paceline.runtime.retry import Backoff
from paceline.runtime.stores import hold
from services.feed.bells import Bells
from services.feed.board import PriceBoard
from services.feed.clocks import BrokerClocks
from services.feed.day_end import PositionBooks
from services.feed.followed import Followed
from services.feed.housekeeping import Housekeeping, Premises, Records
from services.feed.hub import Hub
from services.feed.journaler import Journaler
from services.feed.letters import LetterBox
from services.feed.login import LoginDesk
from services.feed.master import MasterKeeper
from services.feed.mornings import Mornings, morning_times
from services.feed.notebook import Desk
from services.feed.pins import PinHolder, PinWatch
from services.feed.prices import PriceSource, PriceStreams
from services.feed.quotes import price_watch
from services.feed.quoting import QuoteDesk
from services.feed.roster import Roster
from services.feed.servicer import FeedServicer
from services.feed.settings import Settings
from services.feed.shared import Door, Shared
from services.feed.streaming import EventStreams
from services.feed.tenure import Tenures
from services.feed.tidings import Tidings
from services.feed.vitals import MarketWatch, Vitals

SERVICE = "feed"
_PINNED = "feed-pin"
_HAND_OVER_S = 5.0
_SAVE_PRICES_S = 0.1


def main() -> None:
    run_service(SERVICE, Settings, compose, clock=SystemClock())


class Parts:
    """What the feed is made of, and how it follows the leases."""

    def __init__(
        self, runtime: Runtime[Settings], database: Database, redis: Redis, egresses: Egresses
    ) -> None:
        settings, clock, metrics = runtime.settings, runtime.clock, runtime.metrics
        fyers = FyersSettings.of(settings, pong_timeout_ms=settings.pong_timeout_ms)
        self.seal = KeyringSeal.from_text(",".join(key.reveal() for key in settings.encryption_keys))
        self.accounts, self.sessions = PostgresAccounts(database), PostgresSessions(database)
        self.credentials = CredentialStore(
            self.accounts, PostgresBrokerApps(database), self.sessions, self.seal, clock
        )
        self.partitions: Partitions = partitions_of(
            runtime, PostgresLeases(database, SERVICE, ttl_ms=settings.lease_ttl_ms), lease_times(settings)
        )
        self.tenures, self.address = Tenures(self.partitions, clock), ""
        journal, presence = PostgresJournal(database), RedisPresence(redis)
        self.hub = Hub(journal, ring_events=settings.stream_ring_events)
        self.journaler = Journaler(
            journal,
            self.hub,
            self.tenures,
            clock,
            metrics,
            group_max=settings.journal_group_max,
            queue_max=settings.journal_queue_max,
        )
        self.letters = LetterBox(journal, clock, metrics)
        self.doors = _doors(fyers, egresses, clock)
        self.logins = PostgresLogins(database)
        self.login_desk = LoginDesk(
            self.accounts, self.sessions, self.logins, self.credentials, self.doors, self.seal, clock
        )
        self.shared = self._shared(runtime, database, Budget(Meter(RedisBuckets(redis, clock), clock), clock))
        self.roster = Roster(self.accounts, self.sessions, self.shared)
        self.journaler.on_lost(self._lost)
        self.journaler.on_condemned(self._set_aside)
        self.pins = _pins(runtime, database, self)
        self.vitals = Vitals(self.roster, self.hub, presence, self.sessions, self.credentials, clock, metrics)
        hours = settings.market_hours
        calendar = always_open() if hours is MarketHours.ALWAYS_OPEN else india()
        books = PositionBooks(self.roster, self.shared)
        premises = Premises(self.partitions, self.tenures.of, books, self.journaler.drained)
        records = _records(database, settings.journal_archive_dir)
        self.house = Housekeeping(records, premises, settings, calendar, clock)
        self.mornings = Mornings(self.roster, self.shared, calendar, morning_times(settings))
        self.bells = Bells(calendar, presence, clock)
        self.market = MarketWatch(self.roster, self.shared, presence)
        streams = FyersTickStreams(fyers, egresses, clock, self._spoilt)
        self._price(settings, database, RedisPrices(redis), streams, calendar)
        self.master = MasterKeeper(
            {Broker.FYERS: FyersSymbols(fyers, egresses)},
            PostgresInstruments(database),
            self.partitions,
            clock,
            metrics,
            runtime.readiness,
            settings,
        )

    def _price(
        self,
        settings: Settings,
        database: Database,
        kept: RedisPrices,
        streams: FyersTickStreams,
        calendar: Calendar,
    ) -> None:
        """All that has to do with prices."""
        clock, instruments = self.shared.desk.clock, PostgresInstruments(database)
        board = PriceBoard(settings.ticks_symbols_max)
        self.prices = PriceSource(board, streams, self._asks_as, kept, self.shared)
        self.followed = Followed(self.roster.all, board, PostgresSubscriptions(database), clock)
        self.price_watch = price_watch(self.prices, instruments, calendar, settings)
        self.quotes = QuoteDesk(self.price_watch, kept, instruments, calendar, clock, settings.ticks_stale_ms)

    def _shared(self, runtime: Runtime[Settings], database: Database, budget: Budget) -> Shared:
        settings = runtime.settings
        desk = Desk(
            journal=PostgresJournal(database),
            journaler=self.journaler,
            baselines=PostgresBaselines(database),
            letters=self.letters,
            tenures=self.tenures,
            clock=runtime.clock,
            metrics=runtime.metrics,
            telemetry=runtime.telemetry,
            clocks=BrokerClocks(runtime.metrics),
            positions_settle_s=settings.positions_settle_ms / 1000,
        )
        return Shared(
            desk=desk,
            doors=self.doors,
            credentials=self.credentials,
            budget=budget,
            random=runtime.random,
            dials=asyncio.Semaphore(settings.dials_max),
            gate=RepeatGate(runtime.clock),
            relogin=Relogin(
                LoginStores(self.accounts, self.sessions, self.logins, self.credentials, self.seal),
                {broker: door.logins for broker, door in self.doors.items()},
                runtime.clock,
                runtime.random,
                runtime.metrics,
                login_times(settings),
                settings.replica_id,
            ),
            book=self.logins,
            announce=self.login_desk.announce,
            tidings=Tidings(runtime.clock),
            backoff=Backoff(
                settings.reconnect_first_ms / 1000, longest_s=settings.reconnect_longest_ms / 1000
            ),
            trades_settle_s=settings.trades_settle_ms / 1000,
            backstop_s=settings.backstop_interval_s,
        )

    async def gain(self, held: Sequence[Held]) -> None:
        """What another wrote while a partition was being opened is looked for once more."""
        await self.pins.look()
        await self.hub.open_partitions([each.partition for each in held])
        for each in held:
            self.journaler.look_again(each.partition)
        await self.roster.gain(held)

    async def surrender(self, partitions: Sequence[Partition]) -> None:
        """Sessions close, what they told is journaled, then readers are sent on."""
        await self.roster.lose(partitions)
        await self.journaler.drained(frozenset(partitions))
        self.hub.close_partitions(partitions)

    async def lose(self, partitions: Sequence[Partition]) -> None:
        self.hub.close_partitions(partitions)
        await self.roster.lose(partitions)

    def hear(self, channel: str, payload: str) -> None:
        """What the database tells of: a row that changed, or a partition another wrote into."""
        match channel:
            case listen.JOURNAL:
                self.journaler.look_again(Partition(int(payload)))
            case listen.PINS:
                self.pins.doubt()
            case listen.ACCOUNTS:
                self.roster.hear(AccountId(payload), by_a_person=True)
                self.pins.hear(AccountId(payload))
            case _:
                self.roster.hear_session(AccountId(payload))
                self.pins.hear(AccountId(payload))

    async def reread(self) -> None:
        """All of this may have happened unheard."""
        self.pins.doubt()
        for partition in self.partitions.held():
            self.journaler.look_again(partition)
        await self.roster.reread()

    def _lost(self, account_id: AccountId) -> None:
        self.pins.doubt()
        self.roster.drop(account_id)

    def _set_aside(self, fact: Fact, problem: Exception) -> None:
        """A fact that no journal can hold is kept where a person finds it."""
        broker = Broker(fact.account_id.partition(":")[0])
        reason = f"cannot be journaled: {type(problem).__name__}"
        self.letters.drop_in(fact.account_id, broker, "journal", MalformedKind.BAD_VALUE, reason, fact.raw)

    def _spoilt(self, account_id: AccountId, frame: Malformed) -> None:
        self.letters.drop_in(account_id, Broker.FYERS, "data_socket", frame.kind, frame.reason, frame.raw)

    def _asks_as(self) -> Credentials | None:
        """Prices are asked for as any account that is live here, or that is pinned elsewhere."""
        live = [each.account_id for each in self.roster.all() if each.state is SessionState.LIVE]
        for account_id in (*live, *self.tenures.pinned_elsewhere()):
            with suppress(BrokerAuthFailed):
                return self.credentials.get(account_id)
        return None


async def compose(runtime: Runtime[Settings]) -> None:
    """Builds and starts the feed."""
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
    egresses = Egresses(FyersSettings.of(settings, pong_timeout_ms=settings.pong_timeout_ms))
    runtime.on_stop("broker connections", egresses.aclose)
    parts = Parts(runtime, database, redis, egresses)
    server = _server(runtime, parts)
    await runtime.start(server)
    parts.address = advertised_address(settings, server.port)
    _set_going(runtime, parts)
    if isinstance(parts.pins, PinHolder):
        runtime.on_stop("hand over pins", parts.pins.stop, stop_s=_HAND_OVER_S)
    else:
        own(
            runtime,
            parts.partitions,
            parts.address,
            gain=parts.gain,
            surrender=parts.surrender,
            lose=parts.lose,
        )
    runtime.spawn("pins", parts.pins.run())


def _set_going(runtime: Runtime[Settings], parts: Parts) -> None:
    """Everything that runs for as long as the feed does, in order of starting."""
    listener = listen.Listener(
        runtime.settings.postgres_url.reveal(),
        (listen.ACCOUNTS, listen.SESSIONS, listen.PINS, listen.JOURNAL),
        parts.hear,
        parts.reread,
        runtime.clock,
    )
    runtime.on_stop("dead letters", parts.letters.flush)
    runtime.spawn("dead letter box", parts.letters.run())
    runtime.spawn("journal", parts.journaler.run())
    for name, work in parts.house.works().items():
        runtime.spawn(name, work)
    runtime.spawn("roster", parts.roster.run())
    runtime.spawn("notices", listener.run())
    runtime.spawn("windows", parts.shared.budget.meter.run())
    runtime.spawn("vitals", parts.vitals.run())
    runtime.spawn("market status", parts.market.run())
    runtime.spawn("mornings", parts.mornings.run())
    runtime.spawn("bells", parts.bells.run())
    runtime.spawn("prices", parts.prices.run())
    runtime.spawn("followed", parts.followed.run())
    runtime.spawn("price watch", parts.price_watch.judge())
    runtime.spawn("quotes", parts.price_watch.stand_in())
    runtime.spawn("price keeper", parts.prices.save(_SAVE_PRICES_S))
    runtime.spawn("instrument master", parts.master.run())


def _server(runtime: Runtime[Settings], parts: Parts) -> GrpcServer:
    settings, clock = runtime.settings, runtime.clock
    server = grpc_server(runtime, map_error=map_domain_error)
    servicer = FeedServicer(
        EventStreams(parts.hub, parts.partitions, clock, runtime.draining, _encode),
        PriceStreams(parts.prices.board, clock, runtime.draining, settings.ticks_interval_ms),
        parts.quotes,
        parts.roster,
        parts.sessions,
        parts.login_desk,
        parts.tenures,
        lambda: parts.address,
    )
    server.add(
        feed_pb2_grpc.add_FeedServiceServicer_to_server,
        servicer,
        feed_pb2.DESCRIPTOR.services_by_name["FeedService"].full_name,
    )
    return server


def _pins(runtime: Runtime[Settings], database: Database, parts: Parts) -> PinWatch | PinHolder:
    """A replica either shares partitions or holds the sessions it is pinned to."""
    settings, clock = runtime.settings, runtime.clock
    pins = PostgresPins(database, ttl_ms=settings.lease_ttl_ms)
    if not settings.pinned_accounts:
        return PinWatch(
            pins, parts.tenures, parts.roster, parts.credentials, clock, beat_ms=settings.lease_beat_ms
        )
    return PinHolder(
        pins,
        PostgresLeases(database, SERVICE, ttl_ms=settings.lease_ttl_ms),
        parts.tenures,
        parts.roster,
        parts.journaler.drained,
        runtime.readiness,
        clock,
        settings.replica_id,
        lambda: parts.address,
        [AccountId(each) for each in settings.pinned_accounts],
        lease_times(settings),
        runtime.metrics.gauge(LEASES_HELD).labels(_PINNED).set,
    )


def _records(database: Database, archive: Path | None) -> Records:
    return Records(
        PostgresJournal(database),
        PostgresPositionFacts(database),
        PostgresInstruments(database),
        PostgresTrades(database),
        PostgresDayEnds(database),
        PostgresRetention(database),
        WeekFiles(archive) if archive else None,
    )


def _doors(settings: FyersSettings, egresses: Egresses, clock: Clock) -> Mapping[Broker, Door]:
    fyers = Door(
        Fyers(settings, egresses, clock),
        FyersOrderStreams(settings, egresses, clock),
        FyersLogins(settings, egresses, clock),
    )
    return {Broker.FYERS: fyers}


def _encode(event: Event, raw: bool) -> event_pb2.Event:
    return event_to_wire(event, with_raw=raw)


if __name__ == "__main__":
    main()
