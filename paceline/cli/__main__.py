"""The command line: the whole of Paceline on one machine, and what an operator needs beside it."""

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from enum import StrEnum
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from paceline.cli import archives, sealing
from paceline.cli import chaos as chaos_command
from paceline.cli import ports as default_ports
from paceline.cli import preview as preview_command
from paceline.cli.bench import become_bench
from paceline.cli.demo import crash
from paceline.cli.demo.crash_show import show_crash
from paceline.cli.demo.run import DemoError, DemoOptions, run_day, run_demo
from paceline.cli.demo.show import Screen
from paceline.cli.ending import Ended, end_on_signals
from paceline.cli.migrating import MigrationError, move
from paceline.cli.output import STDOUT, write_json
from paceline.cli.ports import Ports
from paceline.cli.processes import StackError
from paceline.cli.stack import Stack, StackOptions
from paceline.runtime.common_settings import without_driver


def _examples(*commands: str) -> str:
    return "\n\n".join(("Examples:", *(f"`{command}`" for command in commands)))


app = typer.Typer(
    name="paceline",
    help="Copy trading: a leader sets the pace, the followers hold the line.",
    epilog=_examples("paceline demo", "paceline up", "paceline COMMAND --help"),
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.add_typer(sealing.app, name="keys")
app.add_typer(archives.app, name="journal")
app.command("chaos", epilog=_examples(*chaos_command.EXAMPLES))(chaos_command.chaos)
app.command("preview", epilog=_examples(*preview_command.EXAMPLES))(preview_command.preview)

_FAILED = 1
_USAGE = 2
_LOOK_S = 0.5

Seed = Annotated[int, typer.Option(help="The same seed is the same day.")]
Replicas = Annotated[int, typer.Option(min=1, max=8, help="Replicas of each service.")]
JsonFile = Annotated[
    str | None,
    typer.Option(
        "--json", metavar="FILE", help="Write the verdict there; `-` is standard output, and nothing else is."
    ),
]
Data = Annotated[
    Path | None, typer.Option(help="Keep databases and keys in this directory; without it nothing is kept.")
]
Port = Annotated[int, typer.Option(min=0, max=65_000, help="First of a row of ports; 0 takes free ones.")]


class Scenario(StrEnum):
    """What the demo plays."""

    DAY = "day"
    CRASH = "crash"


_FOLLOWERS = {Scenario.DAY: 100, Scenario.CRASH: crash.FOLLOWERS}
_EVENTS = 12


@app.command(
    epilog=_examples(
        "paceline demo",
        "paceline demo --scenario crash",
        "paceline demo --followers 300 --events 20 --seed 7 --json out.json",
        "paceline demo --replicas 2",
        "paceline demo --json - | jq .last_order_ms",
    )
)
def demo(
    scenario: Annotated[Scenario, typer.Option(help="What happens.")] = Scenario.DAY,
    followers: Annotated[
        int | None,
        typer.Option(min=1, max=5_000, help="How many followers copy the leader: 100, in a crash 10."),
    ] = None,
    events: Annotated[
        int | None, typer.Option(min=1, max=10_000, help="How many fills the leader has on a day: 12.")
    ] = None,
    seed: Seed = 1,
    replicas: Replicas = 1,
    json_file: JsonFile = None,
) -> None:
    """Trade a scripted day on embedded defaults and judge it by the simulator's books.

    Starts everything, lets one leader trade, watches his followers' orders arrive, and ends 0 only if every
    decision is at the broker exactly once or has its reason. In a crash the leader's margin melts: mails
    arrive, he and his followers are flattened, the audit tells it line by line, and it ends 0 only if
    everybody is flat, nobody was sold twice and nobody else was touched.
    """
    if scenario is Scenario.CRASH and events is not None:
        raise typer.BadParameter("a crash has one fill of the leader", param_hint="--events")
    console = Console(stderr=json_file == STDOUT, highlight=False)
    screen = Screen(console)
    options = DemoOptions(
        followers=followers or _FOLLOWERS[scenario], events=events or _EVENTS, seed=seed, replicas=replicas
    )
    end_on_signals()
    try:
        sound, document = _played(scenario, options, screen)
    except (StackError, DemoError) as problem:
        console.print(f"[red]{escape(str(problem))}[/red]")
        raise typer.Exit(_FAILED) from None
    except Ended as ended:
        console.print("[dim]·[/dim] ended before the day was over")
        raise typer.Exit(ended.exit_code) from None
    write_json(json_file, document)
    if not sound:
        raise typer.Exit(_FAILED)


def _played(scenario: Scenario, options: DemoOptions, screen: Screen) -> tuple[bool, Mapping[str, object]]:
    """Played and shown; whether all went as it must, and the verdict for programs."""
    if scenario is Scenario.CRASH:
        crashed = run_demo(replace(options, environment=crash.ENVIRONMENT), screen, crash.run_crash)
        show_crash(screen, crashed)
        return crashed.sound, crashed.as_json()
    traded = run_demo(options, screen, run_day)
    screen.summary(traded)
    return traded.sound, traded.as_json()


@app.command(
    epilog=_examples(
        "paceline up",
        "paceline up --data ./paceline-data --replicas 2",
        "paceline up --grpc-port 0 --metrics-port 0 --broker-port 0",
        "PACELINE_POSTGRES_URL=postgresql://user@db/paceline paceline up",
    )
)
def up(
    replicas: Replicas = 1,
    seed: Seed = 1,
    data: Data = None,
    grpc_port: Port = default_ports.GRPC,
    metrics_port: Port = default_ports.METRICS,
    broker_port: Port = default_ports.BROKER,
) -> None:
    """Start everything on embedded defaults and keep it running until Ctrl-C.

    External servers are used instead where `PACELINE_POSTGRES_URL`, `PACELINE_REDIS_URL` or the broker's
    `PACELINE_FYERS_…_URL` are set.
    """
    console = Console(stderr=True, highlight=False)
    end_on_signals()
    wanted = Ports(grpc_port, metrics_port, broker_port)
    options = StackOptions(replicas=replicas, seed=seed, data=data, ports=wanted)
    try:
        with Stack(options, lambda what: console.print(f"[dim]·[/dim] {escape(what)}")) as stack:
            _show_endpoints(stack)
            while True:
                time.sleep(_LOOK_S)
                stack.check()
    except StackError as problem:
        console.print(f"[red]{escape(str(problem))}[/red]")
        raise typer.Exit(_FAILED) from None
    except Ended:
        console.print("[dim]·[/dim] stopped")


@app.command(epilog=_examples("paceline migrate", "paceline migrate --to 0004", "paceline migrate --to base"))
def migrate(
    to: Annotated[str, typer.Option(help="`head`, `base`, or a revision; an older one goes back.")] = "head",
    url: Annotated[
        str | None, typer.Option(envvar="PACELINE_POSTGRES_URL", help="Which database.", show_envvar=True)
    ] = None,
) -> None:
    """Move the database's schema forward or back, in one transaction."""
    named = url or os.environ.get("DATABASE_URL")
    if not named:
        typer.echo("--url is required: name the database, or set PACELINE_POSTGRES_URL", err=True)
        raise typer.Exit(_USAGE)
    try:
        before, after = move(without_driver(named), to)
    except MigrationError as problem:
        typer.echo(f"the schema stays as it is: {problem}", err=True)
        raise typer.Exit(_FAILED) from None
    typer.echo(f"{before or 'empty'} → {after or 'empty'}")


@app.command(
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    epilog=_examples("paceline bench feed --sessions 1000 --json -", "paceline bench --help"),
)
def bench(context: typer.Context) -> None:
    """Measure what Paceline costs on this machine, beside its lower bounds; `--help` lists the names."""
    become_bench(context.args)


@app.command(epilog=_examples("paceline version"))
def version() -> None:
    """Say which version this is."""
    typer.echo(f"paceline {version_of('paceline')}")


def main() -> None:
    app(prog_name="paceline")


def _show_endpoints(stack: Stack) -> None:
    endpoints = stack.endpoints()
    width = max(len(endpoint.name) for endpoint in endpoints)
    for endpoint in endpoints:
        typer.echo(f"{endpoint.name:<{width}}  {endpoint.url}")
    typer.echo("Ctrl-C ends it.")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
