"""Last prices, keyed by the instrument's full symbol."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from paceline.domain.ids import InstrumentId


@dataclass(frozen=True, slots=True)
class Price:
    """`source` says where it came from (`fyers_data`, `rest_quote`), `received_ns` when it was last known
    to be the newest: that is its age. A `stale` one is older than it should be while its market is open.
    """

    last: Decimal
    broker_time_ns: int
    received_ns: int
    source: str
    bid: Decimal | None = None
    ask: Decimal | None = None
    stale: bool = False


class Prices(Protocol):
    async def put(self, prices: Mapping[InstrumentId, Price]) -> None:
        """One pass for the whole batch; an older price (by its receipt) never replaces a newer one."""
        ...

    async def get(self, instruments: Iterable[InstrumentId]) -> Mapping[InstrumentId, Price]:
        """Those that are known."""
        ...
