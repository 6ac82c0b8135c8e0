"""Reading what an account has, and acting on its positions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.desk import convert as conversion
from simulator.desk import flatten
from simulator.faults import FaultKind
from simulator.fyers import parse
from simulator.fyers.answer import Answer, dumped, failure, ok
from simulator.fyers.books import funds_rows, holdings_body, order_row, positions_body, trade_row
from simulator.fyers.frames import order_tag
from simulator.fyers.words import CODE_NOTHING_TO_EXIT, CODE_ORDER_ID, CODE_POSITION_ID, Words, words
from simulator.orders import Order, Product, Source

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulator.account import Position
    from simulator.faults import Rule
    from simulator.fyers.face import Call, Face
    from simulator.instruments import Instrument
    from simulator.orders import Trade

NO_POSITION = Words(CODE_POSITION_ID, "Invalid position id")
NOTHING_TO_EXIT = Words(CODE_NOTHING_TO_EXIT, "You have no open positions to exit")
NO_ORDER = Words(CODE_ORDER_ID, "Invalid order id")
MILLISECOND_NS = 1_000_000


def profile(face: Face, call: Call) -> Answer:
    del face
    account = call.account
    data = {
        "name": account.name,
        "image": None,
        "display_name": account.name,
        "email_id": f"{account.client_id.lower()}@example.com",
        "PAN": "",
        "fy_id": account.client_id,
        "pin_change_date": "01-04-2026 09:00:00",
        "mobile_number": "99xxxxxx99",
        "totp": True,
        "pwd_change_date": "01-04-2026 09:00:00",
        "pwd_to_expire": 42,
        "ddpi_enabled": call.client.ddpi,
        "mtf_enabled": False,
    }
    return ok(data=data)


def funds(face: Face, call: Call) -> Answer:
    """The truth, or a lie that no second one confirms: not the next, and none within the rule's time."""
    lie = _lie(face, call)
    call.client.lied_to = lie is not None
    return ok(fund_limit=funds_rows(call.account, 100 if lie is None else lie.percent))


def _lie(face: Face, call: Call) -> Rule | None:
    client, faults = call.client, face.faults
    rule = faults.standing(FaultKind.FUNDS_LIE, client.id, call.name) if faults.any else None
    now_ns = call.received.mono_ns
    if rule is None or client.lied_to or now_ns - client.lied_mono_ns < rule.ms * MILLISECOND_NS:
        return None
    client.lied_mono_ns = now_ns
    return faults.strike(FaultKind.FUNDS_LIE, client.id, call.name)


def holdings(face: Face, call: Call) -> Answer:
    return ok(**holdings_body(call.account, face.exchange))


def positions(face: Face, call: Call) -> Answer:
    return ok(**positions_body(call.account, face.exchange))


def orders(face: Face, call: Call) -> Answer:
    """The order book, filtered by `id` (one or several) or by `order_tag`."""
    found = _visible_orders(face, call)
    if "id" in call.query:
        wanted = set(call.query["id"].split(","))
        found = [one for one in found if one.id in wanted]
        if not found:
            return failure(NO_ORDER)
    if "order_tag" in call.query:
        found = [one for one in found if order_tag(one) == call.query["order_tag"]]
    markets = face.exchange.markets
    return ok(orderBook=[order_row(one, markets[one.instrument.symbol]) for one in found])


def tradebook(face: Face, call: Call) -> Answer:
    """The trade book, filtered by `order_tag`."""
    found = _visible_trades(face, call)
    if "order_tag" in call.query:
        found = [one for one in found if order_tag(one.order) == call.query["order_tag"]]
    return ok(tradeBook=[trade_row(one) for one in found])


def _hidden_since(face: Face, call: Call) -> int | None:
    """Nothing younger than this is in the books yet."""
    if not face.faults.any:
        return None
    rule = face.faults.standing(FaultKind.BOOKS_LAG, call.client.id, call.name)
    return None if rule is None else call.received.mono_ns - round(rule.ms * MILLISECOND_NS)


def _visible_orders(face: Face, call: Call) -> list[Order]:
    everything = list(call.account.orders.values())
    since = _hidden_since(face, call)
    if since is None:
        return everything
    seen = [one for one in everything if (one.accepted_mono_ns or one.received.mono_ns) <= since]
    _count_lag(face, call, len(everything) - len(seen))
    return seen


def _visible_trades(face: Face, call: Call) -> list[Trade]:
    since = _hidden_since(face, call)
    if since is None:
        return list(call.account.trades)
    seen = [one for one in call.account.trades if one.mono_ns <= since]
    _count_lag(face, call, len(call.account.trades) - len(seen))
    return seen


def _count_lag(face: Face, call: Call, hidden: int) -> None:
    if hidden:
        face.faults.strike(FaultKind.BOOKS_LAG, call.client.id, call.name)


def exit_positions(face: Face, call: Call) -> Answer:
    """Close all positions, those of some ids, or those of some segments, sides and products."""
    body = parse.json_object(call.body)
    chosen = _chosen(call, body)
    if isinstance(chosen, Words):
        return failure(chosen)
    if body.get("pending_orders_cancel"):
        _cancel_working(face, call, chosen, narrowed="id" in body)
    closing = [one for one in chosen if one.net]
    if not closing and not body.get("pending_orders_cancel"):
        return failure(NOTHING_TO_EXIT)
    call.client.limits.count_orders(call.received.mono_ns, len(closing))
    keys = {(one.instrument.symbol, one.product) for one in closing}

    def is_chosen(product: Product, instrument: Instrument) -> bool:
        return (instrument.symbol, product) in keys

    placed = flatten(face.exchange, call.account, only=is_chosen, source=Source.API)
    for order in placed:
        if order.reject is not None:
            return failure(words(order.reject, order.instrument, call.client.id))
    return ok_message("The position is closed.")


def ok_message(message: str, **fields: object) -> Answer:
    return Answer(dumped({"s": "ok", "code": 200, "message": message, **fields}))


def _chosen(call: Call, body: dict[str, Any]) -> list[Position] | Words:
    known = list(call.account.positions.values())
    if "id" in body:
        wanted = body["id"] if isinstance(body["id"], list) else [body["id"]]
        by_id = {one.id: one for one in known}
        if not all(isinstance(one, str) and one in by_id for one in wanted):
            return NO_POSITION
        return [by_id[one] for one in wanted]
    if "segment" in body or "side" in body or "productType" in body:
        return _of_kind(known, body)
    return known


def _of_kind(known: Iterable[Position], body: dict[str, Any]) -> list[Position]:
    segments, sides, products = body.get("segment"), body.get("side"), body.get("productType")
    if not (isinstance(segments, list) and isinstance(sides, list) and isinstance(products, list)):
        raise parse.BadBodyError("segment, side and productType are mandatory")
    return [
        one
        for one in known
        if int(one.instrument.segment) in segments
        and ((one.net > 0) - (one.net < 0)) in sides
        and ("ALL" in products or one.product.value in products)
    ]


def _cancel_working(face: Face, call: Call, chosen: list[Position], *, narrowed: bool) -> None:
    for order in call.account.working_orders():
        if not narrowed or order.position in chosen:
            face.exchange.cancel(order)


def convert(face: Face, call: Call) -> Answer:
    """Move a part of a position to another product."""
    body = parse.json_object(call.body)
    source, target = parse.product(body, "convertFrom"), parse.product(body, "convertTo")
    named = parse.text(body, "symbol")
    symbol = named.removesuffix(f"-{source.value}")
    position = call.account.positions.get((symbol, source))
    qty = parse.whole(body, "convertQty")
    side = parse.side(body, "positionSide")
    if position is None or position.net * side <= 0:
        return failure(NO_POSITION)
    if qty <= 0 or qty > abs(position.net) or qty % position.instrument.lot:
        raise parse.BadBodyError.field("convertQty")
    if not source.value == "INTRADAY" and source is not Product.MARGIN:
        raise parse.BadBodyError(f"You cannot convert {source.value} position to {target.value}.")
    reject = conversion(face.exchange, position, qty, target)
    if reject is not None:
        return failure(words(reject, position.instrument, call.client.id))
    return ok_message("Position Converted Successfully!!", positionDetails=1101)


def attach_legs(face: Face, call: Call) -> Answer:
    """Put a take-profit and a stop-loss on a position."""
    body = parse.json_object(call.body)
    wanted = parse.text(body, "positionId")
    position = next((one for one in call.account.positions.values() if one.id == wanted), None)
    if position is None or not position.net:
        return failure(NO_POSITION)
    take_profit, stop_loss = parse.price(body, "takeProfit"), parse.price(body, "stopLoss")
    leg_type = parse.whole(body, "legType", 1)
    if leg_type not in {1, 2}:
        raise parse.BadBodyError.field("legType")
    face.conditionals.attach(position, take_profit, stop_loss, leg_type)
    return ok_message("Successfully attached legs", id=position.id)


def logout(face: Face, call: Call) -> Answer:
    face.tokens.revoke(call.token)
    return ok_message("you are successfully logged out")
