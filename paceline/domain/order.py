"""Orders as brokers have them, and the life of a copy order as a table."""

from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum, StrEnum

from paceline.domain.ids import AccountId, BrokerOrderId
from paceline.domain.instrument import Exchange, InstrumentKey, Segment


class Side(IntEnum):
    BUY = 1
    SELL = -1

    @property
    def opposite(self) -> "Side":
        return Side(-self)


class OrderType(StrEnum):
    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP = "STOP"
    STOP_LIMIT = "STOP_LIMIT"


class Validity(StrEnum):
    DAY = "DAY"
    IOC = "IOC"
    GTC = "GTC"
    GTD = "GTD"


class BrokerStatus(StrEnum):
    """What a broker says of an order, normalized."""

    IN_TRANSIT = "IN_TRANSIT"
    PENDING = "PENDING"
    TRADED = "TRADED"
    CANCELLED = "CANCELLED"
    REJECTED = "REJECTED"
    EXPIRED = "EXPIRED"

    @property
    def terminal(self) -> bool:
        return self not in (BrokerStatus.IN_TRANSIT, BrokerStatus.PENDING)


@dataclass(frozen=True, slots=True)
class OrderReport:
    """One report of a broker about one order, from a socket or a book."""

    account_id: AccountId
    order_id: BrokerOrderId
    key: InstrumentKey
    exchange: Exchange
    segment: Segment
    side: Side
    type: OrderType
    status: BrokerStatus
    quantity: Decimal
    filled: Decimal
    limit_price: Decimal
    trigger_price: Decimal
    average_price: Decimal
    validity: Validity
    disclosed: Decimal
    offline: bool
    tag: str
    """As the placer gave it; empty when untagged."""
    broker_time_ns: int
    parent_id: str = ""
    exchange_order_id: str = ""
    message: str = ""
    raw_status: str = ""
    raw_product: str = ""


@dataclass(frozen=True, slots=True)
class Fee:
    name: str
    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Fill:
    """One trade of one order; told apart by trade number."""

    account_id: AccountId
    order_id: BrokerOrderId
    trade_id: str
    key: InstrumentKey
    exchange: Exchange
    segment: Segment
    side: Side
    quantity: Decimal
    price: Decimal
    broker_time_ns: int
    order_type: OrderType = OrderType.MARKET
    tag: str = ""
    fees: tuple[Fee, ...] = ()
    raw_product: str = ""
    raw_status: str = ""
