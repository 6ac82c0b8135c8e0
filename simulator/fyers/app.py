"""One listener for everything that Fyers spreads over several hosts."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from simulator.faults import FaultKind
from simulator.fyers.data_socket import DataSocket

if TYPE_CHECKING:
    from simulator.fyers.face import Face
    from simulator.fyers.order_socket import OrderSockets
    from simulator.fyers.rest import Rest

ORDER_SOCKET_PATH = "/trade/v3"
DATA_SOCKET_PATH = "/hsm/v1-5/prod"
KEEPALIVE_S = 3_600.0
QUIET: dict[str, Any] = {"access_log": None, "keepalive_timeout": KEEPALIVE_S}
LINGER_NOT = struct.pack("ii", 1, 0)


class BrokerApp:
    """Sends a request to the door that its path names; may refuse connections at the door."""

    def __init__(self, face: Face, rest: Rest, sockets: OrderSockets) -> None:
        self._face = face
        self._rest = rest
        self._sockets = sockets
        self.data = DataSocket(
            face.exchange,
            knows_key=face.tokens.knows_hsm_key,
            withholds=lambda: face.faults.strike(FaultKind.TICKS_HELD, "") is not None,
        )
        self.server = web.Server(self.handle, access_log=None, keepalive_timeout=KEEPALIVE_S)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path = request.path
        if path == ORDER_SOCKET_PATH:
            return await self._sockets.handle(request)
        if path == DATA_SOCKET_PATH:
            # a WebSocket needs nothing of a request that the low-level server's lacks
            return await self.data.handle(cast(web.Request, request))
        return await self._rest.handle(request)

    def protocol(self) -> asyncio.Protocol:
        """A protocol for one new connection."""
        if self._face.faults.has(FaultKind.REFUSE):
            return cast("asyncio.Protocol", RefusingHandler(self.server, self._face))
        return cast("asyncio.Protocol", self.server())


class RefusingHandler(RequestHandler):
    """Resets connections at the door, before a byte is read, while the fault lasts."""

    __slots__ = ("_face",)

    def __init__(self, server: web.Server, face: Face) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **QUIET)
        self._face = face

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._face.faults.strike(FaultKind.REFUSE, ""):
            reset(cast("asyncio.Transport", transport))


def reset(transport: asyncio.Transport) -> None:
    """Close with a reset instead of a farewell."""
    raw = transport.get_extra_info("socket")
    if raw is not None:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    transport.abort()
