"""`paceline bench`: the benchmarks stand above the services, so they run as a program of their own."""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

_PROGRAM = (sys.executable, "-P", "-m", "benchmarks")
"""Ours, whatever lies in the directory we were started from."""


def become_bench(arguments: Sequence[str]) -> NoReturn:
    """In this very process: signals, standard output and the exit code are the benchmarks' own."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [*_PROGRAM, *arguments])  # noqa: S606 - our own program, and no shell
