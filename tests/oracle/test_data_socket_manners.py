"""How the simulator's data socket treats a client with worse manners than the vendor's own."""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING

import aiohttp
import pytest
import pytest_asyncio

from simulator.faults import FaultKind
from simulator.fyers.auth import TOKEN_EXPIRED
from simulator.fyers.hsm import FrameType
from tests.oracle.test_hsm_frames import request, scrips

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.oracle.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="module")

SUBSCRIBE = request(4, (1, scrips("sf|nse_cm|3045")), (2, bytes([11])))
SUBSCRIBE_NOTHING = request(4, (1, scrips("sf|nse_cm|0")), (2, bytes([11])))
PATIENCE_S = 20.0


def login(key: str) -> bytes:
    return request(1, (1, key.encode()), (2, b"P"), (3, b"\x01"), (4, b"test"))


@pytest_asyncio.fixture(loop_scope="module")
async def socket(stage: Stage) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    address = stage.simulator.urls.data_socket_url
    async with aiohttp.ClientSession() as session, session.ws_connect(address) as opened:
        yield opened


async def answer(socket: aiohttp.ClientWebSocketResponse, frame: bytes) -> tuple[int, bytes]:
    """Type and first field of what the server says to this frame."""
    await socket.send_bytes(frame)
    said = await socket.receive_bytes(timeout=PATIENCE_S)
    length = struct.unpack(">H", said[5:7])[0]
    return said[2], said[7 : 7 + length]


async def test_nothing_is_told_before_the_login(socket: aiohttp.ClientWebSocketResponse) -> None:
    assert await answer(socket, SUBSCRIBE) == (FrameType.SUBSCRIBE, b"N")


async def test_a_key_that_was_never_given_out_is_refused(socket: aiohttp.ClientWebSocketResponse) -> None:
    assert await answer(socket, login("nobody")) == (FrameType.AUTH, b"N")


async def test_the_key_of_an_expired_token_is_refused(
    socket: aiohttp.ClientWebSocketResponse, stage: Stage
) -> None:
    token = stage.simulator.face.tokens.issue(stage.client)
    stage.simulator.face.tokens.spoil(stage.client_id, TOKEN_EXPIRED)
    assert await answer(socket, login(token.hsm_key)) == (FrameType.AUTH, b"N")


async def test_topics_that_do_not_exist_are_refused(
    socket: aiohttp.ClientWebSocketResponse, stage: Stage
) -> None:
    key = stage.simulator.face.tokens.issue(stage.client).hsm_key
    assert await answer(socket, login(key)) == (FrameType.AUTH, b"K")
    assert await answer(socket, SUBSCRIBE_NOTHING) == (FrameType.SUBSCRIBE, b"N")


@pytest.mark.parametrize("rubbish", [b"", b"\0", b"\xff" * 40, request(4, (1, b"\0\1\xff"), (2, b"\x0b"))])
async def test_rubbish_is_answered_and_the_connection_goes_on(
    socket: aiohttp.ClientWebSocketResponse, stage: Stage, rubbish: bytes
) -> None:
    kind, code = await answer(socket, rubbish)
    assert (kind, struct.unpack(">i", code)) == (FrameType.CUSTOM, (-50,))
    await socket.send_str("text is not of this protocol")
    key = stage.simulator.face.tokens.issue(stage.client).hsm_key
    assert await answer(socket, login(key)) == (FrameType.AUTH, b"K")
    assert await answer(socket, SUBSCRIBE) == (FrameType.SUBSCRIBE, b"K")
    tick = await socket.receive_bytes(timeout=PATIENCE_S)
    assert tick[2] == FrameType.DATA
    assert tick[9:10] == b"S"
    first = tick.index(b"sf|nse_cm|3045") + len("sf|nse_cm|3045") + 1
    assert struct.unpack(">i", tick[first : first + 4])[0] == stage.market("NSE:SBIN-EQ").ltp


async def test_a_client_that_leaves_is_forgotten(stage: Stage) -> None:
    async with aiohttp.ClientSession() as session:
        opened = await session.ws_connect(stage.simulator.urls.data_socket_url)
        await stage.until(lambda: len(stage.simulator.app.data.connections) == 1)
        await opened.close()
    await stage.until(lambda: stage.simulator.app.data.connections == [])


async def test_what_moves_while_ticks_are_held_is_told_with_the_next_move(
    socket: aiohttp.ClientWebSocketResponse, stage: Stage
) -> None:
    key = stage.simulator.face.tokens.issue(stage.client).hsm_key
    assert await answer(socket, login(key)) == (FrameType.AUTH, b"K")
    assert await answer(socket, SUBSCRIBE) == (FrameType.SUBSCRIBE, b"K")
    await socket.receive_bytes(timeout=PATIENCE_S)
    faults, market = stage.simulator.face.faults, stage.market("NSE:SBIN-EQ")
    rule = faults.add(FaultKind.TICKS_HELD)
    stage.simulator.exchange.move("NSE:SBIN-EQ", market.ltp + market.instrument.tick)
    async with asyncio.timeout(PATIENCE_S):
        while not faults.hits[FaultKind.TICKS_HELD]:
            await asyncio.sleep(0)
    faults.remove(rule.id)
    stage.simulator.exchange.move("NSE:SBIN-EQ", market.ltp + market.instrument.tick)
    tick = await socket.receive_bytes(timeout=PATIENCE_S)
    assert struct.pack(">i", market.ltp) in tick
