"""What keeps entries out, as a replica knows it: read every moment, asked in memory."""

import structlog

from paceline.domain.calendar import trading_day
from paceline.domain.copying.barriers import Barriers, barriers_of
from paceline.domain.errors import Unavailable
from paceline.domain.instrument import Exchange
from paceline.ports.barriers import Barring
from paceline.ports.clock import Clock
from paceline.runtime.log import RepeatGate

_log = structlog.get_logger(__name__)

_LOOK_S = 0.25


class BarrierWatch:
    """`look` once before anything is planned. While nobody can look, what was read last holds."""

    def __init__(self, barring: Barring, clock: Clock) -> None:
        self._barring = barring
        self._clock = clock
        self._gate = RepeatGate(clock)
        self._known = Barriers()

    def known(self) -> Barriers:
        return self._known

    async def look(self) -> None:
        """Raises `Unavailable`."""
        day = trading_day(Exchange.NSE, self._clock.now_ns())
        self._known = barriers_of(await self._barring.underway(), await self._barring.lists(day), day)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(_LOOK_S)
            try:
                await self.look()
            except Unavailable as problem:
                if self._gate.held_back("unread") is not None:
                    _log.error("barriers.unread", problem=str(problem))
