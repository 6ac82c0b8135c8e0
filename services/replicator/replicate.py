"""From a leader's events to committed plans: chunk by chunk, each dispatched while the next is planned."""

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace

import structlog
from opentelemetry.trace import Span, SpanKind

from paceline.domain.copying.decision import Decision
from paceline.domain.copying.on_order import concerns_copies
from paceline.domain.copying.plan import plan_chunk, rotated
from paceline.domain.copying.view import Copier, LeaderState, Market
from paceline.domain.errors import Unavailable
from paceline.domain.event import Event
from paceline.domain.ids import AccountId, BrokerOrderId, Epoch, Offset, Partition
from paceline.domain.instrument import InstrumentKey
from paceline.domain.ledger import Ledger
from paceline.domain.order import Fill, OrderReport
from paceline.domain.partitioning import partition_of
from paceline.domain.subscription import CopyMode, Subscription
from paceline.ports.clock import Clock
from paceline.ports.offsets import Offsets
from paceline.ports.plans import Chunk, Committed, LedgerKey, Moved, Passage, Plans
from paceline.runtime.follow import Batch
from paceline.runtime.metric_names import COMMIT_SECONDS, DECISIONS, PLAN_SECONDS, PLANS
from paceline.runtime.metrics import Metrics
from paceline.runtime.partitions import Partitions
from paceline.runtime.telemetry import Telemetry, context_of, traceparent_of
from paceline.runtime.together import together
from services.replicator.directory import Directory
from services.replicator.dispatch import Dispatcher
from services.replicator.order_books import OrderBooks
from services.replicator.views import Traded, Views

CONSUMER = "replicator"
_REDECIDE_MAX = 20
_FIRST_FOLLOWERS = 8
"""Served before anyone else is thought of."""
_AT_ONCE = 12
"""Followers decided for without a pause."""
_MIRRORS_AT_ONCE = 4
"""The same where orders are mirrored, which takes several times as long."""
_SETTLE_S = 0.25

_log = structlog.get_logger(__name__)


class Replicator:
    """`handle` is what the journal's follower calls; partitions side by side, events of one in order."""

    def __init__(
        self,
        directory: Directory,
        views: Views,
        order_books: OrderBooks,
        plans: Plans,
        offsets: Offsets,
        dispatcher: Dispatcher,
        partitions: Partitions,
        clock: Clock,
        metrics: Metrics,
        telemetry: Telemetry,
        *,
        chunk_followers: int,
        chunks_at_once: int,
    ) -> None:
        self._directory = directory
        self._views = views
        self._order_books = order_books
        self._plans = plans
        self._offsets = offsets
        self._dispatcher = dispatcher
        self._partitions = partitions
        self._clock = clock
        self._metrics = metrics
        self._telemetry = telemetry
        self._chunk_followers = chunk_followers
        self._room = asyncio.Semaphore(chunks_at_once)
        self._turn = asyncio.Lock()
        """Chunks side by side decide one after another, so that the loop is kept by one of them at a time."""
        self._states: dict[AccountId, LeaderState] = {}
        self._done: dict[Partition, Offset] = {}
        self._passed: dict[Partition, _Passed] = {}
        self._passing = asyncio.Lock()
        """What was passed over is written before what comes after it."""

    def forget(self, partitions: Iterable[Partition]) -> None:
        """What is folded in memory belongs to the lease it was folded under."""
        self._unfold(partitions)
        for partition in partitions:
            self._passed.pop(partition, None)

    async def handle(self, batch: Batch) -> None:
        """On who follows and can trade as it was committed before these events were journaled, or later."""
        await self._directory.confirm()
        await together(self._partition(partition, events) for partition, events in batch.items())

    async def settle(self, partitions: Iterable[Partition]) -> None:
        """Write how far these were read, in one transaction; what is stale by then is not ours to write."""
        async with self._passing:
            passed = {each: self._passed.pop(each) for each in partitions if each in self._passed}
            try:
                await self._plans.pass_over(
                    [
                        Passage(partition, each.epoch, each.offset, tuple(each.positions.values()))
                        for partition, each in passed.items()
                    ]
                )
            except BaseException:
                for partition, earlier in passed.items():
                    self._passed[partition] = earlier.followed_by(self._passed.get(partition))
                raise

    async def keep_settling(self) -> None:
        """Until cancelled: readers come by far more often than anything needs to be written."""
        while True:
            await self._clock.sleep(_SETTLE_S)
            try:
                await self.settle(list(self._passed))
            except Unavailable as problem:
                _log.warning("replicate.unsettled", problem=str(problem), partitions=len(self._passed))

    def _unfold(self, partitions: Iterable[Partition]) -> None:
        gone = set(partitions)
        self._states = {
            account: state for account, state in self._states.items() if partition_of(account) not in gone
        }
        self._order_books.forget(gone)
        for partition in gone:
            self._done.pop(partition, None)

    async def _partition(self, partition: Partition, events: Sequence[Event]) -> None:
        """What fails is read anew: a commit whose answer was lost may stand, or may not."""
        try:
            epoch = self._partitions.lease(partition).epoch
            done = await self._done_of(partition)
            new = [event for event in events if event.offset > done]
            if new:
                await self._in_order(partition, new, epoch)
        except BaseException:
            self._unfold([partition])
            raise

    async def _done_of(self, partition: Partition) -> Offset:
        """What memory alone knows is written before the rest is read."""
        if partition not in self._done:
            await self.settle([partition])
            self._done[partition] = (await self._offsets.load(CONSUMER, [partition]))[partition]
        return self._done[partition]

    async def _in_order(self, partition: Partition, events: Sequence[Event], epoch: Epoch) -> None:
        await self._load_states({event.fact.account_id for event in events})
        for event in events:
            leader = event.fact.account_id
            before = self._states[leader]
            after = before.after(event)
            if not await self._copied(event, before, epoch):
                self._pass(event, after, epoch)
            self._states[leader] = after
            self._order_books.fold(event)
            self._done[partition] = event.offset

    async def _copied(self, event: Event, before: LeaderState, epoch: Epoch) -> bool:
        """Fills concern everyone, orders those who mirror them and have something to do about them."""
        body, leader = event.fact.body, event.fact.account_id
        if not isinstance(body, Fill | OrderReport):
            return False
        mirrors = self._directory.mirrors_of(leader)
        subscriptions = self._directory.of_leader(leader) if isinstance(body, Fill) else mirrors
        if not subscriptions:
            return False
        orders = await self._order_books.before(event) if mirrors else {}
        if not (isinstance(body, Fill) or concerns_copies(orders, event)):
            return False
        await self._replicate(event, body, replace(before, orders=orders), subscriptions, epoch)
        return True

    def _pass(self, event: Event, after: LeaderState, epoch: Epoch) -> None:
        """Past what nobody copies: noted now, written a moment later."""
        passed = self._passed.get(event.partition)
        if passed is None or passed.epoch != epoch:
            passed = self._passed[event.partition] = _Passed(epoch, event.offset)
        passed.add(event, after)

    async def _load_states(self, accounts: set[AccountId]) -> None:
        missing = accounts - self._states.keys()
        if missing:
            self._states.update(await self._plans.leader_states(missing))

    async def _replicate(
        self,
        event: Event,
        body: Traded,
        before: LeaderState,
        subscriptions: Sequence[Subscription],
        epoch: Epoch,
    ) -> None:
        """The first chunk alone and small, so that an order leaves at once; the others side by side."""
        began = self._clock.monotonic_ns()
        leader = await self._views.leader(before, subscriptions)
        market = await self._views.market(body, subscriptions)
        with self._span(event, len(subscriptions)) as span:
            traced = replace(event, traceparent=traceparent_of(span) or event.traceparent)
            work = _Work(traced, body, leader, market, epoch)
            first, *others = self._chunks(rotated(subscriptions, event.offset))
            await self._chunk(work, first)
            await together(self._chunk(work, each) for each in others)
            await self._close(event, before.after(event), epoch)
        self._metrics.counter(PLANS).labels(event.fact.kind.value).inc()
        self._metrics.histogram(PLAN_SECONDS).observe((self._clock.monotonic_ns() - began) / 1e9)

    def _chunks(self, served: Sequence[Subscription]) -> list[Sequence[Subscription]]:
        size = self._chunk_followers
        first = min(size, _FIRST_FOLLOWERS)
        starts = range(first, len(served), size)
        return [served[:first], *(served[start : start + size] for start in starts)]

    async def _close(self, event: Event, after: LeaderState, epoch: Epoch) -> None:
        """The offset moves past the event and all that was passed over before it."""
        async with self._passing:
            passed = self._passed.pop(event.partition, None)
        positions = tuple(passed.positions.values()) if passed and passed.epoch == epoch else ()
        try:
            await self._plans.commit_chunk(
                Chunk(event.partition, epoch, event, (), after, move_offset=True, passed=positions)
            )
        except BaseException:
            if passed is not None:
                self._passed[event.partition] = passed.followed_by(self._passed.get(event.partition))
            raise

    async def _chunk(self, work: "_Work", subscriptions: Sequence[Subscription]) -> None:
        """Decide and commit; what was decided on a ledger that has moved since is decided again."""
        async with self._room:
            leader = await self._views.leader_orders(work.leader, work.body, _by_fills(subscriptions))
            copiers, seen = await self._views.copiers(subscriptions, work.body, work.beside)
            for _ in range(_REDECIDE_MAX):
                decisions = await self._decide(work, leader, copiers)
                committed = await self._commit(work, decisions, seen)
                self._dispatcher.dispatch(
                    [order for decision in committed.inserted for order in decision.orders],
                    work.event.traceparent,
                    [command for decision in committed.inserted for command in decision.commands],
                )
                self.count(committed.inserted)
                if not committed.outdated:
                    return
                again = [each for each in subscriptions if each.subscription_id in committed.outdated]
                copiers, seen = await self._views.with_ledgers(
                    again, work.body, committed.ledgers, work.beside
                )
            raise Unavailable(f"the ledgers of {work.event.fact.identity} never hold still")

    async def _decide(
        self, work: "_Work", leader: LeaderState, copiers: Sequence[Copier]
    ) -> tuple[Decision, ...]:
        """A few at a time, and of one chunk alone: whatever else waits for the loop goes in between."""
        decisions: list[Decision] = []
        mirrors = any(each.subscription.mode is CopyMode.ON_ORDER for each in copiers)
        at_once = _MIRRORS_AT_ONCE if mirrors else _AT_ONCE
        for start in range(0, len(copiers), at_once):
            few = copiers[start : start + at_once]
            async with self._turn:
                for known, some in _by_mode(few, leader, work.leader):
                    decisions += plan_chunk(work.event, known, some, work.market).decisions
                await asyncio.sleep(0)
        return tuple(decisions)

    async def _commit(
        self, work: "_Work", decisions: tuple[Decision, ...], seen: Mapping[LedgerKey, Ledger]
    ) -> Committed:
        began = self._clock.monotonic_ns()
        chunk = Chunk(work.event.partition, work.epoch, work.event, decisions, seen=seen)
        committed = await self._plans.commit_chunk(chunk)
        self._metrics.histogram(COMMIT_SECONDS).observe((self._clock.monotonic_ns() - began) / 1e9)
        return committed

    def count(self, decisions: Sequence[Decision]) -> None:
        """Whoever decided them."""
        counts = Counter((each.outcome.value, each.reason.value if each.reason else "") for each in decisions)
        for (outcome, reason), count in counts.items():
            self._metrics.counter(DECISIONS).labels(outcome, reason).inc(count)

    def _span(self, event: Event, followers: int) -> AbstractContextManager[Span]:
        return self._telemetry.span(
            "replicator plan",
            kind=SpanKind.CONSUMER,
            parent=context_of(event.traceparent),
            attributes={"paceline.event": event.fact.identity, "paceline.followers": followers},
        )


@dataclass(slots=True)
class _Passed:
    """Events that nobody copies, and where they left the positions."""

    epoch: Epoch
    offset: Offset
    positions: dict[tuple[AccountId, InstrumentKey], Moved] = field(default_factory=dict)

    def add(self, event: Event, after: LeaderState) -> None:
        self.offset = event.offset
        body, account = event.fact.body, event.fact.account_id
        if not isinstance(body, OrderReport):
            self.positions[account, body.key] = Moved(account, body.key, after.position(body.key))

    def followed_by(self, later: "_Passed | None") -> "_Passed":
        """Both as one; another lease has read everything anew."""
        if later is None:
            return self
        if later.epoch != self.epoch:
            return later
        return _Passed(self.epoch, later.offset, self.positions | later.positions)


@dataclass(frozen=True, slots=True)
class _Work:
    """What the chunks of one event share."""

    event: Event
    body: Traded
    leader: LeaderState
    """With his orders as they were before the event, where somebody mirrors them."""
    market: Market
    epoch: Epoch

    @property
    def beside(self) -> Collection[BrokerOrderId]:
        return self.leader.orders.keys() - {self.body.order_id}


def _by_fills(subscriptions: Sequence[Subscription]) -> Sequence[Subscription]:
    return [each for each in subscriptions if each.mode is CopyMode.ON_FILL]


def _by_mode(
    copiers: Sequence[Copier], of_fills: LeaderState, of_orders: LeaderState
) -> Iterable[tuple[LeaderState, Sequence[Copier]]]:
    """Who copies fills is sized by the leader's orders as they are by now, who mirrors them as they were."""
    mirrors = [each for each in copiers if each.subscription.mode is CopyMode.ON_ORDER]
    if not mirrors:
        return [(of_fills, copiers)]
    others = [each for each in copiers if each.subscription.mode is CopyMode.ON_FILL]
    return [(of_fills, others), (of_orders, mirrors)]
