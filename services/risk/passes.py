"""The loops: everyone is reckoned anew every so many milliseconds, who holds what moved as soon as it did."""

import asyncio

from paceline.ports.clock import Clock
from paceline.runtime.metric_names import (
    RISK_ACCOUNTS,
    RISK_PASS_LAG_SECONDS,
    RISK_PASS_SECONDS,
    RISK_REPRICED_SECONDS,
    STALE_PRICES,
)
from paceline.runtime.metrics import Metrics
from services.risk.board import Board

_NS_PER_MS = 1_000_000
_NS_PER_S = 1_000_000_000
_REST = 3
"""After passes that prices asked for, so many times as long belongs to everything else."""


class Passes:
    """A pass that comes late is not made up for: the next one reckons the same and more."""

    def __init__(self, board: Board, clock: Clock, metrics: Metrics, pass_ms: int) -> None:
        self._board = board
        self._clock = clock
        self._pass_ns = pass_ms * _NS_PER_MS
        self._seconds = metrics.histogram(RISK_PASS_SECONDS)
        self._repriced = metrics.histogram(RISK_REPRICED_SECONDS)
        self._lag = metrics.histogram(RISK_PASS_LAG_SECONDS)
        self._accounts = metrics.gauge(RISK_ACCOUNTS)
        self._stale = metrics.gauge(STALE_PRICES)
        self._turned = asyncio.Event()
        self._reckoned = asyncio.Event()
        self._moved = asyncio.Event()
        self.count = 0
        """Passes made, of everyone or of some."""

    async def run(self) -> None:
        """Everyone, until cancelled."""
        due_ns = self._clock.monotonic_ns()
        while True:
            began_ns = self._clock.monotonic_ns()
            self._lag.observe((began_ns - due_ns) / _NS_PER_S)
            self.turn()
            ended_ns = self._clock.monotonic_ns()
            self._seconds.observe((ended_ns - began_ns) / _NS_PER_S)
            due_ns += ((ended_ns - due_ns) // self._pass_ns + 1) * self._pass_ns
            await self._clock.sleep((due_ns - ended_ns) / _NS_PER_S)

    async def follow_prices(self) -> None:
        """Whom new prices touch, until cancelled; prices of one moment are one pass."""
        while True:
            await self._moved.wait()
            self._moved.clear()
            began_ns = self._clock.monotonic_ns()
            self.turn_moved()
            took_ns = self._clock.monotonic_ns() - began_ns
            await self._clock.sleep(_REST * took_ns / _NS_PER_S)

    def moved(self) -> None:
        """There are new prices."""
        self._moved.set()

    def turn(self) -> None:
        """One pass over everyone; whoever waits for it goes on."""
        oldest_ns = self._board.moved_since()
        self._stale.set(self._board.assess(self._clock.now_ns()))
        self._accounts.set(len(self._board.seats))
        turned, self._turned = self._turned, asyncio.Event()
        turned.set()
        self._made(oldest_ns)

    def turn_moved(self) -> None:
        """One pass over those who hold something whose price came since the last."""
        oldest_ns = self._board.moved_since()
        if oldest_ns:
            self._board.assess_moved(self._clock.now_ns())
            self._made(oldest_ns)

    async def next(self) -> None:
        """Returns when the next pass over everyone has been made."""
        await self._turned.wait()

    async def after(self, count: int) -> int:
        """Returns when more passes than these have been made, of everyone or of some: how many."""
        while self.count <= count:
            await self._reckoned.wait()
        return self.count

    def _made(self, oldest_ns: int) -> None:
        if oldest_ns:
            self._repriced.observe((self._clock.now_ns() - oldest_ns) / _NS_PER_S)
        self.count += 1
        reckoned, self._reckoned = self._reckoned, asyncio.Event()
        reckoned.set()
