"""Traces: carried in metadata and in messages, next to free when off."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from paceline.runtime.telemetry import (
    TRACEPARENT,
    Telemetry,
    context_of,
    current_traceparent,
    extract,
    inject,
    links_of,
    start_telemetry,
)

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def tracing(ratio: float = 1.0) -> tuple[Telemetry, InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    return start_telemetry(service="feed", replica_id="1", exporter=exporter, sample_ratio=ratio), exporter


def test_a_trace_goes_on_across_a_message() -> None:
    telemetry, exporter = tracing()
    with telemetry.span("cause"):
        carried = current_traceparent()
    with telemetry.span("effect", parent=context_of(carried)):
        pass
    telemetry.shutdown()
    cause, effect = exporter.get_finished_spans()
    assert cause.context is not None
    assert effect.context is not None
    assert effect.parent is not None
    assert effect.context.trace_id == cause.context.trace_id
    assert effect.parent.span_id == cause.context.span_id


def test_a_trace_goes_on_across_metadata() -> None:
    with Telemetry(trace.NoOpTracer(), None, None).span("x", parent=context_of(PARENT)):
        assert inject((("k", "v"),)) == (("k", "v"), (TRACEPARENT, PARENT))
    parent = extract((("k", "v"), (TRACEPARENT, PARENT)))
    assert parent is not None
    assert trace.get_current_span(parent).get_span_context().is_remote


def test_without_a_span_nothing_is_carried() -> None:
    assert current_traceparent() == ""
    assert inject() == ()
    assert extract((("k", "v"),)) is None


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "junk",
        PARENT[:-1],
        PARENT + "-extra",
        PARENT.replace("0af7", "zzzz"),
        "ff" + PARENT[2:],
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
        PARENT.replace("-", "_"),
    ],
)
def test_a_broken_traceparent_is_no_parent(broken: str) -> None:
    assert context_of(broken) is None


@given(st.text(max_size=80))
def test_no_text_breaks_the_parser(text: str) -> None:
    context_of(text)


def test_a_later_version_may_say_more() -> None:
    assert context_of("01" + PARENT[2:] + "-more") is not None


def test_a_batch_links_to_every_valid_cause() -> None:
    assert len(links_of([PARENT, "", "junk", PARENT])) == 2


def test_an_error_marks_its_span_and_goes_on() -> None:
    telemetry, exporter = tracing()
    with pytest.raises(KeyError), telemetry.span("work"):
        raise KeyError("x")
    telemetry.shutdown()
    (span,) = exporter.get_finished_spans()
    assert span.status.status_code is trace.StatusCode.ERROR


def test_a_trace_that_was_not_sampled_stays_so_and_a_sampled_one_too() -> None:
    telemetry, exporter = tracing(ratio=0.0)
    with telemetry.span("new"):
        pass
    with telemetry.span("old", parent=context_of(PARENT)):
        pass
    telemetry.shutdown()
    assert [span.name for span in exporter.get_finished_spans()] == ["old"]


def test_disabled_it_still_passes_a_parent_on() -> None:
    telemetry = start_telemetry(service="feed", replica_id="1")
    assert not telemetry.enabled
    with telemetry.span("work", parent=context_of(PARENT)):
        assert current_traceparent() == PARENT
    assert current_traceparent() == ""
    telemetry.shutdown()


def test_nothing_is_installed_globally() -> None:
    before = trace.get_tracer_provider()
    telemetry, _ = tracing()
    telemetry.shutdown()
    assert trace.get_tracer_provider() is before


def test_shutdown_flushes_and_a_second_one_is_nothing() -> None:
    telemetry, exporter = tracing()
    with telemetry.span("last"):
        pass
    telemetry.shutdown()
    telemetry.shutdown()
    assert [span.name for span in exporter.get_finished_spans()] == ["last"]


def test_a_span_names_the_service_and_replica() -> None:
    telemetry, exporter = tracing()
    with telemetry.span("work", attributes={"account": "fyers:XV1"}):
        pass
    telemetry.shutdown()
    (span,) = exporter.get_finished_spans()
    assert span.resource.attributes["service.name"] == "paceline-feed"
    assert span.resource.attributes["service.instance.id"] == "1"
    assert span.attributes == {"account": "fyers:XV1"}


class StuckExporter(InMemorySpanExporter):
    """Never finishes an export until it is shut down."""

    def __init__(self) -> None:
        super().__init__()
        import threading

        self.released = threading.Event()

    def export(self, spans: object) -> SpanExportResult:
        self.released.wait()
        return SpanExportResult.FAILURE

    def shutdown(self) -> None:
        self.released.set()


def test_a_stuck_receiver_does_not_hold_up_the_end() -> None:
    exporter = StuckExporter()
    telemetry = start_telemetry(service="feed", replica_id="1", exporter=exporter)
    with telemetry.span("work") as span:
        assert isinstance(span, ReadableSpan)
    telemetry.shutdown(timeout_s=0.05)
    assert exporter.released.is_set()
