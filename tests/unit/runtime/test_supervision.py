"""A background task never ends in silence."""

import asyncio

from structlog.testing import capture_logs

from paceline.runtime.log import get_logger
from paceline.runtime.metric_names import TASK_FAILURES
from paceline.runtime.metrics import Metrics
from paceline.runtime.supervision import Supervisor


class Watched:
    def __init__(self) -> None:
        self.metrics = Metrics()
        self.faults: list[str] = []
        self.supervisor = Supervisor(metrics=self.metrics, log=get_logger("x"), on_fault=self.faults.append)


async def fail() -> None:
    raise KeyError("x")


async def test_an_essential_task_that_fails_is_a_fault_with_its_reason() -> None:
    watched = Watched()
    with capture_logs() as logs:
        await asyncio.wait({watched.supervisor.spawn("pump", fail())})
        await asyncio.sleep(0)
    assert watched.faults == ["task pump failed: KeyError"]
    assert logs[0]["task"] == "pump"
    assert watched.metrics.value(TASK_FAILURES, task="pump", essential="true") == 1


async def test_an_essential_task_that_returns_is_a_fault() -> None:
    watched = Watched()
    await watched.supervisor.spawn("pump", asyncio.sleep(0))
    await asyncio.sleep(0)
    assert watched.faults == ["task pump ended before it was stopped"]


async def test_an_essential_task_that_someone_cancels_is_a_fault() -> None:
    watched = Watched()
    task = watched.supervisor.spawn("pump", asyncio.sleep(60))
    task.cancel()
    await asyncio.wait({task})
    await asyncio.sleep(0)
    assert watched.faults == ["task pump ended before it was stopped"]


async def test_a_task_that_is_stopped_is_none() -> None:
    watched = Watched()
    task = watched.supervisor.spawn("pump", asyncio.sleep(60))
    await watched.supervisor.stop(task)
    await asyncio.sleep(0)
    assert watched.faults == []


async def test_an_unessential_task_that_fails_is_logged_and_no_fault() -> None:
    watched = Watched()
    with capture_logs() as logs:
        await asyncio.wait({watched.supervisor.spawn("sweep", fail(), essential=False)})
        await asyncio.sleep(0)
    assert watched.faults == []
    assert [entry["log_level"] for entry in logs] == ["error"]


async def test_an_unessential_task_may_return() -> None:
    watched = Watched()
    with capture_logs() as logs:
        await watched.supervisor.spawn("once", asyncio.sleep(0), essential=False)
        await asyncio.sleep(0)
    assert watched.faults == []
    assert logs == []
