"""What begins and ends with the leases of partitions."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from paceline.domain.copy_order import CopyOrder, CopyStatus
from paceline.domain.copying.fold import Resized, SurelyAbsent, Withdrawn
from paceline.domain.ids import AccountId, Partition
from paceline.ports.offsets import Offsets
from paceline.runtime.follow import Follower
from paceline.runtime.partitions import Held
from services.executor.changes import Changes
from services.executor.floor import Floor
from services.executor.liquidate import Liquidator
from services.executor.outcome import Outcome
from services.executor.results import Results
from services.executor.roster import Roster
from services.executor.sweep import Sweeper
from services.executor.takeover import Reconciler
from services.executor.windows import Windows

CONSUMER = "executor"
_LANDING_S = 1.5
_WRITING_S = 0.5
_NOT_SETTLED = frozenset({CopyStatus.PLANNED, CopyStatus.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Tenure:
    """Nothing of a partition is sent before all that its former owners may have sent is marked."""

    roster: Roster
    windows: Windows
    sweeper: Sweeper
    floor: Floor
    results: Results
    reconciler: Reconciler
    changes: Changes
    follower: Follower
    offsets: Offsets
    liquidator: Liquidator

    async def gain(self, held: Sequence[Held]) -> None:
        partitions = [each.partition for each in held]
        accounts = await self.roster.gain(partitions)
        await self.windows.restore(accounts)
        cursors = await self.offsets.load(CONSUMER, partitions)
        await self.sweeper.take_over(held)
        await self.liquidator.prepare(partitions)
        self.floor.open(partitions)
        self.follower.add(cursors)

    async def surrender(self, partitions: Sequence[Partition]) -> None:
        """Nothing new leaves; what is in the air lands and is written, or is handed over as UNKNOWN."""
        leaving = frozenset(partitions)
        await self.liquidator.leave(leaving)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LANDING_S):
                await self.floor.flights.landed(leaving)
        await self.floor.flights.cut(leaving)
        with suppress(TimeoutError):
            async with asyncio.timeout(_WRITING_S):
                await self.results.drained(leaving)
        await self.lose(partitions)

    async def lose(self, partitions: Sequence[Partition]) -> None:
        await self.liquidator.leave(partitions)
        self.changes.leave(partitions)
        self.floor.leave(partitions)
        self.reconciler.leave(partitions)
        self.roster.lose(partitions)
        await self.follower.drop(partitions)


@dataclass(frozen=True, slots=True)
class Fates:
    """Whoever must hear what a row says now: a lost answer is looked into, a sure absence sent again."""

    floor: Floor
    reconciler: Reconciler
    changes: Changes
    stir: Callable[[AccountId], None]
    """Whoever flattens an account looks again."""

    def written(self, outcome: Outcome, status: CopyStatus) -> None:
        """What a row does not settle stays known and unsent: only a sure absence sends it again."""
        self.changes.written(outcome)
        if outcome.told is not None:
            self._settled(outcome, status)
        self.changes.told(outcome.order)
        self.stir(outcome.order.account_id)

    def _settled(self, outcome: Outcome, status: CopyStatus) -> None:
        order, told = outcome.order, outcome.told
        if status is CopyStatus.UNKNOWN:
            self.reconciler.suspect(order, outcome.attempts, outcome.epoch)
        elif status is not CopyStatus.PLANNED:
            self.floor.written(order)
        elif isinstance(told, Resized):
            self.floor.send_again(replace(order, status=status, spec=told.spec), outcome.attempts)
        elif isinstance(told, SurelyAbsent | Withdrawn):
            self.floor.send_again(replace(order, status=status), outcome.attempts)

    def observed(self, order: CopyOrder) -> None:
        """By the socket, which may be faster than the book or the answer."""
        if order.status not in _NOT_SETTLED and self.reconciler.told(order):
            self.floor.written(order)
        self.changes.told(order)
        self.stir(order.account_id)
