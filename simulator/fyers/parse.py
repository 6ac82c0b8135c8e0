"""From request bodies to orders; what cannot be read is refused by the name of its field."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, TypeVar

from simulator.fyers.words import CODE_PARAMETERS, Words
from simulator.money import is_whole_paise, paise
from simulator.orders import OrderChange, OrderRequest, OrderType, Product, Side, Validity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LARGEST_NUMBER = 10**12
LONGEST_TEXT = 100

_TYPES = {int(one): one for one in OrderType}
_SIDES = {int(one): one for one in Side}
_PRODUCTS = {one.value: one for one in Product}
_VALIDITIES = {one.value: one for one in Validity}

T = TypeVar("T")


class BadBodyError(Exception):
    """The body cannot be read; carries what Fyers would say."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.words = Words(CODE_PARAMETERS, message)

    @classmethod
    def field(cls, name: str) -> BadBodyError:
        return cls(f"Please provide a valid {name}")


def json_body(raw: bytes) -> Any:
    """The value of a JSON body; an empty one is an empty object."""
    if not raw:
        return {}
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as fault:
        raise BadBodyError("invalid input please check your input") from fault


def json_object(raw: bytes) -> dict[str, Any]:
    body = json_body(raw)
    if body is None:
        return {}
    if not isinstance(body, dict):
        raise BadBodyError("invalid input please check your input")
    return body


def json_list(raw: bytes, most: int) -> list[dict[str, Any]]:
    body = json_body(raw)
    if not isinstance(body, list) or not body or not all(isinstance(one, dict) for one in body):
        raise BadBodyError("invalid input please provide a list of orders")
    if len(body) > most:
        raise BadBodyError(f"Maximum of {most} orders are allowed per request")
    return body


def number(body: Mapping[str, Any], name: str, default: float | None = None) -> float:
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadBodyError.field(name)
    if not math.isfinite(value) or abs(value) > LARGEST_NUMBER:
        raise BadBodyError.field(name)
    return value


def whole(body: Mapping[str, Any], name: str, default: int | None = None) -> int:
    value = number(body, name, default)
    if value != int(value):
        raise BadBodyError.field(name)
    return int(value)


def price(body: Mapping[str, Any], name: str) -> int:
    """Paise; absent is 0."""
    value = number(body, name, 0)
    if value < 0 or not is_whole_paise(value):
        raise BadBodyError.field(name)
    return paise(value)


def text(body: Mapping[str, Any], name: str, default: str | None = None) -> str:
    value = body.get(name, default)
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        raise BadBodyError.field(name)
    return value


def flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise BadBodyError.field(name)
    return value


def _one_of(choices: Mapping[Any, T], body: Mapping[str, Any], name: str) -> T:
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise BadBodyError.field(name)
    found = choices.get(value)
    if found is None:
        raise BadBodyError.field(name)
    return found


def order_id(body: Mapping[str, Any]) -> str:
    """Ids come as text, and from some callers as numbers."""
    value = body.get("id")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return text(body, "id")


def order_request(body: Mapping[str, Any]) -> OrderRequest:
    return OrderRequest(
        symbol=text(body, "symbol"),
        qty=whole(body, "qty"),
        type=_one_of(_TYPES, body, "type"),
        side=_one_of(_SIDES, body, "side"),
        product=_one_of(_PRODUCTS, body, "productType"),
        limit=price(body, "limitPrice"),
        stop=price(body, "stopPrice"),
        validity=_one_of(_VALIDITIES, body, "validity"),
        disclosed=whole(body, "disclosedQty", 0),
        offline=flag(body, "offlineOrder"),
        tag=_tag(body),
        take_profit=price(body, "takeProfit"),
        stop_loss=price(body, "stopLoss"),
    )


def _tag(body: Mapping[str, Any]) -> str:
    if "orderTag" not in body or body["orderTag"] is None:
        return ""
    tag = text(body, "orderTag")
    if not tag:
        raise BadBodyError(
            "orderTag should be alphanumeric, 1 to 30 characters, not the client id or Untagged"
        )
    return tag


def order_change(body: Mapping[str, Any]) -> OrderChange:
    def given(name: str, read: Callable[[Mapping[str, Any], str], T]) -> T | None:
        return read(body, name) if name in body else None

    return OrderChange(
        type=_one_of(_TYPES, body, "type") if "type" in body else None,
        limit=given("limitPrice", price),
        stop=given("stopPrice", price),
        qty=given("qty", whole),
        disclosed=given("disclosedQty", whole),
    )


def side(body: Mapping[str, Any], name: str = "side") -> Side:
    return _one_of(_SIDES, body, name)


def product(body: Mapping[str, Any], name: str = "productType") -> Product:
    return _one_of(_PRODUCTS, body, name)
