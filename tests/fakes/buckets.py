"""Request windows in memory, for use cases whose tests need no Redis; kept honest by the same contract."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from paceline.domain.ids import AccountId
from paceline.ports.broker import LimitScope, Window
from paceline.ports.buckets import ENTRY_SHARE_PERCENT, LONG_WINDOW_MS, Take, Taken
from paceline.ports.clock import Clock


@dataclass(slots=True)
class _Sent:
    """Per window name, ascending."""

    times: dict[str, list[int]] = field(default_factory=dict)
    penalty_ns: int = 0
    complete: bool = False


class FakeBuckets:
    def __init__(self, clock: Clock, *, jitter_ms: int = 50) -> None:
        self._clock = clock
        self._jitter_ns = jitter_ms * 1_000_000
        self._accounts: dict[AccountId, _Sent] = {}

    async def take(self, takes: Sequence[Take]) -> Sequence[Taken]:
        return [self._take(each) for each in takes]

    def _take(self, take: Take) -> Taken:
        sent = self._accounts.setdefault(take.account_id, _Sent())
        now = self._clock.now_ns()
        counting = [
            window
            for window in take.windows
            if take.call in window.counts and window.scope is LimitScope.ACCOUNT
        ]
        waits = [(self._free_at(sent, window, take, now), window.name) for window in counting]
        free_at, name = max([(sent.penalty_ns, "penalty"), *waits])
        if free_at > now:
            return Taken(False, free_at, name)
        for window in counting:
            sent.times.setdefault(window.name, []).extend([now] * take.cost)
        return Taken(True)

    def _free_at(self, sent: _Sent, window: Window, take: Take, now: int) -> int:
        span = window.period_ms * 1_000_000 + self._jitter_ns
        share = ENTRY_SHARE_PERCENT if take.entry and window.period_ms >= LONG_WINDOW_MS else 100
        room = window.calls * share // 100 - take.cost
        newest_first = sent.times.get(window.name, [])[::-1]
        if room < 0:
            return now + span
        return newest_first[room] + span if room < len(newest_first) else 0

    async def penalize(self, account_id: AccountId, until_ns: int) -> None:
        sent = self._accounts.setdefault(account_id, _Sent())
        sent.penalty_ns = max(sent.penalty_ns, until_ns)

    async def penalties(self, accounts: Iterable[AccountId]) -> Mapping[AccountId, int]:
        now = self._clock.now_ns()
        return {
            account: sent.penalty_ns
            for account in accounts
            if (sent := self._accounts.get(account)) and sent.penalty_ns > now
        }

    async def incomplete(self, accounts: Iterable[AccountId]) -> frozenset[AccountId]:
        return frozenset(account for account in accounts if not self._accounts.get(account, _Sent()).complete)

    async def rebuild(self, sent: Mapping[AccountId, Sequence[int]], windows: Sequence[Window]) -> None:
        for account, times in sent.items():
            mine = self._accounts.setdefault(account, _Sent())
            if mine.complete:
                continue
            mine.complete = True
            for window in windows:
                known = mine.times.setdefault(window.name, [])
                began = known[0] if known else self._clock.now_ns()
                known[:0] = sorted(at for at in times if at < began)
