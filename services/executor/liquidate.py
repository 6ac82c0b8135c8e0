"""Liquidations of the accounts that are held here: each is a task that goes on until it is flat.

What a task knows is in the tables and in the broker's books: whoever takes a partition over goes on where
they stand. Every order is a row with a name of its own, so that nothing is sold twice whoever dies when.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

import structlog

from paceline.domain.copy_order import Cause, CauseKind, CopyCommand, CopyOrder
from paceline.domain.copying.build import Origin
from paceline.domain.copying.changes import cancelled
from paceline.domain.copying.tags import decision_id_of
from paceline.domain.errors import BrokerAuthFailed, BrokerError, NotOwner, PacelineError, Unavailable
from paceline.domain.ids import AccountId, Epoch, LiquidationId, Partition
from paceline.domain.liquidation import (
    Liquidation,
    LiquidationLevel,
    LiquidationState,
    Place,
    Todo,
    decide,
    lines_of,
    orders_of,
)
from paceline.domain.order import OrderReport
from paceline.domain.partitioning import partition_of
from paceline.ports.clock import Clock
from paceline.ports.liquidations import Act, Liquidations, Step
from paceline.runtime.log import RepeatGate
from paceline.runtime.metric_names import LIQUIDATIONS_RUNNING
from paceline.runtime.metrics import Metrics
from paceline.runtime.partitions import Partitions
from services.executor.freezes import Freezes
from services.executor.grouped import Grouped
from services.executor.hands import Hands
from services.executor.liquidation_view import Memory, Sight, Sights
from services.executor.outcome import Outcome
from services.executor.turns import Rank, Turns

_log = structlog.get_logger(__name__)

_LOOK_S = 2.0
_WATCH_S = 0.5
_STIRRED_S = 0.25
"""News of one moment is one look."""
_LOOKS_AT_ONCE = 64
_ACTS_AT_ONCE = 100
"""Accounts in one transaction."""
_FROZEN = "nothing else is sent from here on"
_WAITING_PACES = 4
"""A state that waits is looked at so much less often."""

_S = LiquidationState


@dataclass(frozen=True, slots=True)
class Outlets:
    """What a liquidation lets others do."""

    take_in: Callable[[Iterable[CopyOrder]], object]
    bring: Callable[[Sequence[CopyCommand]], Awaitable[object]]
    put: Callable[[Outcome], None]


@dataclass(slots=True)
class _Run:
    liquidation: Liquidation
    memory: Memory
    stirred: asyncio.Event = field(default_factory=asyncio.Event)
    flat_ns: int | None = None
    """When a position book that was flat was asked for."""
    words: str = ""
    task: asyncio.Task[None] | None = None

    @property
    def rank(self) -> Rank:
        """Whom nothing was done for yet goes first, and of these who has least left of his own."""
        of = self.liquidation
        level = Decimal("Infinity") if of.margin_level is None else of.margin_level
        return self.memory.looks is not None, not of.whole, level


class Liquidator:
    """`run` takes up whatever is stored and not done, whoever stored it."""

    def __init__(
        self,
        liquidations: Liquidations,
        freezes: Freezes,
        sights: Sights,
        hands: Hands,
        outlets: Outlets,
        partitions: Partitions,
        clock: Clock,
        metrics: Metrics,
        settle_ms: int,
    ) -> None:
        self._liquidations = liquidations
        self.freezes = freezes
        self._sights = sights
        self._hands = hands
        self._outlets = outlets
        self._partitions = partitions
        self._clock = clock
        self._running_gauge = metrics.gauge(LIQUIDATIONS_RUNNING)
        self._settle_ns = settle_ms * 1_000_000
        self._pace_s = max(settle_ms / 2_000, _STIRRED_S / 5)
        self._breath_s = min(settle_ms / 8_000, _STIRRED_S)
        self._runs: dict[LiquidationId, _Run] = {}
        self._turns = Turns(_LOOKS_AT_ONCE)
        self._unseen: set[LiquidationId] = set()
        """Nothing was done for these yet: others look again a while later."""
        self._all_seen = asyncio.Event()
        self._acts: Grouped[Act, Sequence[CopyOrder]] = Grouped(self._carry_out, _ACTS_AT_ONCE)
        self._gate = RepeatGate(clock)

    async def begin(self, wanted: Liquidation, freeze_version: int = 0) -> Liquidation:
        """As `begin_all`, of one. Raises what is in its way, and `Unavailable` where the freeze that was
        named is not to be seen yet.
        """
        (stored,) = await self.begin_all([wanted])
        if isinstance(stored, PacelineError):
            raise stored
        freeze = self.freezes.of(stored.account_id)
        if freeze_version and (freeze is None or freeze.version < freeze_version):
            raise Unavailable(f"freeze {freeze_version} of {stored.account_id} is not to be seen yet")
        return stored

    async def begin_all(self, wanted: Sequence[Liquidation]) -> Sequence[Liquidation | PacelineError]:
        """Stored, known to whoever sends, and under way when it returns; each, or what is in its way."""
        answers = await self._liquidations.create(self._epochs(wanted), wanted)
        stored = [each for each in answers if isinstance(each, Liquidation)]
        if whole := [each.account_id for each in stored if each.whole]:
            await self.freezes.reload(whole)
        self._start(stored)
        return answers

    async def watch(self, of: Liquidation) -> AsyncIterator[Step]:
        """Every step from the first, until it is done. Raises `NotOwner` once somebody else goes on."""
        number = 0
        while True:
            self._partitions.lease(partition_of(of.account_id))
            steps = await self._liquidations.steps(of.liquidation_id, after=number)
            for step in steps:
                number = step.number
                yield step
                if step.state is _S.DONE:
                    return
            if not steps:
                await self._clock.sleep(_WATCH_S)

    async def prepare(self, partitions: Collection[Partition]) -> None:
        """Before anything of them is sent."""
        await self.freezes.gain(partitions)
        for each in await self._liquidations.running(partitions):
            self.freezes.begin(each)

    async def leave(self, partitions: Iterable[Partition]) -> None:
        """They are someone else's."""
        gone = set(partitions)
        left = [each for each in self._runs.values() if partition_of(each.liquidation.account_id) in gone]
        for run in left:
            self._runs.pop(run.liquidation.liquidation_id, None)
            self._saw(run)
        await _end(left)
        self.freezes.lose(gone)

    def stir(self, account_id: AccountId) -> None:
        """Something became known of an order of it."""
        for run in self._runs.values():
            if run.liquidation.account_id == account_id:
                run.stirred.set()

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                held = self._partitions.held()
                try:
                    self._start(await self._liquidations.running(held) if held else ())
                except Unavailable as problem:
                    _log.warning("liquidation.unreachable", problem=str(problem))
                self._count()
                await self._clock.sleep(_LOOK_S)
        finally:
            await _end(list(self._runs.values()))

    def _start(self, wanted: Iterable[Liquidation]) -> None:
        for each in wanted:
            if each.state is _S.DONE or each.liquidation_id in self._runs:
                continue
            since_ns = None if each.state is _S.STORED else self._clock.monotonic_ns()
            run = self._runs[each.liquidation_id] = _Run(each, Memory(since_ns))
            self._unseen.add(each.liquidation_id)
            self._all_seen.clear()
            self.freezes.begin(each)
            run.task = asyncio.create_task(self._go(run))

    def _saw(self, run: _Run) -> None:
        self._unseen.discard(run.liquidation.liquidation_id)
        if not self._unseen:
            self._all_seen.set()

    async def _go(self, run: _Run) -> None:
        name = run.liquidation.liquidation_id
        try:
            while not await self._turn(run):
                await self._pause(run)
        except NotOwner:
            _log.info("liquidation.left", liquidation=name, account=run.liquidation.account_id)
        except Exception:  # noqa: BLE001 - whatever broke, the next look takes it up where it stands
            _log.exception("liquidation.broken", liquidation=name, account=run.liquidation.account_id)
        finally:
            self._runs.pop(name, None)
        if run.liquidation.state is _S.DONE:
            self.freezes.end(name)

    async def _turn(self, run: _Run) -> bool:
        """Whether it is done. Nothing but the loss of the partition ends it otherwise."""
        try:
            return await self._pass(run)
        except NotOwner:
            raise
        except BrokerAuthFailed as problem:
            await self._wait(run, _S.WAITS_LOGIN, problem)
        except (BrokerError, Unavailable) as problem:
            await self._wait(run, _S.WAITS_BOOKS, problem)
        finally:
            self._saw(run)
        return False

    async def _wait(self, run: _Run, state: LiquidationState, problem: Exception) -> None:
        run.flat_ns = None
        try:
            await self._tell(run, state, str(problem))
        except Unavailable as away:
            _log.warning("liquidation.untold", account=run.liquidation.account_id, problem=str(away))

    async def _pass(self, run: _Run) -> bool:
        """One look, and what follows from it. A step is written before it is done; others look meanwhile."""
        of = run.liquidation
        if of.whole and self.freezes.of(of.account_id) is None:
            await self.freezes.reload([of.account_id])
        if of.level is LiquidationLevel.STOP_ENTRIES:
            await self._write(run, [])
            return await self._finish(run)
        async with self._turns.turn(run.rank):
            sight = await self._sights.look(of, run.memory)
        epoch = self._partitions.lease(partition_of(of.account_id)).epoch
        for row, report in sight.ended:
            self._outlets.put(Outcome(row.order, report, epoch, row.attempts))
        todo = decide(sight.view)
        if todo.flat and of.state is not _S.DONE:
            return await self._settled(run, sight)
        run.flat_ns = None
        await self._act(run, sight, todo)
        await self._tell(run, todo.state, todo.words)
        return False

    async def _settled(self, run: _Run, sight: Sight) -> bool:
        """Flat by this reading; done by two, far enough apart, with nothing of the account on its way."""
        if run.liquidation.level is not LiquidationLevel.FLATTEN:
            return await self._finish(run)
        if run.flat_ns is None:
            run.flat_ns = sight.asked_ns
        elif sight.asked_ns - run.flat_ns >= self._settle_ns:
            return await self._finish(run)
        await self._tell(run, _S.SETTLING, "flat by one reading")
        return False

    async def _finish(self, run: _Run) -> bool:
        of = run.liquidation
        partition = partition_of(of.account_id)
        waits = await self._liquidations.finish(partition, self._partitions.lease(partition).epoch, of)
        if waits:
            if self._gate.held_back((of.liquidation_id, waits)) is not None:
                _log.warning("liquidation.unsettled", account=of.account_id, problem=waits)
            await self._tell(run, _S.SETTLING, waits)
            return False
        run.liquidation = replace(of, state=_S.DONE)
        _log.warning("liquidation.done", account=of.account_id, liquidation=of.liquidation_id)
        return True

    async def _act(self, run: _Run, sight: Sight, todo: Todo) -> None:
        if sight.cancels:
            await self._cancel(run, sight.cancels, todo.state)
        if sight.withdrawals:
            await self._withdraw(run, sight.withdrawals)
        for place in todo.places:
            await self._place(run, sight, place)
        for change in todo.reprices:
            run.memory.touched_ns[change.order.tag] = sight.view.now_ns
            identity = f"reprice:{change.order.tag}:{change.limit}"
            words = f"chased to {change.limit}"
            await self._write(
                run, [Step(identity, todo.state, words, change.order.spec.key, change.order_id)]
            )
            await self._hands.reprice(run.liquidation.account_id, change.order_id, change.limit)
        excess = set(todo.excess)
        if excess:
            mine = sight.view.book.values()
            await self._cancel(run, [each for each in mine if each.order_id in excess], todo.state)

    async def _cancel(self, run: _Run, reports: Sequence[OrderReport], state: LiquidationState) -> None:
        steps = [
            Step(
                f"cancel:{each.order_id}",
                state,
                f"cancels {each.quantity - each.filled} open",
                each.key,
                each.order_id,
            )
            for each in reports
        ]
        await self._write(run, steps)
        account_id = run.liquidation.account_id
        await asyncio.gather(*(self._hands.cancel(account_id, each.order_id) for each in reports))

    async def _withdraw(self, run: _Run, orders: Sequence[CopyOrder]) -> None:
        """As any change to a copy: written ahead, folded where the row was never sent."""
        now_ns = self._clock.now_ns()
        commands = [cancelled(_origin(run.liquidation, each, now_ns), each) for each in orders]
        steps = [
            Step(f"cancel:{each.tag}", _S.CANCELLING, "takes a copy back", each.spec.key, each.tag)
            for each in orders
        ]
        await self._write(run, steps, commands=commands)
        await self._outlets.bring(commands)

    async def _place(self, run: _Run, sight: Sight, place: Place) -> None:
        of, market = run.liquidation, sight.view.markets[place.key]
        if market.instrument is None:
            return
        orders = orders_of(of, place, market.instrument, self._clock.now_ns())
        remaining = sight.view.held[place.key]
        words = f"{place.side.name} {place.quantity} at {place.limit}, last {place.reference}"
        step = Step(
            f"place:{orders[0].cause.identity}",
            _S.FLATTENING,
            words,
            place.key,
            orders[0].copy_order_id,
            remaining,
        )
        self._outlets.take_in(await self._write(run, [step], orders))

    async def _write(
        self,
        run: _Run,
        steps: Sequence[Step],
        orders: Sequence[CopyOrder] = (),
        commands: Sequence[CopyCommand] = (),
    ) -> Sequence[CopyOrder]:
        of = run.liquidation
        if of.state is _S.STORED:
            steps = [Step(f"state:{self._clock.now_ns()}", _S.FROZEN, _FROZEN), *steps]
        if not steps:
            return ()
        lines = lines_of(orders) if orders else ()
        new = await self._acts.ask(Act(of, steps, orders, lines, commands))
        run.liquidation = replace(of, state=steps[-1].state)
        return new

    async def _carry_out(self, acts: Sequence[Act]) -> Sequence[Sequence[CopyOrder] | NotOwner]:
        return await self._liquidations.act(self._epochs(each.of for each in acts), acts)

    def _epochs(self, of: Iterable[Liquidation]) -> dict[Partition, Epoch]:
        """Of the leases that are held here."""
        partitions = {partition_of(each.account_id) for each in of}
        return {each: self._partitions.lease(each).epoch for each in partitions & self._partitions.held()}

    async def _tell(self, run: _Run, state: LiquidationState, words: str) -> None:
        """A state that is new is a step; one that waits is alarmed for as long as it does."""
        of = run.liquidation
        if state.waits and self._gate.held_back((of.liquidation_id, state)) is not None:
            _log.error("liquidation.waits", account=of.account_id, state=state.value, problem=words)
        if of.state is state and (state.waits or run.words == words):
            return
        run.words = words
        await self._write(run, [Step(f"state:{self._clock.now_ns()}", state, words)])
        self._count()

    async def _pause(self, run: _Run) -> None:
        waits = run.liquidation.state.waits
        await self._clock.sleep(self._breath_s)
        await self._either(run.stirred, self._pace_s * (_WAITING_PACES if waits else 1))
        if self._unseen:
            await self._either(self._all_seen, self._pace_s)
        run.stirred.clear()

    async def _either(self, event: asyncio.Event, seconds: float) -> None:
        """What comes first."""
        waiting = asyncio.ensure_future(event.wait())
        sleeping = asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait((waiting, sleeping), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            sleeping.cancel()

    def _count(self) -> None:
        states = Counter(each.liquidation.state for each in self._runs.values())
        for state in LiquidationState:
            self._running_gauge.labels(state.value).set(states[state])


def _origin(of: Liquidation, order: CopyOrder, now_ns: int) -> Origin:
    identity = f"{of.prefix}cancel"
    return Origin(
        decision_id=decision_id_of(identity, of.subscription_id),
        cause=Cause(CauseKind.LIQUIDATION, identity),
        subscription_id=order.subscription_id or of.subscription_id,  # type: ignore[arg-type]  # copies have one
        follower=order.account_id,
        key=order.spec.key,
        leader_price=order.leader_price,
        leader_time_ns=now_ns,
        seen_ns=now_ns,
        planned_ns=now_ns,
        traceparent="",
    )


async def _end(runs: Sequence[_Run]) -> None:
    tasks = [run.task for run in runs if run.task is not None]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
