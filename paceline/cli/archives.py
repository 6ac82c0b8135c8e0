"""Archived weeks of the journal: whether they are what was written."""

from pathlib import Path
from typing import Annotated

import typer

from paceline.adapters.week_files import ArchiveBroken, verify

_FAILED = 1

app = typer.Typer(help="Archived weeks of the journal.", no_args_is_help=True)


@app.callback()
def journal() -> None:
    """Archived weeks of the journal."""


@app.command("verify", epilog="Examples:\n\n`paceline journal verify archive/*.manifest.json`")
def verify_weeks(
    manifests: Annotated[list[Path], typer.Argument(help="Manifests; the weeks lie beside them.")],
) -> None:
    """Read archived weeks back, whole: sums, counts and the order of every line. Ends 1 if any is broken."""
    broken = 0
    for file in manifests:
        try:
            manifest = verify(file)
        except (ArchiveBroken, OSError) as problem:
            broken += 1
            typer.echo(f"{file}: {problem}", err=True)
            continue
        events = sum(each.count for each in manifest.stretches)
        typer.echo(f"{file}: week of {manifest.week}, {events} events, whole")
    if broken:
        raise typer.Exit(_FAILED)
