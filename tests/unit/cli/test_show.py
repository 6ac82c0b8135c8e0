"""What a person sees: bars and a table on a terminal, lines elsewhere, and the verdict in words."""

import io
from dataclasses import replace

import pytest
from rich.console import Console
from typer.testing import CliRunner

from paceline.cli.__main__ import app
from paceline.cli.demo.day import Progress
from paceline.cli.demo.judge import judge
from paceline.cli.demo.script import Step
from paceline.cli.demo.show import Screen
from tests.unit.cli.test_judge import SOUND, booked


def drawn(*, terminal: bool, width: int = 120) -> tuple[Screen, io.StringIO]:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=width, highlight=False, color_system=None)
    return Screen(console), out


def day_on(screen: Screen) -> None:
    screen.say("starting PostgreSQL")
    with screen.shown():
        task = screen.begin("leader's fills copied", 2)
        for number in (1, 2):
            screen.step(Progress(number, Step("NSE:SBIN-EQ", 3 - 2 * number, 40), 812.5, 97, 123.4))
            screen.advance(task)


def test_without_a_terminal_every_step_is_one_whole_line() -> None:
    screen, out = drawn(terminal=False, width=40)
    day_on(screen)
    starting, first, second, done = out.getvalue().splitlines()
    assert starting == "· starting PostgreSQL"
    assert first == ("· fill 1: leader buys 40 NSE:SBIN-EQ at 812.50; 97 orders of followers in 123 ms")
    assert second.startswith("· fill 2: leader sells 40 NSE:SBIN-EQ")
    assert done.startswith("· leader's fills copied: 2 in ")


def test_on_a_terminal_there_are_a_bar_and_a_table() -> None:
    screen, out = drawn(terminal=True)
    day_on(screen)
    last = out.getvalue().rpartition("leader's fills copied")[2]
    assert "2/2" in last
    assert "followers' orders" in last
    assert "buys 40" in last
    assert "812.50" in last


def test_the_summary_names_every_count_and_its_verdict_and_crops_nothing() -> None:
    screen, out = drawn(terminal=False, width=80)
    screen.summary(judge(SOUND))
    text = out.getvalue()
    for name in ("decisions", "accepted at the broker", "skipped", "duplicates", "missing", "breached"):
        assert name in text
    assert "(2 followers, 1 fills of the leader)" in text
    assert "\u2026" not in text
    assert "Sound: 2 orders at the broker exactly once" in text


def test_books_that_disagree_are_said_so() -> None:
    screen, out = drawn(terminal=False)
    screen.summary(judge(replace(SOUND, booked=[booked(1)])))
    assert "The books do not agree with the decisions." in out.getvalue()


@pytest.mark.parametrize(
    ("command", "example"),
    [
        ((), "paceline demo"),
        (("demo",), "paceline demo --followers 300 --events 20 --seed 7 --json out.json"),
        (("up",), "paceline up --data ./paceline-data --replicas 2"),
        (("migrate",), "paceline migrate --to base"),
        (("version",), "paceline version"),
    ],
)
def test_help_shows_examples(command: tuple[str, ...], example: str) -> None:
    result = CliRunner().invoke(app, [*command, "--help"], env={"COLUMNS": "120"})
    assert result.exit_code == 0
    assert example in " ".join(result.output.split())


def test_the_version_is_one_line() -> None:
    result = CliRunner().invoke(app, ["version"])
    assert result.output.startswith("paceline ")
    assert len(result.output.splitlines()) == 1
