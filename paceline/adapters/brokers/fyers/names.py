"""One field, two names: the wire's own and those of the SDK's callbacks, which the books use too."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class TradeNames:
    number: str
    order: str
    quantity: str
    price: str
    client: str
    side: str
    product: str
    type: str
    time: str
    tag: str
    instrument: str


RAW_TRADE: Final = TradeNames(
    number="id_fill",
    order="id",
    quantity="qty_traded",
    price="price_traded",
    client="client_id",
    side="tran_side",
    product="product_type",
    type="ord_type",
    time="fill_time",
    tag="ordertag",
    instrument="fy_token",
)
BOOK_TRADE: Final = TradeNames(
    number="tradeNumber",
    order="orderNumber",
    quantity="tradedQty",
    price="tradePrice",
    client="clientId",
    side="side",
    product="productType",
    type="orderType",
    time="orderDateTime",
    tag="orderTag",
    instrument="fyToken",
)


@dataclass(frozen=True, slots=True)
class OrderNames:
    parent: str
    exchange_order: str
    client: str
    remaining: str
    filled: str
    limit_price: str
    stop_price: str
    average_price: str
    type: str
    message: str
    offline: str
    time: str
    validity: str
    product: str
    side: str
    status: str
    tag: str
    disclosed: str
    instrument: str


RAW_ORDER: Final = OrderNames(
    parent="id_parent",
    exchange_order="id_exchange",
    client="client_id",
    remaining="qty_remaining",
    filled="qty_filled",
    limit_price="price_limit",
    stop_price="price_stop",
    average_price="price_traded",
    type="ord_type",
    message="oms_msg",
    offline="offline_flag",
    time="time_oms",
    validity="validity",
    product="product_type",
    side="tran_side",
    status="org_ord_status",
    tag="ordertag",
    disclosed="qty_disc",
    instrument="fy_token",
)
BOOK_ORDER: Final = OrderNames(
    parent="parentId",
    exchange_order="exchOrdId",
    client="clientId",
    remaining="remainingQuantity",
    filled="filledQty",
    limit_price="limitPrice",
    stop_price="stopPrice",
    average_price="tradedPrice",
    type="type",
    message="message",
    offline="offlineOrder",
    time="orderDateTime",
    validity="orderValidity",
    product="productType",
    side="side",
    status="status",
    tag="orderTag",
    disclosed="disclosedQty",
    instrument="fyToken",
)


@dataclass(frozen=True, slots=True)
class PositionNames:
    net: str
    average: str
    side: str
    product: str
    realised: str
    instrument: str


RAW_POSITION: Final = PositionNames(
    net="net_qty",
    average="net_avg",
    side="tran_side",
    product="product_type",
    realised="pl_realized",
    instrument="fy_token",
)
BOOK_POSITION: Final = PositionNames(
    net="netQty",
    average="netAvg",
    side="side",
    product="productType",
    realised="realized_profit",
    instrument="fyToken",
)
