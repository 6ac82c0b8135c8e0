"""One wording for two witnesses: what the SDK's callback said, and what our adapter reported, field by field.

Our reports are turned back into Fyers' own numbers by tables written out here, not by the adapter's.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from paceline.domain.instrument import Exchange, Product, Segment
from paceline.domain.order import BrokerStatus, OrderType, Validity

if TYPE_CHECKING:
    from paceline.domain.order import Fill, OrderReport
    from paceline.domain.position import PositionReport

Neutral = dict[str, object]

IST = timezone(timedelta(hours=5, minutes=30))
EXCHANGES = {Exchange.NSE: 10, Exchange.MCX: 11, Exchange.BSE: 12}
SEGMENTS = {Segment.CAPITAL_MARKET: 10, Segment.EQUITY_DERIVATIVES: 11, Segment.COMMODITY_DERIVATIVES: 20}
TYPES = {OrderType.LIMIT: 1, OrderType.MARKET: 2, OrderType.STOP: 3, OrderType.STOP_LIMIT: 4}
STATUSES = {
    BrokerStatus.CANCELLED: 1,
    BrokerStatus.TRADED: 2,
    BrokerStatus.IN_TRANSIT: 4,
    BrokerStatus.REJECTED: 5,
    BrokerStatus.PENDING: 6,
    BrokerStatus.EXPIRED: 7,
}
PRODUCTS = {
    Product.INTRADAY: "INTRADAY",
    Product.CNC: "CNC",
    Product.MARGIN: "MARGIN",
    Product.COVER: "CO",
}
VALIDITIES = {Validity.DAY: "DAY", Validity.IOC: "IOC"}


def sdk_order(told: dict[str, Any]) -> Neutral:
    return {
        **_common(told),
        "id": told["id"],
        "type": told["type"],
        "status": told["status"],
        "qty": Decimal(told["qty"]),
        "filled": Decimal(told["filledQty"]),
        "limit": _money(told["limitPrice"]),
        "stop": _money(told["stopPrice"]),
        "average": _money(told["tradedPrice"]),
        "validity": told["orderValidity"],
        "offline": told["offlineOrder"],
        "tag": _tag(told["orderTag"]),
        "time_ns": _nanoseconds(told["orderDateTime"], "%d-%b-%Y %H:%M:%S"),
        "parent": told.get("parentId", ""),
        "exchange_id": told["exchOrdId"],
        "message": told["message"],
    }


def our_order(report: OrderReport) -> Neutral:
    return {
        **_ours(report),
        "id": report.order_id,
        "side": int(report.side),
        "type": TYPES[report.type],
        "status": STATUSES[report.status],
        "qty": report.quantity,
        "filled": report.filled,
        "limit": report.limit_price,
        "stop": report.trigger_price,
        "average": report.average_price,
        "validity": VALIDITIES[report.validity],
        "offline": report.offline,
        "tag": report.tag,
        "time_ns": report.broker_time_ns,
        "parent": report.parent_id,
        "exchange_id": report.exchange_order_id,
        "message": report.message,
    }


def sdk_trade(told: dict[str, Any], time_format: str = "%d-%m-%Y %H:%M:%S") -> Neutral:
    return {
        **_common(told),
        "order_id": told["orderNumber"],
        "trade": told["tradeNumber"].removeprefix(f"{told['orderNumber']}-"),
        "type": told["orderType"],
        "qty": Decimal(told["tradedQty"]),
        "price": _money(told["tradePrice"]),
        "tag": _tag(told["orderTag"]),
        "time_ns": _nanoseconds(told["orderDateTime"], time_format),
    }


def our_trade(fill: Fill) -> Neutral:
    return {
        **_ours(fill),
        "order_id": fill.order_id,
        "side": int(fill.side),
        "trade": fill.trade_id,
        "type": TYPES[fill.order_type],
        "qty": fill.quantity,
        "price": fill.price,
        "tag": fill.tag,
        "time_ns": fill.broker_time_ns,
    }


def sdk_position(told: dict[str, Any]) -> Neutral:
    return {
        **_common(told),
        "side": told["side"],
        "net": Decimal(told["netQty"]),
        "average": _money(told["netAvg"]),
        "realised": _money(told["realized_profit"]),
    }


def our_position(report: PositionReport) -> Neutral:
    return {
        **_ours(report),
        "side": (report.quantity > 0) - (report.quantity < 0),
        "net": report.quantity,
        "average": report.average_price,
        "realised": report.realised,
    }


def _common(told: dict[str, Any]) -> Neutral:
    return {
        "symbol": told["symbol"],
        "product": told["productType"],
        "exchange": told["exchange"],
        "segment": told["segment"],
        "side": told["side"],
    }


def _ours(report: OrderReport | Fill | PositionReport) -> Neutral:
    return {
        "symbol": report.key.instrument_id,
        "product": PRODUCTS[report.key.product],
        "exchange": EXCHANGES[report.exchange],
        "segment": SEGMENTS[report.segment],
    }


def _money(rupees: float) -> Decimal:
    return Decimal(str(rupees))


def _tag(tag: str) -> str:
    return tag.removeprefix("1:") if tag.startswith("1:") else ""


def _nanoseconds(text: str, form: str) -> int:
    return round(datetime.strptime(text, form).replace(tzinfo=IST).timestamp()) * 1_000_000_000
