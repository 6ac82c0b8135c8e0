"""News about copy orders, decided on what stands and written in the same transaction."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from paceline.domain.copy_order import CopyCommand, CopyOrder, OrderSpec
from paceline.domain.copying.surplus import Correction
from paceline.domain.ids import Epoch, Offset, Partition, Tag
from paceline.domain.ledger import Ledger, LedgerEntry
from paceline.ports.copy_commands import CommandResult
from paceline.ports.copy_orders import CopyFill, SendResult, StatusMove
from paceline.ports.plans import LedgerKey


@dataclass(frozen=True, slots=True)
class Standing:
    """Rows and ledgers as they are now, and stay until the transaction ends."""

    orders: Mapping[Tag, CopyOrder]
    """Those that were asked for and exist."""
    open: Mapping[LedgerKey, Sequence[CopyOrder]]
    """All rows of the same subscriptions and keys that have not ended."""
    ledgers: Mapping[LedgerKey, Ledger]
    done: Mapping[Partition, Offset] = field(default_factory=dict)
    """How far the journal was told before, of the partitions whose place is to be moved."""
    commands: Mapping[Tag, CopyCommand] = field(default_factory=dict)
    """The newest change on its way to each of the `open` rows."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What the news comes to."""

    results: Sequence[SendResult] = ()
    moves: Sequence[tuple[Partition, StatusMove]] = ()
    fills: Sequence[CopyFill] = ()
    lines: Sequence[LedgerEntry] = ()
    corrections: Sequence[Correction] = ()
    specs: Sequence[tuple[Tag, OrderSpec]] = ()
    """What orders look like now that changes to them were carried out."""
    commands: Sequence[CommandResult] = ()
    """What became of changes; those of stale partitions must not be among them."""


@dataclass(frozen=True, slots=True)
class Settled:
    """`stale` partitions were left out whole; `corrections` are the orders that are new."""

    stale: frozenset[Partition] = frozenset()
    corrections: Sequence[CopyOrder] = field(default_factory=tuple)


Decide = Callable[[Standing, frozenset[Partition]], Decided]
"""Pure; the second argument are the stale partitions, of which nothing may be decided."""


class Settlement(Protocol):
    async def settle(
        self,
        epochs: Mapping[Partition, Epoch],
        offsets: Mapping[Partition, Offset],
        tags: Iterable[Tag],
        decide: Decide,
    ) -> Settled:
        """One transaction under the leases of service `executor`; `offsets` move its place in the journal."""
        ...
