"""Good-till-triggered orders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.clock import SECOND_NS, Stamps
from simulator.conditional import Gtt, Leg
from simulator.fyers import parse
from simulator.fyers.answer import Answer, bad_symbol, done, failure, ok
from simulator.fyers.frames import fyers_id
from simulator.fyers.words import CODE_CANCELLED, CODE_MODIFIED, CODE_ORDER_ID, CODE_PLACED, Words
from simulator.orders import Product, Status

if TYPE_CHECKING:
    from simulator.fyers.face import Call, Face
    from simulator.instruments import Instrument

NO_ORDER = Words(CODE_ORDER_ID, "Invalid order id")
REPORTS = {Status.PENDING: "PLACED", Status.TRADED: "TRIGGERED", Status.CANCELLED: "CANCELLED"}
MESSAGES = {
    Status.PENDING: "GTT/OCO order placed successfully.",
    Status.TRADED: "GTT/OCO order triggered.",
    Status.CANCELLED: "GTT/OCO order cancelled successfully.",
}
_stamps = Stamps()


def place(face: Face, call: Call) -> Answer:
    body = parse.json_object(call.body)
    instrument = face.exchange.universe.get(parse.text(body, "symbol"))
    if instrument is None or not instrument.tradable:
        return bad_symbol()
    product = parse.product(body)
    if product.is_intraday:
        raise parse.BadBodyError.field("productType")
    legs = _legs(body, instrument)
    _check_pair(face, instrument, legs)
    gtt = face.conditionals.place(call.account, instrument, parse.side(body), product, legs)
    gtt.tag = parse.text(body, "orderTag", "")
    return done(CODE_PLACED, "Successfully placed order", gtt.id)


def _legs(body: dict[str, Any], instrument: Instrument) -> list[Leg]:
    info = body.get("orderInfo")
    if not isinstance(info, dict) or not isinstance(info.get("leg1"), dict):
        raise parse.BadBodyError.field("orderInfo")
    named = [info[name] for name in ("leg1", "leg2") if name in info]
    if not all(isinstance(one, dict) for one in named):
        raise parse.BadBodyError.field("orderInfo")
    return [_leg(one, instrument) for one in named]


def _leg(body: dict[str, Any], instrument: Instrument) -> Leg:
    leg = Leg(parse.price(body, "price"), parse.price(body, "triggerPrice"), parse.whole(body, "qty"))
    if leg.qty <= 0 or leg.qty % instrument.lot:
        raise parse.BadBodyError(f"Quantity should be multiples of the lot size {instrument.lot}")
    for name, value in (("price", leg.price), ("triggerPrice", leg.trigger)):
        if value <= 0 or value % instrument.tick:
            raise parse.BadBodyError(f"{name} not a multiple of tick size {instrument.tick / 100:.4f}")
    return leg


def _check_pair(face: Face, instrument: Instrument, legs: list[Leg]) -> None:
    if len(legs) == 1:
        return
    ltp = face.exchange.markets[instrument.symbol].ltp
    if not legs[0].trigger > ltp > legs[1].trigger:
        raise parse.BadBodyError("leg1 trigger price should be above and leg2 trigger price below the LTP")


def _working(face: Face, call: Call, body: dict[str, Any]) -> Gtt | None:
    gtt = face.conditionals.gtts.get(parse.order_id(body))
    if gtt is None or gtt.account is not call.account or gtt.status is not Status.PENDING:
        return None
    return gtt


def modify(face: Face, call: Call) -> Answer:
    body = parse.json_object(call.body)
    gtt = _working(face, call, body)
    if gtt is None:
        return failure(NO_ORDER)
    legs = _legs(body, gtt.instrument)
    if len(legs) > len(gtt.legs):
        raise parse.BadBodyError.field("orderInfo")
    _check_pair(face, gtt.instrument, legs)
    face.conditionals.modify(gtt, legs)
    return done(CODE_MODIFIED, "Successfully modified order", gtt.id)


def cancel(face: Face, call: Call) -> Answer:
    gtt = _working(face, call, parse.json_object(call.body))
    if gtt is None:
        return failure(NO_ORDER)
    face.conditionals.cancel(gtt)
    return done(CODE_CANCELLED, "Successfully cancelled order", gtt.id)


def book(face: Face, call: Call) -> Answer:
    return ok(orderBook=[_row(face, one) for one in face.conditionals.of(call.account)])


def _row(face: Face, gtt: Gtt) -> dict[str, object]:
    instrument, first = gtt.instrument, gtt.legs[0]
    second = gtt.legs[1] if gtt.is_pair else Leg(0, 0, 0)
    market = face.exchange.markets[instrument.symbol]
    return {
        "clientId": gtt.account.client_id,
        "exchange": int(instrument.venue),
        "fy_token": instrument.fy_token,
        "id_fyers": fyers_id(gtt.number),
        "id": gtt.id,
        "instrument": instrument.type_code,
        "lot_size": instrument.lot,
        "multiplier": instrument.multiplier,
        "ord_status": int(gtt.status),
        "precision": 2,
        "price_limit": first.price / 100,
        "price2_limit": second.price / 100,
        "price_trigger": first.trigger / 100,
        "price2_trigger": second.trigger / 100,
        "product_type": Product(gtt.product).value,
        "qty": first.qty,
        "qty2": second.qty,
        "report_type": REPORTS.get(gtt.status, "PLACED"),
        "segment": int(instrument.segment),
        "symbol": instrument.symbol,
        "symbol_desc": instrument.description,
        "symbol_exch": instrument.name,
        "tick_size": instrument.tick / 100,
        "tran_side": int(gtt.side),
        "gtt_oco_ind": 2 if gtt.is_pair else 1,
        "create_time": _stamps.text(gtt.created_wall_ns),
        "create_time_epoch": gtt.created_wall_ns // SECOND_NS,
        "oms_msg": MESSAGES.get(gtt.status, ""),
        "ltp_ch": market.change / 100,
        "ltp_chp": round(market.change * 100 / market.previous_close, 2),
        "ltp": market.ltp / 100,
    }
