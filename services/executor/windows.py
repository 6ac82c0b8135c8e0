"""Request windows that outlive a loss of their store: what this process sent itself it keeps in mind."""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

import structlog

from paceline.domain.errors import Unavailable
from paceline.domain.ids import AccountId
from paceline.ports.broker import Limits, LimitScope, Window
from paceline.ports.buckets import LONG_WINDOW_MS, Buckets, Take, Taken
from paceline.ports.clock import Clock
from paceline.ports.copy_orders import CopyOrders

_log = structlog.get_logger(__name__)

_NS_PER_MS = 1_000_000
JITTER_MS = 100
"""Windows are widened by it: half is ours, between grant and send, half is for the way to the broker."""
_LOOK_S = 1.0
_EVERYONE_AFTER_LOOKS = 10
_AT_ONCE = 1_000


class Windows:
    """Buckets whose store decides. Where it forgot, our own memory of the short windows refuses meanwhile,
    and the long ones are counted again from what the rows say was sent.
    """

    def __init__(self, buckets: Buckets, copy_orders: CopyOrders, limits: Limits, clock: Clock) -> None:
        self._buckets = buckets
        self._copy_orders = copy_orders
        self._windows = limits.windows
        self._clock = clock
        mine = [each for each in limits.windows if each.scope is LimitScope.ACCOUNT]
        self._short = [each for each in mine if each.period_ms <= LONG_WINDOW_MS]
        self._kept_ns = max((_widened_ns(each) for each in self._short), default=0)
        self._longest_ns = max((each.period_ms for each in mine), default=0) * _NS_PER_MS
        self._sent: dict[AccountId, deque[int]] = {}
        self._doubted: set[AccountId] = set()

    async def take(self, takes: Sequence[Take]) -> Sequence[Taken]:
        answers = await self._buckets.take(takes)
        return [
            self._checked(take, taken) if taken.granted else taken
            for take, taken in zip(takes, answers, strict=True)
        ]

    async def penalize(self, account_id: AccountId, until_ns: int) -> None:
        await self._buckets.penalize(account_id, until_ns)

    async def penalties(self, accounts: Iterable[AccountId]) -> Mapping[AccountId, int]:
        return await self._buckets.penalties(accounts)

    async def incomplete(self, accounts: Iterable[AccountId]) -> frozenset[AccountId]:
        return await self._buckets.incomplete(accounts)

    async def rebuild(self, sent: Mapping[AccountId, Sequence[int]], windows: Sequence[Window]) -> None:
        await self._buckets.rebuild(sent, windows)

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
        """Until cancelled: those in doubt at once, all who sent something lately every so often."""
        looks = 0
        while True:
            await self._clock.sleep(_LOOK_S)
            looks += 1
            self._forget()
            doubted, self._doubted = self._doubted, set()
            wanted = set(self._sent) | doubted if looks % _EVERYONE_AFTER_LOOKS == 0 else doubted
            try:
                await self.restore(wanted)
            except Unavailable as problem:
                self._doubted |= wanted
                _log.warning("windows.not_rebuilt", problem=str(problem))

    def _checked(self, take: Take, taken: Taken) -> Taken:
        """What the store granted, unless we know better."""
        now_ns = self._clock.monotonic_ns()
        sent = self._sent.setdefault(take.account_id, deque())
        for window in self._short:
            if take.call not in window.counts:
                continue
            room = window.calls - take.cost
            free_ns = sent[-room - 1] + _widened_ns(window) if 0 <= room < len(sent) else 0
            if free_ns > now_ns:
                self._doubted.add(take.account_id)
                return Taken(False, self._clock.now_ns() + free_ns - now_ns, window.name)
        sent.extend([now_ns] * take.cost)
        return taken

    def _forget(self) -> None:
        oldest_ns = self._clock.monotonic_ns() - self._kept_ns
        for account_id, sent in list(self._sent.items()):
            while sent and sent[0] <= oldest_ns:
                sent.popleft()
            if not sent:
                del self._sent[account_id]


def _widened_ns(window: Window) -> int:
    return (window.period_ms + JITTER_MS) * _NS_PER_MS
