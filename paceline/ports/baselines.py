"""When an account's books were first taken as known, and what was held then."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from paceline.domain.event import Fact
from paceline.domain.ids import AccountId, Epoch, Partition


class Baselines(Protocol):
    async def of(self, accounts: Iterable[AccountId]) -> Mapping[AccountId, int]:
        """Those that were ever taken."""
        ...

    async def take(
        self,
        account_id: AccountId,
        partition: Partition,
        epoch: Epoch,
        taken_ns: int,
        held: Sequence[Fact],
    ) -> bool:
        """Once and for ever, journaled with what was held, or neither. False when one stands already: then
        nothing is written. Raises `NotOwner`.
        """
        ...
