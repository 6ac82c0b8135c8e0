"""What every served RPC gets: a deadline, a span, a count, and errors as statuses."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

import grpc
import grpc.aio
from opentelemetry.trace import SpanKind, Status, StatusCode

from paceline.runtime.grpc_status import DETAILS_KEY, MapError, RpcRefusedError, RpcStatus
from paceline.runtime.log import Logger
from paceline.runtime.metric_names import GRPC_SERVER_HANDLED, GRPC_SERVER_OPEN, GRPC_SERVER_SECONDS
from paceline.runtime.metrics import Metrics
from paceline.runtime.telemetry import Telemetry, extract

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"
MaybeHandler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
Behavior: TypeAlias = Callable[[Any, Any], Any]

_CODES: dict[Any, grpc.StatusCode] = {each.value[0]: each for each in grpc.StatusCode}
_DRAINING = RpcStatus(
    grpc.StatusCode.UNAVAILABLE, "this replica is going down; call another", "DRAINING", retry_after_s=0.2
)
_INTERNAL = RpcStatus(
    grpc.StatusCode.INTERNAL, "an unexpected error; the log of the service has it", "INTERNAL"
)
_UNIMPLEMENTED = RpcStatus(
    grpc.StatusCode.UNIMPLEMENTED, "this method is not implemented yet", "UNIMPLEMENTED"
)
_TOO_LATE = RpcStatus(
    grpc.StatusCode.DEADLINE_EXCEEDED, "took longer than the default deadline of the service", "TOO_LATE"
)


@dataclass(frozen=True, slots=True)
class Served:
    """What the wrapped handlers share."""

    telemetry: Telemetry
    log: Logger
    map_error: MapError
    deadline_s: float
    draining: asyncio.Event
    streams: set[asyncio.Task[Any]]


class ServerCalls(grpc.aio.ServerInterceptor):
    """The one interceptor of a server. It wraps each method once, not each call."""

    def __init__(self, served: Served, metrics: Metrics) -> None:
        self._served = served
        self._handled = metrics.counter(GRPC_SERVER_HANDLED)
        self._seconds = metrics.histogram(GRPC_SERVER_SECONDS)
        self._open = metrics.gauge(GRPC_SERVER_OPEN)
        self._wrapped: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[Any], Awaitable[MaybeHandler]],
        handler_call_details: Any,
    ) -> MaybeHandler:
        wrapped = self._wrapped.get(handler_call_details.method)
        if wrapped is None:
            handler = await continuation(handler_call_details)
            if handler is None:
                return None
            wrapped = self._wrapped[handler_call_details.method] = self._wrap(
                handler_call_details.method, handler
            )
        return wrapped

    def _wrap(self, path: str, handler: Handler) -> Handler:
        method = path.removeprefix("/")
        call = _Call(
            method,
            self._served,
            count=lambda code: self._handled.labels(method, code.name).inc(),
            observe=None if handler.response_streaming else self._seconds.labels(method).observe,
            opened=self._open.labels(method).inc,
            closed=self._open.labels(method).dec,
        )
        if handler.response_streaming:
            return _streaming(handler, call)
        return _unary(handler, call)


@dataclass(frozen=True, slots=True)
class _Call:
    """One method, as it is counted and guarded."""

    method: str
    served: Served
    count: Callable[[grpc.StatusCode], None]
    observe: Callable[[float], None] | None
    opened: Callable[[], None]
    closed: Callable[[], None]

    async def run(self, work: Callable[[], Awaitable[Any]], context: Context) -> Any:
        """Do the work inside a span and answer every error with a status; count the outcome."""
        served = self.served
        began = time.perf_counter()
        self.opened()
        code = grpc.StatusCode.CANCELLED
        metadata: Any = context.invocation_metadata() or ()
        try:
            with served.telemetry.span(self.method, kind=SpanKind.SERVER, parent=extract(metadata)) as span:
                refusal, answer = await self._outcome(work, context)
                code = refusal.code if refusal else _code_set(context)
                if served.telemetry.enabled:
                    span.set_attributes({"rpc.system": "grpc", "rpc.grpc.status_code": code.value[0]})
                    if refusal is not None:
                        span.set_status(Status(StatusCode.ERROR, refusal.message))
            if refusal is not None:
                trailers = ((DETAILS_KEY, refusal.packed()),)
                await context.abort(refusal.code, refusal.message, trailers)
        except grpc.aio.AbortError:
            code = _code_set(context)
            raise
        else:
            return answer
        finally:
            self.closed()
            self.count(code)
            if self.observe is not None:
                self.observe(time.perf_counter() - began)

    async def _outcome(
        self, work: Callable[[], Awaitable[Any]], context: Context
    ) -> tuple[RpcStatus | None, Any]:
        try:
            return None, await work()
        except grpc.aio.AbortError:
            raise
        except asyncio.CancelledError:
            if self.served.draining.is_set() and not context.cancelled():
                return _DRAINING, None
            raise
        except NotImplementedError:
            return _UNIMPLEMENTED, None
        except Exception as error:  # noqa: BLE001 - the border: every error becomes a status here
            return self._refusal(error), None

    def _refusal(self, error: Exception) -> RpcStatus:
        if isinstance(error, RpcRefusedError):
            return error.status
        mapped = self.served.map_error(error)
        if mapped is not None:
            return mapped
        self.served.log.error("an RPC failed unexpectedly", method=self.method, exc_info=error)
        return _INTERNAL


class _DefaultDeadlineError(RpcRefusedError):
    def __init__(self) -> None:
        super().__init__(_TOO_LATE)


def _code_set(context: Context) -> grpc.StatusCode:
    """What the handler left in the context: a code, its number, or nothing, which is OK."""
    code: Any = context.code()
    return code if isinstance(code, grpc.StatusCode) else _CODES.get(code, grpc.StatusCode.OK)


async def _answer(behavior: Behavior, request: Any, context: Context) -> Any:
    answer = behavior(request, context)
    return await answer if inspect.isawaitable(answer) else answer


def _unary(handler: Handler, call: _Call) -> Handler:
    behavior = cast(Behavior, handler.stream_unary if handler.request_streaming else handler.unary_unary)
    deadline_s = call.served.deadline_s

    async def serve(request: Any, context: Context) -> Any:
        async def work() -> Any:
            if context.time_remaining() is not None:
                return await _answer(behavior, request, context)
            try:
                async with asyncio.timeout(deadline_s) as deadline:
                    return await _answer(behavior, request, context)
            except TimeoutError:
                if deadline.expired():
                    raise _DefaultDeadlineError from None
                raise

        return await call.run(work, context)

    make = (
        grpc.stream_unary_rpc_method_handler
        if handler.request_streaming
        else grpc.unary_unary_rpc_method_handler
    )
    return make(serve, handler.request_deserializer, handler.response_serializer)


def _streaming(handler: Handler, call: _Call) -> Handler:
    behavior = cast(Behavior, handler.stream_stream if handler.request_streaming else handler.unary_stream)

    async def serve(request: Any, context: Context) -> None:
        async def work() -> None:
            answers = behavior(request, context)
            if not hasattr(answers, "__aiter__"):
                await answers
                return
            async for each in answers:
                await context.write(each)

        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a stream is served outside a task")
        call.served.streams.add(task)
        try:
            await call.run(work, context)
        finally:
            call.served.streams.discard(task)

    make = (
        grpc.stream_stream_rpc_method_handler
        if handler.request_streaming
        else grpc.unary_stream_rpc_method_handler
    )
    return make(serve, handler.request_deserializer, handler.response_serializer)
