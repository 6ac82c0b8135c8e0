"""Run a simulated broker, or measure one."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import signal
import sys
from datetime import date
from pathlib import Path

import uvloop

from simulator.leash import die_with_parent
from simulator.limits import Quota
from simulator.server import Simulator
from simulator.settings import Settings

EXAMPLES = """examples:
  python -m simulator --port 0 --print-url
  python -m simulator --port 8100 --control-port 8101 --real-hours
  python -m simulator bench --seconds 5
"""
# orders are kept for the whole day: walking through all of them often only costs time
GC_THRESHOLDS = (50_000, 20, 50)


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="simulator",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--host", default="127.0.0.1")
    made.add_argument("--port", type=int, default=0, help="the broker's port; 0 lets the system choose")
    made.add_argument(
        "--control-port", type=int, default=0, help="the control door's port; 0 lets the system choose"
    )
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--universe-date", type=date.fromisoformat, help="expiries follow this day, not today")
    made.add_argument(
        "--per-second", type=int, default=10, help="calls a client may make in a second; 0 is no limit"
    )
    made.add_argument("--per-minute", type=int, default=200)
    made.add_argument("--per-day", type=int, default=100_000)
    made.add_argument("--real-hours", action="store_true", help="keep the exchanges' hours")
    made.add_argument("--token-ttl-s", type=int, default=24 * 3600)
    made.add_argument("--no-refresh", action="store_true", help="refresh tokens are no longer supported")
    made.add_argument("--binary-frames", action="store_true", help="order frames as binary messages")
    made.add_argument("--tls-cert", type=Path, help="certificate chain; the broker's door then speaks TLS")
    made.add_argument("--tls-key", type=Path)
    made.add_argument("--print-url", action="store_true", help="print the addresses as one line of JSON")
    made.add_argument(
        "--ready-fd", type=int, help="write the same line to this file descriptor, then close it"
    )
    made.add_argument("--die-with-parent", action="store_true")
    return made


def settings_of(options: argparse.Namespace) -> Settings:
    return Settings(
        host=options.host,
        port=options.port,
        control_port=options.control_port,
        seed=options.seed,
        universe_date=options.universe_date,
        quota=Quota(options.per_second, options.per_minute, options.per_day),
        real_hours=options.real_hours,
        token_ttl_s=options.token_ttl_s,
        refresh_supported=not options.no_refresh,
        binary_frames=options.binary_frames,
        tls_cert=options.tls_cert,
        tls_key=options.tls_key,
    )


async def run(options: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    simulator = Simulator(settings_of(options))
    urls = await simulator.start()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    announce(options, json.dumps(urls.as_dict()))
    await stop.wait()
    await simulator.stop()


def announce(options: argparse.Namespace, line: str) -> None:
    if options.print_url:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    if options.ready_fd is not None:
        with os.fdopen(options.ready_fd, "w") as ready:
            ready.write(line + "\n")


def main(arguments: list[str] | None = None) -> int:
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] == ["bench"]:
        from simulator.bench import main as measure  # noqa: PLC0415 - only who measures loads the client

        return measure(given[1:])
    options = parser().parse_args(given)
    if options.die_with_parent:
        die_with_parent()
    try:
        uvloop.run(run(options))
    except OSError as fault:
        sys.stderr.write(f"simulator: cannot listen on {options.host}: {fault}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
