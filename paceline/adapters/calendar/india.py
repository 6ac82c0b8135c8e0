"""Reads the calendar of India's exchanges: generated holidays under a table of overrides kept by hand."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, time
from importlib.resources import files
from typing import Any

from paceline.domain.calendar import (
    AlwaysOpen,
    Calendar,
    Hours,
    Phase,
    Regime,
    Schedule,
    Sessions,
    TradingClass,
    zone_of,
)
from paceline.domain.instrument import Exchange, Segment

HOLIDAYS = "india_holidays.json"
OVERRIDES = "india_overrides.json"
_BEFORE_EVENING = (time.min, time(17))
_EVENING = (time(17), time.max)
_CLOSED: tuple[Hours, ...] = ()
_CRYPTO = (Segment.CRYPTO_SPOT, Segment.CRYPTO_DERIVATIVES)

Document = Mapping[str, Any]
Key = tuple[Exchange, Segment, TradingClass]


def india() -> Calendar:
    """What is installed with this version; crypto never closes."""
    return calendar_from(_installed(HOLIDAYS), _installed(OVERRIDES))


def calendar_from(holidays: Document, overrides: Document) -> Calendar:
    """Raises `ValueError` or `KeyError` where the documents say what cannot be."""
    schedules = {key: _with_days(key, one, overrides) for key, one in _ordinary(holidays, overrides)}
    sessions: dict[tuple[Exchange, Segment], Sessions] = {
        (exchange, segment): schedule
        for (exchange, segment, named), schedule in schedules.items()
        if named is TradingClass.REGULAR
    }
    return Calendar(
        sessions | {(Exchange.CRYPTO, segment): AlwaysOpen() for segment in _CRYPTO},
        {key: schedule for key, schedule in schedules.items() if key[2] is not TradingClass.REGULAR},
        {
            (Exchange(entry["exchange"]), name): TradingClass(entry["class"])
            for entry in overrides["underlyings"]
            for name in entry["names"]
        },
    )


def _installed(name: str) -> Document:
    document: Document = json.loads(files(__package__).joinpath(name).read_text("utf-8"))
    return document


def _ordinary(holidays: Document, overrides: Document) -> Iterator[tuple[Key, Schedule]]:
    for entry in overrides["hours"]:
        regimes = tuple(sorted(map(_regime, entry["regimes"]), key=lambda each: each.since))
        for exchange, segment in map(_market, entry["markets"]):
            schedule = Schedule(zone_of(exchange), regimes)
            yield (
                (exchange, segment, TradingClass(entry["class"])),
                replace(schedule, **_known(entry, holidays["exchanges"].get(exchange.value))),
            )


def _known(entry: Document, generated: Document | None) -> dict[str, Any]:
    if entry["holidays"] == "days":
        return {"known_until": date.fromisoformat(entry["known_until"])}
    if generated is None:
        raise ValueError(f"no holidays were generated for {entry['markets']}")
    return {
        "holidays": frozenset(map(date.fromisoformat, generated["holidays"])),
        "known_until": date.fromisoformat(generated["known_until"]),
    }


def _with_days(key: Key, schedule: Schedule, overrides: Document) -> Schedule:
    special = {
        date.fromisoformat(day): _on_special_day(entry["trades"], schedule.ordinary(date.fromisoformat(day)))
        for entry in overrides["days"]
        if key[:2] in map(_market, entry["markets"])
        for day in entry["dates"]
    }
    return replace(schedule, special=special)


def _on_special_day(trades: str | list[str], ordinary: tuple[Hours, ...]) -> tuple[Hours, ...]:
    match trades:
        case "nothing" | "when the broker says so":
            return _CLOSED
        case "whole day":
            return ordinary
        case "morning":
            return _within(ordinary, *_BEFORE_EVENING)
        case "evening":
            return _within(ordinary, *_EVENING)
        case list():
            return _hours(trades)
    raise ValueError(f"{trades!r} is no way to trade")


def _within(ordinary: tuple[Hours, ...], opens: time, closes: time) -> tuple[Hours, ...]:
    left = (hours.within(opens, closes) for hours in ordinary)
    return tuple(hours for hours in left if hours is not None)


def _regime(entry: Document) -> Regime:
    winter = entry.get("us_winter")
    return Regime(
        date.fromisoformat(entry["since"]), _hours(entry["hours"]), None if winter is None else _hours(winter)
    )


def _hours(texts: list[str]) -> tuple[Hours, ...]:
    """Each `09:15-15:30 NORMAL`, one after the other."""
    found: list[Hours] = []
    for text in texts:
        times, _, phase = text.partition(" ")
        opens, _, closes = times.partition("-")
        hours = Hours(time.fromisoformat(opens), time.fromisoformat(closes), Phase(phase))
        if hours.opens >= hours.closes or (found and hours.opens < found[-1].closes):
            raise ValueError(f"{text!r} is not after what is before it")
        found.append(hours)
    return tuple(found)


def _market(text: str) -> tuple[Exchange, Segment]:
    exchange, _, segment = text.partition(":")
    return Exchange(exchange), Segment(segment)
