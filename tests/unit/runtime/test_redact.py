"""What must not reach a log line is taken out on its way."""

from datetime import date
from decimal import Decimal

import pytest

from paceline.domain.secret import Secret
from paceline.runtime.common_settings import LogLevel
from paceline.runtime.redact import is_suspicious, redact_event, redact_text


@pytest.mark.parametrize(
    "key",
    [
        "token",
        "access_token",
        "accessToken",
        "PIN",
        "pin",
        "client-secret",
        "Authorization",
        "jwt",
        "apiKey",
        "auth_code",
    ],
)
def test_suspicious_keys(key: str) -> None:
    assert is_suspicious(key)


@pytest.mark.parametrize(
    "key", ["mapping", "pinned", "spin", "instrument_key", "partition", "event", "keys", "tag"]
)
def test_innocent_keys(key: str) -> None:
    assert not is_suspicious(key)


def test_values_under_suspicious_keys_are_starred_at_any_depth() -> None:
    event = {
        "event": "login",
        "request": [{"headers": {"Authorization": "x:y"}, "fy_id": "XV1"}],
        "pin": 1234,
    }
    assert redact_event(None, "info", event) == {
        "event": "login",
        "request": [{"headers": {"Authorization": "***"}, "fy_id": "XV1"}],
        "pin": "***",
    }


def test_a_secret_is_starred_under_any_key() -> None:
    assert redact_event(None, "info", {"a": Secret("x"), "b": (Secret("y"),)}) == {"a": "***", "b": ["***"]}


def test_whether_there_is_a_token_may_be_told() -> None:
    assert redact_event(None, "info", {"token": None, "has_token": True}) == {
        "token": None,
        "has_token": True,
    }


def test_what_is_too_deep_to_look_into_is_not_shown() -> None:
    deep: object = "x"
    for _ in range(20):
        deep = {"a": deep}
    assert "'x'" not in str(redact_event(None, "info", {"deep": deep}))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cannot reach postgresql://u:hunter2@db:5432/x", "cannot reach postgresql://***@db:5432/x"),
        ("redis://:hunter2@r/0 and http://plain/", "redis://***@r/0 and http://plain/"),
        ("sent Authorization: Bearer abc.def-1", "sent Authorization: Bearer ***"),
        ("a mail to someone@example.com", "a mail to someone@example.com"),
    ],
)
def test_credentials_inside_a_text_are_starred(text: str, shown: str) -> None:
    assert redact_text(text) == shown


def test_values_of_the_domain_are_shown_plainly() -> None:
    event = {"price": Decimal("10.05"), "state": LogLevel.INFO, "at": date(2026, 1, 2), "frame": b"secret"}
    assert redact_event(None, "info", event) == {
        "price": "10.05",
        "state": "info",
        "at": "2026-01-02",
        "frame": "<6 bytes>",
    }


def test_objects_are_shown_by_their_redacted_repr() -> None:
    assert redact_event(None, "info", {"error": ValueError("http://u:p@h/")}) == {
        "error": "ValueError('http://***@h/')"
    }
