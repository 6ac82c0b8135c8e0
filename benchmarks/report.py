"""One form for every result: what was measured, on what, and the lower bound beside it."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

from benchmarks.risk_pass import machine

_VERSIONS = ("paceline", "aiohttp", "asyncpg", "grpcio", "redis", "uvloop")


@dataclass(frozen=True, slots=True)
class Result:
    """`headline` and `floor` are the two figures that `ratio` compares, in words for the table."""

    name: str
    seed: int
    rounds: int
    figures: Mapping[str, Any]
    lower_bound: Mapping[str, Any]
    ratio: float | Mapping[str, float]
    bar: float | Mapping[str, Any] | None
    met: bool | None
    headline: str = ""
    floor: str = ""
    notes: Sequence[str] = field(default_factory=tuple)

    def as_json(self) -> dict[str, Any]:
        document = asdict(self)
        del document["headline"], document["floor"]
        return {**document, "machine": machine_now(), "versions": versions()}


def machine_now() -> dict[str, Any]:
    """The machine, and how busy others kept it."""
    return {**machine(), "load_1m": round(os.getloadavg()[0], 2)}


def versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{each: version(each) for each in _VERSIONS}}


def spread(values: Sequence[float]) -> dict[str, float]:
    """Nearest ranks."""
    ordered = sorted(values)
    return {
        "p50": round(ordered[int(0.50 * len(ordered))], 2),
        "p99": round(ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))], 2),
    }
