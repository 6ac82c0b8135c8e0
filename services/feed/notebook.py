"""What one session knows of its account, and the order in which what it finds out is journaled."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from opentelemetry.trace import SpanKind

from paceline.domain.account import Account
from paceline.domain.calendar import trading_day
from paceline.domain.errors import Unavailable
from paceline.domain.event import EventKind, Fact
from paceline.domain.ids import InstrumentId
from paceline.domain.instrument import Exchange
from paceline.domain.order import Fill, OrderReport
from paceline.domain.position import PositionReport
from paceline.domain.tracking import Tracker
from paceline.ports.baselines import Baselines
from paceline.ports.broker import Book, Broker, Credentials, Observed
from paceline.ports.clock import Clock
from paceline.ports.journal import Journal
from paceline.ports.leases import Tenure
from paceline.runtime.budget import Spend
from paceline.runtime.metric_names import SEEN_SECONDS
from paceline.runtime.metrics import Metrics
from paceline.runtime.telemetry import Telemetry, traceparent_of
from services.feed.clocks import BrokerClocks
from services.feed.journaler import Journaler
from services.feed.letters import LetterBox
from services.feed.tenure import Tenures

_NS_PER_S = 1_000_000_000
_RESTORE_DAYS = 7
_BASELINE_READS = 5
_KEPT = timedelta(days=1)
"""Ended orders of the day before may still stand in a book that was not begun anew."""

"""Returns when one read of the broker may be made."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where notebooks are restored from, and where what is found out goes.

    `positions_settle_s`: a position that no trade explains is believed when it stood so long.
    """

    journal: Journal
    journaler: Journaler
    baselines: Baselines
    letters: LetterBox
    tenures: Tenures
    clock: Clock
    metrics: Metrics
    telemetry: Telemetry
    clocks: BrokerClocks
    positions_settle_s: float = 5.0


class Notebook:
    """Kept under one right to journal the account; under another one it is thrown away."""

    def __init__(self, account: Account, tenure: Tenure, tracker: Tracker, desk: Desk) -> None:
        self._account = account
        self._tenure = tenure
        self._tracker = tracker
        self._desk = desk
        self._telling = asyncio.Lock()
        """What is judged first is journaled first."""
        self._reading = asyncio.Lock()
        self._asked_ns = 0
        """When the books were asked for that were last read with success: they know what was before."""
        self.read_ns = 0
        """When the books were last read with success; 0 is never."""

    @classmethod
    async def opened(cls, account: Account, desk: Desk) -> "Notebook":
        """As far as the journal knows; raises `NotOwner` for an account that is not ours."""
        name = account.account_id
        tenure = desk.tenures.of(name)
        baseline = (await desk.baselines.of([name])).get(name)
        tracker = Tracker(name, baseline, settle_ns=_settle_ns(desk))
        since_ns = desk.clock.now_ns() - _RESTORE_DAYS * 86_400 * _NS_PER_S
        facts = (await desk.journal.restore([name], since_ns)).get(name, ())
        tracker.restore(facts)
        desk.clocks.recall(account.broker, facts)
        return cls(account, tenure, tracker, desk)

    @property
    def at_work(self) -> frozenset[InstrumentId]:
        """What its working orders are about, and what it holds."""
        return self._tracker.at_work()

    def puzzled(self) -> bool:
        """Whether the books must say what the socket, or one reading of them, left open."""
        return self._tracker.puzzled()

    async def hear(self, report: OrderReport | Fill | PositionReport, heard: Observed) -> bool:
        """Take in one report of the socket; whether the books may have to be read."""
        async with self._telling:
            observation = self._tracker.observe(report, heard.received_ns, heard.raw)
            if observation.facts:
                await self._journal_traced(self._timed(observation.facts, live=True))
        return bool(observation.needs)

    async def read_books(self, broker: Broker, credentials: Credentials, spend: Spend) -> Sequence[Fact]:
        """The difference between the broker's books and what is known becomes events; these are they."""
        async with self._reading:
            if self._tracker.baseline_taken is None:
                await self._take_baseline(broker, credentials, spend)
                found: Sequence[Fact] = ()
            else:
                found = await self._read_difference(broker, credentials, spend)
            self.read_ns = self._desk.clock.now_ns()
        return found

    async def _read_difference(
        self, broker: Broker, credentials: Credentials, spend: Spend
    ) -> Sequence[Fact]:
        async with spend():
            asked_ns = self._desk.clock.now_ns()
            orders = await broker.order_book(credentials)
        async with spend():
            trades = await broker.trade_book(credentials)
        async with spend():
            looked_ns = self._desk.clock.now_ns()
            positions = await broker.positions(credentials)
        self._put_aside(orders, trades, positions)
        async with self._telling:
            now_ns = self._desk.clock.now_ns()
            self._tracker.forget_before(trading_day(Exchange.NSE, now_ns) - _KEPT)
            told = self._tracker.recover(orders.reports, trades.reports, now_ns, asked_ns).facts
            held = self._tracker.compare_positions(
                positions.reports, looked_ns, now_ns, whole=not positions.malformed
            )
            found = _with_raw([*self._timed(told, live=False), *held], orders, trades, positions)
            await self._journal(found)
        self._asked_ns = asked_ns
        return found

    async def _take_baseline(self, broker: Broker, credentials: Credentials, spend: Spend) -> None:
        """Books that agree with each other: the trades must not change while the others are read."""
        async with spend():
            trades = await broker.trade_book(credentials)
        for _ in range(_BASELINE_READS):
            async with spend():
                orders = await broker.order_book(credentials)
            async with spend():
                positions = await broker.positions(credentials)
            async with spend():
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
        tracker = Tracker(name, settle_ns=_settle_ns(self._desk))
        held = tracker.baseline(orders.reports, trades.reports, positions.reports, now_ns)
        assert tracker.baseline_taken is not None  # noqa: S101  # just now
        taken = await self._desk.baselines.take(name, self._tenure, tracker.baseline_taken, held)
        self._desk.journaler.look_again(self._tenure.partition)
        if not taken:
            raise Unavailable(f"the baseline of {name} was taken by another")
        self._tracker, self._asked_ns = tracker, orders.received_ns

    def _put_aside(self, *books: Book[OrderReport] | Book[Fill] | Book[PositionReport]) -> None:
        for book in books:
            self._desk.letters.put(self._account, "books", book.malformed)

    def _timed(self, facts: Sequence[Fact], *, live: bool) -> Sequence[Fact]:
        """Each with its time by our clock, where the broker's is far from it; its words stay as they are."""
        clocks, broker = self._desk.clocks, self._account.broker
        times = [clocks.time_of(broker, fact, after_ns=self._asked_ns, live=live) for fact in facts]
        return [
            fact if fact.broker_time_ns == at_ns else replace(fact, broker_time_ns=at_ns)
            for fact, at_ns in zip(facts, times, strict=True)
        ]

    async def _journal_traced(self, facts: Sequence[Fact]) -> None:
        """A leader's fact begins its trace here."""
        for fact in facts:
            seen_s = max(0.0, (fact.seen_ns - fact.broker_time_ns) / _NS_PER_S)
            self._desk.metrics.histogram(SEEN_SECONDS).observe(seen_s)
        if not self._desk.telemetry.enabled:
            await self._journal(facts)
            return
        first = facts[0]
        with self._desk.telemetry.span(
            f"feed {first.kind.value.lower()}",
            kind=SpanKind.CONSUMER,
            attributes={"paceline.account": self._account.account_id, "paceline.event": first.identity},
        ) as span:
            await self._journal(facts, traceparent_of(span))

    async def _journal(self, facts: Sequence[Fact], traceparent: str = "") -> None:
        if facts:
            await self._desk.journaler.submit(self._tenure, facts, traceparent)


def _settle_ns(desk: Desk) -> int:
    return round(desk.positions_settle_s * _NS_PER_S)


def _with_raw(
    facts: Sequence[Fact], orders: Book[OrderReport], trades: Book[Fill], positions: Book[PositionReport]
) -> Sequence[Fact]:
    """Recovered facts keep the rows they were read from."""
    if not facts:
        return facts
    rows: dict[tuple[EventKind, object], Callable[[], bytes]] = {
        (EventKind.ORDER, row.report.order_id): row.words for row in orders.rows
    }
    rows |= {(EventKind.FILL, (row.report.order_id, row.report.trade_id)): row.words for row in trades.rows}
    rows |= {(EventKind.POSITION, row.report.key): row.words for row in positions.rows}
    return [replace(fact, raw=rows.get((fact.kind, _row_of(fact.body)), bytes)()) for fact in facts]


def _row_of(body: OrderReport | Fill | PositionReport) -> object:
    if isinstance(body, Fill):
        return (body.order_id, body.trade_id)
    return body.order_id if isinstance(body, OrderReport) else body.key
