"""The end of the trading day: failures are swept, and copies that the broker no longer shows are closed."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, time
from decimal import Decimal

import structlog

from paceline.domain.account import SessionState
from paceline.domain.day_end import (
    HELD_OVER,
    BookRead,
    Evidence,
    TradesOn,
    last_end,
    local,
    net_of,
    swept_before,
)
from paceline.domain.errors import BrokerError, NotOwner, Unavailable
from paceline.domain.ids import AccountId, Partition
from paceline.domain.instrument import InstrumentKey
from paceline.domain.partitioning import partition_of
from paceline.ports.broker import Call
from paceline.ports.clock import Clock
from paceline.ports.day_ends import DayEnds, Finding
from paceline.ports.leases import Tenure
from paceline.runtime.partitions import Partitions
from services.feed.roster import Roster
from services.feed.shared import Shared

_log = structlog.get_logger(__name__)

_LOOK_S = 10.0
_AT_ONCE = 32
_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Rules:
    """When a day ends, on which days, and how far two readings are apart that prove anything."""

    at: time
    trades_on: TradesOn
    settle_s: float


@dataclass(frozen=True, slots=True)
class PositionBooks:
    """The books of sessions that are live here."""

    roster: Roster
    shared: Shared

    def live(self) -> Sequence[AccountId]:
        return [each.account_id for each in self.roster.all() if each.state is SessionState.LIVE]

    def heard_since(self, account_id: AccountId, at_ns: int) -> bool:
        """Whether orders and trades were read after this moment: what filled until then is journaled."""
        session = self.roster.get(account_id)
        return session is not None and session.last_books_ns > at_ns

    async def read(self, account_id: AccountId, *, holdings: bool) -> BookRead:
        """Positions first: what is delivered meanwhile stands in both books, and never in neither."""
        session = self.roster.get(account_id)
        if session is None:
            raise Unavailable(f"the session of {account_id} is gone")
        broker = self.shared.doors[session.account.broker].broker
        async with self.shared.budget.call(account_id, broker.limits, Call.READ):
            asked_ns = self.shared.desk.clock.now_ns()
            book = await broker.positions(self.shared.credentials.get(account_id))
        net = net_of((report.key, report.quantity) for report in book.reports)
        if not holdings:
            return BookRead(asked_ns, not book.malformed, net)
        async with self.shared.budget.call(account_id, broker.limits, Call.READ):
            delivered = await broker.holdings(self.shared.credentials.get(account_id))
        held = frozenset(report.instrument_id for report in delivered.reports if report.quantity)
        return BookRead(asked_ns, not (book.malformed or delivered.malformed), net, held)


class DayEnd:
    """Looks every few seconds; a day that was missed is caught up, as far as it still can be."""

    def __init__(
        self,
        ends: DayEnds,
        books: PositionBooks,
        partitions: Partitions,
        tenure: Callable[[AccountId], Tenure],
        settled: Callable[[Iterable[Partition]], Awaitable[None]],
        clock: Clock,
        rules: Rules,
    ) -> None:
        """`settled` returns when what was found out of some partitions is journaled, and trades folded."""
        self._ends = ends
        self._books = books
        self._partitions = partitions
        self._tenure = tenure
        self._settled = settled
        self._clock = clock
        self._rules = rules
        self._swept: tuple[int, frozenset[Partition]] | None = None
        self._told: dict[AccountId, str] = {}
        self._firsts: dict[AccountId, BookRead] = {}
        """Where a position was missing: the second reading must agree."""

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.look()
            except NotOwner:
                _log.info("day_end.moved")
            except Unavailable as problem:
                _log.warning("day_end.unreachable", problem=str(problem))
            await self._clock.sleep(min(_LOOK_S, self._rules.settle_s))

    async def look(self) -> None:
        """What is due just now."""
        now_ns = self._clock.now_ns()
        await self._sweep(swept_before(now_ns, self._rules.trades_on))
        day = last_end(now_ns, self._rules.at, self._rules.trades_on)
        if day is None:
            return
        if local(now_ns).date() == day:
            await self._end_live(day)
        else:
            await self._give_up(day)

    async def _sweep(self, before_ns: int) -> None:
        held = self._partitions.held()
        if self._swept == (before_ns, held):
            return
        epochs = {each: self._partitions.lease(each).epoch for each in held}
        swept = await self._ends.sweep(epochs, before_ns)
        self._swept = (before_ns, held)
        if swept:
            _log.info("day_end.swept", orders=swept)

    async def _end_live(self, day: date) -> None:
        """Those whose books can be read; the others wait until midnight for a session."""
        pending = await self._ends.pending(self._books.live(), day)
        if not pending:
            return
        await self._settled({partition_of(each) for each in pending})
        places = asyncio.Semaphore(_AT_ONCE)

        async def one(account_id: AccountId) -> None:
            async with places:
                await self._end(account_id, day)

        await asyncio.gather(*(one(each) for each in pending))

    async def _end(self, account_id: AccountId, day: date) -> None:
        try:
            finding = await self._finding(account_id, day)
            why: str | None = finding if isinstance(finding, str) else None
            if not isinstance(finding, str):
                why = await self._ends.end(self._tenure(account_id), account_id, day, finding)
        except NotOwner:
            return
        except (BrokerError, Unavailable) as problem:
            why = str(problem)
        if why is None:
            self._told.pop(account_id, None)
            self._firsts.pop(account_id, None)
        elif self._told.get(account_id) != why:
            self._told[account_id] = why
            _log.info("day_end.waits", account=account_id, day=str(day), why=why)

    async def _finding(self, account_id: AccountId, day: date) -> Finding | str | None:
        """None where nothing that is held seems gone; words where it cannot be told yet."""
        held = await self._ends.held(account_id)
        if not held:
            return None
        delivered = any(key.product in HELD_OVER for key, _ in held)
        read = await self._books.read(account_id, holdings=delivered)
        if not read.whole:
            return "the books could not be read whole"
        if not _doubtful(held, read):
            self._firsts.pop(account_id, None)
            return None
        evidence = Evidence(self._firsts.setdefault(account_id, read), read)
        if local(evidence.first.taken_ns).date() != day:
            evidence = Evidence(read, read)
            self._firsts[account_id] = read
        if not evidence.stands(day, self._rules.at, round(self._rules.settle_s * _NS_PER_S)):
            return "a position is missing and will be looked for again"
        if not self._books.heard_since(account_id, evidence.first.taken_ns):
            return "orders and trades have still to be read"
        await self._settled({partition_of(account_id)})
        return Finding(evidence.lacks, evidence.words(), evidence.second.taken_ns)

    async def _give_up(self, day: date) -> None:
        """A book read today tells nothing of another day: it is marked, and today's end will look again."""
        await self._settled(self._partitions.held())
        missed: dict[Partition, list[AccountId]] = {}
        for account_id in await self._ends.pending_in(self._partitions.held(), day):
            missed.setdefault(partition_of(account_id), []).append(account_id)
        for partition, accounts in missed.items():
            with suppress(NotOwner):  # whoever holds it now marks it
                epoch = self._partitions.lease(partition).epoch
                await self._ends.unread(
                    partition, epoch, accounts, day, "no position book was read on that day"
                )
                _log.warning("day_end.unread", day=str(day), accounts=len(accounts))


def _doubtful(held: Iterable[tuple[InstrumentKey, Decimal]], book: BookRead) -> bool:
    once = Evidence(book, book)
    return any(once.lacks(key, quantity) for key, quantity in held)
