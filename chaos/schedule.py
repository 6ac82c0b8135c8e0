"""When which fault strikes: drawn from a seed and from nothing else."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Protocol

LEAD_S = 4.0
"""Before the first blow: the load is under way."""
_PHASE = 0.9
"""Lanes are shifted against each other by up to this share of their own step."""


class Scheduled(Protocol):
    """What the schedule asks of a fault."""

    @property
    def kind(self) -> str: ...
    @property
    def lane(self) -> str: ...
    @property
    def often(self) -> int: ...
    @property
    def lasts_s(self) -> tuple[float, float]: ...


@dataclass(frozen=True, slots=True)
class Blow:
    """One fault at one moment; `seed` draws whom and how."""

    at_s: float
    kind: str
    lasts_s: float
    seed: str


def schedule(seed: int, seconds: float, faults: Iterable[Scheduled], apart_s: float) -> list[Blow]:
    """`often` is per ten minutes. Faults of one lane take turns, `apart_s` apart; lanes overlap."""
    lanes: dict[str, list[Scheduled]] = {}
    for fault in faults:
        lanes.setdefault(fault.lane, []).extend([fault] * times(fault.often, seconds))
    blows = [blow for name in sorted(lanes) for blow in _lane(name, lanes[name], seed, seconds, apart_s)]
    return sorted(blows, key=lambda blow: (blow.at_s, blow.kind))


def times(per_ten_minutes: int, seconds: float) -> int:
    return max(1, math.ceil(per_ten_minutes * seconds / 600))


def _lane(name: str, turns: Sequence[Scheduled], seed: int, seconds: float, apart_s: float) -> Iterator[Blow]:
    random = Random(f"{name} {seed}")
    order = list(turns)
    random.shuffle(order)
    del order[max(1, int((seconds - LEAD_S) / apart_s)) :]
    slot_s = (seconds - LEAD_S) / len(order)
    phase_s = random.uniform(0, slot_s * _PHASE)
    for number, fault in enumerate(order):
        lasts_s = random.uniform(*fault.lasts_s)
        at_s = LEAD_S + phase_s + number * slot_s
        yield Blow(round(at_s, 2), fault.kind, round(lasts_s, 2), f"{name} {seed} {number}")
