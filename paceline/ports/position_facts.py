"""What positions are made of, read back from the journal."""

from collections.abc import Sequence
from typing import Protocol

from paceline.domain.event import Event
from paceline.domain.ids import Offset, Partition


class PositionFacts(Protocol):
    async def read(self, partition: Partition, after: Offset, up_to: Offset, limit: int) -> Sequence[Event]:
        """Fills and baselines behind `after` and not behind `up_to`, in order, without their frames."""
        ...
