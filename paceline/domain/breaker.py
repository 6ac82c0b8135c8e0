"""A circuit breaker: whether a broker that cannot be reached through one egress is asked again.

What must happen (exits, changes) is always let through, and so is its own probe; an entry waits for one.
"""

from dataclasses import dataclass, replace

_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    failures_max: int = 20
    """So many in a row open it."""
    open_ms: int = 1_000
    """So long it lets no entry through; twice as long after each probe that failed."""
    open_longest_ms: int = 30_000


@dataclass(frozen=True, slots=True)
class Breaker:
    """One broker through one egress."""

    failures: int = 0
    """In a row."""
    opened_ns: int | None = None
    """None while it is closed."""
    probes_failed: int = 0
    probe_ns: int | None = None
    """When the entry left that tries whether it is over."""

    @property
    def closed(self) -> bool:
        return self.opened_ns is None

    def lets(self, now_ns: int, policy: BreakerPolicy, *, entering: bool) -> bool:
        """Whether a request may leave. Of entries one at a time, once it was open long enough."""
        if self.opened_ns is None or not entering:
            return True
        pause_ns = self._pause_ns(policy)
        if now_ns - self.opened_ns < pause_ns:
            return False
        return self.probe_ns is None or now_ns - self.probe_ns >= pause_ns

    def leaves(self, now_ns: int, *, entering: bool) -> "Breaker":
        """A request was let through."""
        return self if self.closed or not entering else replace(self, probe_ns=now_ns)

    def failed(self, now_ns: int, policy: BreakerPolicy) -> "Breaker":
        """Nobody was reached. What fails while it is open proves nothing new; a probe that fails does."""
        if self.opened_ns is None:
            failures = self.failures + 1
            return Breaker(failures, now_ns if failures >= policy.failures_max else None)
        if now_ns - self.opened_ns < self._pause_ns(policy):
            return self
        return Breaker(self.failures + 1, now_ns, self.probes_failed + 1)

    def _pause_ns(self, policy: BreakerPolicy) -> int:
        pause_ms = policy.open_ms << min(self.probes_failed, 32)
        return min(pause_ms, policy.open_longest_ms) * _NS_PER_MS


CLOSED = Breaker()
"""Whatever is answered, the broker is there."""
