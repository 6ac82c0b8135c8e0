"""What can be traded, as the brokers' masters last said."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Protocol

from paceline.domain.account import Broker
from paceline.domain.ids import InstrumentId
from paceline.domain.instrument import Instrument
from paceline.ports.broker import Listing


class Instruments(Protocol):
    async def save(self, broker: Broker, listings: Sequence[Listing], day: date) -> int:
        """A master as of a day; only what changed begins a new version. Says how many did."""
        ...

    async def note(self, broker: Broker, day: date, named: Mapping[str, int]) -> None:
        """The master of that day is saved whole: so many instruments each of its files named."""
        ...

    async def named(self, broker: Broker) -> Mapping[str, int]:
        """How many instruments each file of the last master that was noted named."""
        ...

    async def get_many(self, ids: Iterable[InstrumentId]) -> Mapping[InstrumentId, Instrument]:
        """The newest version of those that are known."""
        ...

    async def page(
        self, *, prefix: str = "", after: InstrumentId | None = None, limit: int = 100
    ) -> Sequence[Instrument]: ...
