"""Replicas are killed while the leader trades; the broker's books judge. `make chaos` runs it."""

import asyncio
from pathlib import Path

import pytest

from paceline.cli.stack import Stack, StackOptions
from tests.chaos.day import Plan, trade_through
from tests.chaos.faults import Kills

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("chaos")]
SEED = 11
QUICK_LEASES = {
    "PACELINE_LEASE_TTL_MS": "2000",
    "PACELINE_LEASE_BEAT_MS": "400",
    "PACELINE_BROKER_REQUEST_MAX_MS": "1000",
    "PACELINE_BROKER_READ_TIMEOUT_MS": "1000",
    "PACELINE_BROKER_CONNECT_TIMEOUT_MS": "500",
    "PACELINE_SETTLE_MS": "500",
}


def test_killed_replicas_cost_no_order_and_double_none(tmp_path: Path) -> None:
    plan = Plan(SEED, followers=20, fills=30, pause_s=0.6)
    with Stack(
        StackOptions(replicas=2, seed=SEED, logs=tmp_path, environment=QUICK_LEASES), _nobody
    ) as stack:
        kills = Kills(stack, SEED, ("feed", "replicator", "executor"), apart_s=6.0)
        verdict = asyncio.run(trade_through(stack, plan, kills.run()))
        stack.check()
    about = f"seed {SEED}, killed {kills.killed}: {verdict}"
    assert (verdict.duplicates, verdict.missing, verdict.altered, verdict.windows_breached) == (0, 0, 0, 0), (
        about
    )
    assert verdict.positions_off == 0, about
    assert verdict.sound, about
    assert verdict.accepted > plan.fills * plan.followers // 2, about


def _nobody(_words: str) -> None:
    """Nobody watches."""
