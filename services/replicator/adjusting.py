"""Carries out what somebody ordered of ledgers: a person's word, and corporate actions on their morning.

Nothing is traded. A ledger with anything on its way is left alone until that has come to rest.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import structlog

from paceline.domain.calendar import trading_day
from paceline.domain.copying.ordered import Ordered, OrderedState, Verdict, carry_out
from paceline.domain.errors import NotOwner, Unavailable
from paceline.domain.ids import Partition
from paceline.domain.instrument import Exchange
from paceline.domain.ledger import Ledger
from paceline.domain.subscription import SubscriptionState
from paceline.ports.clock import Clock
from paceline.ports.copy_commands import CopyCommands
from paceline.ports.lives import Tenancy
from paceline.ports.ordered import Adjusting
from paceline.ports.plans import LedgerKey, Plans
from paceline.ports.subscriptions import Subscriptions
from paceline.runtime.log import RepeatGate
from paceline.runtime.partitions import Partitions
from services.replicator.lives import Beginnings
from services.replicator.replicate import Replicator

_log = structlog.get_logger(__name__)

_LOOK_S = 0.5
_ACTIONS_NS = 10_000_000_000
_LONGEST_NS = 15_000_000_000
_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Ledgers:
    """Where ledgers and what is on its way in them are read."""

    adjusting: Adjusting
    plans: Plans
    copy_commands: CopyCommands
    subscriptions: Subscriptions


@dataclass(slots=True)
class _Pause:
    due_ns: int = 0
    length_ns: int = round(_LOOK_S * _NS)


class Adjustments:
    def __init__(
        self,
        ledgers: Ledgers,
        beginnings: Beginnings,
        replicator: Replicator,
        partitions: Partitions,
        clock: Clock,
    ) -> None:
        self._ledgers = ledgers
        self._beginnings = beginnings
        self._replicator = replicator
        self._partitions = partitions
        self._clock = clock
        self._pauses: dict[str, _Pause] = {}
        self._actions_due_ns = 0
        self._gate = RepeatGate(clock)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(_LOOK_S)
            try:
                await self._look()
            except (NotOwner, Unavailable) as problem:
                if self._gate.held_back("put off") is not None:
                    _log.info("adjustments.put_off", problem=str(problem))
            except Exception:  # noqa: BLE001 - one that cannot be carried out must not end the others' turn
                _log.error("adjustments.fault", exc_info=True)

    async def gain(self, tenancies: Sequence[Tenancy]) -> None:
        """Before the first event is read, so that nothing is copied on numbers of the day before."""
        await self._begin_actions(tenancies)
        await self._carry_out_due([each.partition for each in tenancies])

    async def _begin_actions(self, tenancies: Sequence[Tenancy]) -> None:
        """Those whose day has come; while nothing of these partitions is planned."""
        epochs = dict(tenancies)
        day = trading_day(Exchange.NSE, self._clock.now_ns())
        for action, partitions in await self._ledgers.adjusting.due(day, epochs):
            if not partitions:
                continue
            async with self._beginnings.still(partitions):
                await self._replicator.settle(partitions)
                ordered = await self._ledgers.adjusting.begin(
                    {each: epochs[each] for each in partitions}, action
                )
                self._replicator.forget(partitions)
            if ordered:
                _log.info("corporate_action.begun", action=action.action_id, ledgers=ordered)

    async def _look(self) -> None:
        held = self._partitions.held()
        now_ns = self._clock.monotonic_ns()
        if now_ns >= self._actions_due_ns:
            self._actions_due_ns = now_ns + _ACTIONS_NS
            await self._begin_actions([self._tenancy(each) for each in held])
        await self._carry_out_due(held)

    async def _carry_out_due(self, partitions: Collection[Partition]) -> None:
        """Ledgers first: what is read after them and has moved since is found out when it is written."""
        waiting = await self._ledgers.adjusting.waiting(partitions)
        here = {each.adjustment_id for _, each in waiting}
        self._pauses = {name: self._pauses.get(name) or _Pause() for name in here}
        now_ns = self._clock.monotonic_ns()
        due = [each for each in waiting if self._pauses[each[1].adjustment_id].due_ns <= now_ns]
        if not due:
            return
        ledgers = await self._ledgers.plans.ledgers_for({each.subscription_id for _, each in due})
        keys = {key for _, each in due for key in _keys(each)}
        rows = await self._ledgers.copy_commands.open_rows(keys)
        for partition, ordered in due:
            seen = {key: ledgers.get(key, Ledger()) for key in _keys(ordered)}
            moving = any(rows.get(key) for key in seen)
            self._put_off(ordered)  # first: one that cannot be decided must not hold up the others
            await self._decide(partition, ordered, seen, moving=moving)

    async def _decide(
        self, partition: Partition, ordered: Ordered, seen: dict[LedgerKey, Ledger], *, moving: bool
    ) -> None:
        adjusting = self._ledgers.adjusting
        subscription = await self._ledgers.subscriptions.get(ordered.subscription_id)
        if subscription.state is SubscriptionState.ENDED:
            verdict = Verdict(OrderedState.REFUSED, words="the subscription has ended")
        else:
            verdict = carry_out(ordered, seen[_keys(ordered)[0]], moving=moving)
        if verdict.state is OrderedState.WAITING:
            await adjusting.wait(ordered, verdict.words)
        elif await adjusting.finish(self._tenancy(partition), ordered, verdict, seen):
            _log.info(
                "ledger.adjustment",
                adjustment=ordered.adjustment_id,
                subscription=ordered.subscription_id,
                state=verdict.state.value,
                detail=verdict.words,
            )

    def _put_off(self, ordered: Ordered) -> None:
        pause = self._pauses[ordered.adjustment_id]
        pause.due_ns = self._clock.monotonic_ns() + pause.length_ns
        pause.length_ns = min(2 * pause.length_ns, _LONGEST_NS)

    def _tenancy(self, partition: Partition) -> Tenancy:
        return Tenancy(partition, self._partitions.lease(partition).epoch)


def _keys(ordered: Ordered) -> tuple[LedgerKey, ...]:
    """Its ledger, and that under the new name."""
    name = ordered.subscription_id
    mine = (name, ordered.key)
    return (mine,) if ordered.new_key is None else (mine, (name, ordered.new_key))
