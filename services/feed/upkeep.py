"""Room in the journal for the weeks to come."""

from datetime import UTC, date, datetime

import structlog

from paceline.domain.errors import Unavailable
from paceline.domain.ids import Partition
from paceline.ports.clock import Clock
from paceline.ports.journal import Journal
from paceline.runtime.partitions import Partitions

_log = structlog.get_logger(__name__)

_KEEPER = Partition(0)
"""Whoever holds this partition keeps house for all."""
_WEEKS = 4
_LOOK_S = 1.0
_AGAIN_S = 10.0


class JournalKeeper:
    """Looks once a day; four weeks ahead outlast any number of days on which nobody could."""

    def __init__(self, journal: Journal, partitions: Partitions, clock: Clock) -> None:
        self._journal = journal
        self._partitions = partitions
        self._clock = clock

    async def run(self) -> None:
        """Until cancelled."""
        looked_on: date | None = None
        while True:
            today = self._today()
            try:
                if looked_on != today and self._partitions.usable(_KEEPER):
                    laid = await self._journal.lay_weeks(today, _WEEKS)
                    looked_on = today
                    _log.info("journal.weeks", laid=laid)
            except Unavailable as problem:
                _log.warning("journal.weeks_not_laid", problem=str(problem), again_in_s=_AGAIN_S)
                await self._clock.sleep(_AGAIN_S)
            await self._clock.sleep(_LOOK_S)

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock.now_ns() / 1e9, UTC).date()
