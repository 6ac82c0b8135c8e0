"""Work side by side that fails as one, and waits that end early."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from paceline.ports.clock import Clock

T = TypeVar("T")


async def together(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """All of it, or the first failure with the rest cancelled: of its own kind, not as a group."""
    try:
        async with asyncio.TaskGroup() as group:
            for each in work:
                group.create_task(each)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from failures


async def attended(work: Coroutine[Any, Any, T], *helpers: Coroutine[Any, Any, None]) -> T:
    """What the work gives; helpers run beside it and end with it. The first failure of any ends all."""
    main = asyncio.ensure_future(work)
    others = [asyncio.ensure_future(each) for each in helpers]
    running: set[asyncio.Future[Any]] = {main, *others}
    try:
        while not main.done():
            done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            for each in done:
                each.result()
        return main.result()
    finally:
        await _ended(main, *others)


async def _ended(*tasks: "asyncio.Future[Any]") -> None:
    """Of several failures the first was told; the others are only taken note of."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.exception()


async def patiently(clock: Clock, seconds: float, *events: asyncio.Event) -> None:
    """Wait until the time is over or one of the events is set."""
    if any(event.is_set() for event in events):
        return
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    sleep = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait((sleep, *waits), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in (sleep, *waits):
            each.cancel()
