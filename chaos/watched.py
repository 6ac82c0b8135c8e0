"""Waiting that says what it waited for."""

import asyncio
import io
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_log = logging.getLogger(__name__)


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """Raises `TimeoutError` after so long, and leaves in the log where the work and all beside it stood."""
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait({task}, timeout=seconds)
    if not done:
        _log.error("not done within %s s, standing at:\n%s", seconds, _standing())
        task.cancel()
        await asyncio.wait({task}, timeout=1)
        raise TimeoutError(f"the judges had not looked after {seconds:g} s")
    return task.result()


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
