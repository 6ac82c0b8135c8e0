"""What every account is worth, as others read it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from paceline.domain.account import AccountType
from paceline.domain.ids import AccountId, Partition


@dataclass(frozen=True, slots=True)
class Portfolio:
    account_id: AccountId
    type: AccountType
    cash: Decimal
    realised: Decimal
    unrealised: Decimal
    equity: Decimal
    used_margin: Decimal
    margin_level: Decimal | None
    """Percent; None is infinite: no margin is used."""
    currency: str
    computed_ns: int
    """When it was reckoned; its age is part of every sizing."""
    stale: bool = False
    """A price or the broker's funds behind it are older than allowed."""


class Portfolios(Protocol):
    async def put(self, portfolios: Sequence[Portfolio]) -> None:
        """One pass for the whole batch."""
        ...

    async def get(self, accounts: Mapping[AccountId, AccountType]) -> Mapping[AccountId, Portfolio]:
        """Those that are known."""
        ...

    async def create_empty(self, account_id: AccountId, type: AccountType) -> None:  # noqa: A002
        """Config and an empty portfolio of a new account; leaves what stands there."""
        ...

    async def publish(self, packed: Mapping[Partition, bytes]) -> None:
        """One packed value per partition each pass: stored, and sent to `portfolio_updates`."""
        ...

    async def packed(self, partitions: Iterable[Partition]) -> Mapping[Partition, bytes]:
        """The newest packed values, for readers that join late."""
        ...
