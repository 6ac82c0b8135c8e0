"""What the person at the terminal sees: a bar, the blows as they fall, and what it came to."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from chaos.schedule import Blow
from chaos.verdict import Verdict


class Screen:
    """Plain lines where there is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def say(self, words: str) -> None:
        self._console.print(f"[dim]·[/dim] {escape(words)}", soft_wrap=True)

    @contextmanager
    def shown(self, what: str, seconds: float) -> Iterator[None]:
        if not self._console.is_terminal:
            self.say(f"{what}: {seconds:.0f} s under fire")
            yield
            return
        columns = (TextColumn("{task.description}"), BarColumn(bar_width=40), TimeElapsedColumn())
        with Progress(*columns, console=self._console) as self._bar:
            self._task = self._bar.add_task(what, total=seconds)
            yield
        self._bar = None

    def reach(self, elapsed_s: float, seconds: float) -> None:
        if self._bar is not None:
            self._bar.update(self._task, completed=min(elapsed_s, seconds))

    def blow(self, blow: Blow) -> None:
        lasts = f" for {blow.lasts_s:.1f} s" if blow.lasts_s else ""
        self.say(f"{blow.at_s:6.1f} s  {blow.kind}{lasts}")

    def summary(self, verdict: Verdict, unit: str) -> None:
        table = Table(box=None, padding=(0, 2), show_header=False)
        table.add_column(no_wrap=True)
        table.add_column(justify="right")
        table.add_row("orders at the broker", f"{verdict.findings.orders:,}")
        table.add_row(unit, f"{verdict.findings.load:,}")
        for name, count in verdict.findings.more.items():
            table.add_row(name, f"{count:,}")
        table.add_row("kills", f"{verdict.done.kills}")
        for kind, hits in sorted(verdict.done.faults.items()):
            table.add_row(f"  {kind}", f"[dim]{hits:,}[/dim]")
        for name, count in verdict.counts.items():
            table.add_row(name, f"[red]{count:,}[/red]" if count else "0")
        self._console.print(table)
        for short in verdict.done.shortfalls:
            self._console.print(f"[yellow]does not count:[/yellow] {escape(short)}", soft_wrap=True)
        first = verdict.first_broken()
        if first is not None:
            self._console.print(f"[red]first broken:[/red] {escape(first['law'])}", soft_wrap=True)
            self._console.print(escape(str(first["where"])), soft_wrap=True)
        self._console.print(_judgement(verdict), soft_wrap=True)


def _judgement(verdict: Verdict) -> str:
    if not verdict.sound:
        return "[red]Broken.[/red]"
    return "[green]Sound.[/green]" if verdict.proves else "[yellow]Nothing broke; nothing proved.[/yellow]"
