"""Orders whose fate is not known: found in the broker's book by their tag, or surely absent.

Absence needs two successful reads some time apart, the first no earlier than the longest request and that
time after the last moment at which the order can have been sent.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import structlog

from paceline.domain.copy_order import CopyOrder
from paceline.domain.copying.fold import SurelyAbsent
from paceline.domain.errors import BrokerError, Unavailable
from paceline.domain.ids import AccountId, Epoch, Partition, Tag
from paceline.domain.order import BrokerStatus, OrderReport
from paceline.domain.partitioning import partition_of
from paceline.ports.clock import Clock
from paceline.runtime.log import RepeatGate
from paceline.runtime.metric_names import ORDERS_UNKNOWN, RECONCILES
from paceline.runtime.metrics import Metrics
from services.executor.books import Reading
from services.executor.outcome import Outcome

_log = structlog.get_logger(__name__)

_NS_PER_MS = 1_000_000
_LOOK_S = 0.1

ReadBook = Callable[[AccountId], Awaitable[Reading]]


@dataclass(slots=True)
class Suspect:
    """One order that may or may not stand at the broker."""

    order: CopyOrder
    attempts: int
    epoch: Epoch
    last_sent_ns: int
    """By the monotonic clock: the last moment at which it can have left."""
    absent_ns: int | None = None
    """When a settled read that first did not show it was answered."""
    seen: bool = False
    """A book showed it once, though not what became of it: it is never absent any more."""


class Reconciler:
    """One order-book read per account and pass, whatever is asked about it."""

    def __init__(
        self,
        read_book: ReadBook,
        clock: Clock,
        metrics: Metrics,
        put: Callable[[Outcome], None],
        *,
        request_max_ms: int,
        settle_ms: int,
        reads_at_once: int,
    ) -> None:
        self._read_book = read_book
        self._clock = clock
        self._metrics = metrics
        self._put = put
        self._settled_ns = (request_max_ms + settle_ms) * _NS_PER_MS
        self._apart_ns = settle_ms * _NS_PER_MS
        self._room = asyncio.Semaphore(reads_at_once)
        self._suspects: defaultdict[AccountId, dict[Tag, Suspect]] = defaultdict(dict)
        self._next_ns: dict[AccountId, int] = {}
        self._reading: dict[AccountId, asyncio.Task[None]] = {}
        self._gate = RepeatGate(clock)

    def suspect(self, order: CopyOrder, attempts: int, epoch: Epoch) -> None:
        """Its last possible send is now."""
        now_ns = self._clock.monotonic_ns()
        self._suspects[order.account_id][order.tag] = Suspect(order, attempts, epoch, now_ns)
        soon_ns = now_ns + self._apart_ns // 4
        self._next_ns[order.account_id] = min(self._next_ns.get(order.account_id, soon_ns), soon_ns)

    def told(self, order: CopyOrder) -> bool:
        """The socket was faster; whether it was looked for at all."""
        suspects = self._suspects.get(order.account_id)
        if suspects is None or suspects.pop(order.tag, None) is None:
            return False
        if not suspects:
            self._drop(order.account_id)
        return True

    def leave(self, partitions: Iterable[Partition]) -> None:
        gone = set(partitions)
        for account_id in [each for each in self._suspects if partition_of(each) in gone]:
            self._drop(account_id)

    def open(self) -> int:
        return sum(len(suspects) for suspects in self._suspects.values())

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                await self._clock.sleep(_LOOK_S)
                self._metrics.gauge(ORDERS_UNKNOWN).set(self.open())
                now_ns = self._clock.monotonic_ns()
                for account_id in list(self._suspects):
                    if account_id not in self._reading and self._next_ns.get(account_id, 0) <= now_ns:
                        self._begin(account_id)
        finally:
            for reading in self._reading.values():
                reading.cancel()

    def _drop(self, account_id: AccountId) -> None:
        self._suspects.pop(account_id, None)
        self._next_ns.pop(account_id, None)

    def _begin(self, account_id: AccountId) -> None:
        reading = asyncio.create_task(self._read(account_id))
        self._reading[account_id] = reading
        reading.add_done_callback(lambda _done: self._reading.pop(account_id, None))

    async def _read(self, account_id: AccountId) -> None:
        async with self._room:
            try:
                reading = await self._read_book(account_id)
            except (BrokerError, Unavailable) as problem:
                self._next_ns[account_id] = self._clock.monotonic_ns() + self._apart_ns
                if self._gate.held_back(account_id) is not None:
                    _log.warning("reconcile.unread", account=account_id, problem=str(problem))
                return
        self._next_ns[account_id] = reading.answered_ns + self._apart_ns
        self._compare(account_id, reading)

    def _compare(self, account_id: AccountId, reading: Reading) -> None:
        reports: defaultdict[str, list[OrderReport]] = defaultdict(list)
        for report in reading.book.reports:
            reports[report.tag].append(report)
        for suspect in list(self._suspects.get(account_id, {}).values()):
            found = reports.get(suspect.order.tag, [])
            if found:
                self._found(suspect, found)
            elif not reading.book.malformed and not suspect.seen:
                self._absent(suspect, reading)

    def _found(self, suspect: Suspect, reports: list[OrderReport]) -> None:
        first, *others = sorted(reports, key=lambda report: (report.broker_time_ns, report.order_id))
        for other in others:
            _log.error(
                "DUPLICATE_AT_BROKER",
                account=suspect.order.account_id,
                tag=suspect.order.tag,
                order=other.order_id,
            )
        suspect.seen = True
        if first.status is not BrokerStatus.IN_TRANSIT:
            self._settle(suspect, "found", Outcome(suspect.order, first, suspect.epoch, suspect.attempts))

    def _absent(self, suspect: Suspect, reading: Reading) -> None:
        """A read counts from when it was asked; the second is asked long enough after the first's answer."""
        if reading.asked_ns - suspect.last_sent_ns < self._settled_ns:
            return
        if suspect.absent_ns is None:
            suspect.absent_ns = reading.answered_ns
        elif reading.asked_ns - suspect.absent_ns >= self._apart_ns:
            absent = Outcome(suspect.order, SurelyAbsent(), suspect.epoch, suspect.attempts)
            self._settle(suspect, "absent", absent)

    def _settle(self, suspect: Suspect, outcome: str, put: Outcome) -> None:
        self._metrics.counter(RECONCILES).labels("lookup", outcome).inc()
        self.told(suspect.order)
        self._put(put)
