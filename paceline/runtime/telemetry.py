"""Traces: exported over OTLP when configured, next to free when not."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import TypeAlias

from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    NoOpTracer,
    Span,
    SpanContext,
    SpanKind,
    TraceFlags,
    Tracer,
)
from opentelemetry.util.types import AttributeValue

TRACEPARENT = "traceparent"
Attributes: TypeAlias = Mapping[str, AttributeValue]
Metadata: TypeAlias = Sequence[tuple[str, str | bytes]]

_LENGTH = 55
_EXPORT_TIMEOUT_S = 5.0
_EVERY_MS = 500
_QUEUE_MAX = 16_384
_BATCH_MAX = 1_024


class Telemetry:
    """The tracer of a process. It is passed to who needs it; nothing is installed globally."""

    def __init__(
        self, tracer: Tracer, provider: TracerProvider | None, exporter: SpanExporter | None
    ) -> None:
        self.tracer = tracer
        self.enabled = provider is not None
        self._provider = provider
        self._exporter = exporter

    @contextmanager
    def span(
        self,
        name: str,
        *,
        kind: SpanKind = SpanKind.INTERNAL,
        parent: Context | None = None,
        attributes: Attributes | None = None,
        links: Sequence[Link] | None = None,
    ) -> Iterator[Span]:
        """Run the block inside a span; an exception marks it and goes on. Disabled, only `parent` is kept."""
        if not self.enabled:
            with _attached(parent):
                yield trace.get_current_span()
            return
        with self.tracer.start_as_current_span(name, parent, kind, attributes, links) as span:
            yield span

    def shutdown(self, timeout_s: float = _EXPORT_TIMEOUT_S) -> None:
        """Send what is left, within the time; then give up. Blocks: call it off the loop."""
        if self._provider is None or self._exporter is None:
            return
        provider, self._provider = self._provider, None
        flusher = threading.Thread(target=provider.shutdown, name="trace-flush", daemon=True)
        flusher.start()
        flusher.join(timeout_s)
        if flusher.is_alive():
            self._exporter.shutdown()


def start_telemetry(
    *,
    service: str,
    replica_id: str,
    environment: str = "",
    otlp_endpoint: str | None = None,
    sample_ratio: float = 1.0,
    exporter: SpanExporter | None = None,
) -> Telemetry:
    """Traces to an OTLP gRPC receiver (or a given exporter); with neither, a tracer that costs nothing."""
    if exporter is None and otlp_endpoint:
        exporter = OTLPSpanExporter(endpoint=otlp_endpoint, timeout=_EXPORT_TIMEOUT_S)
    if exporter is None:
        return Telemetry(NoOpTracer(), None, None)
    resource = Resource(
        {
            "service.name": f"paceline-{service}",
            "service.instance.id": replica_id,
            "service.version": version("paceline"),
            "deployment.environment.name": environment,
        }
    )
    provider = TracerProvider(
        resource=resource, sampler=ParentBased(TraceIdRatioBased(sample_ratio)), shutdown_on_exit=False
    )
    provider.add_span_processor(
        BatchSpanProcessor(
            exporter,
            max_queue_size=_QUEUE_MAX,
            schedule_delay_millis=_EVERY_MS,
            max_export_batch_size=_BATCH_MAX,
        )
    )
    return Telemetry(provider.get_tracer("paceline"), provider, exporter)


def current_traceparent() -> str:
    """The W3C name of the span that runs now, for a message that outlives it; empty when there is none."""
    return traceparent_of(trace.get_current_span())


def traceparent_of(span: Span) -> str:
    """The W3C name of a span; empty when it is not valid."""
    context = span.get_span_context()
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"


def context_of(traceparent: str) -> Context | None:
    """A parent for new spans; None for an empty or broken name, so that a bad header never costs an order."""
    span_context = _parse(traceparent)
    return trace.set_span_in_context(NonRecordingSpan(span_context)) if span_context else None


def links_of(traceparents: Sequence[str]) -> tuple[Link, ...]:
    """Links to every valid one: a batch that has many causes belongs to no single trace."""
    contexts = (_parse(each) for each in traceparents)
    return tuple(Link(each) for each in contexts if each)


def extract(metadata: Metadata) -> Context | None:
    """The caller's span from gRPC metadata."""
    for key, value in metadata:
        if key == TRACEPARENT and isinstance(value, str):
            return context_of(value)
    return None


def inject(metadata: Metadata = ()) -> Metadata:
    """The metadata with the running span's name added, when one runs."""
    traceparent = current_traceparent()
    return (*metadata, (TRACEPARENT, traceparent)) if traceparent else metadata


@contextmanager
def _attached(parent: Context | None) -> Iterator[None]:
    if parent is None:
        yield
        return
    token = otel_context.attach(parent)
    try:
        yield
    finally:
        otel_context.detach(token)


def _parse(traceparent: str) -> SpanContext | None:
    if len(traceparent) < _LENGTH or traceparent[2] + traceparent[35] + traceparent[52] != "---":
        return None
    version_, trace_id, span_id, flags = (
        traceparent[:2],
        traceparent[3:35],
        traceparent[36:52],
        traceparent[53:55],
    )
    if version_ == "ff" or (version_ == "00" and len(traceparent) != _LENGTH):
        return None
    try:
        context = SpanContext(
            int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16))
        )
    except ValueError:
        return None
    return context if context.is_valid else None
