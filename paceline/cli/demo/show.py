"""What the person at the terminal sees."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from paceline.cli.demo.day import Progress as StepDone
from paceline.cli.demo.judge import Quantiles, Verdict

Row: TypeAlias = tuple[str, str, str]

_ROWS = 12


class Screen:
    """Bars and the newest steps while it runs; plain lines where there is no terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bars = Progress(
            TextColumn("{task.description:<22}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        )
        self._steps: list[StepDone] = []
        self._live: Live | None = None

    @contextmanager
    def shown(self) -> Iterator[None]:
        if not self._console.is_terminal:
            yield
            return
        with Live(self._drawn(), console=self._console, refresh_per_second=8) as self._live:
            yield
        self._live = None

    def say(self, words: str) -> None:
        self._console.print(f"[dim]·[/dim] {escape(words)}", soft_wrap=True)

    def line(self, words: str) -> None:
        """Something that happened: plainer than what we do ourselves."""
        self._console.print(words, markup=False, soft_wrap=True)

    def begin(self, what: str, total: int) -> TaskID:
        return self._bars.add_task(what, total=total)

    def advance(self, task: TaskID) -> None:
        self._bars.advance(task)
        self._after(task)

    def reach(self, task: TaskID, count: int) -> None:
        self._bars.update(task, completed=count)
        self._after(task)

    def step(self, done: StepDone) -> None:
        self._steps.append(done)
        if self._live is None:
            self._console.print(_line(done), soft_wrap=True)

    def _after(self, task: TaskID) -> None:
        if self._live is not None:
            self._live.update(self._drawn())
            return
        bar = self._bars.tasks[task]
        if bar.finished:
            self._console.print(f"· {bar.description}: {bar.completed:,.0f} in {bar.finished_time:.1f} s")

    def summary(self, verdict: Verdict) -> None:
        fills = f"{verdict.followers:,} followers, {verdict.events:,} fills of the leader"
        self.sum_up(
            f"[bold]The day, by the simulator's books[/bold] ({fills})",
            _summary(verdict),
            _judgement(verdict),
        )

    def sum_up(self, title: str, rows: Iterable[Row], judgement: str) -> None:
        self._console.print()
        self._console.print(title, soft_wrap=True)
        table = Table(box=None, padding=(0, 2), show_header=False)
        table.add_column(no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        table.add_column(style="dim", no_wrap=True)
        for row in rows:
            table.add_row(*row)
        self._console.print(table)
        self._console.print(judgement, soft_wrap=True)

    def _drawn(self) -> Group:
        return Group(self._bars, self._table())

    def _table(self) -> Table:
        table = Table(box=None, padding=(0, 2), header_style="dim")
        for name in ("#", "leader", "instrument", "price", "followers' orders", "all in after"):
            table.add_column(name, justify="left" if name in ("leader", "instrument") else "right")
        for done in self._steps[-_ROWS:]:
            side = "[green]buys[/green]" if done.step.side > 0 else "[red]sells[/red]"
            table.add_row(
                str(done.number),
                f"{side} {done.step.quantity}",
                done.step.symbol,
                f"{done.price:,.2f}",
                str(done.orders),
                f"{done.elapsed_ms:,.0f} ms",
            )
        return table


def _line(done: StepDone) -> str:
    side = "buys" if done.step.side > 0 else "sells"
    return (
        f"· fill {done.number}: leader {side} {done.step.quantity} {done.step.symbol} at {done.price:,.2f}; "
        f"{done.orders} orders of followers in {done.elapsed_ms:,.0f} ms"
    )


def _judgement(verdict: Verdict) -> str:
    if not verdict.sound:
        return "[red]The books do not agree with the decisions.[/red]"
    return (
        f"[green]Sound: {verdict.accepted:,} orders at the broker exactly once, {verdict.skipped:,} skipped "
        "with a reason, nothing twice, nothing missing.[/green]"
    )


def _summary(verdict: Verdict) -> Iterator[Row]:
    yield "decisions", f"{verdict.planned:,}", ""
    yield "accepted at the broker", f"{verdict.accepted:,}", ""
    yield "skipped", f"{verdict.skipped:,}", ""
    for reason, count in sorted(verdict.skips.items(), key=lambda each: -each[1]):
        yield f"  {reason.lower().replace('_', ' ')}", f"{count:,}", ""
    yield fault("rejected by the broker", verdict.rejected)
    yield fault("duplicates", verdict.duplicates)
    yield fault("missing", verdict.missing)
    yield fault("altered", verdict.altered)
    yield fault("positions not flat at the end", verdict.positions_off)
    yield fault("limit windows breached", verdict.windows_breached)
    yield _times("leader's fill to first order", verdict.first_order_ms)
    yield _times("leader's fill to last order", verdict.last_order_ms)


def fault(name: str, count: int) -> Row:
    return (f"[red]{name}[/red]", f"[red]{count:,}[/red]", "") if count else (name, "0", "")


def _times(name: str, times: Quantiles) -> Row:
    return name, f"{times.p50:,.1f} ms", f"p99 {times.p99:,.1f} ms"
