"""A run from nothing to the verdict: a stack, its load, its faults, the judges."""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import grpc

from chaos.faults.processes import APART_S
from chaos.faults.stores import postgres_of
from chaos.logs import logging_into
from chaos.schedule import Blow, schedule
from chaos.scope import Load, Scope
from chaos.show import Screen
from chaos.stage import Stage
from chaos.verdict import Done, Findings, Verdict
from chaos.watched import closed, within
from paceline.adapters.postgres.pool import PoolOptions, open_database
from paceline.cli.demo.control import Control
from paceline.cli.demo.people import Registrar
from paceline.cli.ending import run_until_ended
from paceline.cli.stack import Stack, StackOptions
from paceline.domain.errors import Unavailable

SETTLE_S = 120.0
"""Calm ends it sooner; a busy machine takes its time."""
_LOOK_S = 1.0
LOOK_MAX_S = 40.0
_PREPARE_MAX_S = 300.0
_CLOSE_MAX_S = 20.0
_CALM = 2
"""So many looks in a row must find nothing."""
_DURABLE = ("fsync", "synchronous_commit", "full_page_writes")


@dataclass(frozen=True, slots=True)
class Options:
    scope: Scope
    seed: int
    minutes: float
    log: Path | None = None
    """Where the logs go; None is a new directory under the system's temporary one."""


def run_chaos(options: Options, screen: Screen) -> Verdict:
    """From the main thread, which holds the leash of every process. The logs stay."""
    log = options.log or Path(tempfile.mkdtemp(prefix="paceline-chaos-"))
    log.mkdir(parents=True, exist_ok=True)
    stack = StackOptions(
        seed=options.seed, logs=log, environment=options.scope.environment, only=options.scope.services
    )
    screen.say(f"logs in {log}")
    with logging_into(log / "chaos.log"), Stack(stack, screen.say) as running:
        verdict = run_until_ended(_run(running, options, log, screen))
        screen.say("stopping")
    return verdict


async def _run(stack: Stack, options: Options, log: Path, screen: Screen) -> Verdict:
    async with AsyncExitStack() as opened:
        control = await opened.enter_async_context(Control(stack.control_url))
        channel = await opened.enter_async_context(grpc.aio.insecure_channel(stack.gateway))
        database = await open_database(stack.postgres_url, PoolOptions(application_name="chaos"))
        opened.push_async_callback(closed, _CLOSE_MAX_S, database.close)
        registrar = Registrar(channel, control)
        seconds = options.minutes * 60
        stage = Stage(stack, control, channel, database, options.seed, seconds, log, registrar)
        load = options.scope.load()
        opened.push_async_callback(closed, _CLOSE_MAX_S, load.close)
        screen.say("enrolling")
        await within(_PREPARE_MAX_S, load.prepare(stage))
        await _under_fire(stage, options, load, screen)
        findings = await _settled(stage, load, screen)
        return await _verdict(stage, options, load, findings)


async def _under_fire(stage: Stage, options: Options, load: Load, screen: Screen) -> None:
    """Returns when the load is done and every fault undone."""
    scope = options.scope
    blows = schedule(options.seed, stage.seconds, scope.faults, APART_S)
    lanes: dict[str, list[Blow]] = {}
    of_kind = {fault.kind: fault for fault in scope.faults}
    for blow in blows:
        lanes.setdefault(of_kind[blow.kind].lane, []).append(blow)
    began = time.monotonic()

    async def strike(lane: Sequence[Blow]) -> None:
        for blow in lane:
            await asyncio.sleep(began + blow.at_s - time.monotonic())
            screen.blow(blow)
            end = await of_kind[blow.kind].begin(stage, Random(blow.seed), blow.lasts_s)
            try:
                await asyncio.sleep(blow.lasts_s)
            finally:
                await end()

    async def watch() -> None:
        while True:
            stage.check()
            screen.reach(time.monotonic() - began, stage.seconds)
            await asyncio.sleep(_LOOK_S)

    with screen.shown(f"{scope.name}, seed {options.seed}", stage.seconds):
        watching = asyncio.ensure_future(watch())
        work = asyncio.gather(load.trade(), *(strike(lane) for lane in lanes.values()))
        both: set[asyncio.Future[Any]] = {watching, work}
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if watching.done():
                watching.result()
            await work
        finally:
            watching.cancel()
            work.cancel()
            await asyncio.gather(watching, work, return_exceptions=True)


async def _settled(stage: Stage, load: Load, screen: Screen) -> Findings:
    """What stands once looks find nothing any more, or once time is up."""
    screen.say("settling")
    give_up = time.monotonic() + SETTLE_S
    calm = 0
    while True:
        stage.check()
        try:
            found = await within(LOOK_MAX_S, load.findings())
        except (Unavailable, grpc.RpcError, TimeoutError):
            if time.monotonic() > give_up:
                raise
        else:
            calm = 0 if found.breaks else calm + 1
            if calm >= _CALM or time.monotonic() > give_up:
                return found
        await asyncio.sleep(_LOOK_S)


async def _verdict(stage: Stage, options: Options, load: Load, findings: Findings) -> Verdict:
    scope, minutes = options.scope, options.minutes
    hits = (await stage.control.get("/faults"))["hits"] | dict(stage.tally)
    short = [*scope.shortfalls(minutes, findings.load, load.unit, hits), *load.shortfalls(), *_durable(stage)]
    stage.keep(findings.breaks)
    done = Done(hits, stage.kills, stage.blows, tuple(short))
    return Verdict(scope.name, options.seed, minutes, findings, done, str(stage.log))


def _durable(stage: Stage) -> list[str]:
    """What is committed must be on the disk."""
    server = postgres_of(stage)
    return [f"{name} is off" for name in _DURABLE if server.query(f"SHOW {name}") != ["on"]]
