"""Old weeks of the journal: what they hold, what holds them, and how they go."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from paceline.domain.ids import Offset, Partition
from paceline.domain.retention import Stretch


@dataclass(frozen=True, slots=True)
class Archived:
    """A file that holds a week, read back and found whole."""

    file: str
    sha256: str


class Removal(Protocol):
    """One week under the lock that one replica has at a time; nothing of it is done until it ends well."""

    async def stretches(self) -> Sequence[Stretch]: ...

    async def places(self) -> Mapping[str, Mapping[Partition, Offset]]:
        """How far every consumer is that ever kept a place."""
        ...

    async def living(self) -> Sequence[str]:
        """What still stands on events of this week, in words: unfinished plans and orders, open copies."""
        ...

    def lines(self, page: int) -> AsyncIterator[Sequence[str]]:
        """Every event as one line of JSON, in order of partition and offset."""
        ...

    async def remove(self, stretches: Sequence[Stretch], archived: Archived | None) -> None:
        """Raises `Unavailable` where the table cannot be had soon: nobody who appends may wait long."""
        ...


class Retention(Protocol):
    async def weeks(self) -> Sequence[date]:
        """The Mondays of all weeks that there is room for or that hold anything."""
        ...

    def removal(self, week: date) -> AbstractAsyncContextManager[Removal]:
        """Raises `Unavailable` while another replica is at it."""
        ...

    async def forget_names(self, before: date) -> int:
        """Of facts; once forgotten, a fact that is told again is news."""
        ...

    async def forget_dead_letters(self, kept_days: int) -> int: ...

    async def forget_guard_days(self, before: date) -> None:
        """What guards measured from on days that are over; the newest of each stays."""
        ...


class WeekArchive(Protocol):
    """Where weeks are kept for good."""

    async def find(self, week: date, stretches: Sequence[Stretch]) -> Archived | None:
        """The one written before, if it is whole and holds just this."""
        ...

    async def write(
        self, week: date, stretches: Sequence[Stretch], lines: AsyncIterator[Sequence[str]]
    ) -> Archived:
        """Durable and read back on return; raises `ArchiveBroken` when it is not what was given."""
        ...
