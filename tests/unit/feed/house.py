"""A feed without wires: a broker and stores that do as a test says, on a clock it drives."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from random import Random
from typing import Any, Self, cast

from opentelemetry.sdk.trace.export import SpanExporter

from paceline.domain.account import Account, AccountState, AccountType, Broker, SessionState
from paceline.domain.errors import BrokerError, Unavailable
from paceline.domain.event import Event, Fact
from paceline.domain.ids import AccountId, BrokerAppId, Epoch, Partition
from paceline.domain.instrument import Segment
from paceline.domain.order import Fill, OrderReport
from paceline.domain.partitioning import PARTITIONS, partition_of
from paceline.domain.position import PositionReport
from paceline.domain.secret import Secret
from paceline.domain.tracking import Baseline
from paceline.ports import broker as brokers
from paceline.ports import sessions as session_ports
from paceline.ports.accounts import Accounts, BrokerApps
from paceline.ports.broker import (
    NO_SECRET,
    Book,
    BookRow,
    Call,
    Credentials,
    Limits,
    LimitScope,
    Malformed,
    Observed,
    Profile,
    Tokens,
    Window,
)
from paceline.ports.journal import Append, Appended
from paceline.ports.leases import Tenure
from paceline.ports.sessions import SessionId
from paceline.runtime.budget import Budget
from paceline.runtime.credentials import CredentialStore, sealed_tokens
from paceline.runtime.log import RepeatGate
from paceline.runtime.meter import Meter
from paceline.runtime.metrics import Metrics
from paceline.runtime.partitions import Partitions
from paceline.runtime.relogin import LoginStores, LoginTimes, Relogin
from paceline.runtime.retry import Backoff
from paceline.runtime.telemetry import start_telemetry
from services.feed.clocks import BrokerClocks
from services.feed.hub import Hub
from services.feed.journaler import Journaler
from services.feed.letters import LetterBox
from services.feed.notebook import Desk
from services.feed.shared import Door, Shared
from services.feed.tenure import Tenures
from services.feed.tidings import Tidings
from tests.fakes.buckets import FakeBuckets
from tests.fakes.clock import FakeClock
from tests.fakes.journal import FakeJournal
from tests.fakes.leases import FakeLeases
from tests.unit.domain.given import LEADER
from tests.unit.feed.stores import SEAL, FakeAccounts, FakeApps, FakeLoginBook, FakeSessions

APP = BrokerAppId("app")
HOME = partition_of(LEADER)
LIMITS = Limits(
    (Window("second", 10, 1_000, LimitScope.ACCOUNT, frozenset(Call)),), dict.fromkeys(Call, 1), 10
)
Report = OrderReport | Fill | PositionReport


def an_account(name: str = LEADER, **changes: Any) -> Account:
    account = Account(
        AccountId(name),
        Broker.FYERS,
        name.partition(":")[2],
        AccountType.STRATEGY_PROVIDER,
        AccountState.ACTIVE,
        frozenset({Segment.CAPITAL_MARKET}),
        APP,
    )
    return replace(account, **changes)


class FlakyJournal(FakeJournal):
    """As told: away, refusing, or away after it has written."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.failures: list[Exception] = []
        self.failures_after: list[Exception] = []
        self.read_failures: list[Exception] = []
        self.poison: frozenset[str] = frozenset()
        self.groups: list[int] = []

    async def append_many(self, batches: Sequence[Append]) -> Sequence[Appended | Any]:
        if self.failures:
            raise self.failures.pop(0)
        facts = [fact for batch in batches for fact in batch.facts]
        if any(fact.identity in self.poison for fact in facts):
            raise ValueError("half a character")
        self.groups.append(len(facts))
        answers = await super().append_many(batches)
        if self.failures_after:
            raise self.failures_after.pop(0)
        return answers

    async def read(self, partition: Any, after: Any, limit: int) -> Sequence[Event]:
        if self.read_failures:
            raise self.read_failures.pop(0)
        return await super().read(partition, after, limit)


class FakeBaselines:
    def __init__(self, journal: FakeJournal) -> None:
        self.journal = journal
        self.taken: dict[AccountId, Baseline] = {}

    async def of(self, accounts: Iterable[AccountId]) -> Mapping[AccountId, Baseline]:
        return {each: self.taken[each] for each in accounts if each in self.taken}

    async def take(
        self, account_id: AccountId, tenure: Tenure, taken: Baseline, held: Sequence[Fact]
    ) -> bool:
        if account_id in self.taken:
            return False
        self.taken[account_id] = taken
        await self.journal.append_many([Append(tenure.partition, tenure.epoch, held)])
        return True


@dataclass
class FakeConnection:
    """Says what it is given; ends by what it is given to raise."""

    clock: FakeClock
    told: list[Fill]
    said: asyncio.Queue[Observed | Malformed | Exception] = field(default_factory=asyncio.Queue)
    closed: bool = False
    last_frame_ns: int = 0

    def __aiter__(self) -> AsyncIterator[Observed | Malformed]:
        return self

    async def __anext__(self) -> Observed | Malformed:
        heard = await self.said.get()
        if isinstance(heard, Exception):
            raise heard
        self.last_frame_ns = self.clock.now_ns()
        return heard

    async def aclose(self) -> None:
        self.closed = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def say(self, *reports: Report, raw: bytes = b"frame") -> None:
        self.told += [report for report in reports if isinstance(report, Fill)]
        self.said.put_nowait(Observed(reports, raw, self.clock.now_ns()))

    def cut(self, problem: Exception | None = None) -> None:
        self.said.put_nowait(problem or Unavailable("cut"))


@dataclass
class FakeBroker:
    """Books, sockets and logins of one broker; `failures` are raised first, in order."""

    clock: FakeClock
    limits: Limits = LIMITS
    orders: list[OrderReport] = field(default_factory=list)
    trades: list[Fill] = field(default_factory=list)
    held: list[PositionReport] = field(default_factory=list)
    held_alone: bool = False
    """The position book is `held` as it stands, whatever was traded."""
    told: list[Fill] = field(default_factory=list)
    """By sockets."""
    broken_rows: tuple[Malformed, ...] = ()
    client_of_token: dict[str, str] = field(default_factory=dict)
    connections: list[FakeConnection] = field(default_factory=list)
    dial_failures: list[Exception] = field(default_factory=list)
    book_failures: list[Exception] = field(default_factory=list)
    exchanged: Tokens | None = None
    refreshes: list[Tokens | BrokerError] = field(default_factory=list)
    refreshed: int = 0
    reads: int = 0

    def __post_init__(self) -> None:
        self.began_ns = self.clock.now_ns()

    async def order_book(self, _credentials: Credentials) -> Book[OrderReport]:
        return self._book(self.orders)

    async def trade_book(self, _credentials: Credentials) -> Book[Fill]:
        return self._book(self.trades)

    async def positions(self, _credentials: Credentials) -> Book[PositionReport]:
        return self._book(self.held if self.held_alone else self._held_by_now())

    def _held_by_now(self) -> list[PositionReport]:
        """What was held at first, and what was traded since the broker was made."""
        rows = {row.key: row for row in self.held}
        told = {(each.order_id, each.trade_id): each for each in (*self.trades, *self.told)}
        for each in told.values():
            if each.broker_time_ns >= self.began_ns:
                flat = PositionReport(
                    each.account_id, each.key, each.exchange, each.segment, Decimal(0), each.price
                )
                row = rows.get(each.key, flat)
                rows[each.key] = replace(row, quantity=row.quantity + each.quantity * int(each.side))
        return list(rows.values())

    def _book(self, rows: Sequence[Any]) -> Book[Any]:
        self.reads += 1
        if self.book_failures:
            raise self.book_failures.pop(0)
        broken, self.broken_rows = self.broken_rows, ()
        return Book(tuple(BookRow(each, lambda: b"row") for each in rows), broken, self.clock.now_ns())

    async def profile(self, credentials: Credentials) -> Profile:
        known = self.client_of_token.get(credentials.token.reveal(), credentials.client_id)
        return Profile(known, "somebody")

    async def market_status(self, _credentials: Credentials) -> tuple[brokers.MarketStatus, ...]:
        return ()

    async def connect(self, _credentials: Credentials) -> FakeConnection:
        if self.dial_failures:
            raise self.dial_failures.pop(0)
        self.connections.append(FakeConnection(self.clock, self.told))
        return self.connections[-1]

    def login_link(self, app: brokers.AppCredentials, state: str) -> str:
        return f"https://broker/login?client={app.app_id}&state={state}"

    def described(self, access: Secret) -> Tokens:
        client = self.client_of_token.get(access.reveal(), "")
        return Tokens(access, NO_SECRET, self.clock.now_ns() + 3_600_000_000_000, client)

    async def refresh(self, _app: brokers.AppCredentials, _refresh: Secret, _pin: Secret) -> Tokens:
        self.refreshed += 1
        await self.clock.sleep(0.5)
        answer = self.refreshes.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def exchange_code(self, _app: brokers.AppCredentials, _code: Secret) -> Tokens:
        assert self.exchanged is not None
        return self.exchanged


class House:
    def __init__(
        self, *accounts: Account, exporter: SpanExporter | None = None, backstop_s: float = 3_600
    ) -> None:
        self.clock = FakeClock()
        self.metrics = Metrics()
        self.leases = FakeLeases(self.clock)
        self.partitions = Partitions(self.leases, self.clock, owner="me", address="me:1")
        self.tenures = Tenures(self.partitions, self.clock)
        self.journal = FlakyJournal(self.clock)
        self.baselines = FakeBaselines(self.journal)
        self.hub = Hub(self.journal, ring_events=4)
        self.journaler = Journaler(
            self.journal, self.hub, self.tenures, self.clock, self.metrics, group_max=50, queue_max=100
        )
        self.letters = LetterBox(self.journal, self.clock, self.metrics)
        self.accounts = FakeAccounts(*accounts)
        self.sessions = FakeSessions()
        self.broker = FakeBroker(self.clock)
        self.credentials = CredentialStore(
            cast(Accounts, self.accounts),
            cast(BrokerApps, FakeApps()),
            cast(session_ports.Sessions, self.sessions),
            SEAL,
            self.clock,
        )
        telemetry = start_telemetry(service="feed", replica_id="me", exporter=exporter)
        self.desk = Desk(
            self.journal,
            self.journaler,
            self.baselines,
            self.letters,
            self.tenures,
            self.clock,
            self.metrics,
            telemetry,
            BrokerClocks(self.metrics),
        )
        self.buckets = FakeBuckets(self.clock)
        self.announced: list[AccountId] = []
        self.book = FakeLoginBook(self.sessions, self.clock)
        self.relogin = self._relogin()
        broker = cast(Any, self.broker)
        self.shared = Shared(
            self.desk,
            {Broker.FYERS: Door(broker, broker, broker)},
            self.credentials,
            Budget(Meter(self.buckets, self.clock), self.clock),
            Random(1),
            asyncio.Semaphore(5),
            RepeatGate(self.clock),
            self.relogin,
            self.book,
            self._announce,
            Tidings(self.clock),
            Backoff(first_s=1.0, longest_s=8.0, jitter=0),
            trades_settle_s=1.0,
            backstop_s=backstop_s,
        )
        for account in accounts:
            self.know(account)

    def _relogin(self) -> Relogin:
        stores = LoginStores(
            cast(Accounts, self.accounts),
            cast(session_ports.Sessions, self.sessions),
            self.book,
            self.credentials,
            SEAL,
        )
        return Relogin(
            stores,
            {Broker.FYERS: cast(Any, self.broker)},
            self.clock,
            Random(1),
            self.metrics,
            LoginTimes(claim_ms=10_000, retry_ms=10_000),
            "me",
        )

    async def _announce(self, account_id: AccountId) -> None:
        self.announced.append(account_id)

    def know(self, account: Account) -> None:
        self.accounts.rows[account.account_id] = account
        name = SessionId(account.account_id)
        self.sessions.rows[account.account_id] = session_ports.Session(
            name, account.broker, account.client_id, (account.account_id,), SessionState.DISCONNECTED
        )

    async def log_in(
        self,
        account_id: AccountId,
        token: str = "good",  # noqa: S107
        lives_s: int = 3_600,
        refresh: Secret = NO_SECRET,
    ) -> None:
        expires_ns = self.clock.now_ns() + lives_s * 1_000_000_000
        session = SessionId(account_id)
        tokens = sealed_tokens(SEAL, session, Tokens(Secret(token), refresh, expires_ns, ""))
        await self.sessions.set_tokens(session, tokens)
        await self.credentials.reload([account_id])

    async def hold(self) -> None:
        """Win every partition, or renew what is held, and tell the journal."""
        await self.partitions.turn()
        for number in range(PARTITIONS):
            partition = Partition(number)
            self.journal.own(partition, self.partitions.lease(partition).epoch)
        await self.hub.open_partitions(Partition(number) for number in range(PARTITIONS))

    def lose(self, partition: Partition) -> None:
        """Another replica has it now, and we do not know yet."""
        row = self.leases.table[partition]
        self.leases.table[partition] = replace(row, owner="other", epoch=Epoch(row.epoch + 1))
        self.journal.own(partition, Epoch(row.epoch + 1))

    def facts(self, partition: Partition = HOME) -> list[Fact]:
        return [event.fact for event in self.journal.events.get(partition, [])]

    async def pass_(self, seconds: float) -> None:
        """Time goes by in small steps, longer ones where it is long; leases are renewed."""
        steps = max(1, round(seconds / min(_LONG_STEP_S, max(_STEP_S, seconds / _STEPS))))
        for _ in range(steps):
            self.clock.advance(seconds / steps)
            await self.clock.settle()
            await self.partitions.turn()


_STEP_S, _LONG_STEP_S, _STEPS = 0.25, 2.5, 60


@asynccontextmanager
async def at_work(*work: Any) -> AsyncIterator[list[asyncio.Task[Any]]]:
    """Runs these beside the block, and ends them with it."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
