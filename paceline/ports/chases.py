"""Protected limits that rest at brokers, and the steps of their chase."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Protocol

from paceline.domain.copy_order import CopyCommand, CopyOrder
from paceline.domain.copying.chase import ChasePolicy
from paceline.domain.copying.protect import BY_ALLOWANCE
from paceline.domain.copying.surplus import Correction
from paceline.domain.ids import Epoch, InstrumentId, Partition
from paceline.domain.ledger import Ledger
from paceline.domain.subscription import Protection

NO_PRICES: Mapping[InstrumentId, Decimal] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class RestingRow:
    """One of them, with what its chase is judged by."""

    order: CopyOrder
    version: int
    began_ns: int
    touched_ns: int
    steps: int
    modifications: int
    allowance_bps: Decimal
    protection: Protection = BY_ALLOWANCE


@dataclass(frozen=True, slots=True)
class ChaseStep:
    """What was decided about one order: the command that carries it out."""

    row: RestingRow
    command: CopyCommand
    now_ns: int
    last: Decimal | None
    """The price it was judged by; None where none was known."""
    ends_as: str = ""
    """The name of its end, where it is given up."""
    replacing: bool = False
    """Another order shall take its place once it has ended."""


Replacing = Callable[[CopyOrder, Ledger], Correction | None]
"""What takes the place of one, judged under locks; pure."""


class Chases(Protocol):
    async def stops(self, partitions: Iterable[Partition]) -> Sequence[InstrumentId]:
        """Where a protected stop of an exit rests."""
        ...

    async def resting(
        self,
        partitions: Iterable[Partition],
        now_ns: int,
        policy: ChasePolicy,
        limit: int,
        prices: Mapping[InstrumentId, Decimal] = NO_PRICES,
    ) -> Sequence[RestingRow]:
        """Those of copies that are due and that no change is on its way to, longest untouched first; of stops
        only those whose limit the price went beyond.
        """
        ...

    async def write(
        self, partition: Partition, epoch: Epoch, steps: Sequence[ChaseStep]
    ) -> Sequence[CopyCommand]:
        """Steps with their commands and their audit, in one transaction; an order that moved since it was
        judged, or is being changed, is left. Answers the commands that are new. Raises `NotOwner`.
        """
        ...

    async def replaceable(self, partitions: Iterable[Partition]) -> Sequence[CopyOrder]:
        """Those that were cancelled for another to take their place, and have ended."""
        ...

    async def refused(
        self, partitions: Iterable[Partition], now_ns: int, policy: ChasePolicy, limit: int
    ) -> Sequence[CopyOrder]:
        """Exits of copies that their broker refused, whose next step is due and not decided."""
        ...

    async def replace(
        self, partition: Partition, epoch: Epoch, order: CopyOrder, replacing: Replacing
    ) -> Sequence[CopyOrder]:
        """The orders that are new; once, whatever `replacing` says. Raises `NotOwner`."""
        ...
