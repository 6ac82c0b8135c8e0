"""Logs are events with fields: JSON in a pod, readable on a terminal, with trace ids and without secrets."""

import logging
import sys
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, TextIO, cast

import structlog
from opentelemetry import trace
from structlog.typing import FilteringBoundLogger, Processor, WrappedLogger

from paceline.ports.clock import Clock
from paceline.runtime.common_settings import LogFormat, LogLevel
from paceline.runtime.redact import redact_event

__all__ = ["Logger", "RepeatGate", "configure_logging", "get_logger"]

Logger = FilteringBoundLogger
_NANOSECONDS = 1_000_000_000
_MINUTE_S = 60.0
_LEVELS = {
    LogLevel.DEBUG: logging.DEBUG,
    LogLevel.INFO: logging.INFO,
    LogLevel.WARNING: logging.WARNING,
    LogLevel.ERROR: logging.ERROR,
}
_CHATTY = ("asyncio", "aiohttp.access", "grpc", "opentelemetry", "urllib3", "alembic")


def get_logger(name: str) -> Logger:
    """A logger whose events carry `component=name`."""
    return cast(Logger, structlog.get_logger(component=name))


def configure_logging(
    level: LogLevel, log_format: LogFormat, *, service: str, replica_id: str, stream: TextIO | None = None
) -> None:
    """Send every event, the libraries' records and warnings too, to one stream in one form."""
    out = stream or sys.stdout
    stamp = _stamp(service, replica_id)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        stamp,
        add_trace_ids,
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        redact_event,
    ]
    renderer = _renderer(log_format, colours=out.isatty())
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=True,
    )
    _route_library_records(level, shared, renderer, out)


def add_trace_ids(_logger: WrappedLogger, _method: str, event: Any) -> Any:
    """A structlog processor: the ids of the span that runs now, if one does."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = format(context.trace_id, "032x")
        event["span_id"] = format(context.span_id, "016x")
    return event


def _stamp(service: str, replica_id: str) -> Processor:
    def stamp(_logger: WrappedLogger, _method: str, event: Any) -> Any:
        event["service"] = service
        event["replica"] = replica_id
        return event

    return stamp


def _renderer(log_format: LogFormat, *, colours: bool) -> Processor:
    if log_format is LogFormat.JSON:
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(
        colors=colours, exception_formatter=structlog.dev.plain_traceback, pad_event_to=36
    )


def _route_library_records(
    level: LogLevel, shared: list[Processor], renderer: Processor, stream: TextIO
) -> None:
    handler = logging.StreamHandler(stream)
    handler.addFilter(_OncePerMinute("opentelemetry"))
    handler.addFilter(_OncePerMinute("asyncpg", in_a_word=True))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *shared, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(_LEVELS[level])
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, _LEVELS[level]))
    logging.captureWarnings(capture=True)


class _OncePerMinute(logging.Filter):
    """Holds back repetitions of a library (a receiver of traces is away); the records tell the time.

    `in_a_word`: what went wrong, without the stack it went wrong in: a database that is away is no mystery.
    """

    def __init__(self, library: str, *, in_a_word: bool = False) -> None:
        super().__init__(library)
        self._in_a_word = in_a_word
        self._spoke_s: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if not super().filter(record):
            return True
        key = f"{record.name}:{record.lineno}"
        due = record.created - self._spoke_s.get(key, -_MINUTE_S) >= _MINUTE_S
        if due:
            self._spoke_s[key] = record.created
        if self._in_a_word and record.exc_info and record.exc_info[1] is not None:
            record.msg, record.args = f"{record.getMessage()}: {record.exc_info[1]!r}", ()
            record.exc_info = None
        return due


class RepeatGate:
    """Lets a repeating message through at most once in a while, and says how many it held back."""

    def __init__(self, clock: Clock, *, seconds: float = 60.0, keys_max: int = 10_000) -> None:
        self._clock = clock
        self._every_ns = round(seconds * _NANOSECONDS)
        self._keys_max = keys_max
        self._seen: OrderedDict[Hashable, tuple[int, int]] = OrderedDict()

    def held_back(self, key: Hashable) -> int | None:
        """How many were held back since the last one, when this one may speak; None when it may not."""
        now_ns = self._clock.monotonic_ns()
        spoke_ns, held = self._seen.get(key, (now_ns - self._every_ns, 0))
        if now_ns - spoke_ns < self._every_ns:
            self._seen[key] = (spoke_ns, held + 1)
            return None
        self._seen[key] = (now_ns, 0)
        self._seen.move_to_end(key)
        if len(self._seen) > self._keys_max:
            self._seen.popitem(last=False)
        return held
