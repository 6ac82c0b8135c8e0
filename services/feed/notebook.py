"""What one session knows of its account, and the order in which what it finds out is journaled."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from opentelemetry.trace import SpanKind

from paceline.domain.account import Account
from paceline.domain.calendar import trading_day
from paceline.domain.errors import Unavailable
from paceline.domain.event import Fact
from paceline.domain.ids import BrokerOrderId, Epoch, Partition
from paceline.domain.instrument import Exchange
from paceline.domain.order import Fill, OrderReport
from paceline.domain.partitioning import partition_of
from paceline.domain.position import PositionReport
from paceline.domain.tracking import NeedsRead, Observation, Tracker
from paceline.ports.baselines import Baselines
from paceline.ports.broker import Book, Broker, Credentials, Observed
from paceline.ports.clock import Clock
from paceline.ports.journal import Journal
from paceline.runtime.metric_names import SEEN_SECONDS
from paceline.runtime.metrics import Metrics
from paceline.runtime.partitions import Partitions
from paceline.runtime.telemetry import Telemetry, traceparent_of
from services.feed.journaler import Journaler
from services.feed.letters import LetterBox

_NS_PER_S = 1_000_000_000
_RESTORE_DAYS = 7
_BASELINE_READS = 5
_KEPT = timedelta(days=1)
"""Ended orders of the day before may still stand in a book that was not begun anew."""

Spend = Callable[[], Awaitable[None]]
"""Returns when one read of the broker may be made."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where notebooks are restored from, and where what is found out goes."""

    journal: Journal
    journaler: Journaler
    baselines: Baselines
    letters: LetterBox
    partitions: Partitions
    clock: Clock
    metrics: Metrics
    telemetry: Telemetry


class Notebook:
    """Kept under one epoch of the partition's lease; under another one it is thrown away."""

    def __init__(self, account: Account, epoch: Epoch, tracker: Tracker, desk: Desk) -> None:
        self._account = account
        self._partition: Partition = partition_of(account.account_id)
        self._epoch = epoch
        self._tracker = tracker
        self._desk = desk
        self._unclear: set[BrokerOrderId] = set()
        self._telling = asyncio.Lock()
        """What is judged first is journaled first."""
        self._reading = asyncio.Lock()
        self._unclear_since: set[BrokerOrderId] = set()
        """Those that became so after the books were last asked for: the answer may not know of it."""
        self.read_ns = 0
        """When the books were last read with success; 0 is never."""

    @classmethod
    async def opened(cls, account: Account, desk: Desk) -> "Notebook":
        """As far as the journal knows; raises `NotOwner` without a lease."""
        name = account.account_id
        epoch = desk.partitions.lease(partition_of(name)).epoch
        tracker = Tracker(name, (await desk.baselines.of([name])).get(name))
        since_ns = desk.clock.now_ns() - _RESTORE_DAYS * 86_400 * _NS_PER_S
        tracker.restore((await desk.journal.restore([name], since_ns)).get(name, ()))
        return cls(account, epoch, tracker, desk)

    def puzzled(self) -> bool:
        """Whether the books must say what the socket left open."""
        return bool(self._unclear) or bool(self._tracker.lacking_trades())

    async def hear(self, report: OrderReport | Fill | PositionReport, heard: Observed) -> bool:
        """Take in one report of the socket; whether the books may have to be read."""
        async with self._telling:
            observation = self._tracker.observe(report, heard.received_ns, heard.raw)
            if observation.facts:
                await self._journal_traced(observation)
        unclear = {need.order_id for need in observation.needs if isinstance(need, NeedsRead)}
        self._unclear |= unclear
        self._unclear_since |= unclear
        return bool(observation.needs)

    async def read_books(self, broker: Broker, credentials: Credentials, spend: Spend) -> Sequence[Fact]:
        """The difference between the broker's books and what is known becomes events; these are they."""
        async with self._reading:
            if self._tracker.baseline_ns is None:
                await self._take_baseline(broker, credentials, spend)
                found: Sequence[Fact] = ()
            else:
                found = await self._read_difference(broker, credentials, spend)
            self.read_ns = self._desk.clock.now_ns()
        return found

    async def _read_difference(
        self, broker: Broker, credentials: Credentials, spend: Spend
    ) -> Sequence[Fact]:
        asked = frozenset(self._unclear)
        self._unclear_since.clear()
        await spend()
        orders = await broker.order_book(credentials)
        await spend()
        trades = await broker.trade_book(credentials)
        self._put_aside(orders, trades)
        async with self._telling:
            now_ns = self._desk.clock.now_ns()
            self._tracker.forget_before(trading_day(Exchange.NSE, now_ns) - _KEPT)
            found = self._tracker.recover(orders.reports, trades.reports, now_ns).facts
            await self._journal(_with_raw(found, orders, trades))
        self._unclear -= asked - self._unclear_since
        return found

    async def _take_baseline(self, broker: Broker, credentials: Credentials, spend: Spend) -> None:
        """Books that agree with each other: the trades must not change while the others are read."""
        await spend()
        trades = await broker.trade_book(credentials)
        for _ in range(_BASELINE_READS):
            await spend()
            orders = await broker.order_book(credentials)
            await spend()
            positions = await broker.positions(credentials)
            await spend()
            again = await broker.trade_book(credentials)
            settled, trades = len(again.rows) == len(trades.rows), again
            if settled:
                break
        else:
            raise Unavailable(f"the books of {self._account.account_id} do not hold still")
        self._put_aside(orders, trades, positions)
        await self._begin(orders, trades, positions)

    async def _begin(
        self, orders: Book[OrderReport], trades: Book[Fill], positions: Book[PositionReport]
    ) -> None:
        """A baseline that another owner took meanwhile stands: what came after it is news."""
        name, now_ns = self._account.account_id, self._desk.clock.now_ns()
        tracker = Tracker(name)
        held = tracker.baseline(orders.reports, trades.reports, positions.reports, now_ns)
        taken = await self._desk.baselines.take(name, self._partition, self._epoch, now_ns, held)
        self._desk.journaler.look_again(self._partition)
        if not taken:
            raise Unavailable(f"the baseline of {name} was taken by another")
        self._tracker = tracker

    def _put_aside(self, *books: Book[OrderReport] | Book[Fill] | Book[PositionReport]) -> None:
        for book in books:
            self._desk.letters.put(self._account, "books", book.malformed)

    async def _journal_traced(self, observation: Observation) -> None:
        """A leader's fact begins its trace here."""
        for fact in observation.facts:
            seen_s = max(0.0, (fact.seen_ns - fact.broker_time_ns) / _NS_PER_S)
            self._desk.metrics.histogram(SEEN_SECONDS).observe(seen_s)
        if not self._desk.telemetry.enabled:
            await self._journal(observation.facts)
            return
        first = observation.facts[0]
        with self._desk.telemetry.span(
            f"feed {first.kind.value.lower()}",
            kind=SpanKind.CONSUMER,
            attributes={"paceline.account": self._account.account_id, "paceline.event": first.identity},
        ) as span:
            await self._journal(observation.facts, traceparent_of(span))

    async def _journal(self, facts: Sequence[Fact], traceparent: str = "") -> None:
        if facts:
            await self._desk.journaler.submit(self._partition, self._epoch, facts, traceparent)


def _with_raw(facts: Sequence[Fact], orders: Book[OrderReport], trades: Book[Fill]) -> Sequence[Fact]:
    """Recovered facts keep the rows they were read from."""
    rows = {row.report.order_id: row.raw for row in orders.rows}
    fills = {(row.report.order_id, row.report.trade_id): row.raw for row in trades.rows}
    return [replace(fact, raw=_raw_of(fact.body, rows, fills)) for fact in facts]


def _raw_of(
    body: OrderReport | Fill | PositionReport,
    rows: Mapping[BrokerOrderId, bytes],
    fills: Mapping[tuple[BrokerOrderId, str], bytes],
) -> bytes:
    if isinstance(body, Fill):
        return fills.get((body.order_id, body.trade_id), b"")
    return rows.get(body.order_id, b"") if isinstance(body, OrderReport) else b""
