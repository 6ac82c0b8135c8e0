"""Orders and trades, and the words for what may become of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.account import Account, Position
    from simulator.instruments import Instrument


class Status(IntEnum):
    CANCELLED = 1
    TRADED = 2
    TRANSIT = 4
    REJECTED = 5
    PENDING = 6
    EXPIRED = 7

    @property
    def is_final(self) -> bool:
        return self is not Status.PENDING and self is not Status.TRANSIT


class OrderType(IntEnum):
    LIMIT = 1
    MARKET = 2
    STOP_MARKET = 3
    STOP_LIMIT = 4

    @property
    def is_stop(self) -> bool:
        return self is OrderType.STOP_MARKET or self is OrderType.STOP_LIMIT

    @property
    def has_limit(self) -> bool:
        return self is OrderType.LIMIT or self is OrderType.STOP_LIMIT


class Side(IntEnum):
    BUY = 1
    SELL = -1

    @property
    def opposite(self) -> Side:
        return Side.SELL if self is Side.BUY else Side.BUY


class Product(Enum):
    CNC = "CNC"
    INTRADAY = "INTRADAY"
    MARGIN = "MARGIN"
    MTF = "MTF"
    CO = "CO"
    BO = "BO"

    @property
    def is_intraday(self) -> bool:
        return self is Product.INTRADAY or self is Product.CO or self is Product.BO

    @property
    def is_delivery(self) -> bool:
        return self is Product.CNC or self is Product.MTF


class Validity(Enum):
    DAY = "DAY"
    IOC = "IOC"


class Source(Enum):
    """Where an order was placed."""

    API = "ITS"
    WEB = "W"
    MOBILE = "M"
    BROKER = "B"


class RejectReason(Enum):
    BAD_SYMBOL = "bad symbol"
    NOT_TRADABLE = "not tradable"
    BAD_PARAMETER = "bad parameter"
    LOT_MULTIPLE = "lot multiple"
    TICK_MULTIPLE = "tick multiple"
    DISCLOSED_QUANTITY = "disclosed quantity"
    PRODUCT_SEGMENT = "product not of this segment"
    STOP_AND_LIMIT = "stop against limit"
    BAD_TAG = "bad tag"
    TAG_ON_PRODUCT = "tag on this product"
    NO_SUCH_ORDER = "no such order"
    ORDER_IS_FINAL = "order is final"
    TOO_MANY_SLICES = "too many slices"
    FREEZE_QUANTITY = "freeze quantity"
    PRICE_BAND = "price band"
    TRIGGER_PASSED = "trigger passed"
    MARGIN = "margin"
    HOLDINGS = "holdings"
    MARKET_CLOSED = "market closed"
    MARKET_ORDERS_BARRED = "market orders barred"
    BELOW_FILLED = "below filled quantity"
    OPPOSITE_POSITION = "opposite position held"
    LEGS_DO_NOT_MEET = "legs do not meet"


@dataclass(frozen=True, slots=True)
class Reject:
    """Why; amounts in paise where the reason speaks of money."""

    reason: RejectReason
    field: str = ""
    required: int = 0
    available: int = 0


@dataclass(frozen=True, slots=True)
class Received:
    """When a request reached the exchange, on both clocks."""

    mono_ns: int
    wall_ns: int


@dataclass(frozen=True, slots=True)
class OrderRequest:
    symbol: str
    qty: int
    type: OrderType
    side: Side
    product: Product
    limit: int = 0
    stop: int = 0
    validity: Validity = Validity.DAY
    disclosed: int = 0
    offline: bool = False
    tag: str = ""
    take_profit: int = 0
    stop_loss: int = 0
    held: bool = False
    """Never matched by the exchange itself: fills come from the control door alone."""


@dataclass(frozen=True, slots=True)
class OrderChange:
    """What a modification asks for; None keeps what was."""

    type: OrderType | None = None
    limit: int | None = None
    stop: int | None = None
    qty: int | None = None
    disclosed: int | None = None


@dataclass(slots=True, eq=False)
class Order:
    """One order in the book; prices in paise."""

    number: int
    id: str
    account: Account
    position: Position
    instrument: Instrument
    qty: int
    type: OrderType
    side: Side
    product: Product
    limit: int
    stop: int
    validity: Validity
    disclosed: int
    offline: bool
    tag: str
    source: Source
    received: Received
    held: bool = False
    take_profit: int = 0
    stop_loss: int = 0
    status: Status = Status.TRANSIT
    exchange_id: str = ""
    filled: int = 0
    filled_value: int = 0
    reject: Reject | None = None
    blocked: int = 0
    opening: int = 0
    triggered: bool = False
    resting_price: int = 0
    modifications: int = 0
    accepted_mono_ns: int = 0
    accepted_wall_ns: int = 0
    updated_wall_ns: int = 0
    first_frame_mono_ns: int = 0
    wire: str = ""
    """The part of a frame that never changes, written once."""

    @property
    def remaining(self) -> int:
        return self.qty - self.filled

    @property
    def is_working(self) -> bool:
        return self.status is Status.PENDING or self.status is Status.TRANSIT

    @property
    def average(self) -> int:
        """The average traded price, to the nearest paisa."""
        return (self.filled_value + self.filled // 2) // self.filled if self.filled else 0


@dataclass(slots=True, eq=False)
class Trade:
    """One fill of one order."""

    number: int
    order: Order
    qty: int
    price: int
    mono_ns: int
    wall_ns: int
    first_frame_mono_ns: int = field(default=0)

    @property
    def value(self) -> int:
        return self.qty * self.price
