"""`paceline chaos`: faults from a seed while a real stack trades, judged by the simulator's books."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import aiohttp
import grpc
import typer
from rich.console import Console
from rich.markup import escape

from paceline.cli.demo.control import ControlError
from paceline.cli.ending import Ended, end_on_signals
from paceline.cli.output import write_json
from paceline.cli.processes import StackError
from paceline.domain.errors import Unavailable

_FAILED = 1
_PROBLEMS = (StackError, ControlError, Unavailable, TimeoutError, grpc.RpcError, aiohttp.ClientError)

EXAMPLES = (
    "paceline chaos --scope feed --seed 7 --minutes 3",
    "paceline chaos --scope copy --minutes 10 --json out.json",
    "paceline chaos --json - | jq .first_broken",
)


class ScopeName(Enum):
    FEED = "feed"
    COPY = "copy"
    EXECUTOR = "executor"
    RISK = "risk"


def chaos(
    scope: Annotated[
        ScopeName, typer.Option(help="What trades, what breaks, and who judges.")
    ] = ScopeName.FEED,
    seed: Annotated[int, typer.Option(help="The same seed is the same load and the same faults.")] = 1,
    minutes: Annotated[float, typer.Option(min=0.5, max=240, help="How long it is under fire.")] = 3.0,
    json_file: Annotated[
        str | None,
        typer.Option("--json", metavar="FILE", help="Write the verdict there; `-` is standard output."),
    ] = None,
    log: Annotated[
        Path | None, typer.Option(help="Directory of all logs; a new temporary one without it.")
    ] = None,
) -> None:
    """Break everything while it trades, and let the simulator's books judge.

    Kills replicas, cuts and freezes sockets, stops the stores, all drawn from the seed. Ends 0 only if
    nothing was lost, doubled or broken, and if the run was hard enough to prove it.
    """
    # Who only starts services need not have it.
    from chaos.run import Options, run_chaos  # noqa: PLC0415
    from chaos.scopes import SCOPES  # noqa: PLC0415
    from chaos.show import Screen  # noqa: PLC0415

    console = Console(stderr=True, highlight=False)
    screen = Screen(console)
    chosen = SCOPES[scope.value]
    end_on_signals()
    try:
        verdict = run_chaos(Options(chosen, seed, minutes, log), screen)
    except _PROBLEMS as problem:
        console.print(f"[red]{escape(str(problem))}[/red]")
        raise typer.Exit(_FAILED) from None
    except Ended as ended:
        console.print("[dim]·[/dim] ended before its time")
        raise typer.Exit(ended.exit_code) from None
    screen.summary(verdict, chosen.load().unit)
    write_json(json_file, verdict.as_json())
    if not verdict.proves:
        raise typer.Exit(_FAILED)
