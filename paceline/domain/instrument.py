"""What is traded, and how finely."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum

from paceline.domain.ids import InstrumentId


class Exchange(StrEnum):
    NSE = "NSE"
    BSE = "BSE"
    MCX = "MCX"
    NCDEX = "NCDEX"
    CRYPTO = "CRYPTO"


class Segment(StrEnum):
    CAPITAL_MARKET = "CAPITAL_MARKET"
    EQUITY_DERIVATIVES = "EQUITY_DERIVATIVES"
    CURRENCY_DERIVATIVES = "CURRENCY_DERIVATIVES"
    COMMODITY_DERIVATIVES = "COMMODITY_DERIVATIVES"
    CRYPTO_SPOT = "CRYPTO_SPOT"
    CRYPTO_DERIVATIVES = "CRYPTO_DERIVATIVES"


class InstrumentKind(StrEnum):
    EQUITY = "EQUITY"
    INDEX = "INDEX"
    FUTURE = "FUTURE"
    CALL = "CALL"
    PUT = "PUT"
    SPOT = "SPOT"
    PERPETUAL = "PERPETUAL"


class Product(StrEnum):
    INTRADAY = "INTRADAY"
    CNC = "CNC"
    MARGIN = "MARGIN"
    MTF = "MTF"
    COVER = "COVER"
    BRACKET = "BRACKET"
    SPOT = "SPOT"
    CROSS = "CROSS"
    ISOLATED = "ISOLATED"


@dataclass(frozen=True, slots=True)
class Instrument:
    """One row of an instrument master; lots, ticks and freeze change over time, so none else stores them."""

    instrument_id: InstrumentId
    exchange: Exchange
    segment: Segment
    kind: InstrumentKind
    lot: Decimal
    tick: Decimal
    freeze: Decimal | None = None
    lower_band: Decimal | None = None
    upper_band: Decimal | None = None
    multiplier: Decimal = Decimal(1)
    currency: str = "INR"
    underlying: str = ""
    expiry: date | None = None
    strike: Decimal | None = None
    has_derivatives: bool = False
    """Of a share: futures or options on it are listed. Found out from the others, and no part of its row."""


@dataclass(frozen=True, slots=True)
class InstrumentKey:
    """Positions and ledgers are kept per instrument and product."""

    instrument_id: InstrumentId
    product: Product
