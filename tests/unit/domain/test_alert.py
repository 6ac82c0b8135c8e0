"""What people are told names the account and the numbers, and survives facts that are missing or odd."""

import pytest

from paceline.domain.alert import Alert, AlertKind, words
from paceline.domain.ids import AccountId

ME = AccountId("fyers:XV20986")


def test_a_warning_says_how_it_stands() -> None:
    facts = {"level": "49.50", "line": "50", "equity": "7920.0000", "margin": "16000.0000"}
    title, body = words(Alert("a", ME, AlertKind.WARNING, facts))
    assert title == "Margin warning: fyers:XV20986"
    assert "49.50 %" in body
    assert "Equity 7920.0000, margin used 16000.0000." in body


def test_what_is_not_known_is_said_to_be() -> None:
    alert = Alert("a", ME, AlertKind.NOT_JUDGED, {"level": "49", "reason": "{line}"})
    assert words(alert).body == (
        "By what is known, the margin level of fyers:XV20986 is 49 %, at or below its line of not known %.\n"
        "Nothing is done: {line}."
    )


@pytest.mark.parametrize("kind", AlertKind)
def test_every_kind_has_words_whatever_is_known(kind: AlertKind) -> None:
    title, body = words(Alert("a", ME, kind, {"reason": "{braces} {0}"}))
    assert ME in title
    assert body
    assert "{account}" not in body
