"""The calendar that is installed: holidays from a library, the rest from the table kept by hand."""

import json
import subprocess
import sys
from datetime import date, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from paceline.adapters.calendar import india as module
from paceline.adapters.calendar.india import calendar_from, india
from paceline.domain.calendar import IST, NS_PER_S, Phase, TradingClass
from paceline.domain.instrument import Exchange, Segment

ROOT = Path(__file__).parents[3]
INDIA = india()
REGULAR, AUCTIONED = TradingClass.REGULAR, TradingClass.AUCTIONED
NSE = (Exchange.NSE, Segment.CAPITAL_MARKET)
BSE = (Exchange.BSE, Segment.CAPITAL_MARKET)
FUTURES = (Exchange.NSE, Segment.EQUITY_DERIVATIVES)
CURRENCY = (Exchange.NSE, Segment.CURRENCY_DERIVATIVES)
MCX = (Exchange.MCX, Segment.COMMODITY_DERIVATIVES)
NCDEX = (Exchange.NCDEX, Segment.COMMODITY_DERIVATIVES)
MARKETS = (NSE, BSE, FUTURES, (Exchange.BSE, Segment.EQUITY_DERIVATIVES), CURRENCY, MCX, NCDEX)


def at(day: str, clock: str) -> int:
    return int(datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=IST).timestamp()) * NS_PER_S


def installed(name: str) -> Any:
    return json.loads(files("paceline.adapters.calendar").joinpath(name).read_text("utf-8"))


@pytest.mark.parametrize(
    ("market", "named", "day", "clock", "phase"),
    [
        (NSE, REGULAR, "2026-11-23", "09:05", Phase.PRE_OPEN),
        (NSE, REGULAR, "2026-11-23", "09:10", Phase.CLOSED),
        (NSE, REGULAR, "2026-11-23", "15:29", Phase.NORMAL),
        (BSE, REGULAR, "2026-11-23", "15:59", Phase.POST_CLOSE),
        (NSE, AUCTIONED, "2026-07-31", "15:29", Phase.NORMAL),
        (NSE, AUCTIONED, "2026-08-03", "15:14", Phase.NORMAL),
        (NSE, AUCTIONED, "2026-08-03", "15:34", Phase.CLOSING_AUCTION),
        (FUTURES, REGULAR, "2026-07-31", "15:30", Phase.CLOSED),
        (FUTURES, REGULAR, "2026-08-03", "15:39", Phase.NORMAL),
        (FUTURES, REGULAR, "2026-08-03", "15:40", Phase.CLOSED),
        (CURRENCY, REGULAR, "2026-11-23", "16:59", Phase.NORMAL),
        (MCX, REGULAR, "2026-08-03", "23:29", Phase.NORMAL),
        (MCX, REGULAR, "2026-08-03", "23:30", Phase.CLOSED),
        (MCX, REGULAR, "2026-11-23", "23:54", Phase.NORMAL),
        (MCX, TradingClass.AGRI, "2026-11-23", "17:00", Phase.CLOSED),
        (MCX, TradingClass.AGRI_INTERNATIONAL, "2026-11-23", "20:59", Phase.NORMAL),
        (MCX, TradingClass.AGRI_INTERNATIONAL, "2026-11-23", "21:00", Phase.CLOSED),
        (NCDEX, REGULAR, "2026-11-23", "16:59", Phase.NORMAL),
        (NCDEX, REGULAR, "2026-11-23", "17:00", Phase.CLOSED),
    ],
)
def test_ordinary_days(
    market: tuple[Exchange, Segment], named: TradingClass, day: str, clock: str, phase: Phase
) -> None:
    assert INDIA.of(*market, named).phase(at(day, clock)) is phase


@pytest.mark.parametrize(
    ("market", "day", "clock", "is_open"),
    [
        (NSE, "2026-02-01", "10:00", True),
        (FUTURES, "2026-02-01", "10:00", True),
        (CURRENCY, "2026-02-01", "10:00", False),
        (MCX, "2026-02-01", "16:59", True),
        (MCX, "2026-02-01", "17:00", False),
        (NSE, "2026-03-03", "10:00", False),
        (MCX, "2026-03-03", "10:00", False),
        (MCX, "2026-03-03", "23:54", True),
        (NCDEX, "2026-03-03", "17:30", False),
        (MCX, "2026-01-01", "16:59", True),
        (MCX, "2026-01-01", "17:00", False),
        (MCX, "2026-12-25", "18:00", False),
        (BSE, "2025-10-21", "14:00", True),
        (BSE, "2025-10-21", "10:00", False),
        (NSE, "2026-11-08", "18:30", False),
        (NSE, "2026-11-22", "10:00", False),
    ],
)
def test_days_that_differ(market: tuple[Exchange, Segment], day: str, clock: str, is_open: bool) -> None:
    assert INDIA.is_open(*market, at(day, clock)) is is_open


@pytest.mark.parametrize("market", MARKETS)
def test_2027_is_taken_for_ordinary_and_said_to_be_unknown(market: tuple[Exchange, Segment]) -> None:
    sessions = INDIA.of(*market)
    assert sessions.trades_on(date(2027, 1, 26))
    assert not sessions.knows(date(2027, 1, 26))
    assert sessions.knows(date(2026, 12, 31))


def test_crypto_never_closes() -> None:
    assert INDIA.is_open(Exchange.CRYPTO, Segment.CRYPTO_SPOT, at("2026-11-22", "03:00"))


def test_farm_goods_are_known_by_name() -> None:
    assert INDIA.underlyings[Exchange.MCX, "MENTHAOIL"] is TradingClass.AGRI


def test_every_override_says_where_it_is_from() -> None:
    overrides = installed(module.OVERRIDES)
    regimes = [regime for entry in overrides["hours"] for regime in entry["regimes"]]
    for entry in (*regimes, *overrides["days"], *overrides["underlyings"]):
        assert len(entry["source"]) > 10, entry


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("trades", "sometimes"),
        ("trades", ["10:00-09:00 NORMAL"]),
        ("trades", ["09:00-11:00 NORMAL", "10:00-12:00 NORMAL"]),
        ("trades", ["09:00-11:00 OPEN"]),
        ("markets", ["NYSE:CAPITAL_MARKET"]),
        ("dates", ["2026-02-30"]),
    ],
)
def test_a_table_that_says_what_cannot_be_is_refused(field: str, value: object) -> None:
    overrides = installed(module.OVERRIDES)
    overrides["days"][0][field] = value
    with pytest.raises(ValueError, match=r"."):
        calendar_from(installed(module.HOLIDAYS), overrides)


def test_holidays_that_were_not_generated_are_missed() -> None:
    with pytest.raises(ValueError, match="no holidays were generated"):
        calendar_from({"exchanges": {}}, installed(module.OVERRIDES))


def test_both_exchanges_keep_the_same_holidays_but_for_muhurat_trading() -> None:
    exchanges = installed(module.HOLIDAYS)["exchanges"]
    differ = set(exchanges["NSE"]["holidays"]) ^ set(exchanges["BSE"]["holidays"])
    told = {day for entry in installed(module.OVERRIDES)["days"] for day in entry["dates"]}
    assert differ <= told


def test_the_holidays_are_what_the_library_says() -> None:
    command = [sys.executable, str(ROOT / "calendars/generate.py"), "--check"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
