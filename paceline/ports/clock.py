"""Time as an argument."""

from typing import Protocol


class Clock(Protocol):
    """The one source of time: real in a process, driven by hand in a test."""

    def now_ns(self) -> int:
        """UTC wall time in nanoseconds; may step."""
        ...

    def monotonic_ns(self) -> int:
        """Never goes back; stands still while the machine is suspended."""
        ...

    def boottime_ns(self) -> int:
        """Never goes back and runs through suspension: what leases are counted on."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Resume after so many seconds; zero or less only yields to others."""
        ...
