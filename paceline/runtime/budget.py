"""Reads at a broker, within the limits that all services share."""

from dataclasses import dataclass

from paceline.domain.errors import Unavailable
from paceline.domain.ids import AccountId
from paceline.ports.broker import Call, Limits
from paceline.ports.buckets import Buckets, Take
from paceline.ports.clock import Clock

_LONGEST_WAIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Budget:
    """Waits as long as the windows want; nothing is ever let through because it waited long enough."""

    buckets: Buckets
    clock: Clock

    async def spend(
        self, account_id: AccountId, limits: Limits, call: Call, *, patience_s: float | None = None
    ) -> None:
        """Returns when one call may be made now. Raises `Unavailable` when nobody can tell, and when the
        windows stay full for longer than the patience lasts.
        """
        take = Take(account_id, limits.windows, call, entry=False, cost=limits.cost[call])
        while True:
            (taken,) = await self.buckets.take([take])
            if taken.granted:
                return
            wait_s = (taken.retry_at_ns - self.clock.now_ns()) / 1e9
            if patience_s is not None and wait_s > patience_s:
                raise Unavailable(f"the limits of {account_id} are used up for {wait_s:.1f} s")
            await self.clock.sleep(min(max(wait_s, 0.001), _LONGEST_WAIT_S))
