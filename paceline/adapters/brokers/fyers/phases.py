"""Did the request leave? The one question that tells *never sent* from *unknown*."""

import asyncio
import select
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import BytesPayload

from paceline.domain.errors import BrokerError, BrokerNeverSent, BrokerOutcomeUnknown

_HUNG_UP: Final = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR
_BEFORE_ANY_BYTE: Final = (
    aiohttp.ClientConnectorError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.ClientHttpProxyError,
    aiohttp.InvalidURL,
)


class MarkedBody(BytesPayload):
    """A body that knows whether it left, and leaves at most once.

    aiohttp writes the headers and a body this small in one `transport.write`, so there is one moment before
    which nothing of the request is on the wire. It also repeats DELETE by itself on a connection that broke:
    the second write is refused here.
    """

    def __init__(self, body: bytes) -> None:
        super().__init__(body, content_type="application/json")
        self.left = False
        self.stale = False
        """The kept-alive connection was closed by the broker before anything was written."""

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        if self.left:
            raise aiohttp.ClientConnectionError("the body left already: it is not sent a second time")
        transport = getattr(writer, "transport", None)
        if _is_gone(transport):
            self.stale = True
            raise aiohttp.ClientConnectionResetError("closed by the broker between requests")
        self.stale, self.left = False, True
        await super().write_with_length(writer, content_length)


def _is_gone(transport: asyncio.Transport | None) -> bool:
    """Whether the peer's FIN lies in the kernel, which the event loop may not have seen yet."""
    if transport is None or transport.is_closing():
        return True
    socket: Any = transport.get_extra_info("socket")
    if socket is None:
        return False
    poll = select.poll()
    poll.register(socket.fileno(), _HUNG_UP)
    return bool(poll.poll(0))


def lost(error: Exception, body: MarkedBody | None) -> BrokerError:
    """What the loss of an answer means for its request; one without a body is only read, and repeatable."""
    words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    left = body.left if body is not None else not isinstance(error, _BEFORE_ANY_BYTE)
    return BrokerOutcomeUnknown(words) if left else BrokerNeverSent(words)
