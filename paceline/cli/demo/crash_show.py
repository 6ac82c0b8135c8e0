"""The verdict on a crash, as the person at the terminal sees it."""

from collections.abc import Iterator

from paceline.cli.demo.crash_judge import CrashVerdict
from paceline.cli.demo.show import Row, Screen, fault


def show_crash(screen: Screen, verdict: CrashVerdict) -> None:
    who = f"a leader, {verdict.followers:,} followers, {verdict.symbol}"
    screen.sum_up(
        f"[bold]The crash, by the simulator's books[/bold] ({who})", _rows(verdict), _judgement(verdict)
    )


def _judgement(verdict: CrashVerdict) -> str:
    if not verdict.sound:
        return "[red]Not everything went as it must.[/red]"
    return (
        f"[green]Sound: {verdict.liquidations:,} accounts flat, nobody sold twice, nobody else touched, "
        "everyone told.[/green]"
    )


def _rows(verdict: CrashVerdict) -> Iterator[Row]:
    yield "liquidations", f"{verdict.liquidations:,}", ""
    yield "last fall to last sale", f"{verdict.flat_ms:,.0f} ms", ""
    for subject, count in verdict.mails.items():
        yield f"mails: {subject.lower()}", f"{count:,}", ""
    yield fault("liquidations not done", verdict.unfinished)
    yield fault("never held what fell", verdict.never_in)
    yield fault("not flat", verdict.not_flat)
    yield fault("sold twice", verdict.sold_twice)
    yield fault("orders in what is nobody's business", verdict.touched)
    yield fault("rejected by the broker", verdict.rejected)
    yield fault("mails missing", verdict.unmailed)
    yield fault("mails to others", verdict.mailed_to_others)
    yield fault("limit windows breached", verdict.windows_breached)
