"""Call limits of one client, counted in windows that truly slide."""

from __future__ import annotations

from bisect import insort
from collections import deque
from dataclasses import dataclass
from enum import Enum

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
DAY_NS = 24 * 60 * MINUTE_NS


@dataclass(slots=True)
class Quota:
    """What a client may do; 0 is no limit."""

    per_second: int = 10
    per_minute: int = 200
    per_day: int = 100_000
    minute_breaches_allowed: int = 3
    """One more in a day, and the client is blocked until the day ends."""


class Verdict(Enum):
    ADMITTED = "admitted"
    SECOND = "second"
    MINUTE = "minute"
    DAY = "day"
    BLOCKED = "blocked"


class Window:
    """How many happened within a span that ends now, and the most there ever were."""

    __slots__ = ("_at", "_span", "peak")

    def __init__(self, span_ns: int) -> None:
        self._span = span_ns
        self._at: deque[int] = deque()
        self.peak = 0

    def add(self, now: int) -> int:
        """Count one; two that are a whole span apart never share a window. One whose body came late is
        counted where it arrived.
        """
        at = self._at
        insort(at, now)
        oldest = at[-1] - self._span
        while at[0] <= oldest:
            at.popleft()
        count = len(at)
        self.peak = max(self.peak, count)
        return count

    def free_in(self, now: int, limit: int) -> int:
        """Nanoseconds until fewer than `limit` are within the span, if nothing more comes."""
        if limit <= 0 or len(self._at) < limit:
            return 0
        return max(0, self._at[-limit] + self._span - now)

    def reset(self) -> None:
        self._at.clear()
        self.peak = 0


class Limits:
    """Every call counts, refused ones too: hammering a closed door keeps it closed."""

    __slots__ = (
        "_breach_began",
        "blocked",
        "breaches",
        "day",
        "day_peak",
        "minute",
        "order_minute",
        "order_second",
        "orders",
        "quota",
        "refused",
        "second",
        "total",
    )

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self.second = Window(SECOND_NS)
        self.minute = Window(MINUTE_NS)
        self.order_second = Window(SECOND_NS)
        self.order_minute = Window(MINUTE_NS)
        self.day = self.day_peak = self.total = self.orders = 0
        self.breaches = {Verdict.SECOND: 0, Verdict.MINUTE: 0, Verdict.DAY: 0}
        self.refused = 0
        self.blocked = False
        self._breach_began = -MINUTE_NS

    def admit(self, now: int) -> Verdict:
        """Count one call and say whether it is within the limits."""
        in_second = self.second.add(now)
        in_minute = self.minute.add(now)
        self.day += 1
        self.total += 1
        self.day_peak = max(self.day_peak, self.day)
        quota = self.quota
        if not self.blocked and in_second <= (quota.per_second or in_second):
            within_minute = in_minute <= (quota.per_minute or in_minute)
            if within_minute and self.day <= (quota.per_day or self.day):
                return Verdict.ADMITTED
        self.refused += 1
        return self._breached(now, in_second, in_minute)

    def _breached(self, now: int, in_second: int, in_minute: int) -> Verdict:
        if self.blocked:
            return Verdict.BLOCKED
        quota = self.quota
        if quota.per_day and self.day > quota.per_day:
            self.breaches[Verdict.DAY] += 1
            return Verdict.DAY
        if quota.per_minute and in_minute > quota.per_minute:
            return self._minute_breached(now)
        self.breaches[Verdict.SECOND] += 1
        del in_second
        return Verdict.SECOND

    def _minute_breached(self, now: int) -> Verdict:
        if now - self._breach_began < MINUTE_NS:
            return Verdict.MINUTE
        self._breach_began = now
        self.breaches[Verdict.MINUTE] += 1
        if self.breaches[Verdict.MINUTE] > self.quota.minute_breaches_allowed:
            self.blocked = True
            return Verdict.BLOCKED
        return Verdict.MINUTE

    def count_orders(self, now: int, orders: int) -> None:
        """Orders placed, changed or cancelled by one call: kept beside the calls, for the judges."""
        for _ in range(orders):
            self.order_second.add(now)
            self.order_minute.add(now)
        self.orders += orders

    def retry_after_ns(self, now: int, verdict: Verdict) -> int:
        """When the limit that was breached has room again."""
        if verdict is Verdict.SECOND:
            return self.second.free_in(now, self.quota.per_second)
        if verdict is Verdict.MINUTE:
            return self.minute.free_in(now, self.quota.per_minute)
        return DAY_NS

    def new_day(self) -> None:
        """A block and the day's count end with the day; what was seen is kept."""
        self.day = 0
        self.blocked = False
        self.breaches[Verdict.MINUTE] = 0
        self._breach_began = -MINUTE_NS

    def reset(self) -> None:
        """Forget everything."""
        for window in (self.second, self.minute, self.order_second, self.order_minute):
            window.reset()
        self.day = self.day_peak = self.total = self.orders = self.refused = 0
        self.breaches = {Verdict.SECOND: 0, Verdict.MINUTE: 0, Verdict.DAY: 0}
        self.blocked = False
        self._breach_began = -MINUTE_NS
