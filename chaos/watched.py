"""Waiting that says what it waited for."""

import asyncio
import io
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

_ENDING_S = 1.0

_log = logging.getLogger(__name__)


async def within(seconds: float, work: Awaitable[T]) -> T:
    """Raises `TimeoutError` after so long, and leaves in the log where the work and all beside it stood."""
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait({task}, timeout=seconds)
    if not done:
        _log.error("not done within %s s, standing at:\n%s", seconds, _standing())
        await ended(task)
        raise TimeoutError(f"not done within {seconds:g} s; the log says where it stood")
    return task.result()


async def ended(task: "asyncio.Future[Any]") -> None:
    """Cancels it, and waits no longer than a moment for it to be gone."""
    task.cancel()
    await asyncio.wait({task}, timeout=_ENDING_S)


async def closed(seconds: float, closing: Callable[[], Awaitable[object]]) -> None:
    """Closing that hangs is told in the log and left: the verdict is more than a tidy end."""
    with suppress(TimeoutError):
        await within(seconds, closing())


def _standing() -> str:
    """Every task of the loop, down to what it awaits."""
    text = io.StringIO()
    for task in asyncio.all_tasks():
        text.write(f"{task.get_name()}\n")
        awaited: Any = task.get_coro()
        while (frame := getattr(awaited, "cr_frame", None)) is not None:
            text.write(f"  {frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_qualname}\n")
            awaited = awaited.cr_await
        text.write(f"  awaits {awaited!r}\n")
    return text.getvalue()
