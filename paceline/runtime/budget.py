"""Single calls at a broker, within the limits that all services share."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

from paceline.domain.errors import Unavailable
from paceline.domain.ids import AccountId
from paceline.ports.broker import Call, Limits
from paceline.ports.buckets import Take, Taken
from paceline.ports.clock import Clock
from paceline.runtime.meter import Meter, Ticket

_LONGEST_WAIT_S = 5.0

Spend = Callable[[], AbstractAsyncContextManager[None]]
"""One call of an account that is already named."""


class NoRoom(Unavailable):
    """The account's limits are needed for something else."""


@dataclass(slots=True)
class Budget:
    """Waits as long as the windows want; nothing is ever let through because it waited long enough.

    Who asks while the store is being asked goes with the next question: a thousand sessions that dial at
    once are a few round trips, and never more than one is under way.
    """

    meter: Meter
    clock: Clock
    _waiting: "list[tuple[Take, asyncio.Future[Ticket | Taken]]]" = field(default_factory=list)
    _asking: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def call(
        self, account_id: AccountId, limits: Limits, call: Call, *, patience_s: float | None = None
    ) -> AsyncIterator[None]:
        """One call, which is made within. Raises `Unavailable` when nobody can tell whether it may be,
        and `NoRoom` when the windows stay full for longer than the patience lasts.
        """
        take = Take(account_id, limits.windows, call, entry=False, cost=limits.cost[call])
        ticket = await self._ticket(take, patience_s)
        try:
            yield
        finally:
            self.meter.land(ticket)

    async def _ticket(self, take: Take, patience_s: float | None) -> Ticket:
        while True:
            taken = await self._take(take)
            if isinstance(taken, Ticket):
                return taken
            wait_s = (taken.retry_at_ns - self.clock.now_ns()) / 1e9
            if patience_s is not None and wait_s > patience_s:
                raise NoRoom(f"the limits of {take.account_id} are used up for {wait_s:.1f} s")
            await self.clock.sleep(min(max(wait_s, 0.001), _LONGEST_WAIT_S))

    async def _take(self, take: Take) -> Ticket | Taken:
        answer: asyncio.Future[Ticket | Taken] = asyncio.get_running_loop().create_future()
        self._waiting.append((take, answer))
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        try:
            return await answer
        except asyncio.CancelledError:
            if answer.done() and not answer.cancelled() and isinstance(unused := answer.result(), Ticket):
                self.meter.land(unused)
            raise

    async def _ask(self) -> None:
        """Until nobody waits; whoever gave up meanwhile has spent what was granted."""
        while self._waiting:
            group, self._waiting = self._waiting, []
            try:
                answers = await self.meter.take([take for take, _ in group])
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
                    elif isinstance(taken, Ticket):
                        self.meter.land(taken)
