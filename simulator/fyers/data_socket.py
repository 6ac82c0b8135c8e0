"""The simulator's data socket: the HSM protocol on a WebSocket, ticks from the exchange's own markets."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp import WSCloseCode, WSMsgType, web

from simulator.fyers import hsm
from simulator.fyers.following import Following
from simulator.fyers.hsm import FrameType
from simulator.fyers.topics import all_topics

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.exchange import Exchange
    from simulator.market import Market

ACKNOWLEDGE_EVERY = 50
RECORDS_PER_MESSAGE = 200
BAD_REQUEST_CODE = -50
CLOSE_TIMEOUT_S = 0.2


class DataSocket:
    """All data-socket connections of one simulated broker."""

    def __init__(
        self,
        exchange: Exchange,
        *,
        knows_key: Callable[[str], bool] = bool,
        acknowledge_every: int = ACKNOWLEDGE_EVERY,
        withholds: Callable[[], bool] = lambda: False,
    ) -> None:
        """`knows_key` judges the `hsm_key` of a login; unless told otherwise all but an empty one will do.
        What moved while it `withholds` is not told; the next move tells how things are.
        """
        self.exchange = exchange
        self.knows_key = knows_key
        self.acknowledge_every = acknowledge_every
        self.withholds = withholds
        self.topics = all_topics(exchange.universe)
        self.connections: list[Connection] = []
        exchange.subscribe_quotes(self._moved)

    def _moved(self, market: Market) -> None:
        for connection in self.connections:
            connection.moved(market.instrument.symbol)

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(timeout=CLOSE_TIMEOUT_S)
        await socket.prepare(request)
        connection = Connection(socket, self)
        self.connections.append(connection)
        teller = asyncio.create_task(connection.tell())
        try:
            await connection.listen()
        finally:
            self.connections.remove(connection)
            teller.cancel()
            with suppress(asyncio.CancelledError, ConnectionError):
                await teller
        return socket

    async def close(self) -> None:
        """Say good-bye to everybody."""
        for connection in list(self.connections):
            await connection.close()


class Connection:
    """One client. Moves faster than it reads are merged: it is told how things are, not every step."""

    def __init__(self, socket: web.WebSocketResponse, broker: DataSocket) -> None:
        self._socket = socket
        self._broker = broker
        self._following = Following()
        self._authenticated = False
        self._moved: dict[str, None] = {}
        self._news = asyncio.Event()
        self.sent = 0
        self.acknowledged = 0

    def follows(self, symbol: str) -> bool:
        return self._following.follows(symbol)

    def moved(self, symbol: str) -> None:
        if self.follows(symbol):
            self._moved[symbol] = None
            self._news.set()

    async def close(self) -> None:
        await self._socket.close(code=WSCloseCode.GOING_AWAY, message=b"going away")

    async def listen(self) -> None:
        async for message in self._socket:
            if message.type is not WSMsgType.BINARY:
                continue
            try:
                request = hsm.decode_request(message.data)
            except hsm.MalformedFrameError as refused:
                await self._say(hsm.encode_custom(BAD_REQUEST_CODE, str(refused), FrameType.CUSTOM))
                continue
            await self._answer(request)

    async def _answer(self, request: hsm.Request) -> None:
        match request:
            case hsm.Ping():
                return
            case hsm.Acknowledge(number):
                self.acknowledged = number
            case hsm.Auth(key):
                await self._authenticate(key)
            case _ if not self._authenticated:
                await self._say(hsm.encode_answer(_kind(request), accepted=False))
            case _:
                await self._say(hsm.encode_answer(_kind(request), accepted=self._follow(request)))
                self._look_at_all()

    async def _authenticate(self, key: str) -> None:
        self._authenticated = self._broker.knows_key(key)
        every = self._broker.acknowledge_every
        await self._say(hsm.encode_auth_answer(accepted=self._authenticated, acknowledge_every=every))

    def _follow(self, request: hsm.Request) -> bool:
        match request:
            case hsm.Subscribe(names, channel):
                known = [self._broker.topics[name] for name in names if name in self._broker.topics]
                self._following.subscribe(known, channel)
                return bool(known)
            case hsm.Unsubscribe(names, channel):
                self._following.unsubscribe(names, channel)
            case hsm.SetMode(mode, channels):
                self._following.set_mode(mode, channels)
            case hsm.Pause(channels):
                self._following.pause(channels)
            case hsm.Resume(channels):
                self._following.resume(channels)
        return True

    def _look_at_all(self) -> None:
        self._moved.update(dict.fromkeys(self._following.symbols()))
        self._news.set()

    async def tell(self) -> None:
        """Send what is due, for ever."""
        while True:
            await self._news.wait()
            self._news.clear()
            moved, self._moved = self._moved, {}
            if self._broker.withholds():
                continue
            records = [
                record
                for symbol in moved
                for record in self._following.due(symbol, self._broker.exchange.markets[symbol])
            ]
            for start in range(0, len(records), RECORDS_PER_MESSAGE):
                self.sent += 1
                await self._say(hsm.encode_data(self.sent, records[start : start + RECORDS_PER_MESSAGE]))

    async def _say(self, frame: bytes) -> None:
        await self._socket.send_bytes(frame)


_KINDS = {
    hsm.Subscribe: FrameType.SUBSCRIBE,
    hsm.Unsubscribe: FrameType.UNSUBSCRIBE,
    hsm.SetMode: FrameType.MODE,
    hsm.Pause: FrameType.PAUSE,
    hsm.Resume: FrameType.RESUME,
}


def _kind(request: hsm.Request) -> FrameType:
    return _KINDS.get(type(request), FrameType.CUSTOM)
