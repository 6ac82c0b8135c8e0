"""Logs are events with fields."""

import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from paceline.domain.secret import Secret
from paceline.runtime.common_settings import LogFormat, LogLevel
from paceline.runtime.log import RepeatGate, configure_logging, get_logger
from paceline.runtime.telemetry import start_telemetry
from tests.fakes.clock import FakeClock


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root.handlers, root.level = handlers, level


def configure(stream: io.StringIO, level: LogLevel = LogLevel.INFO, form: LogFormat = LogFormat.JSON) -> None:
    configure_logging(level, form, service="feed", replica_id="feed-1", stream=stream)


def lines_of(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_an_event_is_one_line_of_json(stream: io.StringIO) -> None:
    configure(stream)
    get_logger("session").info("connected", account="fyers:XV1", took_ms=12)
    (line,) = lines_of(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "connected",
        "level": "info",
        "component": "session",
        "service": "feed",
        "replica": "feed-1",
        "account": "fyers:XV1",
        "took_ms": 12,
    }


def test_events_below_the_level_are_not_written(stream: io.StringIO) -> None:
    configure(stream, LogLevel.WARNING)
    get_logger("x").info("small talk")
    logging.getLogger("x").info("small talk")
    assert stream.getvalue() == ""


def test_libraries_records_have_the_same_form(stream: io.StringIO) -> None:
    configure(stream)
    logging.getLogger("asyncpg").warning("pool is %s", "tired")
    (line,) = lines_of(stream)
    assert (line["event"], line["logger"], line["level"], line["service"]) == (
        "pool is tired",
        "asyncpg",
        "warning",
        "feed",
    )


def test_a_receiver_of_traces_that_is_away_is_told_once_a_minute(stream: io.StringIO) -> None:
    configure(stream)
    for _ in range(10):
        logging.getLogger("opentelemetry.exporter").warning("the receiver is away")
        logging.getLogger("redis").warning("something else")
    said = [line["event"] for line in lines_of(stream)]
    assert said.count("the receiver is away") == 1
    assert said.count("something else") == 10


def test_a_pool_that_cannot_reach_its_server_says_so_once_a_minute_and_without_its_stack(
    stream: io.StringIO,
) -> None:
    configure(stream)
    for _ in range(10):
        problem = ConnectionRefusedError("nobody listens")
        logging.getLogger("asyncpg.pool").warning("cannot restore %s", "the floor", exc_info=problem)
    (line,) = lines_of(stream)
    assert line["event"] == "cannot restore the floor: ConnectionRefusedError('nobody listens')"
    assert "exception" not in line


def test_warnings_are_events_too(stream: io.StringIO) -> None:
    configure(stream)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old ways", DeprecationWarning, stacklevel=1)
    logging.captureWarnings(capture=False)
    (line,) = lines_of(stream)
    assert "old ways" in line["event"]


def test_secrets_do_not_come_through(stream: io.StringIO) -> None:
    configure(stream)
    get_logger("x").info("login", secret=Secret("hunter2"), access_token="hunter2", at="https://u:hunter2@h/")
    logging.getLogger("x").warning("to https://u:%s@h/", "hunter2")
    assert "hunter2" not in stream.getvalue()
    assert len(lines_of(stream)) == 2


@pytest.mark.parametrize("form", list(LogFormat))
def test_tracebacks_show_no_locals_and_no_credentials(stream: io.StringIO, form: LogFormat) -> None:
    configure(stream, form=form)

    def refuse(planted: str) -> None:
        raise RuntimeError(f"refused by https://u:{planted}@h/")

    try:
        refuse("".join(("hunt", "er2")))
    except RuntimeError:
        get_logger("x").exception("failed")
    assert "RuntimeError: refused by https://***@h/" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()


def test_a_terminal_gets_readable_lines(stream: io.StringIO) -> None:
    configure(stream, form=LogFormat.CONSOLE)
    get_logger("x").info("connected", account="fyers:XV1")
    assert "connected" in stream.getvalue()
    assert "account=fyers:XV1" in stream.getvalue()


def test_an_event_inside_a_span_carries_its_ids(stream: io.StringIO) -> None:
    configure(stream)
    telemetry = start_telemetry(service="feed", replica_id="1", exporter=InMemorySpanExporter())
    with telemetry.span("work") as span:
        get_logger("x").info("inside")
    get_logger("x").info("outside")
    telemetry.shutdown()
    inside, outside = lines_of(stream)
    assert inside["trace_id"] == format(span.get_span_context().trace_id, "032x")
    assert inside["span_id"] == format(span.get_span_context().span_id, "016x")
    assert "trace_id" not in outside


def test_a_repeating_message_speaks_once_a_minute_and_counts_what_it_held_back() -> None:
    clock = FakeClock()
    gate = RepeatGate(clock, seconds=60)
    assert gate.held_back("XV1") == 0
    assert gate.held_back("XV1") is None
    clock.advance(59.9)
    assert gate.held_back("XV1") is None
    assert gate.held_back("XV2") == 0
    clock.advance(0.1)
    assert gate.held_back("XV1") == 2
    assert gate.held_back("XV1") is None


def test_the_gate_forgets_the_longest_silent_key_when_there_are_too_many() -> None:
    gate = RepeatGate(FakeClock(), keys_max=2)
    for key in ("a", "b", "c"):
        gate.held_back(key)
    assert gate.held_back("a") == 0
    assert gate.held_back("c") is None
