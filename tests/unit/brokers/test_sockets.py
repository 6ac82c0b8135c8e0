"""What sockets do when the broker behaves as no simulator should."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import WSMsgType, web

from paceline.adapters.brokers.fyers import Egresses, FyersOrderStreams, FyersSettings
from paceline.domain.errors import Unavailable
from paceline.ports.broker import Credentials, Malformed, Observed
from tests.fakes.clock import FakeClock

ACKNOWLEDGED = '{"code":1605,"message":"Successfully subscribed","s":"ok"}'
TRADE = (
    '{"s":"ok","trades":{"tradeNumber":"1","orderNumber":"2","tradedQty":1,"tradePrice":1,'
    '"clientId":"XP0001","side":1,"symbol":"NSE:IDEA-EQ"}}'
)
Script = Callable[[web.WebSocketResponse], Awaitable[None]]


@contextlib.asynccontextmanager
async def socket_at(script: Script, **timeouts: int) -> AsyncIterator[FyersOrderStreams]:
    async def handle(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await script(socket)
        return socket

    application = web.Application()
    application.router.add_get("/", handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"ws://127.0.0.1:{runner.addresses[0][1]}/"
    settings = FyersSettings(order_socket_url=url, close_timeout_ms=100, **timeouts)  # type: ignore[arg-type]
    egresses = Egresses(settings)
    try:
        yield FyersOrderStreams(settings, egresses, FakeClock())
    finally:
        await egresses.aclose()
        await runner.cleanup()


def sending(*frames: str | bytes, pong: str | bytes | None = "pong") -> Script:
    """Sends the frames once asked to subscribe, and goes on answering pings."""

    async def script(socket: web.WebSocketResponse) -> None:
        async for message in socket:
            if message.data == "ping" and pong is not None:
                await (socket.send_bytes(pong) if isinstance(pong, bytes) else socket.send_str(pong))
            elif message.type is WSMsgType.TEXT and "SUB_ORD" in message.data:
                for frame in frames:
                    await (socket.send_bytes(frame) if isinstance(frame, bytes) else socket.send_str(frame))

    return script


async def test_what_comes_before_the_acknowledgement_is_not_lost(credentials: Credentials) -> None:
    async with (
        socket_at(sending(TRADE, ACKNOWLEDGED)) as streams,
        await streams.connect(credentials) as connection,
    ):
        assert isinstance(await anext(aiter(connection)), Observed)


async def test_a_subscription_nobody_answers_is_given_up(credentials: Credentials) -> None:
    async with socket_at(sending(), subscribe_timeout_ms=50) as streams:
        with pytest.raises(Unavailable, match="subscription"):
            await streams.connect(credentials)


async def test_a_socket_closed_while_subscribing_is_unavailable(credentials: Credentials) -> None:
    async def script(socket: web.WebSocketResponse) -> None:
        await socket.receive()
        await socket.close()

    async with socket_at(script) as streams:
        with pytest.raises(Unavailable):
            await streams.connect(credentials)


async def test_bad_frames_are_told_and_the_good_one_after_them_too(credentials: Credentials) -> None:
    frames: list[str | bytes] = [ACKNOWLEDGED, "{", b"\xff\xfe", '{"s":"ok"}', b"", TRADE]
    async with (
        socket_at(sending(*frames)) as streams,
        await streams.connect(credentials) as connection,
    ):
        told = [await anext(aiter(connection)) for _ in range(5)]
    assert [type(each) for each in told] == [Malformed] * 4 + [Observed]


@pytest.mark.parametrize("pong", ["pong", b"pong"])
async def test_a_pong_is_a_pong_in_text_and_in_bytes_and_never_an_event(
    credentials: Credentials, pong: str | bytes
) -> None:
    script = sending(ACKNOWLEDGED, pong=pong)
    async with (
        socket_at(script, ping_interval_ms=10, pong_timeout_ms=5_000) as streams,
        await streams.connect(credentials) as connection,
    ):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await anext(aiter(connection))


async def test_without_a_pong_a_socket_that_still_talks_is_dead(credentials: Credentials) -> None:
    script = sending(ACKNOWLEDGED, pong=None)
    async with (
        socket_at(script, ping_interval_ms=10, pong_timeout_ms=100) as streams,
        await streams.connect(credentials) as connection,
    ):
        with pytest.raises(Unavailable, match="pong"):
            await anext(aiter(connection))


async def test_a_frame_larger_than_any_order_ends_the_socket_and_says_why(credentials: Credentials) -> None:
    script = sending(ACKNOWLEDGED, "x" * 200_000)
    async with (
        socket_at(script, frame_max_bytes=100_000) as streams,
        await streams.connect(credentials) as connection,
    ):
        with pytest.raises(Unavailable):
            await anext(aiter(connection))


async def test_a_cancelled_connect_leaves_no_socket_behind(credentials: Credentials) -> None:
    ended = asyncio.Event()

    async def script(socket: web.WebSocketResponse) -> None:
        async for _ in socket:
            pass
        ended.set()

    async with socket_at(script) as streams:
        connecting = asyncio.create_task(streams.connect(credentials))
        await asyncio.sleep(0.05)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting
        async with asyncio.timeout(5):
            await ended.wait()
