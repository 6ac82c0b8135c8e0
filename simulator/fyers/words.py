"""Codes and messages as Fyers writes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.instruments import Segment, Venue
from simulator.money import grouped
from simulator.orders import RejectReason

if TYPE_CHECKING:
    from simulator.instruments import Instrument
    from simulator.orders import Reject

CODE_OK = 200
CODE_UNACKNOWLEDGED = 201
CODE_PLACED = 1101
CODE_MODIFIED = 1102
CODE_CANCELLED = 1103
CODE_SUBSCRIBED = 1605
CODE_TOKEN_EXPIRED = -8
CODE_TOKEN_INVALID = -15
CODE_UNAUTHENTICATED = -16
CODE_TOKEN_BAD = -17
CODE_PARAMETERS = -50
CODE_ORDER_ID = -51
CODE_POSITION_ID = -53
CODE_REJECTED = -99
CODE_SYMBOL = -300
CODE_APP_ID = -352
CODE_NOTHING_TO_EXIT = -352
CODE_RATE = -429

RISK = "[FYERS_RISK_CUG]"
VENUES = {
    (Venue.NSE, Segment.CAPITAL): "NSE",
    (Venue.NSE, Segment.DERIVATIVES): "NFO",
    (Venue.BSE, Segment.CAPITAL): "BSE",
    (Venue.BSE, Segment.DERIVATIVES): "BFO",
    (Venue.MCX, Segment.COMMODITY): "MCX",
}


@dataclass(frozen=True, slots=True)
class Words:
    code: int
    message: str


FIXED = {
    RejectReason.BAD_SYMBOL: Words(CODE_SYMBOL, "Invalid symbol provided"),
    RejectReason.NOT_TRADABLE: Words(CODE_SYMBOL, "Invalid symbol provided, an index is not traded"),
    RejectReason.DISCLOSED_QUANTITY: Words(
        CODE_PARAMETERS, "disclosedQty should be between 10% of the quantity and the quantity, equity only"
    ),
    RejectReason.PRODUCT_SEGMENT: Words(CODE_PARAMETERS, "Invalid productType for the segment of the symbol"),
    RejectReason.STOP_AND_LIMIT: Words(
        CODE_PARAMETERS, "stopPrice must be lower than limitPrice for buy and higher for sell orders"
    ),
    RejectReason.BAD_TAG: Words(
        CODE_PARAMETERS, "orderTag should be alphanumeric, 1 to 30 characters, not the client id or Untagged"
    ),
    RejectReason.TAG_ON_PRODUCT: Words(
        CODE_PARAMETERS, "orderTag is not supported for productType CO and BO"
    ),
    RejectReason.NO_SUCH_ORDER: Words(CODE_ORDER_ID, "Invalid order id"),
    RejectReason.ORDER_IS_FINAL: Words(CODE_REJECTED, "Not a pending order"),
    RejectReason.TOO_MANY_SLICES: Words(CODE_PARAMETERS, "Maximum of 10 slices are allowed per request"),
    RejectReason.MARKET_CLOSED: Words(CODE_REJECTED, "RED:Market is closed, place an offline order (AMO)"),
    RejectReason.MARKET_ORDERS_BARRED: Words(
        CODE_REJECTED, "RED:Market orders are not allowed through API, place a price protected limit order"
    ),
    RejectReason.BELOW_FILLED: Words(CODE_PARAMETERS, "qty should be more than the quantity already traded"),
    RejectReason.OPPOSITE_POSITION: Words(
        CODE_PARAMETERS, "You cannot convert into a product with an opposite position"
    ),
    RejectReason.LEGS_DO_NOT_MEET: Words(
        CODE_REJECTED, "RED:Multi leg order unmatched, cancelled by the exchange"
    ),
}


def words(reject: Reject, instrument: Instrument | None = None, client_id: str = "") -> Words:
    """What Fyers would answer for this."""
    fixed = FIXED.get(reject.reason)
    if fixed is not None:
        return fixed
    if reject.reason is RejectReason.BAD_PARAMETER:
        return Words(CODE_PARAMETERS, f"Please provide a valid {reject.field}")
    if reject.reason is RejectReason.LOT_MULTIPLE:
        return Words(CODE_PARAMETERS, f"Quantity should be multiples of the lot size {reject.required}")
    if reject.reason is RejectReason.TICK_MULTIPLE:
        return Words(
            CODE_PARAMETERS, f"{reject.field} not a multiple of tick size {reject.required / 100:.4f}"
        )
    return Words(CODE_REJECTED, _risk_words(reject, instrument, client_id))


def _risk_words(reject: Reject, instrument: Instrument | None, client_id: str) -> str:
    whose = f"for C-{client_id} {RISK}"
    what = _risk_symbol(instrument)
    if reject.reason is RejectReason.MARGIN:
        short, free = grouped(reject.required), grouped(reject.available)
        return f"RED:Margin Shortfall:INR {short} Available:INR {free} {whose}"
    if reject.reason is RejectReason.PRICE_BAND and instrument is not None:
        return (
            "RED:RULE:{Check circuit limit including square off order}"
            f"Current:INR {reject.required / 100:.2f} LowerCircuit:INR {instrument.lower_band / 100:.2f} "
            f"UpperCircuit:INR {instrument.upper_band / 100:.2f}:{what} {whose}"
        )
    if reject.reason is RejectReason.FREEZE_QUANTITY:
        rule = "{Check freeze quantity}"
        return f"RED:RULE:{rule}Current:{reject.required} Freeze:{reject.available}:{what} {whose}"
    if reject.reason is RejectReason.HOLDINGS:
        rule = "{Check T1 holdings including BTST,collateral}"
        return f"RED:RULE:{rule}Requested:{reject.required} Available:{reject.available}:{what} {whose}"
    trigger, last = reject.required / 100, reject.available / 100
    return f"RED:Trigger price {trigger:.2f} is already passed, last traded price {last:.2f}:{what} {whose}"


def _risk_symbol(instrument: Instrument | None) -> str:
    if instrument is None:
        return ""
    venue = VENUES.get((instrument.venue, instrument.segment), instrument.venue.name)
    return f"{venue}.{instrument.symbol.split(':', 1)[1]}"
