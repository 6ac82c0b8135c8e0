"""What every RPC that is made gets: a deadline when unary, the trace, a span and a count.

A channel of our own kind instead of interceptors: those put a task and a queue between a stream and its
caller, and an order's way leads through a stream.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeAlias

import grpc
import grpc.aio
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from paceline.runtime.metric_names import GRPC_CLIENT_HANDLED, GRPC_CLIENT_SECONDS
from paceline.runtime.metrics import Metrics
from paceline.runtime.telemetry import TRACEPARENT, Telemetry, traceparent_of

Metadata: TypeAlias = grpc.aio.Metadata | Sequence[tuple[str, str | bytes]] | None


class ClientCalls:
    """What the calls of all channels of a process share."""

    def __init__(self, *, metrics: Metrics, telemetry: Telemetry, deadline_s: float) -> None:
        self.telemetry = telemetry
        self.deadline_s = deadline_s
        self._handled = metrics.counter(GRPC_CLIENT_HANDLED)
        self._seconds = metrics.histogram(GRPC_CLIENT_SECONDS)
        self._recording: set[asyncio.Task[None]] = set()

    def made(self, call: grpc.aio.Call, method: str, span: Span | None, *, unary: bool) -> None:
        """Count the call when it ends, and end its span."""
        began = time.perf_counter()

        def ended(_call: object) -> None:
            task = asyncio.get_running_loop().create_task(
                self._record(call, method, span, began, unary=unary)
            )
            self._recording.add(task)
            task.add_done_callback(self._recording.discard)

        call.add_done_callback(ended)

    def begin(self, method: str, metadata: Metadata) -> tuple[Span | None, Metadata]:
        """A span, when traces are on, and the metadata that carries the trace to the peer."""
        span = (
            self.telemetry.tracer.start_span(method, kind=SpanKind.CLIENT) if self.telemetry.enabled else None
        )
        traceparent = traceparent_of(span or trace.get_current_span())
        if not traceparent:
            return span, metadata
        return span, grpc.aio.Metadata(*(metadata or ()), (TRACEPARENT, traceparent))

    async def _record(
        self, call: grpc.aio.Call, method: str, span: Span | None, began: float, *, unary: bool
    ) -> None:
        code = await call.code()
        self._handled.labels(method, code.name).inc()
        if unary:
            self._seconds.labels(method).observe(time.perf_counter() - began)
        if span is not None:
            span.set_attributes({"rpc.system": "grpc", "rpc.grpc.status_code": code.value[0]})
            if code is not grpc.StatusCode.OK:
                span.set_status(Status(StatusCode.ERROR, code.name))
            span.end()


@dataclass(frozen=True, slots=True)
class _Method:
    """One method of a channel. Calling it is calling the bare one, with what every call gets."""

    inner: Callable[..., Any]
    calls: ClientCalls
    name: str
    unary: bool

    def __call__(
        self,
        request: Any = None,
        timeout: float | None = None,
        metadata: Metadata = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> Any:
        if self.unary and timeout is None:
            timeout = self.calls.deadline_s
        span, metadata = self.calls.begin(self.name, metadata)
        call = self.inner(
            request,
            timeout=timeout,
            metadata=metadata,
            credentials=credentials,
            wait_for_ready=wait_for_ready,
            compression=compression,
        )
        self.calls.made(call, self.name, span, unary=self.unary)
        return call


class InstrumentedChannel(grpc.aio.Channel):
    """A channel whose calls are bounded, traced and counted; generated stubs take it as any other."""

    def __init__(self, inner: grpc.aio.Channel, calls: ClientCalls) -> None:
        self._inner = inner
        self._calls = calls

    def unary_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self._wrap(self._inner.unary_unary(method, *args, **kwargs), method, unary=True)

    def unary_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self._wrap(self._inner.unary_stream(method, *args, **kwargs), method)

    def stream_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self._wrap(self._inner.stream_unary(method, *args, **kwargs), method)

    def stream_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self._wrap(self._inner.stream_stream(method, *args, **kwargs), method)

    def _wrap(self, inner: Callable[..., Any], path: str, *, unary: bool = False) -> Any:
        return _Method(inner, self._calls, path.removeprefix("/"), unary)

    async def close(self, grace: float | None = None) -> None:
        await self._inner.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        return self._inner.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        await self._inner.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        await self._inner.channel_ready()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        await self.close()
