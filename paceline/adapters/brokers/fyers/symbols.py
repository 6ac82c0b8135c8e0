"""The symbol master: one JSON file per exchange and segment, read row by row."""

import asyncio
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from multidict import CIMultiDict
from yarl import URL

from paceline.adapters.brokers.fyers import fields, words
from paceline.adapters.brokers.fyers.answers import JsonObject, UnreadableError, parse
from paceline.adapters.brokers.fyers.egress import Egresses
from paceline.adapters.brokers.fyers.fields import UnreadableRowError
from paceline.adapters.brokers.fyers.rest import send
from paceline.adapters.brokers.fyers.settings import FyersSettings
from paceline.domain.errors import BrokerError, Unavailable
from paceline.domain.ids import InstrumentId
from paceline.domain.instrument import Instrument, InstrumentKind
from paceline.domain.instrument_master import FileRead
from paceline.ports.broker import Listing, Master

_ZERO: Final = Decimal(0)
_HTTP_OK: Final = 200
_OPTIONS: Final = {"CE": InstrumentKind.CALL, "PE": InstrumentKind.PUT}


class FyersSymbols:
    def __init__(self, settings: FyersSettings, egresses: Egresses) -> None:
        self._symbols = URL(settings.symbols_url)
        self._names = settings.symbol_masters
        self._egresses = egresses

    async def load(self) -> Master:
        """All files or none: a master without its derivatives would refuse what the leader trades."""
        bodies = await asyncio.gather(*(self._fetch(name) for name in self._names))
        listings: list[Listing] = []
        files: dict[str, FileRead] = {}
        for name, body in zip(self._names, bodies, strict=True):
            found, bad = await asyncio.to_thread(read_master, name, body)
            listings += found
            files[name] = FileRead(len(found), bad)
        return Master(tuple(listings), files)

    async def _fetch(self, name: str) -> bytes:
        url = self._symbols / f"{name}_sym_master.json"
        try:
            answer = await send(self._egresses, "GET", url, CIMultiDict())
        except BrokerError as error:
            raise Unavailable(f"the symbol master {name} cannot be read: {error}") from error
        if answer.status != _HTTP_OK:
            raise Unavailable(f"the symbol master {name} answers HTTP {answer.status}")
        return answer.body


def read_master(name: str, body: bytes) -> tuple[list[Listing], int]:
    """What can be read, and how many rows cannot."""
    try:
        document = parse(body)
    except UnreadableError as error:
        raise Unavailable(f"the symbol master {name} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise Unavailable(f"the symbol master {name} is not an object")
    found: list[Listing] = []
    for ticker, row in document.items():
        try:
            found.append(_listing(ticker, row))
        except UnreadableRowError:
            continue
    return found, len(document) - len(found)


def _listing(ticker: str, row: object) -> Listing:
    if not isinstance(row, dict):
        raise fields.bad("row", row)
    symbol = fields.text(row, "symTicker") or ticker
    strike = fields.decimal(row, "strikePrice", _ZERO)
    instrument = Instrument(
        instrument_id=InstrumentId(symbol),
        exchange=fields.meaning("exchange", fields.code(row, "exchange") or 0, words.EXCHANGES),
        segment=fields.meaning("segment", fields.code(row, "segment") or 0, words.SEGMENTS),
        kind=_kind(symbol, row),
        lot=_positive(row, "minLotSize"),
        tick=_positive(row, "tickSize"),
        freeze=_above_zero(row, "qtyFreeze"),
        lower_band=_above_zero(row, "lowerPrice"),
        upper_band=_above_zero(row, "upperPrice"),
        multiplier=_above_zero(row, "qtyMultiplier") or Decimal(1),
        currency=fields.text(row, "currencyCode") or "INR",
        underlying=fields.text(row, "underSym"),
        expiry=_expiry(row),
        strike=strike if strike > 0 else None,
    )
    return Listing(instrument, fields.required_text(row, "fyToken"))


def _kind(symbol: str, row: JsonObject) -> InstrumentKind:
    option = _OPTIONS.get(fields.text(row, "optType"))
    if option is not None:
        return option
    if symbol.endswith("-INDEX"):
        return InstrumentKind.INDEX
    return InstrumentKind.FUTURE if symbol.endswith("FUT") else InstrumentKind.EQUITY


def _expiry(row: JsonObject) -> date | None:
    """Epoch seconds, as a number or its digits; the day is the exchange's."""
    seconds = fields.code(row, "expiryDate")
    if seconds is None or seconds <= 0:
        return None
    try:
        return datetime.fromtimestamp(seconds, fields.IST).date()
    except (OverflowError, OSError, ValueError):
        raise fields.bad("expiryDate", seconds) from None


def _positive(row: JsonObject, name: str) -> Decimal:
    value = fields.decimal(row, name)
    if value <= 0:
        raise fields.bad(name, value)
    return value


def _above_zero(row: JsonObject, name: str) -> Decimal | None:
    value = fields.optional_decimal(row, name)
    return value if value is not None and value > 0 else None
