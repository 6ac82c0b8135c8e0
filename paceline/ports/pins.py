"""Which accounts are pinned to one replica: rows in PostgreSQL beside the leases of partitions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from paceline.domain.ids import AccountId, Epoch


@dataclass(frozen=True, slots=True)
class PinRow:
    """One row as read; without an owner the account belongs to whoever holds its partition.

    `version` moves with every renewal, `epoch` with every change of hands, also with the way back.
    """

    account_id: AccountId
    epoch: Epoch
    owner: str | None
    address: str
    version: int
    ttl_ms: int


class Pins(Protocol):
    """A change of hands waits for what is being journaled into the partition, and fences what comes later."""

    async def prepare(self, accounts: Iterable[AccountId]) -> None:
        """Lay their rows where they are missing."""

    async def rows(self) -> Sequence[PinRow]:
        """Every account that was ever pinned."""
        ...

    async def acquire(
        self, owner: str, address: str, claims: Sequence[tuple[AccountId, int]]
    ) -> Mapping[AccountId, Epoch]:
        """Take each row whose version is still the one seen. Wakes the listeners of `paceline_pins`."""
        ...

    async def renew(self, owner: str, held: Sequence[tuple[AccountId, Epoch]]) -> Sequence[AccountId]:
        """Move the version of rows still ours; those not returned are lost."""
        ...

    async def release(self, owner: str, held: Sequence[tuple[AccountId, Epoch]]) -> None:
        """Give back at once. Wakes the listeners."""

    async def vacate(self, claims: Sequence[tuple[AccountId, int]]) -> None:
        """Take from silent holders each row whose version is still the one seen. Wakes the listeners."""
