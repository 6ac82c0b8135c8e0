"""A clock that tests drive; with auto-jump it runs as fast as the code under test."""

import asyncio
import heapq
from itertools import count

_NANOSECONDS = 1_000_000_000
_EPOCH_NS = 1_767_245_400 * _NANOSECONDS  # 2026-01-01 11:00 IST, inside market hours
_IDLE_ROUNDS = 50


class FakeClock:
    """Stands still until `advance`; with `auto_jump` leaps to the next sleeper once nothing else can run.

    Nothing can run means that the loop went round fifty times and nobody new began to sleep. That sees tasks,
    not sockets: code that waits for real I/O is driven with `advance`.
    """

    def __init__(self, *, start_ns: int = _EPOCH_NS, auto_jump: bool = False) -> None:
        self._wall_ns = start_ns
        self._monotonic_ns = 0
        self._suspended_ns = 0
        self._auto_jump = auto_jump
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._order = count()
        self._rounds_left = 0
        self._watching = False

    def now_ns(self) -> int:
        return self._wall_ns

    def monotonic_ns(self) -> int:
        return self._monotonic_ns

    def boottime_ns(self) -> int:
        return self._monotonic_ns + self._suspended_ns

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        due_ns = self._monotonic_ns + round(seconds * _NANOSECONDS)
        heapq.heappush(self._sleepers, (due_ns, next(self._order), woken))
        self._watch()
        await woken

    @property
    def sleeping(self) -> int:
        """How many tasks wait for time to pass."""
        return sum(not woken.done() for _, _, woken in self._sleepers)

    def advance(self, seconds: float) -> None:
        """Let time pass and wake, in order, everyone who is due; they run when the caller next awaits."""
        self._move_to(self._monotonic_ns + round(seconds * _NANOSECONDS))

    def step_wall(self, seconds: float) -> None:
        """The wall clock is set, as by an operator or NTP; durations are untouched."""
        self._wall_ns += round(seconds * _NANOSECONDS)

    def suspend(self, seconds: float) -> None:
        """The machine sleeps: wall and boot time pass, the monotonic clock and every sleeper stand still."""
        self._wall_ns += round(seconds * _NANOSECONDS)
        self._suspended_ns += round(seconds * _NANOSECONDS)

    async def settle(self) -> None:
        """Let everything run that can run without time passing."""
        for _ in range(_IDLE_ROUNDS):
            await asyncio.sleep(0)

    def _move_to(self, until_ns: int) -> None:
        while self._sleepers and self._sleepers[0][0] <= until_ns:
            due_ns, _, woken = heapq.heappop(self._sleepers)
            self._set(due_ns)
            if not woken.done():
                woken.set_result(None)
        self._set(until_ns)

    def _set(self, monotonic_ns: int) -> None:
        passed_ns = max(0, monotonic_ns - self._monotonic_ns)
        self._monotonic_ns += passed_ns
        self._wall_ns += passed_ns

    def _watch(self) -> None:
        self._rounds_left = _IDLE_ROUNDS
        if self._auto_jump and not self._watching:
            self._watching = True
            asyncio.get_running_loop().call_soon(self._round)

    def _round(self) -> None:
        self._rounds_left -= 1
        if self._rounds_left <= 0:
            self._jump()
        if self._sleepers:
            asyncio.get_running_loop().call_soon(self._round)
        else:
            self._watching = False

    def _jump(self) -> None:
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
        if self._sleepers:
            self._move_to(self._sleepers[0][0])
        self._rounds_left = _IDLE_ROUNDS
