"""Orders that somebody places by hand, at the terminal: untagged, outside the API and its limits."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from simulator.control.body import Body, ControlError, Routes, Row, client, market, member, order
from simulator.exchange import Refusal
from simulator.faults import FaultKind
from simulator.fyers import parse
from simulator.fyers.words import words
from simulator.orders import Order, OrderChange, OrderRequest, OrderType, Product, Side, Source, Validity
from simulator.truth import order_truth, trade_truth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.orders import Reject
    from simulator.server import Simulator


def _request(simulator: Simulator, body: Body) -> OrderRequest:
    symbol = parse.text(body, "symbol")
    instrument = market(simulator, symbol).instrument
    default = Product.INTRADAY if instrument.lot == 1 else Product.MARGIN
    return OrderRequest(
        symbol=symbol,
        qty=parse.whole(body, "qty"),
        type=member(OrderType, body, "type", OrderType.MARKET),
        side=member(Side, body, "side"),
        product=member(Product, body, "product", default),
        limit=parse.price(body, "limit"),
        stop=parse.price(body, "stop"),
        validity=member(Validity, body, "validity", Validity.DAY),
        disclosed=parse.whole(body, "disclosed", 0),
        tag=parse.text(body, "tag", ""),
        held=parse.flag(body, "hold"),
    )


def _place(simulator: Simulator, body: Body, request: OrderRequest) -> Order:
    who = client(simulator, body)
    source = member(Source, body, "source", Source.WEB)
    outcome = simulator.exchange.place(who.account, request, source=source)
    if isinstance(outcome, Refusal):
        raise ControlError(words(outcome.reject).message)
    simulator.face.faults.count(FaultKind.BY_HAND)
    return outcome


def place(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """`hold` keeps the exchange from matching it: it fills by `…/fill` alone."""
    del path
    return {"order": order_truth(_place(simulator, body, _request(simulator, body)))}


def trade(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """An order that fills at once, exactly, in `parts` trades, at `price` or the last price."""
    del path
    request = replace(_request(simulator, body), held=True)
    placed = _place(simulator, body, request)
    if placed.reject is not None:
        raise ControlError(words(placed.reject, placed.instrument, placed.account.client_id).message)
    parts, price = parse.whole(body, "parts", 1), parse.price(body, "price")
    trades = simulator.exchange.fill(placed, request.qty, parts=parts, price=price)
    return {"order": order_truth(placed), "trades": [trade_truth(one) for one in trades]}


def modify(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    found = order(simulator, path)
    change = OrderChange(
        type=member(OrderType, body, "type") if "type" in body else None,
        limit=parse.price(body, "limit") if "limit" in body else None,
        stop=parse.price(body, "stop") if "stop" in body else None,
        qty=parse.whole(body, "qty") if "qty" in body else None,
    )
    _done(simulator.exchange.modify(found, change), found)
    return {"order": order_truth(found)}


def cancel(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    del body
    found = order(simulator, path)
    _done(simulator.exchange.cancel(found), found)
    return {"order": order_truth(found)}


def _done(reject: Reject | None, found: Order) -> None:
    if reject is not None:
        raise ControlError(words(reject, found.instrument, found.account.client_id).message)


def fill(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """Exactly `qty` (default: all that is left) in `parts` trades."""
    found = order(simulator, path)
    qty = parse.whole(body, "qty", found.remaining)
    parts, price = parse.whole(body, "parts", 1), parse.price(body, "price")
    trades = simulator.exchange.fill(found, qty, parts=parts, price=price)
    return {"order": order_truth(found), "trades": [trade_truth(one) for one in trades]}


ROUTES: Routes = (
    ("POST", "/orders", place),
    ("PATCH", "/orders/{order_id}", modify),
    ("DELETE", "/orders/{order_id}", cancel),
    ("POST", "/orders/{order_id}/fill", fill),
    ("POST", "/trades", trade),
)
