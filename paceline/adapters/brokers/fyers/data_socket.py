"""The data socket (HSM): prices of what is subscribed, as ticks."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterable
from types import TracebackType
from typing import Final, Self

import aiohttp
import structlog

from paceline.adapters.brokers.fyers import hsm, tokens
from paceline.adapters.brokers.fyers.egress import Egresses
from paceline.adapters.brokers.fyers.handshake import shake_hands
from paceline.adapters.brokers.fyers.prices import Prices
from paceline.adapters.brokers.fyers.settings import FyersSettings
from paceline.adapters.brokers.fyers.topics import Topics
from paceline.domain.errors import BrokerAuthFailed, Unavailable
from paceline.domain.ids import AccountId, InstrumentId
from paceline.ports.broker import Credentials, Malformed, MalformedKind, Tick
from paceline.ports.clock import Clock

_log: Final = structlog.get_logger(__name__)
_CHANNEL: Final = 11
_SOURCE: Final = "Paceline"
_MS: Final = 1_000


Spoilt = Callable[[AccountId, Malformed], None]
"""Takes a frame that nobody can read."""


def _nobody(account_id: AccountId, malformed: Malformed) -> None:
    _log.warning("data_socket_unreadable", account=account_id, reason=malformed.reason)


class FyersTickStreams:
    def __init__(
        self, settings: FyersSettings, egresses: Egresses, clock: Clock, spoilt: Spoilt = _nobody
    ) -> None:
        self._spoilt = spoilt
        self._settings = settings
        self._egresses = egresses
        self._clock = clock
        self._topics = Topics(settings, egresses)

    async def connect(self, credentials: Credentials) -> "FyersTickConnection":
        """A socket that knows us; nothing is subscribed yet."""
        hsm_key = tokens.claims(credentials.token.reveal()).get("hsm_key")
        if not isinstance(hsm_key, str) or not hsm_key:
            raise BrokerAuthFailed("the token carries no hsm_key: it opens no data socket")
        socket = await shake_hands(
            self._egresses.door(credentials.egress),
            self._settings.data_socket_url,
            {},
            self._settings,
            heartbeat_ms=self._settings.data_heartbeat_ms,
        )
        connection = FyersTickConnection(
            socket, credentials, self._topics, self._settings, self._clock, self._spoilt
        )
        try:
            await connection.login(hsm_key)
        except BaseException:
            await connection.aclose()
            raise
        return connection


class FyersTickConnection:
    def __init__(
        self,
        socket: aiohttp.ClientWebSocketResponse,
        credentials: Credentials,
        topics: Topics,
        settings: FyersSettings,
        clock: Clock,
        spoilt: Spoilt,
    ) -> None:
        self._spoilt = spoilt
        self._socket = socket
        self._credentials = credentials
        self._topics = topics
        self._settings = settings
        self._clock = clock
        self._prices = Prices()
        self._watched: dict[InstrumentId, str] = {}
        self._pinger: asyncio.Task[None] | None = None
        self._acknowledge_every = 0
        self._received = 0
        self._closed = False
        self._last_frame_ns = clock.now_ns()

    @property
    def last_frame_ns(self) -> int:
        return self._last_frame_ns

    async def login(self, hsm_key: str) -> None:
        """Raises `BrokerAuthFailed` when the broker does not know the key."""
        try:
            async with asyncio.timeout(self._settings.subscribe_timeout_ms / _MS):
                await self._socket.send_bytes(hsm.login(hsm_key, _SOURCE))
                await self._socket.send_bytes(hsm.full_mode(_CHANNEL))
                answer = await self._answer_to(hsm.Kind.AUTH)
        except TimeoutError:
            raise Unavailable("the data socket did not answer the login in time") from None
        except (aiohttp.ClientError, ConnectionError) as error:
            raise Unavailable(f"the data socket broke while logging in: {error}") from error
        if not answer.accepted:
            raise BrokerAuthFailed("the data socket refused the key")
        self._acknowledge_every = answer.acknowledge_every
        self._pinger = asyncio.create_task(self._keep_alive())

    async def subscribe(self, instruments: Iterable[InstrumentId]) -> frozenset[InstrumentId]:
        wanted = [each for each in dict.fromkeys(instruments) if each not in self._watched]
        if not wanted:
            return frozenset()
        known = await self._topics.of(wanted, self._credentials)
        for instrument_id, topic in known.items():
            self._prices.watch(topic, instrument_id)
        self._watched |= known
        await self._send_topics(hsm.Kind.SUBSCRIBE, list(known.values()))
        return frozenset(wanted) - known.keys()

    async def unsubscribe(self, instruments: Iterable[InstrumentId]) -> None:
        topics = [topic for each in instruments if (topic := self._watched.pop(each, None)) is not None]
        for topic in topics:
            self._prices.forget(topic)
        await self._send_topics(hsm.Kind.UNSUBSCRIBE, topics)

    def __aiter__(self) -> AsyncIterator[tuple[Tick, ...]]:
        return self

    async def __anext__(self) -> tuple[Tick, ...]:
        while True:
            try:
                message = await self._message()
            except Unavailable:
                if self._closed:
                    raise StopAsyncIteration from None
                raise
            if isinstance(message, hsm.Data):
                ticks = self._prices.ticks(message, self._last_frame_ns)
                if ticks:
                    return ticks
            elif isinstance(message, hsm.Notice):
                _log.warning("data_socket_notice", code=message.code, words=message.words)
            elif not message.accepted:
                _log.warning("data_socket_refusal", request=message.kind)

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

    async def _answer_to(self, kind: hsm.Kind) -> hsm.Reply:
        while True:
            message = await self._message()
            if isinstance(message, hsm.Reply) and message.kind == kind:
                return message

    async def _message(self) -> hsm.Message:
        """The next readable frame; raises `Unavailable` when there will be none."""
        while True:
            frame = await self._socket.receive()
            if frame.type is aiohttp.WSMsgType.TEXT:
                self._put_aside(frame.data.encode(errors="surrogatepass"), "text, where frames are binary")
                continue
            if frame.type is not aiohttp.WSMsgType.BINARY:
                raise Unavailable(f"the data socket ended ({frame.type.name.lower()} {frame.data or ''})")
            self._last_frame_ns = self._clock.now_ns()
            try:
                message = hsm.decode(frame.data)
            except hsm.UnreadableFrameError as error:
                self._put_aside(bytes(frame.data), str(error))
                continue
            await self._acknowledge(message)
            return message

    def _put_aside(self, raw: bytes, reason: str) -> None:
        self._spoilt(self._credentials.account_id, Malformed(raw, MalformedKind.UNPARSEABLE, reason))

    async def _acknowledge(self, message: hsm.Message) -> None:
        if not isinstance(message, hsm.Data) or not self._acknowledge_every:
            return
        self._received += 1
        if self._received % self._acknowledge_every == 0:
            await self._send(hsm.acknowledgement(message.number))

    async def _send_topics(self, kind: hsm.Kind, topics: list[str]) -> None:
        for start in itertools.count(0, hsm.TOPICS_A_MESSAGE):
            some = topics[start : start + hsm.TOPICS_A_MESSAGE]
            if not some:
                return
            await self._send(hsm.subscription(kind, some, _CHANNEL))

    async def _send(self, frame: bytes) -> None:
        try:
            await self._socket.send_bytes(frame)
        except (aiohttp.ClientError, ConnectionError) as error:
            raise Unavailable(f"the data socket broke: {error}") from error

    async def _keep_alive(self) -> None:
        while True:
            try:
                await self._socket.send_bytes(hsm.PING)
            except (aiohttp.ClientError, ConnectionError):
                return  # receive() tells the reader of the same end
            await asyncio.sleep(self._settings.ping_interval_ms / _MS)
