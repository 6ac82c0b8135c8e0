"""Ways to place one order over a warm connection, each as its own documents say it is done fast."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from benchmarks.broker import LIMIT, SYMBOL, Broker
from paceline.adapters.brokers.fyers.adapter import Fyers
from paceline.adapters.brokers.fyers.egress import Egresses
from paceline.adapters.brokers.fyers.settings import FyersSettings
from paceline.adapters.clock import SystemClock
from paceline.domain.copy_order import OrderSpec
from paceline.domain.ids import AccountId, InstrumentId, Tag
from paceline.domain.instrument import InstrumentKey, Product
from paceline.domain.order import OrderType, Side
from paceline.domain.secret import Secret
from paceline.ports.broker import Credentials

TAG = "bench"
BODY = json.dumps(
    {
        "symbol": SYMBOL,
        "qty": 1,
        "type": 1,
        "side": 1,
        "productType": "INTRADAY",
        "limitPrice": float(LIMIT),
        "stopPrice": 0,
        "validity": "DAY",
        "disclosedQty": 0,
        "offlineOrder": False,
        "orderTag": TAG,
    }
).encode()
SPEC = OrderSpec(
    InstrumentKey(InstrumentId(SYMBOL), Product.INTRADAY),
    Side.BUY,
    OrderType.LIMIT,
    Decimal(1),
    limit_price=Decimal(LIMIT),
)
PATH = "/orders/sync"
IDLE_S = 60.0
_OK = b'"s":"ok"'
_HEAD_ENDS = b"\r\n\r\n"

Place = Callable[[int], Awaitable[None]]
"""One order of the account of this number; raises where the broker does not take it."""


class RefusedError(Exception):
    """The broker did not take an order: nothing is measured."""


@asynccontextmanager
async def an_adapter(broker: Broker, connections: int) -> AsyncIterator[Fyers]:
    """The executor's own, with so many connections warm."""
    settings = FyersSettings(api_url=broker.place.api_url, ca_file=broker.place.certificate.chain)
    egresses = Egresses(settings)
    fyers = Fyers(settings, egresses, SystemClock())
    try:
        await fyers.warm({"": connections})
        yield fyers
    finally:
        await egresses.aclose()


@asynccontextmanager
async def paceline(broker: Broker) -> AsyncIterator[Place]:
    """With all that the executor makes sure of."""
    mine = credentials(broker)
    async with an_adapter(broker, len(mine)) as fyers:

        async def place(number: int) -> None:
            await fyers.place(mine[number], SPEC, Tag(TAG))

        yield place


@asynccontextmanager
async def aiohttp_bare(broker: Broker) -> AsyncIterator[Place]:
    """One session for all, without cookies, redirects or headers that nobody asked for."""
    url = broker.place.api_url + PATH
    headers = _headers(broker)
    connector = aiohttp.TCPConnector(limit=0, ssl=_trust(broker), keepalive_timeout=IDLE_S)
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
        auto_decompress=False,
    )
    async with session:

        async def place(number: int) -> None:
            async with session.post(
                url, data=BODY, headers=headers[number], allow_redirects=False
            ) as response:
                _judge(await response.read())

        yield place


@asynccontextmanager
async def pyreqwest(broker: Broker) -> AsyncIterator[Place]:
    """Rust's reqwest; its loop runs on a thread of its own."""
    builder = import_module("pyreqwest.client").ClientBuilder()
    client = (
        builder.add_root_certificate_pem(broker.place.certificate.chain.read_bytes())
        .http1_only()
        .follow_redirects(enable=False)
        .pool_idle_timeout(timedelta(seconds=IDLE_S))
        .build()
    )
    url, headers = broker.place.api_url + PATH, _headers(broker)
    async with client:

        async def place(number: int) -> None:
            response = await client.post(url).headers(headers[number]).body_bytes(BODY).build().send()
            _judge(bytes(await response.bytes()))

        yield place


@asynccontextmanager
async def bytes_alone(broker: Broker) -> AsyncIterator[Place]:
    """The lower bound: a connection for each account, its request ready, its answer searched for a word."""
    where = urlsplit(broker.place.api_url)
    loop, context = asyncio.get_running_loop(), _trust(broker)
    async with AsyncExitStack() as stack:
        wires: dict[int, _Wire] = {}
        for number, headers in enumerate(_headers(broker)):
            ready = _ready(where.netloc, where.path + PATH, headers)
            _, wire = await loop.create_connection(
                lambda ready=ready: _Wire(ready),  # type: ignore[misc]  # bound per turn
                str(where.hostname),
                where.port or 443,
                ssl=context,
            )
            wires[number] = wire
            stack.callback(wire.hang_up)

        async def place(number: int) -> None:
            _judge(await wires[number].ask())

        yield place


WIRES: Mapping[str, Callable[[Broker], Any]] = {
    "bytes_alone": bytes_alone,
    "aiohttp": aiohttp_bare,
    "paceline": paceline,
    "pyreqwest": pyreqwest,
}
ITSELF = ("bytes_alone", "aiohttp", "paceline")
"""These need nothing that is not installed anyway."""


def credentials(broker: Broker) -> Sequence[Credentials]:
    found = []
    for number, authorization in enumerate(broker.authorizations):
        app, _, token = authorization.partition(":")
        found.append(Credentials(AccountId(f"fyers:XC{number}"), f"XC{number}", app, Secret(token)))
    return found


class _Wire(asyncio.Protocol):
    """One connection that carries one request at a time."""

    def __init__(self, ready: bytes) -> None:
        self._ready = ready
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a TCP transport

    def ask(self) -> asyncio.Future[bytes]:
        assert self._transport is not None
        self._buffer, self._answer = b"", asyncio.get_running_loop().create_future()
        self._transport.write(self._ready)
        return self._answer

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(_HEAD_ENDS)
        if found and len(body) >= _length(head) and self._answer is not None:
            self._answer.set_result(body)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("the broker hung up"))

    def hang_up(self) -> None:
        if self._transport is not None:
            self._transport.close()


def _headers(broker: Broker) -> Sequence[dict[str, str]]:
    return [
        {"Authorization": each, "Content-Type": "application/json", "version": "3"}
        for each in broker.authorizations
    ]


def _ready(netloc: str, path: str, headers: Mapping[str, str]) -> bytes:
    named = {"Host": netloc, "Content-Length": str(len(BODY)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
    return f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + BODY


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line[:15].lower() == b"content-length:":
            return int(line[15:])
    return 0


def _trust(broker: Broker) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=broker.place.certificate.chain)


def _judge(body: bytes) -> None:
    if _OK not in body:
        raise RefusedError(body.decode(errors="replace"))
