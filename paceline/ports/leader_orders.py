"""What a leader's orders look like, where a size is for the whole of one or for the distance to his stop."""

from collections.abc import Sequence
from datetime import date
from typing import Protocol

from paceline.domain.ids import AccountId
from paceline.domain.instrument import InstrumentKey
from paceline.domain.order import OrderReport


class LeaderOrders(Protocol):
    async def newest(self, account_id: AccountId, key: InstrumentKey, since: date) -> Sequence[OrderReport]:
        """The newest report of each order in one key, of those journaled since a day."""
        ...
