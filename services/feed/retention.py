"""Old weeks of the journal leave: into the archive first, and never while anybody still needs them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import structlog

from paceline.domain.errors import FailedPrecondition, Unavailable
from paceline.domain.ids import Partition
from paceline.domain.retention import Stretch, first_known_day, unread, weeks_due
from paceline.ports.clock import Clock
from paceline.ports.retention import Archived, Removal, Retention, WeekArchive
from paceline.runtime.partitions import Partitions

_log = structlog.get_logger(__name__)

_KEEPER = Partition(0)
"""Whoever holds this partition looks; a lock in the database sees to it that one alone clears."""
_LOOK_S = 60.0
_AGAIN_S = 600.0
_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Keeping:
    """For how long what is kept."""

    events_days: int
    names_days: int
    dead_letters_days: int
    unarchived_go: bool
    """Whether weeks go where there is no archive to put them in."""


class Clearing:
    """Once a day; whatever breaks off in between is done again from the start, and a whole file is found."""

    def __init__(
        self,
        retention: Retention,
        archive: WeekArchive | None,
        partitions: Partitions,
        clock: Clock,
        keeping: Keeping,
    ) -> None:
        self._retention = retention
        self._archive = archive
        self._partitions = partitions
        self._clock = clock
        self._keeping = keeping

    async def run(self) -> None:
        """Until cancelled."""
        cleared_on: date | None = None
        while True:
            today = datetime.fromtimestamp(self._clock.now_ns() / 1e9, UTC).date()
            if cleared_on != today and self._partitions.usable(_KEEPER):
                try:
                    await self.clear(today)
                    cleared_on = today
                except (Unavailable, FailedPrecondition) as problem:
                    _log.warning("journal.not_cleared", problem=str(problem), again_in_s=_AGAIN_S)
                    await self._clock.sleep(_AGAIN_S)
            await self._clock.sleep(_LOOK_S)

    async def clear(self, today: date) -> int:
        """How many weeks went. The oldest that is held holds those behind it: a journal has no gaps."""
        gone = 0
        for week in weeks_due(await self._retention.weeks(), today, self._keeping.events_days):
            if not await self._clear_week(week):
                break
            gone += 1
        kept = await self._retention.weeks()
        await self._retention.forget_names(first_known_day(today, self._keeping.names_days, kept))
        await self._retention.forget_dead_letters(self._keeping.dead_letters_days)
        await self._retention.forget_guard_days(today - timedelta(days=self._keeping.names_days))
        return gone

    async def _clear_week(self, week: date) -> bool:
        async with self._retention.removal(week) as removal:
            stretches = await removal.stretches()
            if stretches and self._archive is None and not self._keeping.unarchived_go:
                _log.info("journal.week_stays", week=str(week), reason="there is no archive to put it in")
                return False
            readers = unread(stretches, await removal.places())
            living = await removal.living()
            if readers or living:
                _log.warning(
                    "journal.week_held", week=str(week), unread_by=dict(readers), stands_on_it=list(living)
                )
                return False
            archived = await self._archived(week, removal, stretches) if stretches else None
            await removal.remove(stretches, archived)
        count = sum(each.count for each in stretches)
        _log.info("journal.week_gone", week=str(week), events=count, file=archived.file if archived else "")
        return True

    async def _archived(self, week: date, removal: Removal, stretches: Sequence[Stretch]) -> Archived | None:
        if self._archive is None:
            return None
        found = await self._archive.find(week, stretches)
        return found or await self._archive.write(week, stretches, removal.lines(_PAGE))
