"""Sessions over warm connections, one per egress: a source address belongs to the connector."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from paceline.adapters.brokers.fyers.settings import FyersSettings

_SLIM: Final = ("User-Agent", "Accept", "Accept-Encoding")
_NAMES_KEPT_S: Final = 300
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Door:
    """The way out of one egress."""

    session: aiohttp.ClientSession
    proxy: URL | None
    proxy_headers: CIMultiDict[str] | None


class Egresses:
    """Opens each door once and keeps it; needs a running loop."""

    def __init__(self, settings: FyersSettings) -> None:
        self._settings = settings
        self.request_max_s = settings.request_max_ms / 1_000
        self._timeout = aiohttp.ClientTimeout(
            total=None,
            connect=settings.connect_timeout_ms / 1_000,
            sock_read=settings.read_timeout_ms / 1_000,
        )
        self._ssl = ssl.create_default_context(cafile=settings.ca_file)
        self._doors: dict[str, Door] = {}

    def door(self, egress: str) -> Door:
        found = self._doors.get(egress)
        if found is None:
            found = self._doors[egress] = self._open(egress)
        return found

    async def warm(self, url: URL, egress: str, count: int) -> int:
        """Have so many connections to the host of `url` idle; answers how many there are.

        They are held until the last stands, so that none is counted twice; no request is sent.
        """
        door = self.door(egress)
        gate = asyncio.Semaphore(self._settings.warm_parallel)
        tries = [_gated(gate, lambda: self._connect(door, url)) for _ in range(count)]
        held = await asyncio.gather(*tries, return_exceptions=True)
        connections = [each for each in held if isinstance(each, aiohttp.connector.Connection)]
        for connection in connections:
            connection.release()
        for failure in held:
            if isinstance(failure, BaseException) and not isinstance(failure, (aiohttp.ClientError, OSError)):
                raise failure
        return len(connections)

    async def aclose(self) -> None:
        doors, self._doors = list(self._doors.values()), {}
        for door in doors:
            await door.session.close()

    def _open(self, egress: str) -> Door:
        is_proxy = "://" in egress
        connector = aiohttp.TCPConnector(
            limit=0,
            ssl=self._ssl,
            local_addr=(egress, 0) if egress and not is_proxy else None,
            keepalive_timeout=self._settings.keep_alive_ms / 1_000,
            ttl_dns_cache=_NAMES_KEPT_S,
        )
        session = aiohttp.ClientSession(
            connector=connector,
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_SLIM,
            auto_decompress=False,
        )
        proxy, headers = _proxy(egress) if is_proxy else (None, None)
        return Door(session, proxy, headers)

    async def _connect(self, door: Door, url: URL) -> aiohttp.connector.Connection:
        connector = door.session.connector
        if connector is None:
            raise aiohttp.ClientConnectionError("the session is closed")
        request = aiohttp.ClientRequest(
            "GET",
            url,
            loop=asyncio.get_running_loop(),
            session=door.session,
            proxy=door.proxy,
            proxy_headers=CIMultiDict(door.proxy_headers)
            if door.proxy_headers
            else None,  # it is written into
        )
        return await connector.connect(request, traces=[], timeout=self._timeout)


async def _gated(gate: asyncio.Semaphore, work: Callable[[], Awaitable[T]]) -> T:
    async with gate:
        return await work()


def _proxy(egress: str) -> tuple[URL, CIMultiDict[str] | None]:
    url = URL(egress)
    if url.user is None:
        return url, None
    authorization = aiohttp.encode_basic_auth(url.user, url.password or "")
    return url.with_user(None), CIMultiDict({"Proxy-Authorization": authorization})
