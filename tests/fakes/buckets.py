"""Request windows in memory, for use cases whose tests need no Redis; kept honest by the same contract."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from paceline.domain.ids import AccountId
from paceline.ports.broker import LimitScope, Window
from paceline.ports.buckets import ENTRY_SHARE_PERCENT, JITTER_MS, LONG_WINDOW_MS, Late, Take, Taken
from paceline.ports.clock import Clock


@dataclass(slots=True)
class _Sent:
    """Per window name, ascending."""

    times: dict[str, list[int]] = field(default_factory=dict)
    penalty_ns: int = 0
    began_us: int = 0
    complete: bool = False


class FakeBuckets:
    def __init__(self, clock: Clock, *, jitter_ms: int = JITTER_MS) -> None:
        self._clock = clock
        self._jitter_ns = jitter_ms * 1_000_000
        self._accounts: dict[AccountId, _Sent] = {}

    async def take(self, takes: Sequence[Take]) -> Sequence[Taken]:
        return [self._take(each) for each in takes]

    def _take(self, take: Take) -> Taken:
        sent = self._accounts.setdefault(take.account_id, _Sent())
        now = self._clock.now_ns()
        sent.began_us = sent.began_us or now // 1000
        counting = [
            window
            for window in take.windows
            if take.call in window.counts and window.scope is LimitScope.ACCOUNT
        ]
        waits = [(self._free_at(sent, window, take, now), window.name) for window in counting]
        free_at, name = max([(sent.penalty_ns, "penalty"), *waits])
        if free_at > now:
            return Taken(False, free_at, name, began_us=sent.began_us)
        for window in counting:
            sent.times.setdefault(window.name, []).extend([now] * take.cost)
        return Taken(True, stamp_us=now // 1000, began_us=sent.began_us)

    async def restamp(self, lates: Sequence[Late]) -> Sequence[int]:
        return [self._restamp(each) for each in lates]

    def _restamp(self, late: Late) -> int:
        sent = self._accounts.setdefault(late.take.account_id, _Sent())
        short = [each for each in late.take.windows if each.period_ms <= LONG_WINDOW_MS]
        mine = [
            sent.times.setdefault(each.name, [])
            for each in short
            if late.take.call in each.counts and each.scope is LimitScope.ACCOUNT
        ]
        new = max([(late.stamp_us + late.by_us) * 1000, *(times[-1] for times in mine if times)])
        for times in mine:
            was = [at for at in times if at // 1000 == late.stamp_us][: late.take.cost]
            for at in was:
                times.remove(at)
            times.extend([new] * late.take.cost)
        return new // 1000

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
            mine.began_us = mine.began_us or self._clock.now_ns() // 1000
            for window in windows:
                known = mine.times.setdefault(window.name, [])
                began = known[0] if known else self._clock.now_ns()
                known[:0] = sorted(at for at in times if at < began)
