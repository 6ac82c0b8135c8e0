"""Answers about money and the market, decoded."""

from decimal import Decimal
from typing import Final

from paceline.adapters.brokers.fyers import fields, words
from paceline.adapters.brokers.fyers.answers import JsonObject
from paceline.domain.ids import AccountId, InstrumentId
from paceline.domain.position import Funds
from paceline.ports.broker import MarketStatus, Profile, Quote

_ZERO: Final = Decimal(0)
_TOTAL, _USED, _REALISED, _COLLATERAL, _AVAILABLE = 1, 2, 4, 5, 10


def funds(document: JsonObject, account_id: AccountId) -> Funds:
    """Both pots together; the total holds today's realised profit and the collateral, cash does not."""
    amounts = {row.get("id"): _both_pots(row) for row in _objects(document, "fund_limit")}
    if _AVAILABLE not in amounts:
        raise fields.bad("fund_limit", sorted(map(str, amounts)))
    realised, collateral = amounts.get(_REALISED, _ZERO), amounts.get(_COLLATERAL, _ZERO)
    total = amounts.get(_TOTAL, amounts[_AVAILABLE] + amounts.get(_USED, _ZERO))
    return Funds(
        account_id=account_id,
        cash=total - realised - collateral,
        used_margin=amounts.get(_USED, _ZERO),
        available=amounts[_AVAILABLE],
        collateral=collateral,
        realised=realised,
    )


def profile(document: JsonObject) -> Profile:
    data = document.get("data")
    if not isinstance(data, dict):
        raise fields.bad("data", data)
    return Profile(fields.required_text(data, "fy_id"), fields.words(data, "name"))


def market_status(document: JsonObject) -> tuple[MarketStatus, ...]:
    return tuple(
        MarketStatus(
            exchange=fields.meaning("exchange", fields.code(row, "exchange") or 0, words.EXCHANGES),
            segment=fields.meaning("segment", fields.code(row, "segment") or 0, words.SEGMENTS),
            market=fields.text(row, "market_type") or "NORMAL",
            phase=fields.meaning("status", fields.text(row, "status").upper(), words.MARKET_PHASES),
        )
        for row in _objects(document, "marketStatus")
    )


def quotes(document: JsonObject, received_ns: int) -> tuple[Quote, ...]:
    """Symbols that the broker does not know come back without a price, and are left out."""
    return tuple(
        _quote(fields.required_text(row, "n"), row["v"], received_ns)
        for row in _objects(document, "d")
        if row.get("s") == "ok" and isinstance(row.get("v"), dict)
    )


def _quote(symbol: str, values: JsonObject, received_ns: int) -> Quote:
    return Quote(
        instrument_id=InstrumentId(symbol),
        last=fields.decimal(values, "lp"),
        bid=fields.decimal(values, "bid", _ZERO),
        ask=fields.decimal(values, "ask", _ZERO),
        broker_time_ns=fields.time_ns(values, "tt", received_ns),
        received_ns=received_ns,
    )


def _both_pots(row: JsonObject) -> Decimal:
    return fields.decimal(row, "equityAmount", _ZERO) + fields.decimal(row, "commodityAmount", _ZERO)


def _objects(document: JsonObject, name: str) -> list[JsonObject]:
    listed = document.get(name)
    if not isinstance(listed, list) or not all(isinstance(row, dict) for row in listed):
        raise fields.bad(name, listed)
    return listed
