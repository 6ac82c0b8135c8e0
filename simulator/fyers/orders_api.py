"""Placing, changing and cancelling orders."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from simulator.desk import protected_limit, slices
from simulator.exchange import Refusal
from simulator.faults import FaultKind
from simulator.fyers import parse
from simulator.fyers.answer import BAD_REQUEST, Answer, done, dumped, failure, items, placed, submitted
from simulator.fyers.words import CODE_CANCELLED, CODE_MODIFIED, CODE_PLACED, Words, words
from simulator.orders import Order, OrderRequest, OrderType, Reject, RejectReason, Status, Validity

if TYPE_CHECKING:
    from simulator.fyers.face import Call, Face

MOST_IN_BASKET = 10
MOST_SLICES = 10
MODIFIED = "Successfully modified order"
CANCELLED = "Successfully cancelled order"
PLACED = "Successfully placed order"
LEGS = {"2L": 2, "3L": 3}

Item = tuple[int, dict[str, object]]


def place(face: Face, call: Call) -> Answer:
    body = parse.json_object(call.body)
    request = parse.order_request(body)
    if parse.flag(body, "isSliceOrder"):
        return _sliced(face, call, request)
    call.client.limits.count_orders(call.received.mono_ns, 1)
    outcome = carry_out(face, call, request)
    if isinstance(outcome, Order) and outcome.status is not Status.REJECTED:
        return placed(outcome.id)
    status, item = _item(outcome, call)
    return Answer(dumped(item), status)


def carry_out(face: Face, call: Call, request: OrderRequest) -> Order | Refusal:
    """Place one order, through whatever is wrong with market orders today."""
    reject = None
    if request.type is OrderType.MARKET and face.faults.any:
        request, reject = _market_fault(face, call, request)
    return face.exchange.place(call.account, request, received=call.received, reject=reject)


def _market_fault(face: Face, call: Call, request: OrderRequest) -> tuple[OrderRequest, Reject | None]:
    if face.faults.strike(FaultKind.MARKET_REJECTED, call.client.id, call.name):
        return request, Reject(RejectReason.MARKET_ORDERS_BARRED)
    if request.symbol not in face.exchange.markets:
        return request, None
    rule = face.faults.strike(FaultKind.MARKET_CONVERTED, call.client.id, call.name)
    if rule is None:
        return request, None
    limit = protected_limit(face.exchange, request.symbol, request.side, rule.percent)
    return replace(request, type=OrderType.LIMIT, limit=limit), None


def _item(outcome: Order | Refusal, call: Call, message: str = "") -> Item:
    if isinstance(outcome, Refusal):
        return BAD_REQUEST, _error(words(outcome.reject))
    if outcome.reject is not None:
        said = words(outcome.reject, outcome.instrument, call.client.id)
        return BAD_REQUEST, {**_error(said), "id": outcome.id}
    said_ok = message or submitted(outcome.id)
    return 200, {"s": "ok", "code": CODE_PLACED, "message": said_ok, "id": outcome.id}


def _error(said: Words) -> dict[str, object]:
    return {"s": "error", "code": said.code, "message": said.message}


def _sliced(face: Face, call: Call, request: OrderRequest) -> Answer:
    pieces = slices(face.exchange, request)
    if len(pieces) > MOST_SLICES:
        return failure(words(Reject(RejectReason.TOO_MANY_SLICES)))
    call.client.limits.count_orders(call.received.mono_ns, len(pieces))
    results = [_item(carry_out(face, call, one), call, PLACED) for one in pieces]
    return items(results, CODE_PLACED, "Order Slice placed successfully")


def modify(face: Face, call: Call) -> Answer:
    call.client.limits.count_orders(call.received.mono_ns, 1)
    status, item = _modify_one(face, call, parse.json_object(call.body))
    return Answer(dumped(item), status)


def _modify_one(face: Face, call: Call, body: dict[str, Any]) -> Item:
    order_id = parse.order_id(body)
    order = face.exchange.find(call.account, order_id)
    if order is None:
        return BAD_REQUEST, _error(words(Reject(RejectReason.NO_SUCH_ORDER)))
    fault = face.exchange.modify(order, parse.order_change(body))
    if fault is not None:
        return BAD_REQUEST, {**_error(words(fault, order.instrument, call.client.id)), "id": order_id}
    return 200, {"s": "ok", "code": CODE_MODIFIED, "message": MODIFIED, "id": order_id}


def cancel(face: Face, call: Call) -> Answer:
    call.client.limits.count_orders(call.received.mono_ns, 1)
    status, item = _cancel_one(face, call, parse.json_object(call.body))
    return Answer(dumped(item), status)


def _cancel_one(face: Face, call: Call, body: dict[str, Any]) -> Item:
    order_id = parse.order_id(body)
    order = face.exchange.find(call.account, order_id)
    if order is None:
        return BAD_REQUEST, _error(words(Reject(RejectReason.NO_SUCH_ORDER)))
    fault = face.exchange.cancel(order)
    if fault is not None:
        return BAD_REQUEST, {**_error(words(fault, order.instrument, call.client.id)), "id": order_id}
    return 200, {"s": "ok", "code": CODE_CANCELLED, "message": CANCELLED, "id": order_id}


def basket_place(face: Face, call: Call) -> Answer:
    bodies = parse.json_list(call.body, MOST_IN_BASKET)
    call.client.limits.count_orders(call.received.mono_ns, len(bodies))
    return items([_guarded(_place_one, face, call, one) for one in bodies])


def basket_modify(face: Face, call: Call) -> Answer:
    bodies = parse.json_list(call.body, MOST_IN_BASKET)
    call.client.limits.count_orders(call.received.mono_ns, len(bodies))
    return items([_guarded(_modify_one, face, call, one) for one in bodies])


def basket_cancel(face: Face, call: Call) -> Answer:
    bodies = parse.json_list(call.body, MOST_IN_BASKET)
    call.client.limits.count_orders(call.received.mono_ns, len(bodies))
    return items([_guarded(_cancel_one, face, call, one) for one in bodies])


def _place_one(face: Face, call: Call, body: dict[str, Any]) -> Item:
    return _item(carry_out(face, call, parse.order_request(body)), call)


def _guarded(act: Any, face: Face, call: Call, body: dict[str, Any]) -> Item:
    """One bad item does not spoil its basket."""
    try:
        result: Item = act(face, call, body)
    except parse.BadBodyError as fault:
        return BAD_REQUEST, _error(fault.words)
    return result


def multileg(face: Face, call: Call) -> Answer:
    """Two or three limit orders that trade together or not at all."""
    requests = _legs(parse.json_object(call.body))
    call.client.limits.count_orders(call.received.mono_ns, len(requests))
    fault = _legs_fault(face, requests)
    if fault:
        return failure(Words(400, fault))
    if not all(_crosses(face, one) for one in requests):
        return failure(words(Reject(RejectReason.LEGS_DO_NOT_MEET)))
    outcomes = [face.exchange.place(call.account, one, received=call.received) for one in requests]
    for outcome in outcomes:
        if isinstance(outcome, Refusal) or outcome.reject is not None:
            status, item = _item(outcome, call)
            return Answer(dumped(item), status)
    first = outcomes[0]
    return done(CODE_PLACED, PLACED, first.id if isinstance(first, Order) else "")


def _legs(body: dict[str, Any]) -> list[OrderRequest]:
    count = LEGS.get(parse.text(body, "orderType"))
    legs = body.get("legs")
    if count is None or not isinstance(legs, dict) or len(legs) != count:
        raise parse.BadBodyError.field("legs")
    if body.get("validity") != Validity.IOC.value:
        raise parse.BadBodyError.field("validity")
    shared = {
        "productType": body.get("productType"),
        "validity": "IOC",
        "offlineOrder": body.get("offlineOrder", False),
    }
    if body.get("orderTag"):
        shared["orderTag"] = body["orderTag"]
    if not all(isinstance(one, dict) for one in legs.values()):
        raise parse.BadBodyError.field("legs")
    return [parse.order_request({**one, **shared}) for one in legs.values()]


def _legs_fault(face: Face, requests: list[OrderRequest]) -> str:
    instruments = [face.exchange.universe.get(one.symbol) for one in requests]
    known = [one for one in instruments if one is not None]
    if len(known) < len(requests):
        return "The input symbol is invalid."
    if any(one.master != "NSE_FO" for one in known):
        return "Only NFO symbols are allowed"
    if len({one.underlying for one in known}) > 1:
        return "All symbols must be related to the same underlying symbol."
    if len({one.symbol for one in requests}) < len(requests):
        return "You cannot add same symbol for two legs."
    if any(one.type is not OrderType.LIMIT for one in requests):
        return "Only limit orders are allowed"
    return ""


def _crosses(face: Face, request: OrderRequest) -> bool:
    best = face.exchange.markets[request.symbol].best(request.side.opposite)
    return bool(best) and (best - request.limit) * request.side <= 0
