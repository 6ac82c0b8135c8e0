"""Writes what sessions found out: one commit for whatever waits, then everyone is told."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

import structlog

from paceline.domain.errors import NotOwner, PacelineError, Unavailable
from paceline.domain.event import Event, Fact
from paceline.domain.ids import AccountId, Partition
from paceline.ports.clock import Clock
from paceline.ports.journal import Append, Appended, Journal
from paceline.ports.leases import NEVER_PINNED, Tenure
from paceline.runtime.metric_names import EVENTS_JOURNALED, JOURNAL_BATCH, JOURNAL_SECONDS
from paceline.runtime.metrics import Metrics
from services.feed.hub import Hub
from services.feed.tenure import Tenures

_log = structlog.get_logger(__name__)

_RETRY_S = 0.2
_REFUSED_S = 1.0


@dataclass(frozen=True, slots=True)
class Entry:
    """A fact, and the right under which it was judged to be one."""

    tenure: Tenure
    fact: Fact
    traceparent: str


class Journaler:
    """One writer: while it commits, the next group gathers; a full queue slows the sessions down.

    Only the database's absence is waited for without a word of blame; what it can never hold is set aside.
    """

    def __init__(
        self,
        journal: Journal,
        hub: Hub,
        tenures: Tenures,
        clock: Clock,
        metrics: Metrics,
        *,
        group_max: int = 1_000,
        queue_max: int = 20_000,
    ) -> None:
        self._journal = journal
        self._hub = hub
        self._tenures = tenures
        self._clock = clock
        self._group_max = group_max
        self._queue_max = queue_max
        self._queue: deque[Entry] = deque()
        self._writing: frozenset[Partition] = frozenset()
        self._behind: set[Partition] = set()
        self._filled = asyncio.Event()
        self._emptied = asyncio.Event()
        self._lost: Callable[[AccountId], None] = _nobody
        self._condemned: Callable[[Fact, Exception], None] = _unread
        self._seconds = metrics.histogram(JOURNAL_SECONDS)
        self._sizes = metrics.histogram(JOURNAL_BATCH)
        self._journaled = metrics.counter(EVENTS_JOURNALED)

    def on_lost(self, lost: Callable[[AccountId], None]) -> None:
        """Whom to tell of an account whose facts were not written: it went elsewhere."""
        self._lost = lost

    def on_condemned(self, condemned: Callable[[Fact, Exception], None]) -> None:
        """Whom to give a fact that no journal can hold."""
        self._condemned = condemned

    async def submit(self, tenure: Tenure, facts: Sequence[Fact], traceparent: str) -> None:
        """Returns when the facts stand in the queue, in order; durable is what the stream shows."""
        while len(self._queue) >= self._queue_max:
            self._emptied.clear()
            await self._emptied.wait()
        self._queue.extend(Entry(tenure, fact, traceparent) for fact in facts)
        self._filled.set()

    def look_again(self, partition: Partition) -> None:
        """Something was journaled past this writer: readers are shown it."""
        self._behind.add(partition)
        self._filled.set()

    async def run(self) -> None:
        """Write until cancelled; what still waits then is read from the broker's books by the next owner."""
        while True:
            await self._filled.wait()
            group = [self._queue.popleft() for _ in range(min(len(self._queue), self._group_max))]
            if not self._queue:
                self._filled.clear()
            self._writing = frozenset(entry.tenure.partition for entry in group)
            await self._write(group)
            await self._catch_up()
            self._writing = frozenset()
            self._emptied.set()

    async def drained(self, partitions: frozenset[Partition]) -> None:
        """Wait until nothing of these partitions waits any more."""
        while self._writing & partitions or any(
            entry.tenure.partition in partitions for entry in self._queue
        ):
            await self._clock.sleep(0.005)

    async def _write(self, group: Sequence[Entry]) -> None:
        while group := self._ours(group):
            batches = _batches(group)
            started = self._clock.monotonic_ns()
            try:
                answers = await self._journal.append_many(batches)
            except Unavailable as problem:
                _log.warning("journal.unreachable", problem=str(problem), waiting=len(self._queue))
                await self._clock.sleep(_RETRY_S)
            except PacelineError as problem:
                _log.error("journal.refused", problem=str(problem), waiting=len(self._queue))
                await self._clock.sleep(_REFUSED_S)
            except Exception as problem:  # noqa: BLE001 - one broker's bad words must not silence the others
                await self._split(group, problem)
                return
            else:
                self._seconds.observe((self._clock.monotonic_ns() - started) / 1e9)
                self._sizes.observe(len(group))
                self._tell(batches, answers)
                return

    async def _split(self, group: Sequence[Entry], problem: Exception) -> None:
        """Find the fact that cannot be written; those beside it are, in their order."""
        if len(group) == 1:
            _log.error("journal.cannot_hold", fact=group[0].fact.identity, exc_info=problem)
            self._condemned(group[0].fact, problem)
            return
        middle = len(group) // 2
        await self._write(group[:middle])
        await self._write(group[middle:])

    def _ours(self, group: Sequence[Entry]) -> list[Entry]:
        """Those whose right still stands; what was judged under another one is for the next owner to find."""
        kept: list[Entry] = []
        stale: set[tuple[AccountId, Tenure]] = set()
        for entry in group:
            if self._holds(entry):
                kept.append(entry)
            else:
                stale.add((entry.fact.account_id, entry.tenure))
        self._disown(stale)
        return kept

    def _holds(self, entry: Entry) -> bool:
        try:
            return self._tenures.of(entry.fact.account_id) == entry.tenure
        except NotOwner:
            return False

    def _tell(self, batches: Sequence[Append], answers: Sequence[Appended | NotOwner]) -> None:
        published: list[Event] = []
        for batch, answer in zip(batches, answers, strict=True):
            if isinstance(answer, NotOwner):
                self._disown(_rights(batch, {fact.account_id for fact in batch.facts}))
                continue
            self._disown(_rights(batch, answer.refused))
            published.extend(answer.events)
            if answer.known:
                self._behind.add(batch.partition)
        self._behind |= self._hub.publish(published)
        kinds = Counter((event.fact.kind, event.fact.recovered) for event in published)
        for (kind, recovered), count in kinds.items():
            self._journaled.labels(kind.value, str(recovered).lower()).inc(count)

    async def _catch_up(self) -> None:
        """What was journaled without our seeing the answer, or past us, is read back and shown."""
        while self._behind:
            try:
                for partition in tuple(self._behind):
                    await self._hub.catch_up(partition)
                    self._behind.discard(partition)
            except Unavailable as problem:
                _log.warning("journal.unreadable", problem=str(problem), partitions=len(self._behind))
                await self._clock.sleep(_RETRY_S)

    def _disown(self, stale: Set[tuple[AccountId, Tenure]]) -> None:
        """Nothing of these accounts under these rights is ours to write, waiting or not."""
        if not stale:
            return
        _log.warning("journal.fenced", accounts=len(stale))
        self._queue = deque(
            entry for entry in self._queue if (entry.fact.account_id, entry.tenure) not in stale
        )
        for account in {account for account, _ in stale}:
            self._lost(account)


def _batches(group: Sequence[Entry]) -> list[Append]:
    """All that is ours of one partition is so by the same lease, or by pins alone."""
    grouped: dict[Partition, list[Entry]] = {}
    for entry in group:
        grouped.setdefault(entry.tenure.partition, []).append(entry)
    return [
        Append(
            partition,
            entries[0].tenure.epoch,
            [entry.fact for entry in entries],
            [entry.traceparent for entry in entries],
            {entry.fact.account_id: entry.tenure.pin for entry in entries if entry.tenure.pin},
        )
        for partition, entries in grouped.items()
    ]


def _rights(batch: Append, accounts: Set[AccountId]) -> Set[tuple[AccountId, Tenure]]:
    pins = {each: batch.pins.get(each, NEVER_PINNED) for each in accounts}
    return {(each, Tenure(batch.partition, batch.epoch, pin)) for each, pin in pins.items()}


def _nobody(account: AccountId) -> None:
    _log.error("journal.lost_facts", account=account)


def _unread(fact: Fact, problem: Exception) -> None:
    _log.error("journal.condemned_fact", fact=fact.identity, problem=type(problem).__name__)
