"""What a store of request windows forgot is counted again from the rows."""

import asyncio
from collections.abc import Iterable
from itertools import islice

import structlog

from paceline.domain.errors import Unavailable
from paceline.domain.ids import AccountId
from paceline.ports.broker import Limits, LimitScope
from paceline.ports.buckets import Buckets
from paceline.ports.clock import Clock
from paceline.ports.copy_orders import CopyOrders
from paceline.runtime.meter import Meter

_log = structlog.get_logger(__name__)

_NS_PER_MS = 1_000_000
_LOOK_S = 1.0
_EVERYONE_AFTER_LOOKS = 10
_AT_ONCE = 1_000


class Windows:
    """The short windows are guarded by what each process remembers; the long ones need what was written."""

    def __init__(
        self, meter: Meter, buckets: Buckets, copy_orders: CopyOrders, limits: Limits, clock: Clock
    ) -> None:
        self.meter = meter
        self._buckets = buckets
        self._copy_orders = copy_orders
        self._windows = limits.windows
        self._clock = clock
        mine = (each.period_ms for each in limits.windows if each.scope is LimitScope.ACCOUNT)
        self._longest_ns = max(mine, default=0) * _NS_PER_MS

    async def restore(self, accounts: Iterable[AccountId]) -> None:
        """Returns when nothing that was ever sent for them is missing in the store."""
        everyone = iter(accounts)
        while some := list(islice(everyone, _AT_ONCE)):
            missing = await self._buckets.incomplete(some)
            if missing:
                since_ns = self._clock.now_ns() - self._longest_ns
                sent = await self._copy_orders.sent_since(missing, since_ns)
                await self._buckets.rebuild({each: sent.get(each, ()) for each in missing}, self._windows)
                _log.info("windows.rebuilt", accounts=len(missing))

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.meter.run())
            group.create_task(self._restore_lost())

    async def _restore_lost(self) -> None:
        """What was lost at once, all who sent something lately every so often."""
        looks, lost = 0, set[AccountId]()
        while True:
            await self._clock.sleep(_LOOK_S)
            looks += 1
            lost |= self.meter.lost()
            if looks % _EVERYONE_AFTER_LOOKS == 0:
                lost |= self.meter.recent()
            try:
                await self.restore(lost)
                lost = set()
            except Unavailable as problem:
                _log.warning("windows.not_rebuilt", problem=str(problem))
