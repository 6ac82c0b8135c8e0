"""Changes to orders placed or planned before: judged by what the order is, carried out once it can be.

A change is taken in by its row, whoever told of it. It waits while its order's fate is open, folds into a row
that was never sent, goes through the account's desk where the order works, and is looked up in the book where
nobody knows what became of it. Several for one order come to the latest; nothing comes after a cancellation.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum, auto

import structlog

from paceline.domain.changing import Step, Todo, ended, governing, reconciled, todo
from paceline.domain.copy_order import CommandKind, CommandStatus, CopyCommand, CopyOrder, CopyStatus
from paceline.domain.copying.fold import Resized, Told, Withdrawn
from paceline.domain.errors import BrokerError, BrokerOutcomeUnknown, BrokerRejected, NotOwner, Unavailable
from paceline.domain.execution import Command
from paceline.domain.ids import CommandId, CopyOrderId, Epoch, Partition
from paceline.domain.money import ZERO
from paceline.domain.order import BrokerStatus, OrderReport
from paceline.domain.order_states import TERMINAL
from paceline.domain.partitioning import partition_of
from paceline.ports.clock import Clock
from paceline.ports.copy_commands import CommandResult, CommandRow, CopyCommands
from paceline.ports.copy_orders import CopyOrders
from paceline.runtime.metric_names import CHANGES
from paceline.runtime.metrics import Metrics
from paceline.runtime.partitions import Partitions
from services.executor.floor import Floor
from services.executor.outcome import Answer, CancelTaken, Outcome
from services.executor.takeover import Reconciler, Sought

_log = structlog.get_logger(__name__)

_RETRY_S = 0.2
_PACE_S = 0.005
"""News of one moment is judged by one reading of rows."""
_TAKEN_MAX = 3
"""A broker that takes a cancellation so often and does nothing will not do it."""
_NS_PER_MS = 1_000_000
_SENDS = {Step.SEND_CANCEL: CommandKind.CANCEL, Step.SEND_MODIFY: CommandKind.MODIFY}
_STILL_OPEN = (CommandStatus.PLANNED, CommandStatus.UNKNOWN)


class _Stage(Enum):
    WAITING = auto()
    SENDING = auto()
    """At the account's desk, or in the air."""
    SOUGHT = auto()
    """Its order is looked up in the broker's book."""
    WRITING = auto()


@dataclass(slots=True)
class _Change:
    command: CopyCommand
    epoch: Epoch
    attempts: int
    maybe_sent: bool
    """By a former owner, or by one who lost the answer: looked up before it is sent."""
    stage: _Stage = _Stage.WAITING
    sends: CommandKind | None = None
    refusal: BrokerError | None = None
    taken: int = 0
    """How often the broker took a cancellation, whoever sent it."""
    filled: Decimal = ZERO
    """Of its order, as the broker's book showed it: the row may not know yet."""
    outdated: bool = False
    """A later one says what shall be; only whether this one happened is still found out."""


class Changes:
    """Keeps the open changes of what is held here; `run` goes on with those that something is known of."""

    def __init__(
        self,
        copy_orders: CopyOrders,
        copy_commands: CopyCommands,
        floor: Floor,
        reconciler: Reconciler,
        partitions: Partitions,
        clock: Clock,
        metrics: Metrics,
        put: Callable[[Outcome], None],
        sweep_after_ms: int,
    ) -> None:
        self._copy_orders = copy_orders
        self._copy_commands = copy_commands
        self._floor = floor
        self._reconciler = reconciler
        self._partitions = partitions
        self._clock = clock
        self._metrics = metrics
        self._put = put
        self._sweep_after_ns = sweep_after_ms * _NS_PER_MS
        self._open: dict[CopyOrderId, dict[CommandId, _Change]] = {}
        self._stirred: set[CopyOrderId] = set()
        self._news = asyncio.Event()
        self._judging = asyncio.Lock()

    async def bring(self, commands: Sequence[CopyCommand]) -> tuple[int, int, list[CommandId]]:
        """How many came in, how many were known or over, and those that are not served here.

        The rows are read: what a message says of them may be old news. Raises `Unavailable`.
        """
        foreign = [each.command_id for each in commands if not self._serves(each)]
        ours = [each for each in commands if self._serves(each)]
        wanted = [each.command_id for each in ours if not self._knows(each)]
        rows = await self._copy_commands.by_ids(wanted) if wanted else {}
        new = self._take_in(rows[each] for each in wanted if each in rows)
        await self._judge({rows[each].command.copy_order_id for each in new})
        return len(new), len(ours) - len(new), foreign

    async def take_over(self, partitions: Collection[Partition]) -> None:
        """Everything open of partitions that are new to us."""
        self._take_in(await self._copy_commands.open_commands(list(partitions)))

    async def sweep(self, partitions: Collection[Partition], rows_max: int) -> None:
        """Take in what no message brought, and look at all that waits once more."""
        now_ns = self._clock.now_ns()
        rows = await self._copy_commands.open_commands(list(partitions), rows_max)
        self._take_in(
            each
            for each in rows
            if self._serves(each.command) and now_ns - each.written_ns >= self._sweep_after_ns
        )
        self._stir(self._open)

    def claims(self, copy_order_id: CopyOrderId) -> bool:
        """Whether a change wants to know of the order before it is sent (again)."""
        return copy_order_id in self._open

    def told(self, order: CopyOrder) -> None:
        """Something became known of it."""
        if order.copy_order_id in self._open:
            self._stir([order.copy_order_id])

    def answered(self, answer: Answer) -> None:
        """A request came back, or will not."""
        command = answer.command
        change = self._find(command.change) if command.change else None
        if change is None:
            return
        order, change.attempts, change.refusal = command.order, answer.attempts, None
        match answer.told:
            case Resized() as resized:
                self._write(change, order, CommandStatus.DONE, resized, answer.sent_ns)
            case CancelTaken():
                change.taken += 1
                self._record(change, order, CommandStatus.PLANNED, sent_ns=answer.sent_ns)
                self._seek(change, order, patiently=True)
            case BrokerOutcomeUnknown() as problem:
                change.refusal = problem
                self._record(change, order, CommandStatus.UNKNOWN, sent_ns=answer.sent_ns)
                self._seek(change, order)
            case BrokerError() as problem:
                change.refusal = problem
                self._seek(change, order)
        self._stir([order.copy_order_id])

    def written(self, outcome: Outcome) -> None:
        """Its row says what became of it, unless it could not be carried out as judged."""
        result = outcome.change
        mine = self._open.get(outcome.order.copy_order_id, {})
        change = mine.get(result.command_id) if result else None
        if result is None or change is None or change.stage is not _Stage.WRITING:
            return
        if not outcome.carried_out:
            change.stage = _Stage.WAITING
        elif result.status not in _STILL_OPEN:
            del mine[result.command_id]
            if not mine:
                del self._open[outcome.order.copy_order_id]
                self._floor.release(outcome.order.copy_order_id)
            self._metrics.counter(CHANGES).labels(change.command.kind, result.status).inc()
        self._stir([outcome.order.copy_order_id])

    def shown(self, sought: Sought, report: OrderReport | None, *, settled: bool) -> bool:
        """What the broker's book says of its order; whether that settles it.

        `settled`: all that was ever sent has arrived by now, so what is not to be seen did not happen.
        """
        change = self._find(sought.command)
        if change is None:
            return True
        status = CommandStatus.PLANNED if report is None else reconciled(change.command, report)
        if status is CommandStatus.PLANNED:
            if not settled or (report is not None and report.status is BrokerStatus.IN_TRANSIT):
                return False
            self._not_done(change, sought.order, report)
        elif report is not None:
            stands = change.command.spec is not None and not report.status.terminal
            told = Resized(change.command.spec, change.command.command_id) if stands else report  # type: ignore[arg-type]  # it has one
            self._write(change, sought.order, status, told)
        return True

    def leave(self, partitions: Iterable[Partition]) -> None:
        """They are someone else's."""
        gone = set(partitions)
        for copy_order_id, changes in list(self._open.items()):
            if any(partition_of(each.command.account_id) in gone for each in changes.values()):
                del self._open[copy_order_id]
        self._stirred &= self._open.keys()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._news.wait()
            await self._clock.sleep(_PACE_S)
            self._news.clear()
            try:
                await self._judge(set(self._stirred))
            except Unavailable as problem:
                _log.warning("changes.unread", problem=str(problem), waiting=len(self._open))
                await self._clock.sleep(_RETRY_S)
                self._news.set()

    def _serves(self, command: CopyCommand) -> bool:
        return self._floor.serves(partition_of(command.account_id))

    def _knows(self, command: CopyCommand) -> bool:
        return self._find(command) is not None

    def _find(self, command: CopyCommand) -> _Change | None:
        return self._open.get(command.copy_order_id, {}).get(command.command_id)

    def _take_in(self, rows: Iterable[CommandRow]) -> list[CommandId]:
        """What was written before our lease began may have been sent by the owner before."""
        new = []
        for row in rows:
            command = row.command
            try:
                lease = self._partitions.lease(partition_of(command.account_id))
            except NotOwner:
                continue
            if not command.open or self._knows(command):
                continue
            maybe_sent = command.status is CommandStatus.UNKNOWN or row.written_ns < lease.acquired_ns
            change = _Change(command, lease.epoch, row.attempts, maybe_sent, taken=row.taken)
            self._open.setdefault(command.copy_order_id, {})[command.command_id] = change
            new.append(command.command_id)
            self._stir([command.copy_order_id])
        return new

    def _stir(self, copy_order_ids: Iterable[CopyOrderId]) -> None:
        self._stirred.update(copy_order_ids)
        if self._stirred:
            self._news.set()

    async def _judge(self, copy_order_ids: Collection[CopyOrderId]) -> None:
        """By rows as they are; what is stirred while they are read is read again."""
        async with self._judging:
            self._stirred -= set(copy_order_ids)
            wanted = [each for each in copy_order_ids if each in self._open]
            if not wanted:
                return
            try:
                rows = await self._copy_orders.by_ids(wanted)
            except Unavailable:
                self._stirred.update(wanted)
                raise
            for each in wanted:
                if each in rows and each in self._open and each not in self._stirred:
                    self._decide(rows[each].order)

    def _decide(self, order: CopyOrder) -> None:
        mine = sorted(self._open[order.copy_order_id].values(), key=_age)
        if any(each.stage is _Stage.WRITING for each in mine):
            return
        if order.status in TERMINAL:
            for each in mine:
                self._over(each, order, ended(each.command, order.status))
            return
        top = governing([each.command for each in mine if not each.outdated])
        others = [each for each in mine if each.command is not top]
        if not self._all_give_way(others, top, order) or top is None:
            return
        self._go_on(self._open[order.copy_order_id][top.command_id], order)

    def _all_give_way(self, others: Iterable[_Change], top: CopyCommand | None, order: CopyOrder) -> bool:
        ways = [self._gives_way(each, top, order) for each in others]
        return all(ways)

    def _gives_way(self, change: _Change, to: CopyCommand | None, order: CopyOrder) -> bool:
        """An older change is superseded, unless it may still arrive at the broker after the newer one."""
        change.outdated = True
        if change.stage is _Stage.SENDING:
            if not self._floor.drop(order.account_id, change.command.command_id):
                return False
            change.stage = _Stage.WAITING
        if change.stage is _Stage.WAITING and change.maybe_sent:
            if order.status is CopyStatus.UNKNOWN:
                return True
            if order.status is not CopyStatus.PLANNED:
                self._seek(change, order)
            elif not self._floor.unsent(order):
                return True
        if change.stage is _Stage.SOUGHT:
            return to is None or to.kind is CommandKind.CANCEL
        self._over(change, order, CommandStatus.SUPERSEDED)
        return True

    def _go_on(self, change: _Change, order: CopyOrder) -> None:
        if change.stage is _Stage.SOUGHT:
            return
        unsent = order.status is CopyStatus.PLANNED and self._floor.unsent(order)
        known = replace(order, filled=max(order.filled, change.filled))
        following = todo(change.command, known, in_flight=not unsent)
        if change.stage is _Stage.SENDING and not self._misfit(change, following, order):
            return
        match following.step:
            case Step.WITHDRAW | Step.FOLD:
                self._fold(change, order)
            case Step.SEND_CANCEL | Step.SEND_MODIFY:
                self._send(change, order, _SENDS[following.step])
            case Step.OVER if following.status is not None:
                self._over(change, order, following.status)

    def _misfit(self, change: _Change, following: Todo, order: CopyOrder) -> bool:
        """What waits at the desk is another request than what is wanted now, and waits there no more."""
        if _SENDS.get(following.step) is change.sends:
            return False
        if not self._floor.drop(order.account_id, change.command.command_id):
            return False
        change.stage = _Stage.WAITING
        return True

    def _fold(self, change: _Change, order: CopyOrder) -> None:
        attempts, spec = self._floor.take_back(order), change.command.spec
        told = Withdrawn() if spec is None else Resized(spec, change.command.command_id)
        self._write(change, order, CommandStatus.FOLDED, told, attempts=attempts)

    def _send(self, change: _Change, order: CopyOrder, kind: CommandKind) -> None:
        if change.maybe_sent or order.broker_order_id is None:
            self._seek(change, order)
            return
        change.stage, change.sends = _Stage.SENDING, kind
        self._floor.change(Command(kind, order, change.command), change.attempts)

    def _seek(self, change: _Change, order: CopyOrder, *, patiently: bool = False) -> None:
        change.stage = _Stage.SOUGHT
        self._reconciler.seek(change.command, order, patiently=patiently)

    def _not_done(self, change: _Change, order: CopyOrder, report: OrderReport | None) -> None:
        """It may be sent again, but not for ever; what the broker refused is refused for good. Only a cut to
        less than is filled is a cancellation.
        """
        if report is not None:
            change.filled = max(change.filled, report.filled)
        spec = change.command.spec
        if change.sends is CommandKind.MODIFY and spec is not None and spec.quantity <= change.filled:
            change.refusal = None
        if change.taken >= _TAKEN_MAX:
            change.refusal = BrokerRejected("taken again and again, and without effect", code="INEFFECTIVE")
        if change.refusal is not None and not isinstance(change.refusal, BrokerOutcomeUnknown):
            self._write(change, order, CommandStatus.REJECTED, report)
            _log.error(
                "changes.refused",
                account=order.account_id,
                tag=order.tag,
                command=change.command.kind,
                problem=str(change.refusal),
            )
            return
        change.stage, change.maybe_sent = _Stage.WAITING, False
        if report is not None and order.broker_order_id is None:
            self._put(Outcome(order, report, change.epoch, 0))
        self._stir([order.copy_order_id])

    def _over(self, change: _Change, order: CopyOrder, status: CommandStatus) -> None:
        """Nothing is left to do; what is in the air lands first."""
        name = change.command.command_id
        if change.stage is _Stage.SENDING and not self._floor.drop(order.account_id, name):
            return
        self._reconciler.unseek(change.command)
        self._write(change, order, status, None)

    def _write(
        self,
        change: _Change,
        order: CopyOrder,
        status: CommandStatus,
        told: Told | None,
        sent_ns: int = 0,
        attempts: int = 0,
    ) -> None:
        """`attempts` are those of the order."""
        change.stage = _Stage.WRITING
        result = _result(change, status, sent_ns)
        self._put(Outcome(order, told, change.epoch, attempts, change=result))

    def _record(self, change: _Change, order: CopyOrder, status: CommandStatus, *, sent_ns: int) -> None:
        self._put(Outcome(order, None, change.epoch, 0, change=_result(change, status, sent_ns)))


def _result(change: _Change, status: CommandStatus, sent_ns: int) -> CommandResult:
    """A refusal is kept with whatever it came to."""
    refusal = change.refusal
    return CommandResult(
        command_id=change.command.command_id,
        partition=partition_of(change.command.account_id),
        status=status,
        attempts=change.attempts,
        error_code=refusal.code if refusal else "",
        error_text=refusal.words if refusal else "",
        sent_ns=sent_ns or None,
        taken=change.taken,
    )


def _age(change: _Change) -> tuple[int, CommandId]:
    return change.command.planned_ns, change.command.command_id
