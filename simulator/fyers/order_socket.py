"""The order socket: handshake, ping, subscriptions, and the frames of every account's events."""

from __future__ import annotations

import asyncio
import json
import struct
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from aiohttp import WSMsgType, web

from simulator.faults import FaultKind
from simulator.fyers.answer import dumped
from simulator.fyers.auth import Token
from simulator.fyers.frames import order_frame, position_frame, trade_frame
from simulator.fyers.words import CODE_SUBSCRIBED

if TYPE_CHECKING:
    from simulator.account import Position
    from simulator.fyers.face import Face
    from simulator.orders import Order, Trade
    from simulator.truth import Truth

ORDERS, TRADES, POSITIONS = "orders", "trades", "positions"
SUBSCRIBED = dumped({"code": CODE_SUBSCRIBED, "message": "Successfully subscribed", "s": "ok"}).decode()
UNSUBSCRIBED = dumped({"code": CODE_SUBSCRIBED, "message": "Successfully unsubscribed", "s": "ok"}).decode()
BAD_MESSAGE = dumped({"code": -50, "message": "invalid input please check your input", "s": "error"}).decode()
TEXT, BINARY = 0x81, 0x82
SHORT, MEDIUM = 126, 65_536
FORBIDDEN = 403
GONE = 1001


class Frame(NamedTuple):
    kind: str
    text: str
    order: Order | None
    trade: Trade | None
    status: int
    """The order's, as the frame tells it."""


@dataclass(slots=True, eq=False)
class Socket:
    """One connection; frames wait here until the loop's next turn."""

    client_id: str
    response: web.WebSocketResponse
    transport: asyncio.Transport
    address: str
    opened_mono_ns: int
    lists: set[str] = field(default_factory=set)
    pending: list[Frame] = field(default_factory=list)
    frozen: bool = False
    frames_sent: int = 0


def framed(text: str, *, binary: bool) -> bytes:
    """A whole unmasked WebSocket frame."""
    payload = text.encode()
    size = len(payload)
    first = BINARY if binary else TEXT
    if size < SHORT:
        return struct.pack("!BB", first, size) + payload
    if size < MEDIUM:
        return struct.pack("!BBH", first, SHORT, size) + payload
    return struct.pack("!BBQ", first, SHORT + 1, size) + payload


class OrderSockets:
    """All open order sockets; hears the exchange and writes to whoever subscribed."""

    def __init__(self, face: Face, truth: Truth) -> None:
        self._face = face
        self._truth = truth
        self._by_client: dict[str, list[Socket]] = {}
        self._dirty: list[Socket] = []
        self._loop = asyncio.get_running_loop()

    # what the exchange tells

    def order(self, order: Order) -> None:
        sockets = self._by_client.get(order.account.client_id)
        if sockets:
            self._queue(sockets, Frame(ORDERS, order_frame(order), order, None, order.status))

    def filled(self, trade: Trade) -> None:
        order = trade.order
        sockets = self._by_client.get(order.account.client_id)
        if sockets:
            self._queue(sockets, Frame(TRADES, trade_frame(trade), order, trade, order.status))
            self._queue(sockets, Frame(ORDERS, order_frame(order), order, trade, order.status))
            self.position(order.position)

    def position(self, position: Position) -> None:
        sockets = self._by_client.get(position.account.client_id)
        if sockets:
            market = self._face.exchange.markets[position.instrument.symbol]
            self._queue(sockets, Frame(POSITIONS, position_frame(position, market), None, None, 0))

    def _queue(self, sockets: list[Socket], frame: Frame) -> None:
        for socket in sockets:
            if frame.kind in socket.lists:
                if not socket.pending:
                    self._await_turn(socket)
                socket.pending.append(frame)

    def _await_turn(self, socket: Socket) -> None:
        if not self._dirty:
            self._loop.call_soon(self.flush)
        self._dirty.append(socket)

    def flush(self) -> None:
        """Write what waits, one write a socket."""
        dirty, self._dirty = self._dirty, []
        for socket in dirty:
            frames, socket.pending = socket.pending, []
            self._write(socket, frames)

    def _write(self, socket: Socket, frames: list[Frame]) -> None:
        faults = self._face.faults
        if faults.any and self._is_frozen(socket):
            return
        if faults.touches_frames:
            frames = self._spoilt(socket.client_id, frames)
        if not frames or socket.transport.is_closing():
            return
        binary = self._face.settings.binary_frames
        socket.transport.write(b"".join([framed(one.text, binary=binary) for one in frames]))
        socket.frames_sent += len(frames)
        self._stamp(socket.client_id, frames)
        if socket.transport.get_write_buffer_size() > self._face.settings.slow_reader_limit_bytes:
            socket.transport.abort()
        if faults.any and faults.strike(FaultKind.WS_CUT, socket.client_id):
            socket.transport.abort()

    def _stamp(self, client_id: str, frames: list[Frame]) -> None:
        now = time.monotonic_ns()
        for frame in frames:
            order, trade = frame.order, frame.trade
            if order is not None and not order.first_frame_mono_ns:
                order.first_frame_mono_ns = now
            if trade is not None and frame.kind == TRADES and not trade.first_frame_mono_ns:
                trade.first_frame_mono_ns = now
        if client_id in self._truth.watched:
            self._truth.sent(client_id, frames, now)

    def _spoilt(self, client_id: str, frames: list[Frame]) -> list[Frame]:
        faults = self._face.faults
        kept: list[Frame] = []
        for frame in frames:
            if frame.kind == TRADES and faults.strike(FaultKind.TRADE_FRAME_LOSE, client_id):
                continue
            if faults.strike(FaultKind.FRAME_LOSE, client_id):
                continue
            kept.append(frame)
            if faults.strike(FaultKind.FRAME_DUPLICATE, client_id):
                kept.append(frame)
        if len(kept) > 1 and faults.strike(FaultKind.FRAME_REORDER, client_id):
            kept.reverse()
        return kept

    def _is_frozen(self, socket: Socket) -> bool:
        """A freeze catches a socket for good: it thaws when the rule is switched off."""
        if socket.frozen:
            socket.frozen = self._face.faults.is_on(FaultKind.WS_FREEZE, socket.client_id)
            return socket.frozen
        socket.frozen = self._face.faults.strike(FaultKind.WS_FREEZE, socket.client_id) is not None
        return socket.frozen

    # connections

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One connection, from handshake to end."""
        token = self._face.tokens.by_header(request.headers.get("authorization", ""))
        client_id = token.client.id if isinstance(token, Token) else ""
        faults = self._face.faults
        if not isinstance(token, Token) or faults.strike(FaultKind.WS_403, client_id):
            return web.Response(status=FORBIDDEN, text="Forbidden")
        slow = faults.strike(FaultKind.WS_SLOW_HANDSHAKE, client_id)
        if slow is not None:
            await asyncio.sleep(slow.ms / 1000)
        response = web.WebSocketResponse(autoping=False, compress=False)
        await response.prepare(request)
        transport = request.transport
        if transport is None:
            return response
        address = str(request.remote)
        socket = Socket(client_id, response, transport, address, time.monotonic_ns())
        token.client.sockets_opened += 1
        token.client.seen_from(address)
        self._by_client.setdefault(client_id, []).append(socket)
        try:
            await self._converse(socket)
        finally:
            self._forget(socket)
        return response

    async def _converse(self, socket: Socket) -> None:
        async for message in socket.response:
            if self._face.faults.any and self._is_frozen(socket):
                continue
            if message.type is WSMsgType.PING:
                await socket.response.pong(message.data)
            elif message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                self._heard(socket, message.data if isinstance(message.data, str) else message.data.decode())

    def _heard(self, socket: Socket, text: str) -> None:
        if text == "ping":
            self._say(socket, "pong", binary=False)
            return
        try:
            wish = json.loads(text)
            lists = set(_flat(wish["SLIST"]))
            begin = int(wish["SUB_T"]) == 1
        except (ValueError, KeyError, TypeError):
            self._say(socket, BAD_MESSAGE, binary=self._face.settings.binary_frames)
            return
        socket.lists = socket.lists | lists if begin else socket.lists - lists
        self._say(socket, SUBSCRIBED if begin else UNSUBSCRIBED, binary=self._face.settings.binary_frames)

    def _say(self, socket: Socket, text: str, *, binary: bool) -> None:
        if not socket.transport.is_closing():
            socket.transport.write(framed(text, binary=binary))

    def _forget(self, socket: Socket) -> None:
        mine = self._by_client.get(socket.client_id, [])
        if socket in mine:
            mine.remove(socket)
        if not mine:
            self._by_client.pop(socket.client_id, None)

    # what the control door asks

    def connected(self, client_id: str) -> list[Socket]:
        return list(self._by_client.get(client_id, ()))

    def all_connected(self) -> dict[str, int]:
        """How many sockets each account has open."""
        return {client_id: len(sockets) for client_id, sockets in self._by_client.items()}

    def cut(self, client_id: str | None = None) -> int:
        """Break the sockets of a client (None: of all) without a close frame; gives how many."""
        chosen = (
            self.connected(client_id)
            if client_id
            else [one for all_ in self._by_client.values() for one in all_]
        )
        for socket in chosen:
            socket.transport.abort()
        return len(chosen)

    async def close(self) -> None:
        """Say good-bye to everybody."""
        for sockets in list(self._by_client.values()):
            for socket in list(sockets):
                await socket.response.close(code=GONE, message=b"going away")


def _flat(names: object) -> list[str]:
    """The SDK puts a list inside the list when it unsubscribes from general messages."""
    if not isinstance(names, list):
        raise TypeError("SLIST is no list")
    flat: list[str] = []
    for one in names:
        flat += _flat(one) if isinstance(one, list) else [str(one)]
    return flat
