"""Waiting for a store that is not there yet."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import TypeVar
from urllib.parse import parse_qs, urlsplit

import asyncpg
from redis.exceptions import RedisError

from paceline.domain.errors import Unavailable
from paceline.domain.secret import Secret
from paceline.ports.clock import Clock
from paceline.runtime.log import Logger, RepeatGate
from paceline.runtime.metric_names import DEPENDENCY_WAITS
from paceline.runtime.metrics import Metrics
from paceline.runtime.readiness import Readiness
from paceline.runtime.redact import redact_text
from paceline.runtime.retry import Backoff

T = TypeVar("T")

POSTGRES_AWAY: tuple[type[Exception], ...] = (
    OSError,
    Unavailable,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
)
REDIS_AWAY: tuple[type[Exception], ...] = (OSError, Unavailable, RedisError)
_PACE = Backoff(first_s=0.1, longest_s=3.0)
_LOG_EVERY_S = 5.0


def place_of(url: Secret | str) -> str:
    """Host and port (or socket) of a URL, without its user, password or anything else."""
    parts = urlsplit(url.reveal() if isinstance(url, Secret) else url)
    if parts.hostname:
        return f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
    return parse_qs(parts.query).get("host", [parts.path])[0]


class Dependencies:
    """Reaches the stores at start, however long they take; not ready meanwhile, and says so now and then."""

    def __init__(
        self, *, readiness: Readiness, metrics: Metrics, clock: Clock, random: Random, log: Logger
    ) -> None:
        self._readiness = readiness
        self._failed = metrics.counter(DEPENDENCY_WAITS)
        self._clock = clock
        self._random = random
        self._log = log

    async def reach(
        self,
        name: str,
        url: Secret | str,
        connect: Callable[[], Awaitable[T]],
        *,
        away: tuple[type[Exception], ...],
        attempt_s: float = 5.0,
    ) -> T:
        """What `connect` gives once it succeeds. Only errors of `away` and time-outs are waited out."""
        place = place_of(url)
        away_or_late: tuple[type[Exception], ...] = (TimeoutError, *away)
        gate = RepeatGate(self._clock, seconds=_LOG_EVERY_S)
        with self._readiness.blocked(f"{name} at {place}"):
            for attempt, wait_s in enumerate(_PACE.waits(self._random), start=1):
                try:
                    async with asyncio.timeout(attempt_s):
                        reached = await connect()
                except away_or_late as error:
                    self._failed.labels(name).inc()
                    if gate.held_back(name) is not None:
                        self._log.warning(
                            "waiting for a store",
                            store=name,
                            at=place,
                            attempts=attempt,
                            reason=f"{type(error).__name__}: {redact_text(str(error))}",
                        )
                    await self._clock.sleep(wait_s)
                else:
                    self._log.info("reached a store", store=name, at=place, attempts=attempt)
                    return reached
        raise AssertionError("waits never end")
