"""What positions are made of, read back from the journal, and what it came to before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from paceline.domain.event import Event
from paceline.domain.ids import AccountId, Epoch, InstrumentId, Offset, Partition
from paceline.domain.instrument import Exchange, Product, Segment

_START = Offset(0)


class Kept(NamedTuple):
    """One position that is not flat, in whole numbers as risk counts them."""

    account_id: AccountId
    instrument_id: InstrumentId
    product: Product
    quantity: int
    cost: int


class Listed(NamedTuple):
    """Where an instrument is traded."""

    instrument_id: InstrumentId
    exchange: Exchange
    segment: Segment


class Uncountable(NamedTuple):
    account_id: AccountId
    problem: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the facts of one partition up to an offset come to."""

    offset: Offset = _START
    positions: tuple[Kept, ...] = ()
    listed: tuple[Listed, ...] = ()
    uncountable: tuple[Uncountable, ...] = ()


@dataclass(frozen=True, slots=True)
class Taken:
    """A checkpoint, and the lease of service `risk` under which it was reckoned."""

    partition: Partition
    epoch: Epoch
    checkpoint: Checkpoint = field(default_factory=Checkpoint)


class PositionFacts(Protocol):
    async def read(self, partition: Partition, after: Offset, up_to: Offset, limit: int) -> Sequence[Event]:
        """Fills and baselines behind `after` and not behind `up_to`, in order, without their frames. Raises
        `Forgotten` where some of them are no longer kept.
        """
        ...

    async def checkpoints(self, partitions: Sequence[Partition]) -> Mapping[Partition, Checkpoint]:
        """The newest of each; one that was never taken is missing."""
        ...

    async def keep(self, taken: Taken) -> None:
        """With risk's place in the journal, in one transaction; never back. Raises `NotOwner`."""
        ...
