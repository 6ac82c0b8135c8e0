"""Prices that many accounts want in one moment, read once for all of them."""

from collections.abc import Iterable, Mapping, Sequence

from paceline.domain.ids import InstrumentId
from paceline.ports.prices import Price, Prices
from services.executor.grouped import Grouped

_AT_ONCE = 500

Wanted = frozenset[InstrumentId]


class SharedPrices:
    def __init__(self, prices: Prices) -> None:
        self._prices = prices
        self._reads: Grouped[Wanted, Mapping[InstrumentId, Price]] = Grouped(self._read, _AT_ONCE)

    async def get(self, instruments: Iterable[InstrumentId]) -> Mapping[InstrumentId, Price]:
        """Those that are known."""
        return await self._reads.ask(frozenset(instruments))

    async def _read(self, wanted: Sequence[Wanted]) -> Sequence[Mapping[InstrumentId, Price]]:
        known = await self._prices.get(frozenset().union(*wanted))
        return [{each: known[each] for each in some if each in known} for some in wanted]
