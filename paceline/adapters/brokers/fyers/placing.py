"""What the broker answered to an order, a basket, a change."""

from paceline.adapters.brokers.fyers.answers import Answer, JsonObject
from paceline.adapters.brokers.fyers.errors import map_errors, understood
from paceline.domain.errors import BrokerError, BrokerOutcomeUnknown
from paceline.domain.ids import BrokerOrderId


def placed(answer: Answer, *, retry_after_ms: int) -> BrokerOrderId:
    """The order's name; a yes without one is unknown."""
    return _order_id(understood(answer, retry_after_ms=retry_after_ms))


def basket(answer: Answer, count: int, *, retry_after_ms: int) -> tuple[BrokerOrderId | BrokerError, ...]:
    """One outcome per order, in the order they were asked for."""
    listed = understood(answer, retry_after_ms=retry_after_ms).get("data")
    if not isinstance(listed, list) or len(listed) != count:
        raise BrokerOutcomeUnknown(f"the basket's answer does not speak of its {count} orders")
    return tuple(_one(row, retry_after_ms) for row in listed)


def _one(row: object, retry_after_ms: int) -> BrokerOrderId | BrokerError:
    body = row.get("body") if isinstance(row, dict) else None
    if not isinstance(row, dict) or not isinstance(body, dict):
        return BrokerOutcomeUnknown("an order of the basket is not answered")
    status = row.get("statusCode")
    error = map_errors(
        Answer(status if isinstance(status, int) else 0, b""), body, retry_after_ms=retry_after_ms
    )
    if error is not None:
        return error
    try:
        return _order_id(body)
    except BrokerError as unknown:
        return unknown


def _order_id(document: JsonObject) -> BrokerOrderId:
    order_id = document.get("id")
    if not isinstance(order_id, str) or not order_id:
        raise BrokerOutcomeUnknown("the broker says yes and names no order")
    return BrokerOrderId(order_id)
