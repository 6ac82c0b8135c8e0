"""What is asked, as the bytes of the request."""

import json
from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

from paceline.adapters.brokers.fyers.words import ORDER_TYPE_CODES, PRODUCT_CODES, VALIDITY_CODES
from paceline.domain.copy_order import OrderSpec
from paceline.domain.errors import BrokerRejected
from paceline.domain.ids import BrokerOrderId, Tag
from paceline.domain.instrument import InstrumentKey
from paceline.ports.broker import OrderChange

_TAG_MAX = 30


def place_body(spec: OrderSpec, tag: Tag) -> bytes:
    """Raises `BrokerRejected` for what Fyers has no words for: it would never be sent."""
    return _place_text(spec, tag).encode()


def basket_body(orders: Sequence[tuple[OrderSpec, Tag]]) -> bytes:
    return f"[{','.join(_place_text(spec, tag) for spec, tag in orders)}]".encode()


def modify_body(order_id: BrokerOrderId, change: OrderChange) -> bytes:
    """Only what changes is named."""
    parts = [f'"id":{json.dumps(order_id)}']
    if change.type is not None:
        parts.append(f'"type":{ORDER_TYPE_CODES[change.type]}')
    if change.quantity is not None:
        parts.append(f'"qty":{_whole(change.quantity)}')
    if change.limit_price is not None:
        parts.append(f'"limitPrice":{_number(change.limit_price)}')
    if change.trigger_price is not None:
        parts.append(f'"stopPrice":{_number(change.trigger_price)}')
    return f"{{{','.join(parts)}}}".encode()


def cancel_body(order_id: BrokerOrderId) -> bytes:
    return f'{{"id":{json.dumps(order_id)}}}'.encode()


def _place_text(spec: OrderSpec, tag: Tag) -> str:
    if not tag.isalnum() or not tag.isascii() or len(tag) > _TAG_MAX:
        raise BrokerRejected(f"the tag {tag!r} is not 1 to {_TAG_MAX} alphanumerics")
    validity = VALIDITY_CODES.get(spec.validity)
    if validity is None:
        raise BrokerRejected(f"Fyers has no validity {spec.validity}")
    return (
        f'{{{_instrument_text(spec.key)},"qty":{_whole(spec.quantity)},"type":{ORDER_TYPE_CODES[spec.type]},'
        f'"side":{int(spec.side)},"limitPrice":{_number(spec.limit_price)},'
        f'"stopPrice":{_number(spec.trigger_price)},"validity":"{validity}",'
        f'"disclosedQty":{_whole(spec.disclosed)},"offlineOrder":{"true" if spec.offline else "false"},'
        f'"orderTag":"{tag}","isSliceOrder":false}}'
    )


@lru_cache(maxsize=10_000)
def _instrument_text(key: InstrumentKey) -> str:
    product = PRODUCT_CODES.get(key.product)
    if product is None:
        raise BrokerRejected(f"Fyers places no tagged order of product {key.product}")
    return f'"symbol":{json.dumps(key.instrument_id)},"productType":"{product}"'


def _whole(quantity: Decimal) -> str:
    whole = int(quantity)
    if whole != quantity:
        raise BrokerRejected(f"the quantity {quantity} is not whole")
    return str(whole)


def _number(price: Decimal) -> str:
    if not price.is_finite():
        raise BrokerRejected(f"the price {price} is not a number")
    return format(price, "f")
