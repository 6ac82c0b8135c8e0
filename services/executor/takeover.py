"""Orders whose fate is not known: found in the broker's book by their tag, or surely absent.

Absence needs two successful reads some time apart, the first no earlier than the longest request and that
time after the last moment at which the order can have been sent.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import structlog

from paceline.domain.copy_order import CopyCommand, CopyOrder
from paceline.domain.copying.fold import SurelyAbsent
from paceline.domain.errors import BrokerError, Unavailable
from paceline.domain.ids import AccountId, CommandId, Epoch, Partition, Tag
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


@dataclass(slots=True)
class Sought:
    """A change of which nobody knows whether it happened: its order's state tells."""

    command: CopyCommand
    order: CopyOrder
    last_sent_ns: int
    """By the monotonic clock."""


class Shown(Protocol):
    def __call__(self, sought: Sought, report: OrderReport | None, *, settled: bool) -> bool:
        """Whether that is enough; `report` is None where a whole book does not show the order."""


class Reconciler:
    """One order-book read per account and pass, whatever is asked about it."""

    def __init__(
        self,
        read_book: ReadBook,
        clock: Clock,
        metrics: Metrics,
        put: Callable[[Outcome], None],
        shown: Shown,
        *,
        request_max_ms: int,
        settle_ms: int,
        reads_at_once: int,
    ) -> None:
        self._read_book = read_book
        self._clock = clock
        self._metrics = metrics
        self._put = put
        self._shown = shown
        self._settled_ns = (request_max_ms + settle_ms) * _NS_PER_MS
        self._apart_ns = settle_ms * _NS_PER_MS
        self._room = asyncio.Semaphore(reads_at_once)
        self._suspects: defaultdict[AccountId, dict[Tag, Suspect]] = defaultdict(dict)
        self._sought: defaultdict[AccountId, dict[CommandId, Sought]] = defaultdict(dict)
        self._next_ns: dict[AccountId, int] = {}
        self._reading: dict[AccountId, asyncio.Task[None]] = {}
        self._gate = RepeatGate(clock)

    def suspect(self, order: CopyOrder, attempts: int, epoch: Epoch) -> None:
        """Its last possible send is now."""
        now_ns = self._clock.monotonic_ns()
        self._suspects[order.account_id][order.tag] = Suspect(order, attempts, epoch, now_ns)
        self._read_by(order.account_id, now_ns + self._apart_ns // 4)

    def seek(self, command: CopyCommand, order: CopyOrder, *, patiently: bool) -> None:
        """Its last possible send is now. `patiently`: the socket tells, unless it is silent."""
        now_ns = self._clock.monotonic_ns()
        self._sought[order.account_id][command.command_id] = Sought(command, order, now_ns)
        self._read_by(order.account_id, now_ns + (self._settled_ns if patiently else self._apart_ns // 4))

    def unseek(self, command: CopyCommand) -> None:
        """Its fate is known."""
        sought = self._sought.get(command.account_id, {})
        if sought.pop(command.command_id, None) and not sought:
            self._rest(command.account_id)

    def told(self, order: CopyOrder) -> bool:
        """The socket was faster; whether it was looked for at all."""
        suspects = self._suspects.get(order.account_id)
        if suspects is None or suspects.pop(order.tag, None) is None:
            return False
        if not suspects:
            self._rest(order.account_id)
        return True

    def leave(self, partitions: Iterable[Partition]) -> None:
        gone = set(partitions)
        for account_id in [each for each in self._accounts() if partition_of(each) in gone]:
            self._suspects.pop(account_id, None)
            self._sought.pop(account_id, None)
            self._rest(account_id)

    def open(self) -> int:
        return sum(len(suspects) for suspects in self._suspects.values())

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                await self._clock.sleep(_LOOK_S)
                self._metrics.gauge(ORDERS_UNKNOWN).set(self.open())
                now_ns = self._clock.monotonic_ns()
                for account_id in self._accounts():
                    if account_id not in self._reading and self._next_ns.get(account_id, 0) <= now_ns:
                        self._begin(account_id)
        finally:
            for reading in self._reading.values():
                reading.cancel()

    def _accounts(self) -> list[AccountId]:
        return list(self._suspects.keys() | self._sought.keys())

    def _read_by(self, account_id: AccountId, at_ns: int) -> None:
        self._next_ns[account_id] = min(self._next_ns.get(account_id, at_ns), at_ns)

    def _rest(self, account_id: AccountId) -> None:
        """Nothing is read of an account of which nothing is asked."""
        for each in (self._suspects, self._sought):
            if account_id in each and not each[account_id]:
                del each[account_id]
        if account_id not in self._suspects and account_id not in self._sought:
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
        for sought in list(self._sought.get(account_id, {}).values()):
            self._show(sought, reports.get(sought.order.tag, []), reading)

    def _show(self, sought: Sought, reports: list[OrderReport], reading: Reading) -> None:
        """By the broker's number, where it is known; else by the tag."""
        named = [each for each in reports if each.order_id == sought.order.broker_order_id]
        found = named or sorted(reports, key=lambda report: (report.broker_time_ns, report.order_id))
        if not found and reading.book.malformed:
            return
        settled = reading.asked_ns - sought.last_sent_ns >= self._settled_ns
        if self._shown(sought, found[0] if found else None, settled=settled):
            self._metrics.counter(RECONCILES).labels("change", "found" if found else "absent").inc()
            # a change that goes on at once is sought anew, and stays
            if self._sought.get(sought.command.account_id, {}).get(sought.command.command_id) is sought:
                self.unseek(sought.command)

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
