"""A storm of notices is one read, and none is forgotten."""

import asyncio

from paceline.domain.errors import Unavailable
from paceline.runtime.notices import Notices
from tests.fakes.clock import FakeClock


async def test_names_are_handled_together_and_kept_while_a_store_is_away() -> None:
    clock = FakeClock()
    handled: list[frozenset[str]] = []
    away = [Unavailable("away")]

    async def handle(names: frozenset[str]) -> None:
        if away:
            raise away.pop()
        handled.append(names)

    notices = Notices(clock, handle)
    running = asyncio.create_task(notices.run())
    for name in ("a", "b", "a"):
        notices.hear(name)
    await clock.settle()
    clock.advance(0.05)
    await clock.settle()
    assert handled == []
    notices.hear("c")
    for _ in range(4):
        clock.advance(0.5)
        await clock.settle()
    assert handled == [{"a", "b", "c"}]
    notices.hear("d")
    await clock.settle()
    clock.advance(0.05)
    await clock.settle()
    assert handled[1:] == [{"d"}]
    running.cancel()
    await asyncio.wait({running})
