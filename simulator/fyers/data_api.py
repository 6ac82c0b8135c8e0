"""Market data over REST."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.clock import SECOND_NS
from simulator.fyers import parse
from simulator.fyers.answer import Answer, bad_symbol, dumped, ok
from simulator.fyers.books import percent
from simulator.hours import SESSIONS, Phase
from simulator.instruments import Segment, Venue
from simulator.orders import Side

if TYPE_CHECKING:
    from simulator.fyers.face import Call, Face
    from simulator.market import Market

MOST_SYMBOLS = 50
MOST_TOKENS = 500
NEVER_OPEN = (
    (Venue.NSE, Segment.CURRENCY, "NORMAL"),
    (Venue.NSE, Segment.CAPITAL, "CALL_AUCTION2"),
    (Venue.NSE, Segment.CAPITAL, "AUCTION"),
    (Venue.NSE, Segment.CAPITAL, "ODD_LOT"),
    (Venue.MCX, Segment.COMMODITY, "SPECIAL"),
    (Venue.BSE, Segment.CURRENCY, "NORMAL"),
    (Venue.BSE, Segment.CAPITAL, "AUCTION"),
)


def market_status(face: Face, call: Call) -> Answer:
    del call
    now = face.exchange.clock.wall_ns()
    rows = [_status_row(*market, "NORMAL", face.exchange.hours.phase(market, now)) for market in SESSIONS]
    rows += [_status_row(venue, segment, kind, Phase.CLOSED) for venue, segment, kind in NEVER_OPEN]
    return ok(marketStatus=rows)


def _status_row(venue: Venue, segment: Segment, kind: str, phase: Phase) -> dict[str, object]:
    return {"exchange": int(venue), "segment": int(segment), "market_type": kind, "status": phase.value}


def quotes(face: Face, call: Call) -> Answer:
    """GET with `symbols=a,b`, POST with a list or the same text."""
    wanted: Any = call.query.get("symbols") if not call.body else parse.json_object(call.body).get("symbols")
    symbols = wanted.split(",") if isinstance(wanted, str) else wanted
    if not isinstance(symbols, list) or not symbols or not all(isinstance(one, str) for one in symbols):
        raise parse.BadBodyError.field("symbols")
    if len(symbols) > MOST_SYMBOLS:
        raise parse.BadBodyError(f"Maximum symbol limit is {MOST_SYMBOLS}")
    return ok(d=[_quote(face, one) for one in symbols])


def _quote(face: Face, symbol: str) -> dict[str, object]:
    market = face.exchange.markets.get(symbol)
    if market is None:
        return {
            "n": symbol,
            "s": "error",
            "v": {"code": -300, "errmsg": "Invalid symbol provided", "s": "error"},
        }
    return {"n": symbol, "s": "ok", "v": _values(market)}


def _values(market: Market) -> dict[str, object]:
    instrument = market.instrument
    bid, ask = market.best(Side.BUY), market.best(Side.SELL)
    exchange, _, short = instrument.symbol.partition(":")
    return {
        "ch": market.change / 100,
        "chp": percent(market.change, market.previous_close),
        "lp": market.ltp / 100,
        "spread": (ask - bid) / 100 if ask and bid else 0,
        "ask": ask / 100,
        "bid": bid / 100,
        "open_price": market.open / 100,
        "high_price": market.high / 100,
        "low_price": market.low / 100,
        "prev_close_price": market.previous_close / 100,
        "atp": market.average_price / 100,
        "volume": market.volume,
        "short_name": short,
        "exchange": exchange,
        "description": instrument.symbol,
        "original_name": instrument.symbol,
        "symbol": instrument.symbol,
        "fyToken": instrument.fy_token,
        "tt": str(market.last_wall_ns // SECOND_NS),
    }


def depth(face: Face, call: Call) -> Answer:
    symbol = call.query.get("symbol", "")
    market = face.exchange.markets.get(symbol)
    if market is None:
        return bad_symbol()
    bids, asks = market.depth(Side.BUY), market.depth(Side.SELL)
    instrument = market.instrument
    body: dict[str, object] = {
        "totalbuyqty": sum(qty for _, qty, _ in bids),
        "totalsellqty": sum(qty for _, qty, _ in asks),
        "bids": _levels(bids),
        "ask": _levels(asks),
    }
    if call.query.get("ohlcv_flag") == "1":
        body |= {
            "o": market.open / 100,
            "h": market.high / 100,
            "l": market.low / 100,
            "c": market.previous_close / 100,
            "ch": market.change / 100,
            "chp": percent(market.change, market.previous_close),
            "tick_Size": instrument.tick / 100,
            "ltq": market.last_qty,
            "ltt": market.last_wall_ns // SECOND_NS,
            "ltp": market.ltp / 100,
            "v": market.volume,
            "atp": market.average_price / 100,
            "lower_ckt": instrument.lower_band / 100,
            "upper_ckt": instrument.upper_band / 100,
            "expiry": "",
            "oi": 0,
            "oiflag": False,
            "pdoi": 0,
            "oipercent": 0.0,
        }
    return ok(d={symbol: body})


def _levels(levels: list[tuple[int, int, int]]) -> list[dict[str, object]]:
    return [{"price": price / 100, "volume": qty, "ord": orders} for price, qty, orders in levels]


def symbol_token(face: Face, call: Call) -> Answer:
    """Tokens of symbols; both keys are always there."""
    symbols = parse.json_object(call.body).get("symbols")
    if not isinstance(symbols, list) or not all(isinstance(one, str) for one in symbols):
        raise parse.BadBodyError.field("symbols")
    if len(symbols) > MOST_TOKENS:
        raise parse.BadBodyError(f"Maximum symbol limit is {MOST_TOKENS}")
    known = {one: found.fy_token for one in symbols if (found := face.exchange.universe.get(one)) is not None}
    unknown = [one for one in symbols if one not in known]
    return Answer(
        dumped({"s": "ok", "code": 200, "message": "", "validSymbol": known, "invalidSymbol": unknown})
    )
