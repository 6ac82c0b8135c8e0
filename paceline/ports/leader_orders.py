"""What a leader's orders look like: where a size is for the whole of one or for the distance to his stop, and
where they are mirrored.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Protocol

from paceline.domain.copying.view import LeaderOrder
from paceline.domain.ids import AccountId, BrokerOrderId, Offset
from paceline.domain.instrument import InstrumentKey
from paceline.domain.order import OrderReport


class LeaderOrders(Protocol):
    async def newest(self, account_id: AccountId, key: InstrumentKey, since: date) -> Sequence[OrderReport]:
        """The newest report of each order in one key, of those journaled since a day."""
        ...

    async def before(
        self, account_id: AccountId, key: InstrumentKey, since: date, offset: Offset
    ) -> Mapping[BrokerOrderId, LeaderOrder]:
        """As reports and trades told of them from a day on, before an offset of his partition."""
        ...
