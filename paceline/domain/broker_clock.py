"""How wrong a broker's clock is, from what it says of things whose true time is known within limits."""

from paceline.domain.calendar import NS_PER_S

TOLERANCE_NS = 5 * NS_PER_S
"""Frames under way, books that lag, and times in whole seconds: less than this proves nothing."""


class BrokerClock:
    """Tells what time it was by our clock. `error_ns` is how far the broker's is ahead; 0 within tolerance.

    A fact lies neither in the future nor before the last reading of the books, which did not know of it: a
    time that says otherwise proves the clock wrong, and is taken for the time at which the fact was heard.
    """

    def __init__(self) -> None:
        self.error_ns = 0
        self._is_heard = False

    def recall(self, error_ns: int) -> None:
        """What was known of it before; whatever is heard live counts for more."""
        if not self._is_heard and not self.error_ns:
            self._take(error_ns, live=False)

    def right(self, broker_ns: int) -> int:
        """A time of the broker by our clock, as far as its error is known."""
        return broker_ns - self.error_ns

    def hear(self, broker_ns: int, seen_ns: int, *, after_ns: int = 0, live: bool = True) -> int:
        """The true time of a fact that was new at `seen_ns` and unknown at `after_ns` (0: nobody looked).

        What a book told later is no sample of now: it corrects the clock, and the next live fact that.
        """
        told_ns = broker_ns - self.error_ns
        is_early = told_ns > seen_ns + TOLERANCE_NS
        is_late = after_ns > 0 and told_ns < after_ns - TOLERANCE_NS
        if is_early or is_late:
            self._take(broker_ns - (seen_ns if live or is_early else after_ns), live=live)
        elif live and not self._is_heard and self.error_ns:
            self._take(broker_ns - seen_ns, live=True)
        return broker_ns - self.error_ns

    def _take(self, error_ns: int, *, live: bool) -> None:
        self.error_ns = error_ns if abs(error_ns) > TOLERANCE_NS else 0
        self._is_heard = live
