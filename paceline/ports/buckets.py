"""Request windows of brokers, shared by every process that sends for an account."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from paceline.domain.ids import AccountId
from paceline.ports.broker import Call, Window

ENTRY_SHARE_PERCENT = 70
"""What entries may use of windows of a minute and longer, so that exits and liquidations never starve."""
LONG_WINDOW_MS = 60_000
JITTER_MS = 100
"""Every taker widens the windows by it: so late may a request arrive after it was granted. Whoever finds one
later than that says so with `restamp`."""


@dataclass(frozen=True, slots=True)
class Take:
    """One request that wants to be sent now."""

    account_id: AccountId
    windows: tuple[Window, ...]
    """All windows of the broker; those that do not count this call, or have another scope than the account,
    are
    passed over."""
    call: Call
    entry: bool
    cost: int = 1


@dataclass(frozen=True, slots=True)
class Taken:
    """Granted, or the earliest time at which asking again may help."""

    granted: bool
    retry_at_ns: int = 0
    window: str = ""
    """The name of what refused; `penalty` when the broker himself named a time."""
    stamp_us: int = 0
    """When it was granted, by the clock of the store."""
    began_us: int = 0
    """Since when the store counts for the account; another time than before: it was lost meanwhile."""


@dataclass(frozen=True, slots=True)
class Late:
    """A granted request of which nothing proves that it arrived before `by_us` after its stamp."""

    take: Take
    stamp_us: int
    by_us: int


class Buckets(Protocol):
    """No sliding interval, widened by the jitter allowance, ever holds more grants than its window allows."""

    async def restamp(self, lates: Sequence[Late]) -> Sequence[int]:
        """Short windows count each as granted so much later, at least; returns the stamps it has now. Raises
        `Unavailable`.
        """
        ...

    async def take(self, takes: Sequence[Take]) -> Sequence[Taken]:
        """Decides the whole batch in one pass, in its order within an account: what is granted must be sent
        within
        the jitter allowance, or is lost. Raises `Unavailable`, after which a grant may have been counted.
        """
        ...

    async def penalize(self, account_id: AccountId, until_ns: int) -> None:
        """The broker said 429: nothing is granted before that time. Never shortens a penalty."""
        ...

    async def penalties(self, accounts: Iterable[AccountId]) -> Mapping[AccountId, int]:
        """Until when, of those under one."""
        ...

    async def incomplete(self, accounts: Iterable[AccountId]) -> frozenset[AccountId]:
        """Those whose counting began from nothing, so that what was sent before is not counted: the store was
        lost, or never used. To be asked when a partition is taken over; `rebuild` completes them.
        """
        ...

    async def rebuild(self, sent: Mapping[AccountId, Sequence[int]], windows: Sequence[Window]) -> None:
        """Count the requests (UTC ns) sent before counting began; complete accounts stay as they are.
        Every request counts in every window: the safe side.
        """
        ...
