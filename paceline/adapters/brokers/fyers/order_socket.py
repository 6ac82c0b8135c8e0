"""The order socket: one asyncio connection per account, which knows when it is dead."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Final, Self

import aiohttp

from paceline.adapters.brokers.fyers import codec
from paceline.adapters.brokers.fyers.egress import Egresses
from paceline.adapters.brokers.fyers.handshake import shake_hands
from paceline.adapters.brokers.fyers.rows import Owner
from paceline.adapters.brokers.fyers.settings import FyersSettings
from paceline.domain.errors import Unavailable
from paceline.ports.broker import Credentials, Malformed, Observed
from paceline.ports.clock import Clock

_SUBSCRIBE: Final = (
    '{"T":"SUB_ORD","SLIST":["orders","trades","positions","edis","pricealerts","login"],"SUB_T":1}'
)
_PING: Final = "ping"
_PONGS: Final = frozenset({"pong", b"pong"})
_MS: Final = 1_000


class FyersOrderStreams:
    """Opens order sockets; whether and when again is the feed's to decide."""

    def __init__(self, settings: FyersSettings, egresses: Egresses, clock: Clock) -> None:
        self._settings = settings
        self._egresses = egresses
        self._clock = clock

    async def connect(self, credentials: Credentials) -> "FyersOrderConnection":
        """A socket that the broker acknowledged and subscribed."""
        headers = {"authorization": f"{credentials.app_id}:{credentials.token.reveal()}"}
        socket = await shake_hands(
            self._egresses.door(credentials.egress), self._settings.order_socket_url, headers, self._settings
        )
        owner = Owner(credentials.account_id, credentials.client_id)
        connection = FyersOrderConnection(socket, owner, self._settings, self._clock)
        try:
            await connection.subscribe()
        except BaseException:
            await connection.aclose()
            raise
        return connection


class FyersOrderConnection:
    def __init__(
        self, socket: aiohttp.ClientWebSocketResponse, owner: Owner, settings: FyersSettings, clock: Clock
    ) -> None:
        self._socket = socket
        self._owner = owner
        self._settings = settings
        self._clock = clock
        self._ready: deque[Observed | Malformed] = deque()
        self._pinger: asyncio.Task[None] | None = None
        self._pong = asyncio.Event()
        self._death = ""
        self._closed = False
        self._last_frame_ns = clock.now_ns()

    @property
    def last_frame_ns(self) -> int:
        return self._last_frame_ns

    async def subscribe(self) -> None:
        """Pings from now on, asks for everything, and waits for the broker's yes."""
        self._pinger = asyncio.create_task(self._keep_alive())
        try:
            async with asyncio.timeout(self._settings.subscribe_timeout_ms / _MS):
                await self._socket.send_str(_SUBSCRIBE)
                while not codec.is_subscribed(raw := await self._frame()):
                    self._take(raw)
        except TimeoutError:
            raise Unavailable("the order socket did not answer the subscription in time") from None
        except (aiohttp.ClientError, ConnectionError) as error:
            raise Unavailable(f"the order socket broke while subscribing: {error}") from error

    def __aiter__(self) -> AsyncIterator[Observed | Malformed]:
        return self

    async def __anext__(self) -> Observed | Malformed:
        while not self._ready:
            try:
                self._take(await self._frame())
            except Unavailable:
                if self._closed:
                    raise StopAsyncIteration from None
                raise
        return self._ready.popleft()

    async def aclose(self) -> None:
        self._closed = True
        if self._pinger is not None:
            self._pinger.cancel()
            await asyncio.wait([self._pinger])
        await self._socket.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def _take(self, raw: bytes) -> None:
        self._ready.extend(codec.decode_frame(raw, self._owner, self._last_frame_ns))

    async def _frame(self) -> bytes:
        """The next frame that is not a pong; raises `Unavailable` when there will be none."""
        while True:
            message = await self._socket.receive()
            if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                raise Unavailable(self._why_ended(message))
            self._last_frame_ns = self._clock.now_ns()
            if message.data in _PONGS:
                self._pong.set()
                continue
            data = message.data
            return data.encode(errors="surrogatepass") if isinstance(data, str) else bytes(data)

    def _why_ended(self, message: aiohttp.WSMessage) -> str:
        if self._death:
            return self._death
        if message.type is aiohttp.WSMsgType.ERROR:
            return f"the order socket broke: {message.data}"
        return f"the order socket was closed by the broker (code {self._socket.close_code})"

    async def _keep_alive(self) -> None:
        """A ping at once and one every interval; a pong too late ends the socket."""
        while True:
            self._pong.clear()
            try:
                async with asyncio.timeout(self._settings.pong_timeout_ms / _MS):
                    await self._socket.send_str(_PING)
                    await self._pong.wait()
            except TimeoutError:
                self._death = f"no pong within {self._settings.pong_timeout_ms} ms: the order socket is dead"
                await self._socket.close()
                return
            except (aiohttp.ClientError, ConnectionError):
                return  # receive() tells the reader of the same end
            await asyncio.sleep(self._settings.ping_interval_ms / _MS)
