"""Replicas are killed while the leader trades; the broker's books judge. `make chaos` is longer and worse."""

from pathlib import Path

import pytest
from rich.console import Console

from chaos.run import Options, run_chaos
from chaos.scopes import COPY
from chaos.show import Screen

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("chaos")]
SEED = 11
MINUTES = 0.57
"""One kill each of a feed, a replicator and an executor."""


def test_killed_replicas_cost_no_order_and_double_none(tmp_path: Path) -> None:
    screen = Screen(Console(quiet=True))
    verdict = run_chaos(Options(COPY, SEED, MINUTES, log=tmp_path), screen)
    assert verdict.sound, verdict.as_json()
    killed = {str(blow["process"]).partition("-")[0] for blow in verdict.done.blows if blow["kind"] == "kill"}
    assert killed == {"feed", "replicator", "executor"}
    assert verdict.findings.copies >= COPY.load_a_minute * MINUTES, verdict.as_json()
