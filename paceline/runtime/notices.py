"""Names that were heard of, handled in batches a moment later: a storm of notices is one read."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from paceline.domain.errors import Unavailable
from paceline.ports.clock import Clock

_log = structlog.get_logger(__name__)

_GATHER_S = 0.05
_AGAIN_S = 0.5


@dataclass(slots=True)
class Notices:
    """`handle` gets each name at least once after it was heard; what fails for want of a store is kept."""

    clock: Clock
    handle: Callable[[frozenset[str]], Awaitable[None]]
    _heard: set[str] = field(default_factory=set)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, name: str) -> None:
        self._heard.add(name)
        self._news.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._news.wait()
            await self.clock.sleep(_GATHER_S)
            self._news.clear()
            heard, self._heard = frozenset(self._heard), set()
            try:
                await self.handle(heard)
            except Unavailable as problem:
                _log.warning("notices.unreachable", problem=str(problem))
                self._heard |= heard
                self._news.set()
                await self.clock.sleep(_AGAIN_S)
