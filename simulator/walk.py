"""A scripted market: prices that wander by a seeded dice."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.exchange import Exchange


class Walk:
    """Every step moves every chosen symbol by up to so many ticks; the same seed walks the same way."""

    def __init__(self, exchange: Exchange, seed: int, symbols: list[str], max_ticks: int = 3) -> None:
        self._exchange = exchange
        self._random = random.Random(seed)
        self._symbols = symbols
        self._max_ticks = max_ticks
        self.steps = 0

    def step(self, times: int = 1) -> None:
        for _ in range(times):
            self.steps += 1
            for symbol in self._symbols:
                market = self._exchange.markets[symbol]
                ticks = self._random.randint(-self._max_ticks, self._max_ticks)
                if ticks:
                    self._exchange.move(symbol, market.price + ticks * market.instrument.tick)
