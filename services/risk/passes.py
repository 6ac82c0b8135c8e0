"""The loop: everyone is reckoned anew every so many milliseconds, whatever else is slow."""

import asyncio

from paceline.ports.clock import Clock
from paceline.runtime.metric_names import (
    RISK_ACCOUNTS,
    RISK_PASS_LAG_SECONDS,
    RISK_PASS_SECONDS,
    STALE_PRICES,
)
from paceline.runtime.metrics import Metrics
from services.risk.board import Board

_NS_PER_MS = 1_000_000
_NS_PER_S = 1_000_000_000


class Passes:
    """A pass that comes late is not made up for: the next one reckons the same and more."""

    def __init__(self, board: Board, clock: Clock, metrics: Metrics, pass_ms: int) -> None:
        self._board = board
        self._clock = clock
        self._pass_ns = pass_ms * _NS_PER_MS
        self._seconds = metrics.histogram(RISK_PASS_SECONDS)
        self._lag = metrics.histogram(RISK_PASS_LAG_SECONDS)
        self._accounts = metrics.gauge(RISK_ACCOUNTS)
        self._stale = metrics.gauge(STALE_PRICES)
        self._turned = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        due_ns = self._clock.monotonic_ns()
        while True:
            began_ns = self._clock.monotonic_ns()
            self._lag.observe((began_ns - due_ns) / _NS_PER_S)
            self.turn()
            ended_ns = self._clock.monotonic_ns()
            self._seconds.observe((ended_ns - began_ns) / _NS_PER_S)
            due_ns += ((ended_ns - due_ns) // self._pass_ns + 1) * self._pass_ns
            await self._clock.sleep((due_ns - ended_ns) / _NS_PER_S)

    def turn(self) -> None:
        """One pass; whoever waits for it goes on."""
        self._stale.set(self._board.assess(self._clock.now_ns()))
        self._accounts.set(len(self._board.seats))
        turned, self._turned = self._turned, asyncio.Event()
        turned.set()

    async def next(self) -> None:
        """Returns when the next pass has been made."""
        await self._turned.wait()
