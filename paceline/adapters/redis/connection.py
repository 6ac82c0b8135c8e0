"""Opens Redis the one way every service uses it, and turns its failures into Paceline's own."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from paceline.domain.errors import Unavailable

HashFields = dict[
    bytes | bytearray | memoryview | str | int | float, bytes | bytearray | memoryview | str | int | float
]
"""As the client's hints want it: mappings are invariant in their keys."""


def text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value


def open_redis(url: str, *, timeout_s: float = 1.0, max_connections: int = 32) -> Redis:
    """Connects when first used. Never repeats a command on its own: a repeated take would count twice."""
    return Redis.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        retry=Retry(NoBackoff(), 0),
        retry_on_error=[],
        max_connections=max_connections,
        health_check_interval=15,
    )


@contextmanager
def map_errors() -> Iterator[None]:
    """Tells being cancelled, too: below Python 3.12 the client's `wait_for` takes an answer that came at the
    same moment for it, and whoever was told to end would go on for ever.
    """
    before = _cancellations()
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        if _cancellations() > before:
            raise asyncio.CancelledError from error
        raise Unavailable(f"Redis cannot be used: {str(error) or type(error).__name__}") from error
    if _cancellations() > before:
        raise asyncio.CancelledError


def _cancellations() -> int:
    """How often the running task was told to end."""
    task = asyncio.current_task()
    return task.cancelling() if task is not None else 0


async def ready(redis: Redis) -> None:
    """Raises `Unavailable` unless a command is answered."""
    with map_errors():
        await redis.echo("ready")


async def connect_redis(url: str) -> Redis:
    """Opened and answering, or `Unavailable`."""
    redis = open_redis(url)
    try:
        await ready(redis)
    except BaseException:
        await redis.aclose()
        raise
    return redis
