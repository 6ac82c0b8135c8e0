"""Rows that no message brought, and rows of former owners: the row is the instruction."""

from collections.abc import Sequence

import structlog

from paceline.domain.copy_order import CopyStatus
from paceline.domain.errors import NotOwner, Unavailable
from paceline.domain.ids import Partition
from paceline.domain.partitioning import partition_of
from paceline.ports.clock import Clock
from paceline.ports.copy_orders import CopyOrders, CopyRow
from paceline.runtime.partitions import Held, Partitions
from services.executor.changes import Changes
from services.executor.floor import Floor
from services.executor.takeover import Reconciler

_log = structlog.get_logger(__name__)

_LOOK_S = 0.5
_NS_PER_MS = 1_000_000
_ROWS_MAX = 5_000
_UNSETTLED = (CopyStatus.PLANNED, CopyStatus.UNKNOWN)


class Sweeper:
    """What was written before a lease began may have been sent by the owner before: it is looked up first."""

    def __init__(
        self,
        copy_orders: CopyOrders,
        floor: Floor,
        reconciler: Reconciler,
        changes: Changes,
        partitions: Partitions,
        clock: Clock,
        sweep_after_ms: int,
    ) -> None:
        self._copy_orders = copy_orders
        self._floor = floor
        self._reconciler = reconciler
        self._changes = changes
        self._partitions = partitions
        self._clock = clock
        self._sweep_after_ns = sweep_after_ms * _NS_PER_MS

    async def take_over(self, held: Sequence[Held]) -> None:
        """Everything unsettled of partitions that are new to us."""
        rows = await self._copy_orders.open_rows([each.partition for each in held], statuses=_UNSETTLED)
        for row in rows:
            self._look_at(row)
        await self._changes.take_over([each.partition for each in held])
        if rows:
            _log.info("sweep.taken_over", rows=len(rows), partitions=len(held))

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(_LOOK_S)
            try:
                await self._sweep()
            except Unavailable as problem:
                _log.warning("sweep.unreachable", problem=str(problem))

    async def _sweep(self) -> None:
        """What was written just now is on its way here by itself, and is not read."""
        held: frozenset[Partition] = self._partitions.held()
        if not held:
            return
        await self._changes.sweep(held, _ROWS_MAX)
        rows = await self._copy_orders.open_rows(
            held,
            written_before_ns=self._clock.now_ns() - self._sweep_after_ns,
            statuses=_UNSETTLED,
            limit=_ROWS_MAX,
        )
        for row in rows:
            if not self._floor.knows(row.order.copy_order_id):
                self._look_at(row)

    def _look_at(self, row: CopyRow) -> None:
        """Ours to send, once nobody brought it; or someone's of whom we must ask the broker."""
        try:
            lease = self._partitions.lease(partition_of(row.order.account_id))
        except NotOwner:
            return
        if row.order.status is CopyStatus.UNKNOWN or row.written_ns < lease.acquired_ns:
            self._floor.mark(row.order)
            self._reconciler.suspect(row.order, row.attempts, lease.epoch)
        elif self._clock.now_ns() - row.written_ns >= self._sweep_after_ns:
            self._floor.take_in([row.order])
