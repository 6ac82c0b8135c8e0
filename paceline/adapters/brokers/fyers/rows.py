"""One row of a frame or a book ↔ one report of the domain. Pure and strict; defaults only where named."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from paceline.adapters.brokers.fyers import fields, words
from paceline.adapters.brokers.fyers.answers import JsonObject
from paceline.adapters.brokers.fyers.names import (
    BOOK_ORDER,
    BOOK_POSITION,
    BOOK_TRADE,
    RAW_ORDER,
    RAW_POSITION,
    RAW_TRADE,
    OrderNames,
)
from paceline.domain.ids import AccountId, BrokerOrderId, InstrumentId
from paceline.domain.instrument import Exchange, InstrumentKey, Product, Segment
from paceline.domain.order import BrokerStatus, Fill, OrderReport, OrderType, Side
from paceline.domain.position import HoldingReport, PositionReport
from paceline.ports.broker import MalformedKind

ZERO: Final = Decimal(0)
_TAGGED: Final = "1:"
_SEGMENT_DIGITS: Final = slice(2, 4)
_BESIDE: Final = ("remainingQuantity", "qty_t1", "collateralQuantity", "remainingPledgeQuantity")
_EXCHANGES_BY_PREFIX: Final[Mapping[str, Exchange]] = MappingProxyType(
    {"NSE": Exchange.NSE, "BSE": Exchange.BSE, "MCX": Exchange.MCX}
)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose socket or book the rows come from."""

    account_id: AccountId
    client_id: str


@dataclass(frozen=True, slots=True)
class Listed:
    """What every row says of its instrument."""

    key: InstrumentKey
    exchange: Exchange
    segment: Segment
    raw_product: str


def trade(row: JsonObject, owner: Owner, received_ns: int) -> Fill:
    names = BOOK_TRADE if BOOK_TRADE.number in row else RAW_TRADE
    _check_client(fields.required_text(row, names.client), owner)
    order_id = fields.required_text(row, names.order)
    quantity = fields.quantity(row, names.quantity)
    if not quantity:
        raise fields.bad(names.quantity, quantity)
    listed = _listed(row, names.product, names.instrument)
    return Fill(
        account_id=owner.account_id,
        order_id=BrokerOrderId(order_id),
        trade_id=fields.required_text(row, names.number).removeprefix(f"{order_id}-"),
        key=listed.key,
        exchange=listed.exchange,
        segment=listed.segment,
        side=_side(row, names.side),
        quantity=quantity,
        price=fields.decimal(row, names.price),
        broker_time_ns=fields.time_ns(row, names.time, received_ns),
        order_type=_order_type(row, names.type),
        tag=_tag(row, names.tag),
        raw_product=listed.raw_product,
    )


def order(row: JsonObject, owner: Owner, received_ns: int) -> OrderReport:
    names = BOOK_ORDER if BOOK_ORDER.side in row else RAW_ORDER
    _check_client(fields.text(row, names.client), owner)
    status = _status(row, names)
    quantity = fields.quantity(row, "qty")
    listed = _listed(row, names.product, names.instrument)
    return OrderReport(
        account_id=owner.account_id,
        order_id=BrokerOrderId(fields.required_text(row, "id")),
        key=listed.key,
        exchange=listed.exchange,
        segment=listed.segment,
        side=_side(row, names.side),
        type=_order_type(row, names.type),
        status=status,
        quantity=quantity,
        filled=_filled(row, names, status, quantity),
        limit_price=fields.decimal(row, names.limit_price, ZERO),
        trigger_price=fields.decimal(row, names.stop_price, ZERO),
        average_price=fields.decimal(row, names.average_price, ZERO),
        validity=fields.meaning(names.validity, fields.text(row, names.validity) or "DAY", words.VALIDITIES),
        disclosed=fields.decimal(row, names.disclosed, ZERO),
        offline=_flag(row, names.offline),
        tag=_tag(row, names.tag),
        broker_time_ns=fields.time_ns(row, names.time, received_ns),
        parent_id=fields.text(row, names.parent),
        exchange_order_id=fields.text(row, names.exchange_order),
        message=fields.words(row, names.message),
        raw_status=fields.words(row, "ord_status") or fields.words(row, names.status),
        raw_product=listed.raw_product,
    )


def position(row: JsonObject, owner: Owner) -> PositionReport:
    """Zeros may be absent: of a position that is flat, the quantity itself."""
    names = BOOK_POSITION if BOOK_POSITION.product in row else RAW_POSITION
    net = fields.decimal(row, names.net, ZERO)
    sign = fields.code(row, names.side)
    if sign not in (None, 0, 1, -1):
        raise fields.bad(names.side, sign)
    listed = _listed(row, names.product, names.instrument)
    return PositionReport(
        account_id=owner.account_id,
        key=listed.key,
        exchange=listed.exchange,
        segment=listed.segment,
        quantity=abs(net) * sign if sign else net,
        average_price=fields.decimal(row, names.average, ZERO),
        realised=fields.decimal(row, names.realised, ZERO),
        raw_product=listed.raw_product,
    )


def holding(row: JsonObject, owner: Owner) -> HoldingReport:
    """The broker tells parts that overlap; the largest of them is there at the least."""
    parts = [fields.decimal(row, name, ZERO) for name in _BESIDE]
    quantity = max(ZERO, fields.decimal(row, "quantity"), *parts)
    return HoldingReport(owner.account_id, InstrumentId(fields.required_text(row, "symbol")), quantity)


def _check_client(client_id: str, owner: Owner) -> None:
    """An order frame may come without: it belongs to the account of its socket."""
    if client_id and owner.client_id and client_id.upper() != owner.client_id.upper():
        raise fields.UnreadableRowError(
            MalformedKind.UNKNOWN_CLIENT, f"the client {client_id!r} is not this session's"
        )


def _listed(row: JsonObject, product_name: str, token_name: str) -> Listed:
    symbol = fields.required_text(row, "symbol")
    raw_product = fields.text(row, product_name) or "CNC"
    product: Product = fields.meaning(product_name, raw_product.upper(), words.PRODUCTS)
    key = InstrumentKey(InstrumentId(symbol), product)
    return Listed(key, _exchange(row, symbol), _segment(row, symbol, token_name), raw_product)


def _exchange(row: JsonObject, symbol: str) -> Exchange:
    code = fields.code(row, "exchange")
    if code is None:
        return fields.meaning("symbol", symbol.partition(":")[0], _EXCHANGES_BY_PREFIX)
    return fields.meaning("exchange", code, words.EXCHANGES)


def _segment(row: JsonObject, symbol: str, token_name: str) -> Segment:
    """By its code; else by the token, which names it in two digits; else by the look of the symbol."""
    code = fields.code(row, "segment")
    if code is not None:
        return fields.meaning("segment", code, words.SEGMENTS)
    digits = fields.text(row, token_name)[_SEGMENT_DIGITS]
    if digits.isdigit() and int(digits) in words.SEGMENTS:
        return words.SEGMENTS[int(digits)]
    if symbol.startswith("MCX:"):
        return Segment.COMMODITY_DERIVATIVES
    is_derivative = symbol.endswith(("CE", "PE", "FUT")) and not symbol.endswith("-EQ")
    return Segment.EQUITY_DERIVATIVES if is_derivative else Segment.CAPITAL_MARKET


def _side(row: JsonObject, name: str) -> Side:
    code = fields.code(row, name)
    if code is None:
        raise fields.UnreadableRowError(MalformedKind.MISSING_FIELD, f"{name} is missing")
    return fields.meaning(name, code, words.SIDES)


def _order_type(row: JsonObject, name: str) -> OrderType:
    code = fields.code(row, name)
    return OrderType.MARKET if code is None else fields.meaning(name, code, words.ORDER_TYPES)


def _status(row: JsonObject, names: OrderNames) -> BrokerStatus:
    code = fields.code(row, names.status)
    if code is None:
        raise fields.UnreadableRowError(MalformedKind.MISSING_FIELD, f"{names.status} is missing")
    return fields.meaning(names.status, code, words.STATUSES)


def _filled(row: JsonObject, names: OrderNames, status: BrokerStatus, quantity: Decimal) -> Decimal:
    """As said; else what is not remaining of a working order. An ended order's remainder says nothing."""
    said = fields.optional_decimal(row, names.filled)
    if said is not None:
        if said < 0 or said != said.to_integral_value():
            raise fields.bad(names.filled, said)
        return said
    if status is BrokerStatus.TRADED:
        return quantity
    remaining = fields.optional_decimal(row, names.remaining)
    if status.terminal or remaining is None:
        return ZERO
    if not 0 <= remaining <= quantity:
        raise fields.bad(names.remaining, remaining)
    return quantity - remaining


def _tag(row: JsonObject, name: str) -> str:
    """`1:tag` is ours or somebody's own; `2:Untagged` is nobody's."""
    raw = fields.text(row, name)
    return raw.removeprefix(_TAGGED) if raw.startswith(_TAGGED) else ""


def _flag(row: JsonObject, name: str) -> bool:
    value = row.get(name)
    return value in (True, 1, "1", "true", "True", "Y")
