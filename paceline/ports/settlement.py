"""News about copy orders, decided on what stands and written in the same transaction."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from paceline.domain.copy_order import CopyCommand, CopyOrder, OrderSpec
from paceline.domain.copying.adjustments import Adjustment
from paceline.domain.copying.surplus import Correction
from paceline.domain.ids import AccountId, BrokerOrderId, Epoch, Offset, Partition, SubscriptionId, Tag
from paceline.domain.instrument import InstrumentKey
from paceline.domain.ledger import Ledger, LedgerEntry
from paceline.domain.subscription import AttributionPolicy
from paceline.ports.copy_commands import CommandResult
from paceline.ports.copy_orders import CopyFill, SendResult, StatusMove
from paceline.ports.plans import LedgerKey

StrayKey = tuple[AccountId, InstrumentKey]


@dataclass(frozen=True, slots=True)
class Copies:
    """Who copies in one key of an account, and what it holds beside them."""

    policies: Mapping[SubscriptionId, AttributionPolicy]
    own: Decimal = Decimal(0)
    """Signed, by the journal as far as it was told before; 0 where no policy asks for it."""
    placed: frozenset[BrokerOrderId] = frozenset()
    """Those of the orders asked for that are copies, whatever their trades say."""


@dataclass(frozen=True, slots=True)
class Stray:
    """A fill to be looked at that no copy asked for."""

    account_id: AccountId
    key: InstrumentKey
    order_id: BrokerOrderId


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
    copies: Mapping[StrayKey, Copies] = field(default_factory=dict)
    """Of the keys in which strays were told, where something is copied; their ledgers and rows are above."""


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
    adjusted: Sequence[tuple[AccountId, Adjustment]] = ()
    """For the audit; their lines are among `lines`."""
    withdrawn: Sequence[CopyCommand] = ()
    """Exits that have nothing left to sell."""


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
        strays: Sequence[Stray] = (),
    ) -> Settled:
        """One transaction under the leases of service `executor`; `offsets` move its place in the journal."""
        ...
