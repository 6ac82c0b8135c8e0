"""The instruments that orders speak of, remembered."""

from collections.abc import Iterable, Mapping

from paceline.domain.ids import InstrumentId
from paceline.domain.instrument import Instrument
from paceline.ports.clock import Clock
from paceline.ports.instruments import Instruments

_LIVES_S = 600.0


class Lots:
    def __init__(self, instruments: Instruments, clock: Clock) -> None:
        self._instruments = instruments
        self._clock = clock
        self._known: dict[InstrumentId, Instrument] = {}

    async def of(self, ids: Iterable[InstrumentId]) -> Mapping[InstrumentId, Instrument]:
        """Those that exist."""
        wanted = set(ids)
        found = {each: self._known[each] for each in wanted & self._known.keys()}
        if missing := wanted - found.keys():
            read = await self._instruments.get_many(missing)
            self._known.update(read)
            found.update(read)
        return found

    async def forget_daily(self) -> None:
        """Lots change over night; until cancelled."""
        while True:
            await self._clock.sleep(_LIVES_S)
            self._known = {}
