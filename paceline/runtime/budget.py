"""Reads at a broker, within the limits that all services share."""

import asyncio
from dataclasses import dataclass, field

from paceline.domain.errors import Unavailable
from paceline.domain.ids import AccountId
from paceline.ports.broker import Call, Limits
from paceline.ports.buckets import Buckets, Take, Taken
from paceline.ports.clock import Clock

_LONGEST_WAIT_S = 5.0


@dataclass(slots=True)
class Budget:
    """Waits as long as the windows want; nothing is ever let through because it waited long enough.

    Who asks while the store is being asked goes with the next question: a thousand sessions that dial at
    once are a few round trips, and never more than one is under way.
    """

    buckets: Buckets
    clock: Clock
    _waiting: "list[tuple[Take, asyncio.Future[Taken]]]" = field(default_factory=list)
    _asking: asyncio.Task[None] | None = None

    async def spend(
        self, account_id: AccountId, limits: Limits, call: Call, *, patience_s: float | None = None
    ) -> None:
        """Returns when one call may be made now. Raises `Unavailable` when nobody can tell, and when the
        windows stay full for longer than the patience lasts.
        """
        take = Take(account_id, limits.windows, call, entry=False, cost=limits.cost[call])
        while True:
            taken = await self._take(take)
            if taken.granted:
                return
            wait_s = (taken.retry_at_ns - self.clock.now_ns()) / 1e9
            if patience_s is not None and wait_s > patience_s:
                raise Unavailable(f"the limits of {account_id} are used up for {wait_s:.1f} s")
            await self.clock.sleep(min(max(wait_s, 0.001), _LONGEST_WAIT_S))

    async def _take(self, take: Take) -> Taken:
        answer: asyncio.Future[Taken] = asyncio.get_running_loop().create_future()
        self._waiting.append((take, answer))
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        return await answer

    async def _ask(self) -> None:
        """Until nobody waits; whoever gave up meanwhile has spent what was granted."""
        while self._waiting:
            group, self._waiting = self._waiting, []
            try:
                answers = await self.buckets.take([take for take, _ in group])
            except Unavailable as problem:
                for _, waiting in group:
                    if not waiting.done():
                        waiting.set_exception(Unavailable(str(problem)))
            except BaseException:
                for _, waiting in group:
                    waiting.cancel()
                raise
            else:
                for (_, waiting), taken in zip(group, answers, strict=True):
                    if not waiting.done():
                        waiting.set_result(taken)
