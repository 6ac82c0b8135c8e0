"""Trades as rows, and how far the journal was folded into them."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple, Protocol

from paceline.domain.ids import AccountId, Epoch, Offset, Partition
from paceline.domain.instrument import InstrumentKey
from paceline.domain.trade import Trade

TradeKey = tuple[AccountId, InstrumentKey]


class Stand(NamedTuple):
    """A trade as it stands, and what one unit of price is worth in it."""

    trade: Trade
    multiplier: Decimal


class Trades(Protocol):
    async def places(self, partitions: Iterable[Partition]) -> Mapping[Partition, Offset]:
        """The last offset of each that is folded in."""
        ...

    async def open(self, accounts: Iterable[AccountId]) -> Mapping[TradeKey, Trade]: ...

    async def advance(
        self, partition: Partition, epoch: Epoch, offset: Offset, stands: Sequence[Stand]
    ) -> None:
        """One transaction under the lease of service `feed`, each trade once, the earlier one of a key first;
        copies are known by the tag of the order that opened them. Raises `NotOwner`.
        """
        ...
