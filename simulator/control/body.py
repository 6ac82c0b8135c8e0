"""Reading what the control door is asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

from simulator.fyers import parse

if TYPE_CHECKING:
    from simulator.clients import Client
    from simulator.market import Market
    from simulator.orders import Order
    from simulator.server import Simulator

Body = Mapping[str, Any]
Row = dict[str, Any]
Handler = Callable[["Simulator", Body, Mapping[str, str]], "Row | Awaitable[Row]"]
Routes = tuple[tuple[str, str, Handler], ...]

E = TypeVar("E", bound=Enum)


class ControlError(Exception):
    """The control door was asked for something that cannot be."""


def client(simulator: Simulator, body: Body) -> Client:
    """The client named by `client_id`."""
    wanted = parse.text(body, "client_id")
    found = simulator.face.clients.get(wanted)
    if found is None:
        raise ControlError(f"client_id {wanted} is unknown")
    return found


def clients(simulator: Simulator, body: Body) -> list[Client]:
    """The clients named by `client_id` or `client_ids`; all when neither is given."""
    if "client_id" in body:
        return [client(simulator, body)]
    if body.get("client_ids") is None:
        return list(simulator.face.clients.values())
    return [client(simulator, {"client_id": one}) for one in texts(body, "client_ids")]


def is_all(body: Body) -> bool:
    return "client_id" not in body and body.get("client_ids") is None


def texts(body: Body, name: str) -> list[str]:
    """A list of texts, or one text with commas."""
    value = body.get(name, [])
    if isinstance(value, str):
        return [one for one in value.split(",") if one]
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ControlError(f"{name} must be a list of texts")
    return value


def market(simulator: Simulator, symbol: str) -> Market:
    found = simulator.exchange.markets.get(symbol)
    if found is None:
        raise ControlError(f"symbol {symbol} is unknown")
    return found


def order(simulator: Simulator, path: Mapping[str, str]) -> Order:
    found = simulator.exchange.orders.get(path["order_id"])
    if found is None:
        raise ControlError(f"order {path['order_id']} is unknown")
    return found


def member(kind: type[E], body: Body, name: str, default: E | None = None) -> E:
    """An enumeration by its value, or in any case by its name."""
    value = body.get(name)
    if value is None and default is not None:
        return default
    for one in kind:
        if value == one.value or (isinstance(value, str) and value.upper() == one.name):
            return one
    choices = ", ".join(str(one.value) for one in kind)
    raise ControlError(f"{name} must be one of {choices}")
