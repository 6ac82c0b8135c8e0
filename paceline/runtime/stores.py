"""Stores that a service waits for at its start and lets go of at its end."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from paceline.domain.errors import Unavailable
from paceline.domain.secret import Secret
from paceline.runtime.lifecycle import Runtime

T = TypeVar("T")


async def hold(
    runtime: Runtime[Any],
    name: str,
    url: Secret,
    connect: Callable[[], Awaitable[T]],
    close: Callable[[T], Awaitable[None]],
) -> T:
    """Connect, however long it takes; close at its turn in the reverse order."""
    store = await runtime.reach(name, url, connect, away=(Unavailable,))
    runtime.on_stop(name, lambda: close(store))
    return store
