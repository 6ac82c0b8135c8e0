"""How many random histories the laws are tried on."""

import os

from hypothesis import HealthCheck, settings

HISTORIES = "PACELINE_LAW_HISTORIES"
"""Set to try so many others, from a seed of the run's own (`--hypothesis-seed`); else they are the same ones."""


def histories(usual: int) -> settings:
    wanted = os.environ.get(HISTORIES)
    return settings(
        max_examples=int(wanted or usual),
        stateful_step_count=30,
        deadline=None,
        derandomize=wanted is None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
