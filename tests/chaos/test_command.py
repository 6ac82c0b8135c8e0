"""`paceline chaos`: the document on standard output and nothing else there; the exit code is the verdict."""

import json

import pytest
from typer.testing import CliRunner

from chaos import run
from chaos.scopes import SCOPES
from chaos.show import Screen
from chaos.verdict import Break, Done, Findings, Ill, Verdict
from paceline.cli import chaos as command
from paceline.cli.__main__ import app
from paceline.cli.processes import StackError


@pytest.mark.parametrize(
    ("breaks", "shortfalls", "code"),
    [((), (), 0), ((), ("too little",), 1), ((Break(Ill.LOST, "a trade is an event"),), (), 1)],
)
def test_the_exit_code_is_the_verdict(
    monkeypatch: pytest.MonkeyPatch, breaks: tuple[Break, ...], shortfalls: tuple[str, ...], code: int
) -> None:
    asked: list[run.Options] = []

    def judged(options: run.Options, _screen: Screen) -> Verdict:
        asked.append(options)
        done = Done({"kill": 1}, 1, (), shortfalls)
        return Verdict(
            options.scope.name, options.seed, options.minutes, Findings(1, 0, 1, breaks), done, "-"
        )

    monkeypatch.setattr(command, "end_on_signals", lambda: None)
    monkeypatch.setattr(run, "run_chaos", judged)
    result = CliRunner().invoke(
        app, ["chaos", "--scope", "copy", "--seed", "5", "--minutes", "2", "--json", "-"]
    )
    assert result.exit_code == code
    assert json.loads(result.stdout)["seed"] == 5
    assert (asked[0].scope.name, asked[0].minutes) == ("copy", 2.0)


def test_a_stack_that_does_not_start_is_said_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_options: run.Options, _screen: Screen) -> Verdict:
        raise StackError("feed ended with code 1")

    monkeypatch.setattr(command, "end_on_signals", lambda: None)
    monkeypatch.setattr(run, "run_chaos", refuse)
    result = CliRunner().invoke(app, ["chaos"])
    assert result.exit_code == 1
    assert "feed ended with code 1" in result.stderr


def test_every_scope_can_be_named() -> None:
    assert {each.value for each in command.ScopeName} == set(SCOPES)
