"""One order of starting, its reverse for stopping, a bound on every wait."""

import asyncio
from dataclasses import replace
from random import Random
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from paceline.runtime.common_settings import CommonSettings
from paceline.runtime.failure import PortError, SetupError
from paceline.runtime.lifecycle import Runtime, live
from paceline.runtime.metric_names import READY
from paceline.runtime.metrics import Metrics
from paceline.runtime.settings import load
from paceline.runtime.telemetry import start_telemetry
from tests.fakes.clock import FakeClock

SETTINGS = load(
    CommonSettings,
    {
        "PACELINE_POSTGRES_URL": "postgresql://db/x",
        "PACELINE_REDIS_URL": "redis://r",
        "PACELINE_METRICS_PORT": "0",
        "PACELINE_DRAIN_S": "5",
    },
)


def new_runtime(settings: CommonSettings = SETTINGS) -> Runtime[CommonSettings]:
    return Runtime(
        "feed",
        settings,
        clock=FakeClock(),
        random=Random(0),
        metrics=Metrics(),
        telemetry=start_telemetry(service="feed", replica_id="1"),
    )


class Part:
    def __init__(self, name: str, diary: list[str], *, stop_takes_s: float = 0, broken: bool = False) -> None:
        self.name = name
        self.diary = diary
        self.stop_takes_s = stop_takes_s
        self.broken = broken

    async def start(self) -> None:
        self.diary.append(f"start {self.name}")

    async def stop(self) -> None:
        await asyncio.sleep(self.stop_takes_s)
        if self.broken:
            raise OSError(self.name)
        self.diary.append(f"stop {self.name}")


async def test_parts_stop_in_the_reverse_order_of_their_start() -> None:
    runtime, diary = new_runtime(), list[str]()

    async def compose(_: Runtime[Any]) -> None:
        await runtime.start(Part("pool", diary))
        await runtime.start(Part("server", diary))
        runtime.request_stop("test")

    assert await live(runtime, compose) == 0
    assert diary == ["start pool", "start server", "stop server", "stop pool"]


async def test_it_is_ready_only_between_start_and_drain() -> None:
    runtime, seen = new_runtime(), list[tuple[str, bool]]()

    async def compose(_: Runtime[Any]) -> None:
        seen.append(("composing", runtime.readiness.ready))
        runtime.readiness.subscribe(lambda ready: seen.append(("told", ready)))
        runtime.on_stop("x", look)
        asyncio.get_running_loop().call_later(0.01, runtime.request_stop, "test")

    async def look() -> None:
        seen.append(("draining", runtime.draining.is_set()))

    await live(runtime, compose)
    assert seen == [
        ("composing", False),
        ("told", False),
        ("told", True),
        ("told", False),
        ("draining", True),
    ]
    assert runtime.metrics.value(READY) == 0


async def test_probes_are_answered_while_it_starts() -> None:
    runtime = new_runtime()
    answers: list[tuple[int, Any]] = []

    async def compose(_: Runtime[Any]) -> None:
        admin = next(part.stop.__self__ for part in runtime._started if part.name == "AdminHttp")  # type: ignore[attr-defined]
        async with aiohttp.ClientSession(f"http://127.0.0.1:{admin.port}") as client:
            for path in ("/healthz", "/readyz"):
                async with client.get(path) as response:
                    answers.append((response.status, await response.json()))
            async with client.get("/metrics") as response:
                assert "paceline_build_info" in await response.text()
        runtime.request_stop("test")

    assert await live(runtime, compose) == 0
    assert answers == [
        (200, {"status": "alive"}),
        (503, {"status": "not ready", "waiting_for": ["start of the service"]}),
    ]


async def test_a_broken_essential_task_takes_the_service_down_with_its_reason() -> None:
    runtime = new_runtime()

    async def crash() -> None:
        raise KeyError("x")

    async def compose(_: Runtime[Any]) -> None:
        runtime.spawn("pump", crash())

    with capture_logs() as logs:
        assert await live(runtime, compose) == 1
    reasons = [entry["reason"] for entry in logs if entry["event"] == "the service goes down"]
    assert reasons == ["task pump failed: KeyError"]


async def test_a_start_that_fails_is_logged_and_what_had_started_is_stopped() -> None:
    runtime, diary = new_runtime(), list[str]()

    async def compose(_: Runtime[Any]) -> None:
        await runtime.start(Part("pool", diary))
        raise KeyError("x")

    with capture_logs() as logs:
        assert await live(runtime, compose) == 1
    assert diary == ["start pool", "stop pool"]
    assert any(entry["event"] == "the service could not start" for entry in logs)


async def test_a_wrong_set_up_is_raised_after_the_stop() -> None:
    runtime, diary = new_runtime(), list[str]()

    async def compose(_: Runtime[Any]) -> None:
        await runtime.start(Part("pool", diary))
        raise SetupError("no certificate")

    with pytest.raises(SetupError, match="no certificate"):
        await live(runtime, compose)
    assert diary == ["start pool", "stop pool"]


async def test_a_stop_during_the_start_ends_the_start() -> None:
    runtime, diary = new_runtime(), list[str]()

    async def compose(_: Runtime[Any]) -> None:
        await runtime.start(Part("pool", diary))
        runtime.request_stop("test")
        await asyncio.sleep(60)

    assert await live(runtime, compose) == 0
    assert diary == ["start pool", "stop pool"]


async def test_a_part_that_fails_or_hangs_in_its_stop_does_not_keep_the_others_from_theirs() -> None:
    runtime, diary = new_runtime(), list[str]()

    async def compose(_: Runtime[Any]) -> None:
        await runtime.start(Part("pool", diary))
        await runtime.start(Part("hanging", diary, stop_takes_s=60), stop_s=0.01)
        await runtime.start(Part("broken", diary, broken=True))
        runtime.request_stop("test")

    with capture_logs() as logs:
        assert await live(runtime, compose) == 0
    assert diary[-1] == "stop pool"
    events = [entry["event"] for entry in logs]
    assert "a part did not stop in time" in events
    assert "a part failed while it stopped" in events


async def test_the_drain_ends_within_its_time() -> None:
    runtime = new_runtime(replace(SETTINGS, drain_s=0.02))

    async def compose(_: Runtime[Any]) -> None:
        await runtime.start(Part("slow", [], stop_takes_s=60), stop_s=30)
        runtime.request_stop("test")

    began = asyncio.get_running_loop().time()
    assert await live(runtime, compose) == 1
    assert asyncio.get_running_loop().time() - began < 5


async def test_a_second_signal_ends_the_drain_now() -> None:
    runtime = new_runtime()

    async def compose(_: Runtime[Any]) -> None:
        await runtime.start(Part("slow", [], stop_takes_s=60), stop_s=30)
        runtime.request_stop("SIGTERM")

    living = asyncio.create_task(live(runtime, compose))
    await runtime.draining.wait()
    await asyncio.sleep(0)
    living.cancel()
    assert await living == 1


async def test_tasks_are_cancelled_at_their_turn() -> None:
    runtime, diary = new_runtime(), list[str]()

    async def pump() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            diary.append("pump ends")

    async def compose(_: Runtime[Any]) -> None:
        await runtime.start(Part("pool", diary))
        runtime.spawn("pump", pump())
        await asyncio.sleep(0)
        await runtime.start(Part("server", diary))
        runtime.request_stop("test")

    assert await live(runtime, compose) == 0
    assert diary == ["start pool", "start server", "stop server", "pump ends", "stop pool"]


async def test_a_taken_metrics_port_is_said_with_its_setting() -> None:
    taken = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    runtime = new_runtime(replace(SETTINGS, metrics_port=port))

    async def compose(_: Runtime[Any]) -> None:
        pytest.fail("it must not come so far")

    with pytest.raises(PortError, match=f"PACELINE_METRICS_PORT: port {port} on 127.0.0.1 is taken"):
        await live(runtime, compose)
    taken.close()
    await taken.wait_closed()


async def test_what_nobody_handles_in_the_loop_is_logged() -> None:
    runtime = new_runtime()

    async def compose(_: Runtime[Any]) -> None:
        asyncio.get_running_loop().call_soon(iter(()).__next__)
        await asyncio.sleep(0)
        runtime.request_stop("test")

    with capture_logs() as logs:
        assert await live(runtime, compose) == 0
    assert any(entry["event"] == "unhandled in the event loop" for entry in logs)
