"""Prices as the load sets them, told again and again: one that nobody repeats grows old."""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal

from chaos.feed.leaders import Quoted
from paceline.cli.demo.control import Control
from paceline.cli.demo.crash_script import floored

_BREATH_S = 1.0
_LOTS_PER_LEVEL = 40
"""What a house holds takes the market a few seconds to take: replicas die in the middle of it."""


class Market:
    def __init__(self, control: Control, quoted: Sequence[Quoted]) -> None:
        self._control = control
        self._ticks = {each.symbol: Decimal(str(each.tick)) for each in quoted}
        self.base: Mapping[str, Decimal] = {each.symbol: Decimal(str(each.close)) for each in quoted}
        self.prices: dict[str, Decimal] = dict(self.base)
        self._moving = asyncio.Lock()

    async def open(self) -> None:
        body = {"symbols": list(self.base), "lots_per_level": _LOTS_PER_LEVEL, "refill": "tick"}
        await self._control.post("/liquidity", body)
        await self.move(self.base)

    async def breathe(self) -> None:
        """Until cancelled."""
        while True:
            await self.move({})
            await asyncio.sleep(_BREATH_S)

    async def move(self, to: Mapping[str, Decimal]) -> None:
        async with self._moving:
            self.prices |= to
            prices = {symbol: float(price) for symbol, price in self.prices.items()}
            await self._control.post("/prices", {"prices": prices})

    def away(self, symbol: str, share: Decimal) -> Decimal:
        """So far from its base, to the tick."""
        return floored(self.base[symbol] * (1 + share), self._ticks[symbol])
