"""Fyers' numbers and names for what the domain calls by words."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from paceline.domain.instrument import Exchange, Product, Segment
from paceline.domain.order import BrokerStatus, OrderType, Side, Validity
from paceline.ports.broker import MarketPhase

EXCHANGES: Final[Mapping[int, Exchange]] = MappingProxyType(
    {10: Exchange.NSE, 11: Exchange.MCX, 12: Exchange.BSE}
)
SEGMENTS: Final[Mapping[int, Segment]] = MappingProxyType(
    {
        10: Segment.CAPITAL_MARKET,
        11: Segment.EQUITY_DERIVATIVES,
        12: Segment.CURRENCY_DERIVATIVES,
        20: Segment.COMMODITY_DERIVATIVES,
    }
)
SIDES: Final[Mapping[int, Side]] = MappingProxyType({1: Side.BUY, -1: Side.SELL})
STATUSES: Final[Mapping[int, BrokerStatus]] = MappingProxyType(
    {
        1: BrokerStatus.CANCELLED,
        2: BrokerStatus.TRADED,
        4: BrokerStatus.IN_TRANSIT,
        5: BrokerStatus.REJECTED,
        6: BrokerStatus.PENDING,
        7: BrokerStatus.EXPIRED,
    }
)
ORDER_TYPES: Final[Mapping[int, OrderType]] = MappingProxyType(
    {1: OrderType.LIMIT, 2: OrderType.MARKET, 3: OrderType.STOP, 4: OrderType.STOP_LIMIT}
)
PRODUCTS: Final[Mapping[str, Product]] = MappingProxyType(
    {
        "INTRADAY": Product.INTRADAY,
        "CNC": Product.CNC,
        "MARGIN": Product.MARGIN,
        "MTF": Product.MTF,
        "CO": Product.COVER,
        "BO": Product.BRACKET,
    }
)
VALIDITIES: Final[Mapping[str, Validity]] = MappingProxyType({"DAY": Validity.DAY, "IOC": Validity.IOC})
MARKET_PHASES: Final[Mapping[str, MarketPhase]] = MappingProxyType(
    {
        "OPEN": MarketPhase.OPEN,
        "CLOSED": MarketPhase.CLOSED,
        "PREOPEN": MarketPhase.PRE_OPEN,
        "PREOPEN_CLOSED": MarketPhase.PRE_OPEN,
        "POSTCLOSE_START": MarketPhase.POST_CLOSE,
        "POSTCLOSE_CLOSED": MarketPhase.CLOSED,
    }
)

ORDER_TYPE_CODES: Final = MappingProxyType({word: code for code, word in ORDER_TYPES.items()})
PRODUCT_CODES: Final[Mapping[Product, str]] = MappingProxyType(
    {word: code for code, word in PRODUCTS.items() if word not in (Product.COVER, Product.BRACKET)}
)
"""Cover and bracket orders carry no tag, so they are not placed."""
VALIDITY_CODES: Final = MappingProxyType({word: code for code, word in VALIDITIES.items()})
