"""How long to wait before trying again."""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from paceline.ports.clock import Clock

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential, bounded, with jitter: each wait is drawn from [1 - jitter, 1] of the step."""

    first_s: float = 0.1
    factor: float = 2.0
    longest_s: float = 5.0
    jitter: float = 0.5

    def wait_s(self, attempt: int, random: Random) -> float:
        """Seconds to wait after the failed attempt of this number, the first being 1."""
        step = self.first_s * self.factor ** min(attempt - 1, 64)
        return min(step, self.longest_s) * (1 - self.jitter * random.random())

    def waits(self, random: Random) -> Iterator[float]:
        """Waits without end."""
        attempt = 0
        while True:
            attempt += 1
            yield self.wait_s(attempt, random)


async def retried(
    call: Callable[[], Awaitable[T]],
    *,
    retry_on: Callable[[Exception], bool],
    clock: Clock,
    random: Random,
    backoff: Backoff | None = None,
    attempts: int = 3,
) -> T:
    """The call's answer; what `retry_on` refuses, and the last failure, are raised as they are."""
    pace = backoff or Backoff()
    for attempt in range(1, attempts):
        try:
            return await call()
        except Exception as error:
            if not retry_on(error):
                raise
        await clock.sleep(pace.wait_s(attempt, random))
    return await call()
