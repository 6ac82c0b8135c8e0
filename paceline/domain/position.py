"""What an account holds, as its broker tells it."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from paceline.domain.ids import AccountId, InstrumentId
from paceline.domain.instrument import Exchange, InstrumentKey, Segment


class PositionMode(StrEnum):
    NET = "NET"
    HEDGED = "HEDGED"


@dataclass(frozen=True, slots=True)
class PositionReport:
    """One row of a position book; `quantity` is signed."""

    account_id: AccountId
    key: InstrumentKey
    exchange: Exchange
    segment: Segment
    quantity: Decimal
    average_price: Decimal
    realised: Decimal = Decimal(0)
    mode: PositionMode = PositionMode.NET
    leverage: Decimal = Decimal(1)
    raw_product: str = ""


@dataclass(frozen=True, slots=True)
class HoldingReport:
    """What was delivered of one instrument: free, sold today, on its way after a purchase, or pledged."""

    account_id: AccountId
    instrument_id: InstrumentId
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Funds:
    """The broker's own account of the money; `used_margin` and `collateral` as he counts them."""

    account_id: AccountId
    cash: Decimal
    used_margin: Decimal
    available: Decimal
    collateral: Decimal = Decimal(0)
    realised: Decimal = Decimal(0)
    currency: str = "INR"
