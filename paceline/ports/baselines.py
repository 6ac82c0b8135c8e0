"""When an account's books were first taken as known, and what was held then."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from paceline.domain.event import Fact
from paceline.domain.ids import AccountId
from paceline.domain.tracking import Baseline
from paceline.ports.leases import Tenure


class Baselines(Protocol):
    async def of(self, accounts: Iterable[AccountId]) -> Mapping[AccountId, Baseline]:
        """Those that were ever taken."""
        ...

    async def take(
        self,
        account_id: AccountId,
        tenure: Tenure,
        taken: Baseline,
        held: Sequence[Fact],
    ) -> bool:
        """Once and for ever, journaled with what was held, or neither. False when one stands already: then
        nothing is written. Raises `NotOwner`.
        """
        ...
