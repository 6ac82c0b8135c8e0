"""The options of all benchmarks: each names its bounds, and who takes it."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Option:
    flag: str
    default: Any
    about: str
    read: Callable[[str], Any]

    @property
    def name(self) -> str:
        return self.flag.removeprefix("--")

    @property
    def parameter(self) -> str:
        return self.name.replace("-", "_")


def whole(least: int, most: int) -> Callable[[str], int]:
    """A reader of whole numbers that names its bounds."""

    def read(text: str) -> int:
        if not (text.isdecimal() and text.isascii() and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(
                f"must be a whole number from {least:,} to {most:,}, and not {text!r}"
            )
        return int(text)

    return read


def wholes(least: int, most: int) -> Callable[[str], tuple[int, ...]]:
    """Several of them, separated by commas."""
    one = whole(least, most)

    def read(text: str) -> tuple[int, ...]:
        return tuple(one(each) for each in text.split(","))

    return read


def seconds(least: float, most: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            found = float(text)
        except ValueError:
            found = float("nan")
        if not least <= found <= most:
            raise argparse.ArgumentTypeError(f"must be seconds from {least:g} to {most:g}, and not {text!r}")
        return found

    return read


FOLLOWERS = Option("--followers", 1_000, "who copy the leader", whole(1, 5_000))
DELAYS = Option("--delays", (0, 50), "in ms, of the broker, with commas", wholes(0, 10_000))
CROWDS = Option("--crowds", (1, 1_000), "followers of each measurement, with commas", wholes(1, 5_000))
GROWING = replace(CROWDS, default=(10, 100, 1_000, 5_000))
LEADERS = Option("--leaders", 50, "who trade at once", whole(1, 1_000))
FOLLOWERS_EACH = Option("--followers-each", 20, "of every leader", whole(1, 1_000))
SUBSCRIPTIONS = Option("--subscriptions", 1_000, "that one event is decided for", whole(1, 100_000))
ACCOUNTS = Option("--accounts", (10_000, 100_000), "of each pass, with commas", wholes(1, 1_000_000))
POSITIONS = Option("--positions", 10, "of each account", whole(1, 1_000))
SESSIONS = Option("--sessions", 1_000, "live in one feed process", whole(1, 5_000))
LOAD = Option("--seconds", 8.0, "of load", seconds(0.1, 600))
STEADY = replace(LOAD, default=60.0)
ROUNDS = Option("--rounds", 9, "how often it is measured", whole(1, 10_000))
FALLS = replace(ROUNDS, default=3)
SEED = Option("--seed", 7, "of everything that is drawn", whole(0, 2**31))
