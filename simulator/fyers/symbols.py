"""The public symbol master files."""

from __future__ import annotations

from datetime import datetime, time
from typing import TYPE_CHECKING

from simulator.clock import IST, ist_date
from simulator.fyers.answer import dumped
from simulator.hours import SESSIONS
from simulator.instruments import Instrument, Kind, Segment, Venue

if TYPE_CHECKING:
    from datetime import date

    from simulator.exchange import Exchange

MASTERS = ("NSE_CM", "NSE_FO", "BSE_CM", "BSE_FO", "MCX_COM")
PATHS = {f"/sym_details/{name}_sym_master.json": name for name in MASTERS}
INDEX_NAMES_PATH = "/sym_details/index_hsm_mapping.json"
INDEX_NAMES = {
    "NSE:NIFTY50-INDEX": "Nifty 50",
    "NSE:NIFTYBANK-INDEX": "Nifty Bank",
    "BSE:SENSEX-INDEX": "SENSEX",
}
EXPIRY_AT = time(15, 30)


def master_file(exchange: Exchange, name: str) -> bytes:
    """One master: the symbol leads to its row."""
    today = ist_date(exchange.clock.wall_ns())
    rows = {
        one.symbol: _row(one, exchange.markets[one.symbol].previous_close, today)
        for one in exchange.universe
        if one.master == name
    }
    return dumped(rows)


def index_names() -> bytes:
    return dumped(INDEX_NAMES)


def _row(instrument: Instrument, previous_close: int, today: date) -> dict[str, object]:
    capital = instrument.segment is Segment.CAPITAL
    ticker = instrument.symbol.split(":", 1)[1]
    return {
        "lastUpdate": today.isoformat(),
        "exSymbol": instrument.name,
        "qtyMultiplier": float(instrument.multiplier),
        "previousClose": previous_close / 100,
        "exchange": int(instrument.venue),
        "exSeries": _series(instrument),
        "optType": instrument.kind.value if instrument.kind.is_option else "XX",
        "mtf_margin": 4.0 if capital and instrument.tradable else 0.0,
        "is_mtf_tradable": int(capital and instrument.tradable),
        "exSymName": instrument.description if capital else ticker,
        "symTicker": instrument.symbol,
        "exInstType": instrument.type_code,
        "fyToken": instrument.fy_token,
        "upperPrice": instrument.upper_band / 100,
        "lowerPrice": instrument.lower_band / 100,
        "segment": int(instrument.segment),
        "symbolDesc": instrument.description,
        "symDetails": instrument.description,
        "exToken": instrument.token,
        "strikePrice": instrument.strike / 100 if instrument.kind.is_option else -1.0,
        "minLotSize": instrument.lot,
        "underFyTok": instrument.underlying_fy_token,
        "currencyCode": "INR",
        "underSym": instrument.underlying,
        "expiryDate": _expiry(instrument),
        "tradingSession": _session(instrument),
        "asmGsmVal": "",
        "faceValue": 1.0 if capital else 0.0,
        "tickSize": instrument.tick / 100,
        "exchangeName": instrument.venue.name,
        "originalExpDate": None,
        "isin": instrument.isin,
        "tradeStatus": int(instrument.tradable),
        "qtyFreeze": str(instrument.freeze) if instrument.freeze else "",
        "previousOi": 0.0,
        "stream": "",
    }


def _series(instrument: Instrument) -> str:
    if instrument.kind is not Kind.EQUITY:
        return "XX"
    return "EQ" if instrument.venue is Venue.NSE else "A"


def _expiry(instrument: Instrument) -> str:
    if instrument.expiry is None:
        return ""
    return str(int(datetime.combine(instrument.expiry, EXPIRY_AT, IST).timestamp()))


def _session(instrument: Instrument) -> str:
    session = SESSIONS[instrument.venue, instrument.segment]
    return f"{session.opens:%H%M}-{session.closes:%H%M}|1815-1915:"
