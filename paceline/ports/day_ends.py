"""What the end of a trading day writes, once per account and day."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Protocol

from paceline.domain.ids import AccountId, Epoch, Partition
from paceline.domain.instrument import InstrumentKey
from paceline.ports.leases import Tenure

Gone = Callable[[InstrumentKey, Decimal], bool]
"""Whether a position, signed, is surely no longer at the broker."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Two readings of the position book, and what they prove; `words` stand in the ledger and the audit."""

    gone: Gone
    words: str
    at_ns: int


class DayEnds(Protocol):
    async def pending(self, accounts: Iterable[AccountId], day: date) -> Sequence[AccountId]:
        """Those of them whose day has not ended yet."""
        ...

    async def pending_in(self, partitions: Iterable[Partition], day: date) -> Sequence[AccountId]:
        """All accounts of these that are not closed and whose day has not ended yet."""
        ...

    async def held(self, account_id: AccountId) -> Sequence[tuple[InstrumentKey, Decimal]]:
        """What ledgers of its copies and open trades say it holds, each by itself."""
        ...

    async def end(
        self, tenure: Tenure, account_id: AccountId, day: date, finding: Finding | None
    ) -> str | None:
        """Closes what is gone, with the evidence, and marks the day; one transaction. Answers why it cannot
        be done yet, and then nothing was written: something of it is on its way. Raises `NotOwner`.
        """
        ...

    async def unread(
        self, partition: Partition, epoch: Epoch, accounts: Sequence[AccountId], day: date, why: str
    ) -> None:
        """Marks days that ended without a reading. Raises `NotOwner`."""
        ...

    async def sweep(self, held: Mapping[Partition, Epoch], before_ns: int) -> int:
        """Failed orders planned before this are history from now on; those of stale epochs are left."""
        ...
