"""Where waiting commands become requests: order, then limits, then the wire."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable

import structlog

from paceline.domain.copy_order import CommandKind, CopyOrder, Lane
from paceline.domain.copying.fold import GivenUp
from paceline.domain.errors import NotOwner, Unavailable
from paceline.domain.execution import Command
from paceline.domain.ids import AccountId, CommandId, CopyOrderId, Partition
from paceline.domain.partitioning import partition_of
from paceline.ports.broker import Call, Limits, LimitScope
from paceline.ports.buckets import Take, Taken
from paceline.ports.clock import Clock
from paceline.runtime.meter import Meter, Ticket
from paceline.runtime.metric_names import BUCKET_WAIT_SECONDS, QUEUE_DEPTH
from paceline.runtime.metrics import Metrics
from paceline.runtime.partitions import Partitions
from services.executor.desk import Desk, Tries
from services.executor.flights import Flights, Patience, Refusal, Relogin, Send, nothing_refused
from services.executor.known import Known
from services.executor.outcome import Answer, Outcome

_log = structlog.get_logger(__name__)

_LONGEST_LOOK_S = 0.5
_STORE_AWAY_S = 0.1
_BATCH_MAX = 64
"""Asked for at once: so many requests leave before a grant grows old."""
_HINT_LIVES_NS = 30_000_000_000
_CLOCKS_APART_NS = 1_000_000_000
_LEASE_LOOK_NS = 200_000_000


class Floor:
    """All desks of the accounts held here. A copy order comes in once, however often it is brought."""

    def __init__(
        self,
        limits: Limits,
        send: Send,
        relogin: Relogin,
        meter: Meter,
        partitions: Partitions,
        clock: Clock,
        metrics: Metrics,
        put: Callable[[Outcome], None],
        patience: Patience,
        answered: Callable[[Answer], None],
        claimed: Callable[[CopyOrderId], bool],
        refusal: Refusal = nothing_refused,
    ) -> None:
        """`answered` hears of changes; what is `claimed` by one waits for it instead of being sent again."""
        self._limits = limits
        self._meter = meter
        self._partitions = partitions
        self._clock = clock
        self._metrics = metrics
        self._put = put
        self._need_ms = patience.need_ms
        self._burst = _burst(limits)
        self._desks: dict[AccountId, Desk] = {}
        self._known = Known()
        self._open: set[Partition] = set()
        self._claimed = claimed
        self._aside: dict[CopyOrderId, tuple[CopyOrder, int]] = {}
        self._news = asyncio.Event()
        self.flights = Flights(
            send, relogin, meter, partitions, clock, put, answered, patience, self._news.set, refusal
        )
        self._refusal = refusal

    def open(self, partitions: Iterable[Partition]) -> None:
        """What may have been sent of them by former owners is marked: the rest may come in."""
        self._open.update(partitions)

    def hint(self, orders: Iterable[CopyOrder]) -> tuple[int, int, list[CopyOrderId]]:
        """As `take_in`, but what may be older than all that is known here is left to the sweep, as known."""
        brought = list(orders)
        fresh = [order for order in brought if not self._may_be_old_news(order)]
        new, known, foreign = self.take_in(fresh)
        return new, known + len(brought) - len(fresh), foreign

    def take_in(self, orders: Iterable[CopyOrder]) -> tuple[int, int, list[CopyOrderId]]:
        """How many came in, how many were known, and those of accounts that are not held here."""
        new, known = 0, 0
        foreign: list[CopyOrderId] = []
        for order in orders:
            if not self.serves(partition_of(order.account_id)):
                foreign.append(order.copy_order_id)
            elif order.copy_order_id in self._known:
                known += 1
            else:
                new += 1
                self._enter(order)
        return new, known, foreign

    def knows(self, copy_order_id: CopyOrderId) -> bool:
        return copy_order_id in self._known

    def mark(self, order: CopyOrder) -> None:
        """Someone else finds out what became of it: it is not taken in until it is surely absent."""
        self._known.add(order)

    def send_again(self, order: CopyOrder, attempts: int) -> None:
        """Surely absent, or not withdrawn after all: the same step is sent."""
        if not self.serves(partition_of(order.account_id)):
            return
        if self._claimed(order.copy_order_id):
            self._known.add(order)
            self._aside[order.copy_order_id] = (order, attempts)
        else:
            self._enter(order, attempts)

    def unsent(self, order: CopyOrder) -> bool:
        """Of a planned row: it surely is not at the broker, and does not leave before it is asked again."""
        name = order.copy_order_id
        if name in self._aside or name not in self._known:
            return True
        desk = self._desks.get(order.account_id)
        return desk is not None and desk.waits(name)

    def take_back(self, order: CopyOrder) -> int:
        """An unsent order waits here no more; how often it was tried."""
        name = order.copy_order_id
        _, attempts = self._aside.pop(name, (order, 0))
        desk = self._desks.get(order.account_id)
        tries = desk.take_back(name) if desk else None
        self._known.add(order)
        return tries.sent if tries else attempts

    def release(self, copy_order_id: CopyOrderId) -> None:
        """Nothing claims it any more: what was laid aside goes."""
        order, attempts = self._aside.pop(copy_order_id, (None, 0))
        if order is not None:
            self._enter(order, attempts)

    def change(self, command: Command, attempts: int) -> None:
        """Last in its sequence; `answered` hears what became of it."""
        self._queue(command, attempts)

    def drop(self, account_id: AccountId, name: CommandId) -> bool:
        """Whether a change waited and waits no more; one in the air lands."""
        desk = self._desks.get(account_id)
        return desk is not None and desk.take_back(name) is not None

    def written(self, order: CopyOrder) -> None:
        """Its row says what became of it."""
        self._known.written(order, self._clock.monotonic_ns())

    def wake(self, accounts: Iterable[AccountId]) -> None:
        """They may have new tokens: what was held for want of one goes now."""
        for account_id in accounts:
            if account_id in self._desks:
                self._desks[account_id].wake()
        self._news.set()

    def leave(self, partitions: Iterable[Partition]) -> None:
        """What waits for them is someone else's."""
        gone = set(partitions)
        self._open -= gone
        self._desks = {each: desk for each, desk in self._desks.items() if partition_of(each) not in gone}
        self._known.leave(gone)
        self._aside = {
            each: kept for each, kept in self._aside.items() if partition_of(kept[0].account_id) not in gone
        }

    async def run(self) -> None:
        """Until cancelled; what is in the air then is UNKNOWN."""
        try:
            while True:
                await self._pause()
                self._news.clear()
                try:
                    await self._serve()
                except Unavailable as problem:
                    _log.warning("floor.no_limits", problem=str(problem))
                    await self._clock.sleep(_STORE_AWAY_S)
                    self._news.set()
        finally:
            await self.flights.cut()

    def serves(self, partition: Partition) -> bool:
        return partition in self._open and self._partitions.usable(partition)

    def _may_be_old_news(self, order: CopyOrder) -> bool:
        """From before the lease began, or so old that it may be forgotten here: only its row can tell."""
        partition = partition_of(order.account_id)
        if not self.serves(partition):
            return False
        began_ns = self._partitions.lease(partition).acquired_ns + _CLOCKS_APART_NS
        return order.planned_ns < max(began_ns, self._clock.now_ns() - _HINT_LIVES_NS)

    def _enter(self, order: CopyOrder, attempts: int = 0) -> None:
        self._known.add(order)
        self._queue(Command(CommandKind.PLACE, order), attempts)

    def _queue(self, command: Command, attempts: int) -> None:
        account_id = command.order.account_id
        desk = self._desks.get(account_id)
        if desk is None:
            desk = self._desks[account_id] = Desk(account_id, self._burst)
        desk.add(command, Tries(self._clock.monotonic_ns(), sent=attempts))
        self._news.set()

    async def _pause(self) -> None:
        """Until something comes in, or until the first of those who wait for a time may ask again."""
        if self._news.is_set():
            await self._clock.sleep(0)
            return
        waiting = asyncio.ensure_future(self._news.wait())
        sleeping = asyncio.ensure_future(self._clock.sleep(self._longest_pause_s()))
        try:
            await asyncio.wait((waiting, sleeping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            sleeping.cancel()

    def _longest_pause_s(self) -> float:
        if not self.flights.room:
            return _LONGEST_LOOK_S
        now_ns = self._clock.now_ns()
        waits = ((desk.quiet_until_ns - now_ns) / 1e9 for desk in self._desks.values() if desk.queue)
        return min(_LONGEST_LOOK_S, max(0.0, min(waits, default=_LONGEST_LOOK_S)))

    async def _serve(self) -> None:
        """One pass: everyone who may, as many as the windows grant, in one round trip for all."""
        wanted = self._wanted()
        self._known.forget(self._clock.monotonic_ns())
        if not wanted:
            self._tell_depth()
            return
        takes = [self._take(command) for _, command in wanted]
        for (desk, command), taken in zip(wanted, await self._meter.take(takes), strict=True):
            self._grant(desk, command, taken)
        self._news.set()

    def _take(self, command: Command) -> Take:
        call = Call(command.kind.value)
        cost = self._limits.cost[call]
        return Take(command.order.account_id, self._limits.windows, call, command.enters, cost)

    def _wanted(self) -> list[tuple[Desk, Command]]:
        """Of desks whose lease lasts long enough, what may go, no more than can leave at once."""
        now_ns, room = self._clock.now_ns(), min(_BATCH_MAX, self.flights.room)
        wanted: list[tuple[Desk, Command]] = []
        for desk in list(self._desks.values()):
            if desk.idle:
                del self._desks[desk.account_id]
            if not desk.queue or desk.quiet_until_ns > now_ns:
                continue
            if len(wanted) >= room:
                break
            if self._partitions.usable(partition_of(desk.account_id), self._need_ms):
                wanted += [(desk, command) for command in self._next_of(desk, now_ns)]
            else:
                desk.quiet_until_ns = now_ns + _LEASE_LOOK_NS
        return wanted[:room]

    def _next_of(self, desk: Desk, now_ns: int) -> Iterable[Command]:
        self._give_up_refused(desk)
        following = desk.next(now_ns)
        for command in following.aged:
            self._end(command, GivenUp("TOO_OLD"), desk)
        going = [command for command in following.send if self._refusal(command) is None]
        if following.send and not going:
            desk.quiet_until_ns = now_ns + _LEASE_LOOK_NS
        return going

    def _give_up_refused(self, desk: Desk) -> None:
        """All at once: nothing of a frozen account is kept waiting for a grant that it must not use."""
        refusals = [(command, self._refusal(command)) for command in desk.queue]
        for command, refusal in refusals:
            if isinstance(refusal, str):
                desk.drop(command)
                self._end(command, GivenUp(refusal), desk)

    def _grant(self, desk: Desk, command: Command, taken: Ticket | Taken) -> None:
        """A grant that cannot be used is lost; the windows count it all the same."""
        if isinstance(taken, Taken):
            refuse = desk.block_entries if command.enters else desk.block
            refuse(taken.retry_at_ns)
            return
        if self._desks.get(desk.account_id) is not desk or not desk.leaves(command):
            self._meter.land(taken)
            return
        try:
            epoch = self._partitions.lease(partition_of(desk.account_id)).epoch
        except NotOwner:
            self._meter.land(taken)
            desk.again(command)
            return
        waited_ns = self._clock.monotonic_ns() - desk.tries(command).entered_ns
        self._metrics.histogram(BUCKET_WAIT_SECONDS).labels(command.lane.name).observe(waited_ns / 1e9)
        self.flights.launch(desk, command, epoch, taken)

    def _end(self, command: Command, told: GivenUp, desk: Desk) -> None:
        """It is not sent, and its row shall say why."""
        epoch = self._partitions.lease(partition_of(desk.account_id)).epoch
        self._put(Outcome(command.order, told, epoch, desk.gone(command).sent))

    def _tell_depth(self) -> None:
        depth = Counter(command.lane for desk in self._desks.values() for command in desk.queue)
        for lane in Lane:
            self._metrics.gauge(QUEUE_DEPTH).labels(lane.name).set(depth[lane])


def _burst(limits: Limits) -> int:
    """The most that the windows of an account can ever grant at one moment."""
    counting = (each for each in limits.windows if each.scope is LimitScope.ACCOUNT)
    return min((each.calls for each in counting if Call.PLACE in each.counts), default=_BATCH_MAX)
