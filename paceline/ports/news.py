"""Whether anything changed that a copy of subscriptions, accounts and sessions in memory must know."""

from dataclasses import dataclass
from typing import Protocol

from paceline.domain.ids import AccountId

Touch = tuple[AccountId, int]
"""An account, and the number of the transaction that changed its row or its session."""


@dataclass(frozen=True, slots=True)
class News:
    horizon: int
    """Ask from here the next time: what was not committed yet when this was read is told then."""
    subscriptions: int
    """The newest change of any subscription."""
    touched: frozenset[Touch]
    """May repeat what was told before."""


class NewsSource(Protocol):
    async def since(self, horizon: int | None) -> News:
        """Everything committed before this was called, from a horizon on; without one, where to begin."""
        ...
