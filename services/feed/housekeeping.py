"""What one replica does beside its sessions: the journal's weeks, trades, and the end of the day."""

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass
from datetime import time
from typing import Any

from paceline.domain.calendar import Calendar
from paceline.domain.day_end import trading_days
from paceline.domain.ids import AccountId, Partition
from paceline.ports.clock import Clock
from paceline.ports.day_ends import DayEnds
from paceline.ports.instruments import Instruments
from paceline.ports.journal import Journal
from paceline.ports.leases import Tenure
from paceline.ports.position_facts import PositionFacts
from paceline.ports.retention import Retention, WeekArchive
from paceline.ports.trades import Trades
from paceline.runtime.partitions import Partitions
from services.feed.day_end import DayEnd, PositionBooks, Rules
from services.feed.retention import Clearing, Keeping
from services.feed.settings import Settings
from services.feed.trades import TradeKeeper
from services.feed.upkeep import JournalKeeper


@dataclass(frozen=True, slots=True)
class Records:
    """Where it reads and writes."""

    journal: Journal
    facts: PositionFacts
    instruments: Instruments
    trades: Trades
    ends: DayEnds
    retention: Retention
    archive: WeekArchive | None


@dataclass(frozen=True, slots=True)
class Premises:
    """Whose sessions and partitions it is about."""

    partitions: Partitions
    tenure: Callable[[AccountId], Tenure]
    books: PositionBooks
    drained: Callable[[frozenset[Partition]], Awaitable[None]]
    """Returns when nothing of some partitions waits to be journaled."""


class Housekeeping:
    def __init__(
        self, records: Records, premises: Premises, settings: Settings, calendar: Calendar, clock: Clock
    ) -> None:
        self._premises = premises
        partitions = premises.partitions
        self._weeks = JournalKeeper(records.journal, partitions, clock)
        self._clearing = Clearing(records.retention, records.archive, partitions, clock, _keeping(settings))
        self._trades = TradeKeeper(
            records.journal,
            records.facts,
            records.trades,
            records.instruments,
            partitions,
            clock,
            settings.trades_interval_s,
        )
        self._day_end = DayEnd(
            records.ends,
            premises.books,
            partitions,
            premises.tenure,
            self._settled,
            clock,
            Rules(time.fromisoformat(settings.day_end_at), trading_days(calendar), settings.day_end_settle_s),
        )

    def works(self) -> Mapping[str, Coroutine[Any, Any, None]]:
        """Each for as long as the feed lives."""
        return {
            "journal weeks": self._weeks.run(),
            "journal clearing": self._clearing.run(),
            "trades": self._trades.run(),
            "day end": self._day_end.run(),
        }

    async def _settled(self, partitions: Iterable[Partition]) -> None:
        """What was found out of these is journaled, and those held here are folded into trades."""
        wanted = frozenset(partitions)
        await self._premises.drained(wanted)
        await self._trades.advance(wanted & self._premises.partitions.held())


def _keeping(settings: Settings) -> Keeping:
    return Keeping(
        events_days=settings.events_kept_days,
        names_days=settings.event_names_kept_days,
        dead_letters_days=settings.dead_letters_kept_days,
        unarchived_go=settings.journal_drop_unarchived,
    )
