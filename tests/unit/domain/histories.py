"""How many random histories the laws are tried on."""

import os
from collections.abc import Sequence
from typing import TypeVar

from hypothesis import HealthCheck, settings

T = TypeVar("T")

HISTORIES = "PACELINE_LAW_HISTORIES"
"""Set to try so many others, from a seed of the run (`--hypothesis-seed`); else they are the same ones."""


def one_of(choices: Sequence[T], which: int) -> T:
    return choices[which % len(choices)]


def histories(usual: int) -> settings:
    wanted = os.environ.get(HISTORIES)
    return settings(
        max_examples=int(wanted or usual),
        stateful_step_count=20,
        deadline=None,
        derandomize=wanted is None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
