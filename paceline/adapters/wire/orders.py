"""Orders, fills and positions as brokers report them."""

from decimal import Decimal
from functools import lru_cache

from paceline.adapters.wire.decimals import decimal_at, decimal_or_none, decimal_or_zero, text_of
from paceline.adapters.wire.enums import (
    BROKER_STATUS,
    EXCHANGE,
    ORDER_TYPE,
    POSITION_MODE,
    PRODUCT,
    SEGMENT,
    SIDE,
    VALIDITY,
)
from paceline.adapters.wire.fields import each, required, within
from paceline.api.v1 import common_pb2, order_pb2
from paceline.domain.ids import AccountId, BrokerOrderId, InstrumentId
from paceline.domain.instrument import InstrumentKey
from paceline.domain.order import Fee, Fill, OrderReport
from paceline.domain.position import PositionReport

ONE = Decimal(1)


def key_to_wire(key: InstrumentKey, into: common_pb2.InstrumentKey | None = None) -> common_pb2.InstrumentKey:
    wire = common_pb2.InstrumentKey() if into is None else into
    wire.instrument_id = key.instrument_id
    wire.product = PRODUCT.wire[key.product]
    return wire


def key_from_wire(wire: common_pb2.InstrumentKey) -> InstrumentKey:
    return _key(wire.instrument_id, wire.product)


@lru_cache(maxsize=8192)  # one leader event names the same key for all its followers
def _key(instrument_id: str, product: int) -> InstrumentKey:
    return InstrumentKey(
        InstrumentId(required(instrument_id, "instrument_id")), PRODUCT.read(product, "product")
    )


def order_to_wire(report: OrderReport, into: order_pb2.OrderReport | None = None) -> order_pb2.OrderReport:
    wire = order_pb2.OrderReport() if into is None else into
    wire.account_id = report.account_id
    wire.order_id = report.order_id
    key_to_wire(report.key, wire.key)
    wire.exchange = EXCHANGE.wire[report.exchange]
    wire.segment = SEGMENT.wire[report.segment]
    wire.side = SIDE.wire[report.side]
    wire.type = ORDER_TYPE.wire[report.type]
    wire.status = BROKER_STATUS.wire[report.status]
    wire.validity = VALIDITY.wire[report.validity]
    wire.tag = report.tag
    wire.offline = report.offline
    wire.broker_time_ns = report.broker_time_ns
    wire.parent_id = report.parent_id
    wire.exchange_order_id = report.exchange_order_id
    wire.message = report.message
    wire.raw_status = report.raw_status
    wire.raw_product = report.raw_product
    _order_numbers(report, wire)
    return wire


def _order_numbers(report: OrderReport, wire: order_pb2.OrderReport) -> None:
    wire.quantity.value = text_of(report.quantity)
    if report.filled:
        wire.filled.value = text_of(report.filled)
    if report.limit_price:
        wire.limit_price.value = text_of(report.limit_price)
    if report.trigger_price:
        wire.trigger_price.value = text_of(report.trigger_price)
    if report.average_price:
        wire.average_price.value = text_of(report.average_price)
    if report.disclosed:
        wire.disclosed.value = text_of(report.disclosed)


def order_from_wire(wire: order_pb2.OrderReport) -> OrderReport:
    return OrderReport(
        account_id=AccountId(required(wire.account_id, "account_id")),
        order_id=BrokerOrderId(required(wire.order_id, "order_id")),
        key=within("key", key_from_wire, wire.key),
        exchange=EXCHANGE.read(wire.exchange, "exchange"),
        segment=SEGMENT.read(wire.segment, "segment"),
        side=SIDE.read(wire.side, "side"),
        type=ORDER_TYPE.read(wire.type, "type"),
        status=BROKER_STATUS.read(wire.status, "status"),
        quantity=decimal_at(wire, "quantity"),
        filled=decimal_or_zero(wire, "filled"),
        limit_price=decimal_or_zero(wire, "limit_price"),
        trigger_price=decimal_or_zero(wire, "trigger_price"),
        average_price=decimal_or_zero(wire, "average_price"),
        validity=VALIDITY.read(wire.validity, "validity"),
        disclosed=decimal_or_zero(wire, "disclosed"),
        offline=wire.offline,
        tag=wire.tag,
        broker_time_ns=wire.broker_time_ns,
        parent_id=wire.parent_id,
        exchange_order_id=wire.exchange_order_id,
        message=wire.message,
        raw_status=wire.raw_status,
        raw_product=wire.raw_product,
    )


def fill_to_wire(fill: Fill, into: order_pb2.Fill | None = None) -> order_pb2.Fill:
    wire = order_pb2.Fill() if into is None else into
    wire.account_id = fill.account_id
    wire.order_id = fill.order_id
    wire.trade_id = fill.trade_id
    key_to_wire(fill.key, wire.key)
    wire.exchange = EXCHANGE.wire[fill.exchange]
    wire.segment = SEGMENT.wire[fill.segment]
    wire.side = SIDE.wire[fill.side]
    wire.quantity.value = text_of(fill.quantity)
    wire.price.value = text_of(fill.price)
    wire.broker_time_ns = fill.broker_time_ns
    wire.order_type = ORDER_TYPE.wire[fill.order_type]
    wire.tag = fill.tag
    wire.raw_product = fill.raw_product
    wire.raw_status = fill.raw_status
    for fee in fill.fees:
        fee_to_wire(fee, wire.fees.add())
    return wire


def fill_from_wire(wire: order_pb2.Fill) -> Fill:
    return Fill(
        account_id=AccountId(required(wire.account_id, "account_id")),
        order_id=BrokerOrderId(required(wire.order_id, "order_id")),
        trade_id=required(wire.trade_id, "trade_id"),
        key=within("key", key_from_wire, wire.key),
        exchange=EXCHANGE.read(wire.exchange, "exchange"),
        segment=SEGMENT.read(wire.segment, "segment"),
        side=SIDE.read(wire.side, "side"),
        quantity=decimal_at(wire, "quantity"),
        price=decimal_at(wire, "price"),
        broker_time_ns=wire.broker_time_ns,
        order_type=ORDER_TYPE.read(wire.order_type, "order_type"),
        tag=wire.tag,
        fees=each("fees", fee_from_wire, wire.fees),
        raw_product=wire.raw_product,
        raw_status=wire.raw_status,
    )


def fee_to_wire(fee: Fee, into: order_pb2.Fee | None = None) -> order_pb2.Fee:
    wire = order_pb2.Fee() if into is None else into
    wire.name = fee.name
    wire.amount.amount.value = text_of(fee.amount)
    wire.amount.currency = fee.currency
    return wire


def fee_from_wire(wire: order_pb2.Fee) -> Fee:
    money = wire.amount
    return Fee(
        required(wire.name, "name"),
        within("amount", lambda part: decimal_at(part, "amount"), money),
        required(money.currency, "amount.currency"),
    )


def position_to_wire(
    report: PositionReport, into: order_pb2.PositionReport | None = None
) -> order_pb2.PositionReport:
    wire = order_pb2.PositionReport() if into is None else into
    wire.account_id = report.account_id
    key_to_wire(report.key, wire.key)
    wire.exchange = EXCHANGE.wire[report.exchange]
    wire.segment = SEGMENT.wire[report.segment]
    wire.mode = POSITION_MODE.wire[report.mode]
    wire.raw_product = report.raw_product
    wire.quantity.value = text_of(report.quantity)
    if report.average_price:
        wire.average_price.value = text_of(report.average_price)
    if report.realised:
        wire.realised.value = text_of(report.realised)
    if report.leverage != ONE:
        wire.leverage.value = text_of(report.leverage)
    return wire


def position_from_wire(wire: order_pb2.PositionReport) -> PositionReport:
    leverage = decimal_or_none(wire, "leverage")
    return PositionReport(
        account_id=AccountId(required(wire.account_id, "account_id")),
        key=within("key", key_from_wire, wire.key),
        exchange=EXCHANGE.read(wire.exchange, "exchange"),
        segment=SEGMENT.read(wire.segment, "segment"),
        quantity=decimal_at(wire, "quantity"),
        average_price=decimal_or_zero(wire, "average_price"),
        realised=decimal_or_zero(wire, "realised"),
        mode=POSITION_MODE.read(wire.mode, "mode"),
        leverage=ONE if leverage is None else leverage,
        raw_product=wire.raw_product,
    )
