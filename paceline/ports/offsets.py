"""How far each consumer has read the journal."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from paceline.domain.ids import Epoch, Offset, Partition


class Offsets(Protocol):
    """A consumer has the name of its service; its leases fence its offsets."""

    async def load(self, consumer: str, partitions: Iterable[Partition]) -> Mapping[Partition, Offset]:
        """The last offset done with; 0 where there is none."""
        ...

    async def move(self, consumer: str, partition: Partition, epoch: Epoch, offset: Offset) -> None:
        """Past events that led to nothing; never back. Raises `NotOwner`."""
        ...
