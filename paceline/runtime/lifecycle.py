"""From start to a clean end: one order of starting, its reverse for stopping, and a bound on every wait."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from random import Random
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from paceline.domain.secret import Secret
from paceline.ports.clock import Clock
from paceline.runtime.admin_http import AdminHttp
from paceline.runtime.common_settings import CommonSettings
from paceline.runtime.dependency import Dependencies
from paceline.runtime.failure import SetupError
from paceline.runtime.log import Logger, get_logger
from paceline.runtime.metric_names import BUILD, LOOP_LAG_SECONDS, READY
from paceline.runtime.metrics import Metrics
from paceline.runtime.readiness import Readiness
from paceline.runtime.supervision import Supervisor
from paceline.runtime.telemetry import Telemetry

S = TypeVar("S", bound=CommonSettings)
T = TypeVar("T")

STOP_S = 5.0
_LAG_EVERY_S = 0.25
_LAST_MOMENT_S = 0.25
_STARTING = "start of the service"
_DRAINING = "the end: it drains"


class Part(Protocol):
    """What is started in order and stopped in the reverse order."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class _Stopping:
    name: str
    stop: Callable[[], Awaitable[None]]
    within_s: float


class Runtime(Generic[S]):
    """What a composition root builds a service on."""

    def __init__(
        self,
        service: str,
        settings: S,
        *,
        clock: Clock,
        random: Random,
        metrics: Metrics,
        telemetry: Telemetry,
    ) -> None:
        self.service = service
        self.settings = settings
        self.clock = clock
        self.random = random
        self.metrics = metrics
        self.telemetry = telemetry
        self.log: Logger = get_logger(service)
        self.readiness = Readiness(_STARTING)
        self.draining = asyncio.Event()
        """Set when the stop begins: long streams end themselves on it."""
        self._dependencies = Dependencies(
            readiness=self.readiness, metrics=metrics, clock=clock, random=random, log=self.log
        )
        self._supervisor = Supervisor(metrics=metrics, log=self.log, on_fault=self.fail)
        self._started: list[_Stopping] = []
        self._end: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.failed = False
        metrics.gauge(BUILD).labels(service, version("paceline"), settings.environment).set(1)
        self.readiness.subscribe(lambda ready: metrics.gauge(READY).set(ready))

    async def start(self, part: Part, *, name: str | None = None, stop_s: float = STOP_S) -> None:
        """Start a part now; it stops before everything that was started earlier."""
        self._started.append(_Stopping(name or type(part).__name__, part.stop, stop_s))
        await part.start()

    def on_stop(self, name: str, stop: Callable[[], Awaitable[None]], *, stop_s: float = STOP_S) -> None:
        """Call `stop` at its turn in the reverse order."""
        self._started.append(_Stopping(name, stop, stop_s))

    def spawn(
        self, name: str, work: Coroutine[Any, Any, Any], *, essential: bool = True, stop_s: float = STOP_S
    ) -> asyncio.Task[Any]:
        """Run a supervised task; at its turn it is cancelled. An essential one that ends ends the service."""
        task = self._supervisor.spawn(name, work, essential=essential)
        self.on_stop(name, lambda: self._supervisor.stop(task), stop_s=stop_s)
        return task

    async def reach(
        self,
        store: str,
        url: Secret | str,
        connect: Callable[[], Awaitable[T]],
        *,
        away: tuple[type[Exception], ...],
    ) -> T:
        """Connect to a store, waiting for it as long as it takes (`POSTGRES_AWAY`, `REDIS_AWAY`)."""
        return await self._dependencies.reach(store, url, connect, away=away)

    def request_stop(self, reason: str) -> None:
        """Begin the orderly end."""
        if not self._end.done():
            self._end.set_result(reason)

    def fail(self, reason: str) -> None:
        """Begin the orderly end because something essential is broken; the exit code tells."""
        if not self._end.done():
            self.failed = True
            self.log.error("the service goes down", reason=reason)
        self.request_stop(reason)

    async def until_end(self) -> str:
        return await asyncio.shield(self._end)

    async def stop_all(self) -> None:
        """Stop what was started, last first, each within its time, whatever the others do."""
        while self._started:
            part = self._started.pop()
            try:
                async with asyncio.timeout(part.within_s):
                    await part.stop()
            except TimeoutError:
                self.log.warning("a part did not stop in time", part=part.name, within_s=part.within_s)
            except Exception:
                self.log.exception("a part failed while it stopped", part=part.name)

    async def drop_all(self) -> None:
        """What is left when the time is up: all at once, and no more than a moment."""
        rest, self._started = self._started, []
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_MOMENT_S):
                await asyncio.gather(*(part.stop() for part in rest), return_exceptions=True)


Compose: TypeAlias = Callable[[Runtime[S]], Awaitable[None]]
"""Builds and starts a service on its runtime; returns when it can take work."""


async def live(runtime: Runtime[S], compose: Compose[S]) -> int:
    """Start, serve until told to stop or broken, drain; the exit code. `SetupError` comes after the stop."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: _log_unhandled(runtime.log, context))
    settings = runtime.settings
    admin = AdminHttp(
        settings.metrics_host,
        settings.metrics_port,
        metrics=runtime.metrics,
        waiting_for=runtime.readiness.waiting_for,
    )
    try:
        await runtime.start(admin)
        runtime.spawn("loop-lag", _watch_loop(runtime.metrics), essential=False)
        await _serve(runtime, compose)
    finally:
        in_time = await _drain(runtime)
    return 0 if in_time and not runtime.failed else 1


def stop_on_signals(runtime: Runtime[S]) -> None:
    """SIGTERM and SIGINT begin the orderly end; the second one ends it now."""
    loop = asyncio.get_running_loop()
    main_task = asyncio.current_task()

    def received(signum: signal.Signals) -> None:
        if runtime.draining.is_set() and main_task is not None:
            main_task.cancel()
        runtime.request_stop(signum.name)

    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, received, each)


async def _serve(runtime: Runtime[S], compose: Compose[S]) -> None:
    composing = asyncio.ensure_future(compose(runtime))
    ended = asyncio.ensure_future(runtime.until_end())
    try:
        await asyncio.wait({composing, ended}, return_when=asyncio.FIRST_COMPLETED)
        if composing.done():
            await composing
            runtime.readiness.unblock(_STARTING)
            runtime.log.info("ready", version=version("paceline"))
        reason = await ended
        runtime.log.info("stopping", reason=reason)
    except SetupError:
        raise
    except Exception as error:
        runtime.log.exception("the service could not start")
        runtime.fail(f"start failed: {type(error).__name__}")
    finally:
        ended.cancel()
        composing.cancel()
        await asyncio.wait({composing, ended}, timeout=STOP_S)


async def _drain(runtime: Runtime[S]) -> bool:
    """Whether everything stopped within the set time; a cancellation (the second signal) cuts it short."""
    runtime.draining.set()
    runtime.readiness.block(_DRAINING)
    try:
        async with asyncio.timeout(runtime.settings.drain_s):
            await runtime.stop_all()
    except TimeoutError:
        runtime.log.warning("the drain was cut short", drain_s=runtime.settings.drain_s)
    except asyncio.CancelledError:
        runtime.log.warning("the drain was cut short by a second signal")
    else:
        runtime.log.info("stopped")
        return True
    await runtime.drop_all()
    return False


async def _watch_loop(metrics: Metrics) -> None:
    lag_seconds = metrics.histogram(LOOP_LAG_SECONDS)
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + _LAG_EVERY_S
        await asyncio.sleep(_LAG_EVERY_S)
        lag_seconds.observe(max(0.0, loop.time() - due))


def _log_unhandled(log: Logger, context: dict[str, Any]) -> None:
    log.error("unhandled in the event loop", what=context.get("message"), exc_info=context.get("exception"))
