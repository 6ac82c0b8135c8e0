"""The opening and the closing of exchanges, by their calendar: said once, and kept where others look."""

import structlog

from paceline.domain.calendar import Calendar, Phase
from paceline.domain.errors import Unavailable
from paceline.domain.market_word import Market
from paceline.ports.clock import Clock
from paceline.ports.presence import ExchangePhase, Presence

_log = structlog.get_logger(__name__)

_LOOK_S = 1.0
_TELL_NS = 30_000_000_000
_LIVES_MS = 120_000


class Bells:
    def __init__(self, calendar: Calendar, presence: Presence, clock: Clock) -> None:
        self._calendar = calendar
        self._presence = presence
        self._clock = clock
        self._phases: dict[Market, Phase] = {}
        self._told_ns: int | None = None

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.look()
            except Unavailable as problem:
                _log.warning("bells.untold", problem=str(problem))
            await self._clock.sleep(_LOOK_S)

    async def look(self) -> None:
        """A store that is away hears of it later, the log at once."""
        now_ns = self._clock.now_ns()
        phases = {market: each.phase(now_ns) for market, each in self._calendar.sessions.items()}
        before, self._phases = self._phases, phases
        changed = [market for market in phases if market in before and phases[market] is not before[market]]
        for exchange, segment in changed:
            was, now = before[exchange, segment], phases[exchange, segment]
            _log.info("exchange.phase", exchange=exchange, segment=segment, phase=now, was=was)
        if changed:
            self._told_ns = None
        if self._told_ns is None or now_ns - self._told_ns >= _TELL_NS:
            words = [
                ExchangePhase(*market, phase, self._calendar.of(*market).changed_ns(now_ns))
                for market, phase in phases.items()
            ]
            await self._presence.put_phases(words, _LIVES_MS)
            self._told_ns = now_ns
