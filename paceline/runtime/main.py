"""What every `__main__` calls: settings, logs, traces, the loop; problems as one message and an exit code."""

import asyncio
import gc
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from random import Random
from typing import Any, NoReturn, TypeVar

import uvloop

from paceline.ports.clock import Clock
from paceline.runtime.common_settings import CommonSettings
from paceline.runtime.failure import SetupError
from paceline.runtime.lifecycle import Compose, Runtime, live, stop_on_signals
from paceline.runtime.log import configure_logging, get_logger
from paceline.runtime.metrics import Metrics
from paceline.runtime.settings import SettingsError, describe, hints, load
from paceline.runtime.telemetry import start_telemetry

S = TypeVar("S", bound=CommonSettings)
EXIT_SETUP = 2
GC_THRESHOLDS = (50_000, 20, 50)
"""What a service keeps, it keeps for the day: walking through all of it every few events stops the loop for
tens of milliseconds and frees nothing.
"""


def main(
    service: str,
    settings_type: type[S],
    compose: Compose[S],
    *,
    clock: Clock,
    environ: Mapping[str, str] | None = None,
    argv: Sequence[str] | None = None,
) -> NoReturn:
    """Run one service to its end. Wrong settings and taken ports: one message on stderr, exit 2."""
    arguments = sys.argv[1:] if argv is None else argv
    environment = os.environ if environ is None else environ
    if arguments:
        sys.exit(_answer(service, settings_type, arguments))
    try:
        settings = load(settings_type, environment)
        code = run(service, settings, compose, clock=clock, near_misses=hints(settings_type, environment))
    except (SettingsError, SetupError) as error:
        sys.stderr.write(f"paceline-{service}: {error}\n")
        code = EXIT_SETUP
    sys.exit(code)


def run(
    service: str, settings: S, compose: Compose[S], *, clock: Clock, near_misses: Sequence[str] = ()
) -> int:
    """Run one service with settings that are right; the exit code."""
    configure_logging(
        settings.log_level, settings.log_format, service=service, replica_id=settings.replica_id
    )
    log = get_logger(service)
    for near_miss in near_misses:
        log.warning("an unknown setting", note=near_miss)
    telemetry = start_telemetry(
        service=service,
        replica_id=settings.replica_id,
        environment=settings.environment,
        otlp_endpoint=settings.otlp_endpoint,
        sample_ratio=settings.trace_sample_ratio,
    )

    gc.set_threshold(*GC_THRESHOLDS)

    async def live_and_die() -> int:
        runtime = Runtime(
            service, settings, clock=clock, random=Random(), metrics=Metrics(), telemetry=telemetry
        )
        stop_on_signals(runtime)
        return await live(runtime, compose)

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(live_and_die())
    finally:
        telemetry.shutdown()


def _answer(service: str, settings_type: type[Any], arguments: Sequence[str]) -> int:
    if list(arguments) == ["--version"]:
        sys.stdout.write(f"paceline-{service} {version('paceline')}\n")
        return 0
    if list(arguments) in (["--help"], ["-h"]):
        sys.stdout.write(usage(service, settings_type))
        return 0
    sys.stderr.write(f"paceline-{service}: takes no arguments but --help and --version\n")
    return EXIT_SETUP


def usage(service: str, settings_type: type[Any]) -> str:
    """Help text: every setting, its default and what it is for."""
    lines = [
        f"Usage: paceline-{service} [--help | --version]",
        "",
        "Everything else is set in the environment:",
    ]
    for each in describe(settings_type):
        default = "required" if each.required else f"default: {each.default or 'unset'}"
        older = f", also read as {each.legacy_name}" if each.legacy_name else ""
        lines += [f"  {each.name}  ({default}{older})", f"      {each.help}"]
    return "\n".join(lines) + "\n"
