"""One form for every result: what was measured, on what, and the lower bound beside it."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

_VERSIONS = ("paceline", "aiohttp", "asyncpg", "grpcio", "numpy", "redis", "uvloop")


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
        return {**document, "machine": machine(), "versions": versions()}


def machine() -> dict[str, Any]:
    """The machine, and how busy others kept it."""
    text = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "load_1m": round(os.getloadavg()[0], 2),
    }


def versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{each: version(each) for each in _VERSIONS}}


def spread(values: Sequence[float]) -> dict[str, float]:
    """Nearest ranks."""
    ordered = sorted(values)
    return {
        "p50": round(ordered[int(0.50 * len(ordered))], 2),
        "p99": round(ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))], 2),
    }
