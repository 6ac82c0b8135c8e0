"""Background tasks that never end in silence."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from paceline.runtime.log import Logger
from paceline.runtime.metric_names import TASK_FAILURES
from paceline.runtime.metrics import Metrics


class Supervisor:
    """Watches tasks: the end of an essential one is reported as a fault, any other failure is logged."""

    def __init__(self, *, metrics: Metrics, log: Logger, on_fault: Callable[[str], None]) -> None:
        self._failures = metrics.counter(TASK_FAILURES)
        self._log = log
        self._on_fault = on_fault
        self._tasks: set[asyncio.Task[Any]] = set()
        self._being_stopped: set[asyncio.Task[Any]] = set()

    def spawn(
        self, name: str, work: Coroutine[Any, Any, Any], *, essential: bool = True
    ) -> asyncio.Task[Any]:
        """Run the coroutine; an essential one is not expected to return before it is stopped."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._ended(done, essential=essential))
        return task

    async def stop(self, task: asyncio.Task[Any]) -> None:
        """Cancel the task and wait until it has ended."""
        self._being_stopped.add(task)
        task.cancel()
        await asyncio.wait({task})
        self._being_stopped.discard(task)

    def _ended(self, task: asyncio.Task[Any], *, essential: bool) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._failures.labels(task.get_name(), str(essential).lower()).inc()
            self._log.error("a task failed", task=task.get_name(), essential=essential, exc_info=error)
        if essential and task not in self._being_stopped:
            ending = f"failed: {type(error).__name__}" if error else "ended before it was stopped"
            self._on_fault(f"task {task.get_name()} {ending}")
