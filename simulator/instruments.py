"""What can be traded, and the rules of each instrument."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import date


class Venue(IntEnum):
    NSE = 10
    MCX = 11
    BSE = 12


class Segment(IntEnum):
    CAPITAL = 10
    DERIVATIVES = 11
    CURRENCY = 12
    COMMODITY = 20


class Kind(Enum):
    EQUITY = "EQ"
    FUTURE = "FUT"
    CALL = "CE"
    PUT = "PE"
    INDEX = "INDEX"

    @property
    def is_option(self) -> bool:
        return self is Kind.CALL or self is Kind.PUT


@dataclass(frozen=True, slots=True)
class Instrument:
    """Prices in paise; `freeze` 0 means that there is no freeze quantity."""

    symbol: str
    fy_token: str
    name: str
    venue: Venue
    segment: Segment
    kind: Kind
    token: int
    type_code: int
    description: str
    isin: str
    lot: int
    tick: int
    freeze: int
    previous_close: int
    upper_band: int
    lower_band: int
    multiplier: int = 1
    underlying: str = ""
    underlying_fy_token: str = ""
    expiry: date | None = None
    strike: int = 0

    @property
    def master(self) -> str:
        """The symbol master that lists it, such as NSE_CM."""
        part = {Segment.CAPITAL: "CM", Segment.DERIVATIVES: "FO", Segment.COMMODITY: "COM"}
        return f"{self.venue.name}_{part.get(self.segment, 'CD')}"

    @property
    def tradable(self) -> bool:
        return self.kind is not Kind.INDEX

    def within_bands(self, price: int) -> bool:
        return self.lower_band <= price <= self.upper_band


def fy_token(venue: Venue, segment: Segment, token: int, expiry: date | None = None) -> str:
    """Exchange, segment, expiry (zeros for none), and the exchange's own token in one string of digits."""
    day = expiry.strftime("%y%m%d") if expiry else "000000"
    return f"{venue:d}{segment:d}{day}{token}"


class Universe:
    """All instruments, found by symbol or by token."""

    __slots__ = ("_by_symbol", "_by_token")

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self._by_symbol = {one.symbol: one for one in instruments}
        self._by_token = {one.fy_token: one for one in self._by_symbol.values()}

    def __iter__(self) -> Iterator[Instrument]:
        return iter(self._by_symbol.values())

    def __len__(self) -> int:
        return len(self._by_symbol)

    def get(self, symbol: str) -> Instrument | None:
        return self._by_symbol.get(symbol)

    def by_token(self, token: str) -> Instrument | None:
        return self._by_token.get(token)
