"""Writes the holidays of NSE and BSE that `pandas_market_calendars` knows.

    python calendars/generate.py           writes the data file
    python calendars/generate.py --check   writes nothing; exits 1 when the file is not what the library says

The services read the file, never the library.
"""  # noqa: INP001 - a script beside the packages, no package

import argparse
import json
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas_market_calendars  # type: ignore[import-untyped]  # ships no types

LIBRARY = "pandas_market_calendars"
EXCHANGES = ("NSE", "BSE")
FIRST_YEAR = 2025
OUT = Path(__file__).resolve().parents[1] / "paceline/adapters/calendar/india_holidays.json"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    text = json.dumps(document(), indent=2) + "\n"
    if not parser.parse_args().check:
        OUT.write_text(text, "utf-8")
        return 0
    if OUT.read_text("utf-8") == text:
        return 0
    sys.stderr.write(f"{OUT.name} is not what {LIBRARY} says; run: python calendars/generate.py\n")
    return 1


def document() -> dict[str, Any]:
    return {
        "generated_by": f"calendars/generate.py from {LIBRARY} {version(LIBRARY)}",
        "exchanges": {name: known(name) for name in EXCHANGES},
    }


def known(exchange: str) -> dict[str, Any]:
    """A year counts as known when the library has a holiday in it."""
    calendar = pandas_market_calendars.get_calendar(exchange)
    days = sorted({day.date() for day in calendar.adhoc_holidays if day.year >= FIRST_YEAR})
    return {
        "known_until": f"{days[-1].year}-12-31",
        "holidays": [day.isoformat() for day in days],
    }


if __name__ == "__main__":
    sys.exit(main())
