"""What a run came to: what broke, by six counts, and whether the run was hard enough to count."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Ill(StrEnum):
    """What may not happen; the values are the names of the counts."""

    LOST = "lost"
    DUPLICATED = "duplicated"
    LAW_BREAK = "law_breaks"
    WINDOW_BREACHED = "windows_breached"
    SKIP_WITHOUT_REASON = "skips_without_reason"
    UNSETTLED = "unsettled"


@dataclass(frozen=True, slots=True)
class Break:
    """One thing that is wrong: which law, and where a person finds it."""

    ill: Ill
    law: str
    where: Mapping[str, object] = field(default_factory=dict)
    at_ns: int = 0
    """Wall time at the broker of what it is about; 0 is not known."""
    times: int = 1


@dataclass(frozen=True, slots=True)
class Findings:
    """What the judges of a load found; `load` is counted in the load's own unit."""

    orders: int
    copies: int
    load: int
    breaks: tuple[Break, ...] = ()
    more: Mapping[str, int] = field(default_factory=dict)
    """What else the load counted, by name."""


@dataclass(frozen=True, slots=True)
class Done:
    """What was done to the platform, and how: `faults` by kind, hits as the simulator counts them."""

    faults: Mapping[str, int]
    kills: int
    blows: Sequence[Mapping[str, object]] = ()
    shortfalls: tuple[str, ...] = ()
    """Why the run proves nothing, where it does not."""


_NEAR_S = 20.0
_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Verdict:
    scope: str
    seed: int
    minutes: float
    findings: Findings
    done: Done
    log: str

    @property
    def counts(self) -> dict[str, int]:
        counted: Counter[Ill] = Counter()
        for each in self.findings.breaks:
            counted[each.ill] += each.times
        return {ill.value: counted[ill] for ill in Ill}

    @property
    def sound(self) -> bool:
        return not any(self.counts.values())

    @property
    def proves(self) -> bool:
        """Hard enough to count, and nothing broke."""
        return self.sound and not self.done.shortfalls

    def first_broken(self) -> dict[str, Any] | None:
        """The break that began earliest, with what was being done to the platform around that moment."""
        if not self.findings.breaks:
            return None
        first = min(self.findings.breaks, key=lambda each: each.at_ns or 1 << 63)
        return {
            "count": first.ill.value,
            "law": first.law,
            "where": dict(first.where),
            "at_ns": first.at_ns,
            "blows_around": _around(self.done.blows, first.at_ns),
        }

    def as_json(self) -> dict[str, Any]:
        return {
            "scope": self.scope,
            "seed": self.seed,
            "minutes": self.minutes,
            "orders": self.findings.orders,
            "copies": self.findings.copies,
            "load": self.findings.load,
            **self.findings.more,
            "kills": self.done.kills,
            "faults": dict(sorted(self.done.faults.items())),
            **self.counts,
            "first_broken": self.first_broken(),
            "shortfalls": list(self.done.shortfalls),
            "log": self.log,
        }


def _around(blows: Sequence[Mapping[str, object]], at_ns: int) -> list[Mapping[str, object]]:
    if not at_ns:
        return []
    near_ns = round(_NEAR_S * _NS_PER_S)
    return [blow for blow in blows if isinstance(at := blow["wall_ns"], int) and abs(at - at_ns) <= near_ns]
