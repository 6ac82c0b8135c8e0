"""Where it stands what keeps entries out: liquidations, and lists of banned instruments."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from paceline.domain.copying.barriers import BanList, Underway

BanMark = tuple[date, str]
"""First day and source."""


@dataclass(frozen=True, slots=True)
class BanView:
    banned: BanList
    written_at: datetime


class BanLists(Protocol):
    async def put(self, banned: BanList) -> BanView:
        """In the place of what its source said of the same first day."""
        ...

    async def page(self, source: str, before: BanMark | None, limit: int) -> Sequence[BanView]:
        """Of one source or, without a name, of all; the newest first."""
        ...


class Barring(Protocol):
    """What a replicator reads."""

    async def underway(self) -> Sequence[Underway]:
        """Every liquidation that is wanted or runs."""
        ...

    async def lists(self, day: date) -> Sequence[BanList]:
        """The newest of each source that begins no later."""
        ...
