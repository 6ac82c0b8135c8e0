"""Request windows that hold however late a request arrives, and when their store forgets."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import structlog

from paceline.domain.errors import Unavailable
from paceline.domain.ids import AccountId
from paceline.ports.broker import Call, LimitScope, Window
from paceline.ports.buckets import JITTER_MS, LONG_WINDOW_MS, Buckets, Late, Take, Taken
from paceline.ports.clock import Clock

_log = structlog.get_logger(__name__)

_NS_PER_MS = 1_000_000
_LOOK_S = 0.25
_FLYING_LONG_NS = 500_000_000
_NEVER_LANDED_NS = 60_000_000_000
FORGOTTEN = "forgotten"
"""What refuses while the store may not know all that was sent."""
_LONGEST_NS = LONG_WINDOW_MS * _NS_PER_MS
"""Of the windows that are remembered: what is older counts nowhere."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """The short windows of an account that count a call, and one set of calls for those counted together."""

    windows: tuple[Window, ...]
    groups: tuple[frozenset[Call], ...]
    held_ms: int
    """A window of about a second: so long an account waits whose past was forgotten."""


@dataclass(slots=True, eq=False)
class Ticket:
    """A grant on its way: to be landed when the answer is there, or when none will ever be."""

    take: Take
    plan: _Plan
    stamped_ns: int
    """Not later than the moment that the stamp names, on our own clock."""
    stamp_us: int = 0
    granted_ns: int = -1
    """Below zero while the store is asked."""
    landed_ns: int = -1
    """Below zero while it flies."""

    def late_ns(self, now_ns: int, jitter_ns: int) -> int:
        """How much later than its stamp it must be counted."""
        if self.landed_ns < 0:
            return now_ns - self.stamped_ns
        return self.landed_ns - self.stamped_ns - jitter_ns


@dataclass(slots=True)
class _Memory:
    """Of the windows that count the same calls of an account: what this process itself sent."""

    flying: int = 0
    ended: deque[int] = field(default_factory=deque)
    """When the answers came, ascending: nothing arrived later than its answer left."""

    def free_ns(self, window: Window, cost: int, now_ns: int) -> int:
        """When there may be room; what flies may arrive as late as now."""
        period_ns, room = window.period_ms * _NS_PER_MS, window.calls - cost - self.flying
        if room < 0:
            return now_ns + period_ns if self.flying else 0
        return self.ended[-room - 1] + period_ns if room < len(self.ended) else 0


class Meter:
    """The store decides for everyone, and this process's memory for itself.

    The store takes a request as arrived within the jitter allowance. One that flies longer is counted from
    its answer, here at once and in the store soon after. An account whose counting began anew waits until
    all that may have been forgotten is older than a second.
    """

    def __init__(self, buckets: Buckets, clock: Clock, *, jitter_ms: int = JITTER_MS) -> None:
        self._buckets = buckets
        self._clock = clock
        self._jitter_ns = jitter_ms * _NS_PER_MS
        self._memory: dict[tuple[AccountId, frozenset[Call]], _Memory] = {}
        self._began: dict[AccountId, int] = {}
        self._held_ns: dict[AccountId, int] = {}
        self._flying: dict[Ticket, None] = {}
        self._late: list[Ticket] = []
        self._lost: set[AccountId] = set()

    async def take(self, takes: Sequence[Take]) -> list[Ticket | Taken]:
        """A ticket for each that may leave now, else what refused it. Raises `Unavailable`."""
        now_ns = self._clock.monotonic_ns()
        passed = [self._checked(take, now_ns) for take in takes]
        asking = [each for each in passed if isinstance(each, Ticket)]
        try:
            answers = iter(await self._buckets.take([each.take for each in asking]) if asking else ())
        except BaseException:
            for ticket in asking:
                self._put_back(ticket)
            raise
        return [self._answered(each, next(answers)) if isinstance(each, Ticket) else each for each in passed]

    def land(self, ticket: Ticket) -> None:
        """The answer is there, or the request never left."""
        if ticket.landed_ns >= 0:
            return
        ticket.landed_ns = now_ns = self._clock.monotonic_ns()
        self._put_back(ticket)
        for group in ticket.plan.groups:
            ended = self._memory[ticket.take.account_id, group].ended
            ended.extend([now_ns] * ticket.take.cost)
            while ended and ended[0] <= now_ns - _LONGEST_NS:
                ended.popleft()
        if ticket.late_ns(now_ns, self._jitter_ns) > 0:
            self._late.append(ticket)

    def lost(self) -> set[AccountId]:
        """Accounts of which the store forgot something since this was asked the last time."""
        lost, self._lost = self._lost, set()
        return lost

    def recent(self) -> set[AccountId]:
        """Who sent something lately."""
        oldest_ns = self._clock.monotonic_ns() - _LONGEST_NS
        for place, memory in list(self._memory.items()):
            if not memory.flying and (not memory.ended or memory.ended[-1] <= oldest_ns):
                del self._memory[place]
        return {account_id for account_id, _ in self._memory}

    async def penalize(self, account_id: AccountId, until_ns: int) -> None:
        await self._buckets.penalize(account_id, until_ns)

    def _checked(self, take: Take, now_ns: int) -> Ticket | Taken:
        """What our own memory refuses, the store need not be asked."""
        account_id, plan = take.account_id, _plan(take.windows, take.call)
        free_ns, name = self._held_ns.get(account_id, 0), FORGOTTEN
        for window in plan.windows:
            memory = self._memory.setdefault((account_id, window.counts), _Memory())
            if (at_ns := memory.free_ns(window, take.cost, now_ns)) > free_ns:
                free_ns, name = at_ns, window.name
        if free_ns > now_ns:
            return Taken(False, self._clock.now_ns() + free_ns - now_ns, name)
        ticket = Ticket(take, plan, stamped_ns=now_ns)
        self._flying[ticket] = None
        for group in plan.groups:
            self._memory[account_id, group].flying += take.cost
        return ticket

    def _put_back(self, ticket: Ticket) -> None:
        """It flies no more."""
        del self._flying[ticket]
        for group in ticket.plan.groups:
            self._memory[ticket.take.account_id, group].flying -= ticket.take.cost

    def _answered(self, ticket: Ticket, taken: Taken) -> Ticket | Taken:
        account_id, now_ns = ticket.take.account_id, self._clock.monotonic_ns()
        self._compare(account_id, taken.began_us, now_ns, ticket.plan)
        if taken.granted and (held_ns := self._held_ns.get(account_id, 0)) > now_ns:
            taken = Taken(False, self._clock.now_ns() + held_ns - now_ns, FORGOTTEN)
        if not taken.granted:
            self._put_back(ticket)
            return taken
        ticket.stamp_us, ticket.granted_ns = taken.stamp_us, now_ns
        return ticket

    def _compare(self, account_id: AccountId, began_us: int, now_ns: int, plan: _Plan) -> None:
        known_us = self._began.setdefault(account_id, began_us)
        if known_us != began_us:
            self._began[account_id] = began_us
            self._lost.add(account_id)
            self._held_ns[account_id] = now_ns + plan.held_ms * _NS_PER_MS + self._jitter_ns
            _log.warning("meter.store_forgot", account=account_id)

    async def run(self) -> None:
        """Until cancelled: what flies long, or landed late, is counted so in the store."""
        while True:
            await self._clock.sleep(_LOOK_S)
            now_ns = self._clock.monotonic_ns()
            lates, self._late = self._late, []
            for ticket in [each for each in self._flying if each.granted_ns >= 0]:
                if now_ns - ticket.granted_ns > _NEVER_LANDED_NS:
                    take = ticket.take
                    _log.error("meter.never_landed", account=take.account_id, call=take.call.value)
                    self.land(ticket)
                elif now_ns - ticket.stamped_ns > _FLYING_LONG_NS:
                    lates.append(ticket)
            try:
                await self._restamp(lates, now_ns)
            except Unavailable as problem:
                self._late += [
                    ticket for ticket in lates if ticket.landed_ns >= 0 and ticket not in self._late
                ]
                _log.warning("meter.not_restamped", problem=str(problem))

    async def _restamp(self, tickets: Sequence[Ticket], now_ns: int) -> None:
        if not tickets:
            return
        by_ns = [ticket.late_ns(now_ns, self._jitter_ns) for ticket in tickets]
        told = zip(tickets, by_ns, strict=True)
        lates = [Late(each.take, each.stamp_us, late_ns // 1000 + 1) for each, late_ns in told]
        stamps = await self._buckets.restamp(lates)
        for ticket, late_ns, stamp_us in zip(tickets, by_ns, stamps, strict=True):
            ticket.stamp_us = stamp_us
            ticket.stamped_ns += late_ns


@cache
def _plan(windows: tuple[Window, ...], call: Call) -> _Plan:
    mine = tuple(
        each
        for each in windows
        if each.scope is LimitScope.ACCOUNT and each.period_ms <= LONG_WINDOW_MS and call in each.counts
    )
    held_ms = max((each.period_ms for each in mine if each.period_ms < LONG_WINDOW_MS), default=0)
    return _Plan(mine, tuple(dict.fromkeys(each.counts for each in mine)), held_ms)
