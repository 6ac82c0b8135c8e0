"""Hears NOTIFY on a connection of its own; a pool would drop the listeners."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import asyncpg

from paceline.domain.errors import Unavailable
from paceline.ports.clock import Clock

Heard = Callable[[str, str], None]
"""Channel and payload (the id of the row that changed); called in the loop, must not block."""

ACCOUNTS = "paceline_accounts"
SESSIONS = "paceline_sessions"
PINS = "paceline_pins"
JOURNAL = "paceline_journal"
SUBSCRIPTIONS = "paceline_subscriptions"
FREEZES = "paceline_freezes"

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 5.0
_CONNECT_S = 5.0
_PROBE_EVERY_S = 20.0
"""How long a connection that died without a word may go unnoticed."""
_PROBE_S = 5.0
_LOST = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # used between the server's farewell and the end of the connection
)


class Listener:
    """Whatever happened while the connection was down went unheard: `reread` runs after every (re)connect."""

    def __init__(
        self,
        url: str,
        channels: Sequence[str],
        heard: Heard,
        reread: Callable[[], Awaitable[None]],
        clock: Clock,
    ) -> None:
        self._url = url
        self._channels = channels
        self._heard = heard
        self._reread = reread
        self._clock = clock
        self.connects = 0
        """How often everything was re-read; more than one means the connection was lost."""
        self.last_error: Exception | None = None

    async def run(self) -> None:
        """Until cancelled. An error of `reread` counts as a lost connection and is tried again."""
        pause = _FIRST_PAUSE_S
        while True:
            before = self.connects
            try:
                await self._listen_once()
            except (*_LOST, Unavailable) as error:
                self.last_error = error
            pause = _FIRST_PAUSE_S if self.connects > before else min(2 * pause, _LONGEST_PAUSE_S)
            await self._clock.sleep(pause)

    async def _listen_once(self) -> None:
        ended = asyncio.Event()
        connection = await asyncpg.connect(self._url, timeout=_CONNECT_S)
        connection.add_termination_listener(lambda _: ended.set())
        try:
            for channel in self._channels:
                await connection.add_listener(channel, self._on_notice)
            await self._reread()
            self.connects += 1
            await _until_lost(connection, ended)
        finally:
            connection.terminate()

    def _on_notice(self, _connection: Any, _pid: int, channel: str, payload: object) -> None:
        self._heard(channel, str(payload))


async def _until_lost(connection: "asyncpg.Connection[asyncpg.Record]", ended: asyncio.Event) -> None:
    """Asks now and then, because a peer that vanished sends nothing; raises when there is no answer."""
    while not ended.is_set():
        try:
            async with asyncio.timeout(_PROBE_EVERY_S):
                await ended.wait()
        except TimeoutError:
            await connection.execute("SELECT 1", timeout=_PROBE_S)
