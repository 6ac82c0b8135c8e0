"""Replicas killed, and replicas stopped for longer than their leases run."""

import os
import signal
from contextlib import suppress
from random import Random

from chaos.faults.fault import CERTAIN, End, Fault
from chaos.stage import Stage
from paceline.cli.processes import Process

LANE = "processes"
APART_S = 10.0
"""Closer together all would be take-over."""
_AWAY_S = (0.5, 3.0)


def kill(*services: str, often: int = CERTAIN) -> Fault:
    """SIGKILL of a replica of one of these, in turn; a new life soon after."""

    async def begin(stage: Stage, random: Random, lasts: float) -> End:
        process = _victim(stage, random, services[stage.kills % len(services)])
        stage.note("kill", process=process.name, away_s=lasts)
        stage.away.add(process.name)
        stage.stack.services.kill(process)
        stage.kills += 1
        stage.tally["kill"] += 1

        async def end() -> None:
            stage.stack.services.start_again(process)
            stage.away.discard(process.name)

        return end

    return Fault("kill", LANE, _AWAY_S, begin, often)


def stop_longer_than(service: str, lease_s: float, lane: str = LANE) -> Fault:
    """SIGSTOP until another owns its partitions, then SIGCONT: for a moment two believe they do.

    In a lane of its own it may strike while another replica is dead, and be killed while it is stopped.
    """

    async def begin(stage: Stage, random: Random, lasts: float) -> End:
        process = _victim(stage, random, service)
        stopped = process.pid
        stage.note("two_owners", process=process.name, stopped_s=lasts)
        with suppress(ProcessLookupError):
            os.kill(stopped, signal.SIGSTOP)
            stage.tally["two_owners"] += 1

        async def end() -> None:
            with suppress(ProcessLookupError):
                os.kill(stopped, signal.SIGCONT)

        return end

    return Fault("two_owners", lane, (lease_s * 1.5, lease_s * 2.5), begin, CERTAIN)


def _victim(stage: Stage, random: Random, service: str) -> Process:
    """Replicas by their names, which stay; the next one where the drawn one is away."""
    replicas = sorted(stage.replicas(service), key=lambda each: each.name)
    drawn = random.randrange(len(replicas))
    turns = (*replicas[drawn:], *replicas[:drawn])
    return next((each for each in turns if each.name not in stage.away), replicas[drawn])
