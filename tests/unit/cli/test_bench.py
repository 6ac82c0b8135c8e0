"""What `paceline bench` refuses, and by which judge it counts."""

from collections import Counter

import pytest

from benchmarks.__main__ import BENCHMARKS, main
from benchmarks.feed import require_same
from benchmarks.load import Trades


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nonsense"], "there is no benchmark nonsense; there are fanout, first-order"),
        (["feed", "--sessions", "0"], "--sessions: must be a whole number from 1 to 5,000, and not '0'"),
        (
            ["feed", "--sessions", "many"],
            "--sessions: must be a whole number from 1 to 5,000, and not 'many'",
        ),
        (
            ["risk-pass", "--accounts", "10,x"],
            "--accounts: must be a whole number from 1 to 1,000,000, and not",
        ),
        (["feed", "--seconds", "nan"], "--seconds: must be seconds from 0.1 to 600, and not 'nan'"),
        (["plan", "--sessions", "5"], "--sessions is no option of plan"),
        (["feed", "--session", "5"], "unrecognized arguments: --session 5"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    captured = capsys.readouterr()
    assert ended.value.code == 2
    assert words in captured.err
    assert captured.out == ""


def test_the_help_lists_every_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in BENCHMARKS)


def test_what_could_not_be_measured_is_told_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("benchmarks.simulated.sys.executable", "/nowhere")
    assert main(["simulator", "--seconds", "0.1", "--json", "-"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "simulator could not be measured: FileNotFoundError" in captured.err


def test_a_fill_that_is_missing_or_told_twice_is_no_measurement() -> None:
    booked: Trades = Counter({("XF1", "1-1", 5): 1, ("XF1", "1-2", 5): 1})
    require_same(Counter(booked), booked)
    with pytest.raises(RuntimeError, match=r"lacks 1 fills .*'1-2'.* has 0 "):
        require_same(Counter({("XF1", "1-1", 5): 1}), booked)
    with pytest.raises(RuntimeError, match=r"lacks 0 fills .* has 1 .*'1-1'"):
        require_same(booked + Counter({("XF1", "1-1", 5): 1}), booked)
