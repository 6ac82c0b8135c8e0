"""Listens to what brokers say of the markets, and judges the calendar by it."""

from collections.abc import Mapping
from contextlib import suppress

from paceline.domain.calendar import Calendar, Phase
from paceline.domain.errors import Unavailable
from paceline.domain.market_word import Market, Word, judged_by
from paceline.ports.broker import MarketPhase
from paceline.ports.clock import Clock
from paceline.ports.presence import Presence

WORD_AGE_MAX_MS = 60_000
"""How long a status may lie in the store; whoever puts one lets it die within this."""
_LOOK_S = 2.0
_NS_PER_MS = 1_000_000
_PHASES: Mapping[MarketPhase, Phase] = {
    MarketPhase.OPEN: Phase.NORMAL,
    MarketPhase.PRE_OPEN: Phase.PRE_OPEN,
    MarketPhase.POST_CLOSE: Phase.POST_CLOSE,
    MarketPhase.CLOSED: Phase.CLOSED,
}


class MarketJudge:
    """`calendar` is the one given, judged by the newest words; silence leaves the schedule as it is."""

    def __init__(
        self, calendar: Calendar, presence: Presence, clock: Clock, word_age_max_ms: int = WORD_AGE_MAX_MS
    ) -> None:
        self._presence = presence
        self._clock = clock
        self._words: dict[Market, Word] = {}
        self.calendar = judged_by(calendar, self._words, word_age_max_ms * _NS_PER_MS)

    async def listen(self) -> None:
        """Until cancelled. While the store is away, words grow old and the schedule stands alone."""
        while True:
            with suppress(Unavailable):  # said aloud by the store's own health; the old words expire
                await self.look()
            await self._clock.sleep(_LOOK_S)

    async def look(self) -> None:
        for market in self.calendar.sessions:
            read_ns = self._clock.now_ns()
            status = await self._presence.market(*market)
            if status is None:
                self._words.pop(market, None)
            else:
                self._words[market] = Word(_PHASES[status.phase], read_ns)
