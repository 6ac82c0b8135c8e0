"""A leader who is not heard: no pong, no successful reading of his books. Not trading is no silence.

What he does meanwhile is learned afterwards, so an entry waits as long as he is silent, and an entry that
happened inside a silence is not copied once it is over.
"""

from dataclasses import dataclass, replace

_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Voice:
    """When somebody was last heard, and the last silence that was longer than he is allowed."""

    heard_ns: int
    silent_from_ns: int = 0
    silent_until_ns: int = 0

    def after(self, heard_ns: int, allowed_ms: int) -> "Voice":
        """Heard again; an older word changes nothing. `allowed_ms` is the least of all who listen."""
        if heard_ns <= self.heard_ns:
            return self
        if heard_ns - self.heard_ns <= allowed_ms * _NS_PER_MS:
            return replace(self, heard_ns=heard_ns)
        return Voice(heard_ns, self.heard_ns, heard_ns)

    def excused(self, span_ns: int) -> "Voice":
        """So long nobody could listen: that is no silence of his."""
        return replace(self, heard_ns=self.heard_ns + span_ns)

    def silent_ms(self, now_ns: int) -> int:
        return max(now_ns - self.heard_ns, 0) // _NS_PER_MS

    def close_only(self, happened_ns: int, now_ns: int, allowed_ms: int) -> bool:
        """Whether an entry on what happened then must wait: he is silent, or was when it happened."""
        if now_ns - self.heard_ns > allowed_ms * _NS_PER_MS:
            return True
        lasted_ns = self.silent_until_ns - self.silent_from_ns
        within = self.silent_from_ns < happened_ns < self.silent_until_ns
        return within and lasted_ns > allowed_ms * _NS_PER_MS
