"""Outcomes back to their rows: in groups, fenced, retried until the database has them."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace

import structlog

from paceline.domain.copy_order import CopyStatus
from paceline.domain.copying.fold import Placed
from paceline.domain.errors import BrokerOutcomeUnknown, Unavailable
from paceline.domain.ids import Epoch, Partition
from paceline.ports.clock import Clock
from paceline.ports.copy_commands import CopyCommands
from paceline.ports.copy_orders import CopyOrders, SendResult
from paceline.ports.settlement import Settlement
from services.executor.lots import Lots
from services.executor.outcome import Outcome
from services.executor.settle import News, Settling

_log = structlog.get_logger(__name__)

_RETRY_S = 0.2
_GROUP_MAX = 500
_DRAIN_LOOK_S = 0.005
_GATHER_S = 0.03
"""Between the groups of a burst: orders that leave go before the writing of those that left."""

Group = Sequence[Outcome]
Epochs = Mapping[Partition, Epoch]
Written = Callable[[Outcome, CopyStatus], None]
"""Told once the row is written, with the status it has now."""


class Results:
    """One writer. What it is given it keeps until it is written, or the lease it stands under is lost."""

    def __init__(
        self,
        copy_orders: CopyOrders,
        copy_commands: CopyCommands,
        settlement: Settlement,
        lots: Lots,
        clock: Clock,
        written: Written,
    ) -> None:
        self._copy_orders = copy_orders
        self._copy_commands = copy_commands
        self._settlement = settlement
        self._lots = lots
        self._clock = clock
        self._written = written
        self._waiting: deque[Outcome] = deque()
        self._writing: frozenset[Partition] = frozenset()
        self._news = asyncio.Event()

    def put(self, outcome: Outcome) -> None:
        self._waiting.append(outcome)
        self._news.set()

    async def drained(self, partitions: Collection[Partition]) -> None:
        """Wait until nothing of these partitions waits to be written."""
        while self._writing & set(partitions) or any(each.partition in partitions for each in self._waiting):
            await self._clock.sleep(_DRAIN_LOOK_S)

    async def run(self) -> None:
        """Until cancelled: what is unwritten then stands as it stood, and is looked up by the next owner."""
        while True:
            await self._news.wait()
            group = [self._waiting.popleft() for _ in range(min(len(self._waiting), _GROUP_MAX))]
            if not self._waiting:
                self._news.clear()
            self._writing = frozenset(each.partition for each in group)
            news = [each for each in group if each.told is not None]
            await self._until_written(self._plain, [each for each in news if _touches_no_ledger(each)])
            await self._until_written(self._folded, [each for each in news if not _touches_no_ledger(each)])
            await self._until_written(self._changes, [each for each in group if each.told is None])
            self._writing = frozenset()
            if len(group) > 1 and len(self._waiting) < _GROUP_MAX:
                await self._clock.sleep(_GATHER_S)

    async def _until_written(self, write: Callable[[Group, Epochs], Awaitable[None]], group: Group) -> None:
        epochs = _newest(group)
        current = [each for each in group if each.epoch == epochs[each.partition]]
        while current:
            try:
                await write(current, epochs)
            except Unavailable as problem:
                _log.warning("results.unwritten", problem=str(problem), waiting=len(self._waiting))
                await self._clock.sleep(_RETRY_S)
            else:
                return

    async def _plain(self, group: Group, epochs: Epochs) -> None:
        """Accepted or lost: no quantity ends, so nothing but the row is touched."""
        recorded = await self._copy_orders.record_results(epochs, [_result(each) for each in group])
        for outcome in group:
            if outcome.partition not in recorded.stale:
                moved = outcome.order.tag in recorded.moved
                # a row that did not move was told more by the socket: whatever was lost, it is there
                self._written(outcome, _status_of(outcome) if moved else CopyStatus.WORKING)

    async def _folded(self, group: Group, epochs: Epochs) -> None:
        """Refused, given up, absent, or found in a book: the ledger follows in the same transaction."""
        instruments = await self._lots.of(each.order.spec.key.instrument_id for each in group)
        settling = Settling([_news(each) for each in group], instruments, self._clock.now_ns())
        settled = await self._settlement.settle(epochs, {}, [each.order.tag for each in group], settling)
        for outcome in group:
            after = settling.orders.get(outcome.order.tag)
            if outcome.partition not in settled.stale and after is not None:
                self._written(_as_carried_out(outcome, settling), after.status)

    async def _changes(self, group: Group, epochs: Epochs) -> None:
        """Nothing but what became of changes; of two words on one the later counts."""
        results = {each.change.command_id: each.change for each in group if each.change}
        recorded = await self._copy_commands.record(epochs, list(results.values()))
        for outcome in group:
            if outcome.partition not in recorded.stale:
                self._written(outcome, outcome.order.status)


def _as_carried_out(outcome: Outcome, settling: Settling) -> Outcome:
    if outcome.change is None or outcome.change.command_id in settling.changes:
        return outcome
    return replace(outcome, carried_out=False)


def _newest(group: Group) -> dict[Partition, Epoch]:
    """A partition lost and won again may be in a group twice: what was learned first is void."""
    epochs: dict[Partition, Epoch] = {}
    for each in group:
        epochs[each.partition] = max(each.epoch, epochs.get(each.partition, each.epoch))
    return epochs


def _touches_no_ledger(outcome: Outcome) -> bool:
    return isinstance(outcome.told, Placed | BrokerOutcomeUnknown)


def _status_of(outcome: Outcome) -> CopyStatus:
    return CopyStatus.WORKING if isinstance(outcome.told, Placed) else CopyStatus.UNKNOWN


def _news(outcome: Outcome) -> News:
    assert outcome.told is not None  # noqa: S101  # those without were sorted out
    return News(
        outcome.partition,
        outcome.order.account_id,
        outcome.order.tag,
        outcome.told,
        attempts=outcome.attempts,
        sent_ns=outcome.sent_ns,
        code=outcome.code,
        words=outcome.words,
        change=outcome.change,
    )


def _result(outcome: Outcome) -> SendResult:
    placed = outcome.told if isinstance(outcome.told, Placed) else None
    return SendResult(
        tag=outcome.order.tag,
        partition=outcome.partition,
        status=_status_of(outcome),
        attempts=outcome.attempts,
        broker_order_id=placed.broker_order_id if placed else None,
        error_code=outcome.code,
        error_text=outcome.words,
        sent_ns=outcome.sent_ns or None,
        accepted_ns=outcome.answered_ns if placed else None,
    )
