"""A store that is away is waited for, said so, and never shown with its credentials."""

import asyncio
from random import Random

import pytest
from structlog.testing import capture_logs

from paceline.domain.secret import Secret
from paceline.runtime.dependency import POSTGRES_AWAY, Dependencies, place_of
from paceline.runtime.log import get_logger
from paceline.runtime.metric_names import DEPENDENCY_WAITS
from paceline.runtime.metrics import Metrics
from paceline.runtime.readiness import Readiness
from tests.fakes.clock import FakeClock

URL = Secret("postgresql://u:hunter2@db:5432/x")


class Server:
    """Away for so many attempts."""

    def __init__(self, away: int) -> None:
        self.away = away
        self.attempts = 0

    async def connect(self) -> str:
        self.attempts += 1
        if self.attempts <= self.away:
            raise ConnectionRefusedError(f"no server at {URL.reveal()}")
        return "connected"


def parts(clock: FakeClock) -> tuple[Dependencies, Readiness, Metrics]:
    readiness, metrics = Readiness(), Metrics()
    dependencies = Dependencies(
        readiness=readiness, metrics=metrics, clock=clock, random=Random(1), log=get_logger("feed")
    )
    return dependencies, readiness, metrics


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("postgresql://u:p@db:5432/x", "db:5432"),
        ("redis://r/0", "r"),
        ("postgresql://u@/x?host=/run/pg&port=5432", "/run/pg"),
        ("unix://:p@/run/redis.sock?db=0", "/run/redis.sock"),
    ],
)
def test_a_place_is_a_host_or_a_socket_and_nothing_else(url: str, place: str) -> None:
    assert place_of(Secret(url)) == place
    assert place_of(url) == place


async def test_it_is_reached_once_it_is_there() -> None:
    dependencies, readiness, metrics = parts(FakeClock(auto_jump=True))
    server = Server(away=30)
    with capture_logs() as logs:
        assert await dependencies.reach("PostgreSQL", URL, server.connect, away=POSTGRES_AWAY) == "connected"
    assert server.attempts == 31
    assert metrics.value(DEPENDENCY_WAITS, dependency="PostgreSQL") == 30
    assert logs[-1]["event"] == "reached a store"
    assert readiness.ready


async def test_it_speaks_at_most_every_five_seconds_and_without_credentials() -> None:
    clock = FakeClock(auto_jump=True)
    dependencies, _, _ = parts(clock)
    with capture_logs() as logs:
        await dependencies.reach("PostgreSQL", URL, Server(away=30).connect, away=POSTGRES_AWAY)
    waiting = [entry for entry in logs if entry["event"] == "waiting for a store"]
    assert 2 <= len(waiting) <= clock.monotonic_ns() / 5e9 + 1
    assert waiting[0]["store"] == "PostgreSQL"
    assert waiting[0]["at"] == "db:5432"
    assert "ConnectionRefusedError" in waiting[0]["reason"]
    assert "hunter2" not in str(logs)


async def test_meanwhile_it_is_not_ready_and_says_for_what() -> None:
    clock = FakeClock()
    dependencies, readiness, _ = parts(clock)
    reaching = asyncio.create_task(
        dependencies.reach("PostgreSQL", URL, Server(1).connect, away=POSTGRES_AWAY)
    )
    await clock.settle()
    assert readiness.waiting_for() == ("PostgreSQL at db:5432",)
    clock.advance(10)
    await reaching
    assert readiness.ready


async def test_an_attempt_that_hangs_is_given_up() -> None:
    dependencies, _, metrics = parts(FakeClock(auto_jump=True))
    attempts = iter([asyncio.sleep(60), asyncio.sleep(0)])
    reach = dependencies.reach(
        "Redis", "redis://r", lambda: next(attempts), away=POSTGRES_AWAY, attempt_s=0.01
    )
    await reach
    assert metrics.value(DEPENDENCY_WAITS, dependency="Redis") == 1


async def test_a_fault_of_ours_is_not_waited_out() -> None:
    async def typo() -> None:
        raise TypeError("a fault of ours")

    dependencies, _, _ = parts(FakeClock())
    with pytest.raises(TypeError):
        await dependencies.reach("PostgreSQL", URL, typo, away=POSTGRES_AWAY)
