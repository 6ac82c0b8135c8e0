"""Measure a simulator: orders per second over warm connections, order sockets open, and CPU per order."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import uvloop

from simulator.server import Urls

BAR_ORDERS_PER_S = 4_000
ORDER = {
    "symbol": "NSE:SBIN-EQ",
    "qty": 1,
    "type": 2,
    "side": 1,
    "productType": "INTRADAY",
    "limitPrice": 0,
    "stopPrice": 0,
    "validity": "DAY",
    "disclosedQty": 0,
    "offlineOrder": False,
    "orderTag": "bench",
}
SUBSCRIBE = '{"T":"SUB_ORD","SLIST":["orders","trades","positions"],"SUB_T":1}'
END_OF_HEAD = b"\r\n\r\n"


@dataclass(slots=True)
class Load:
    """What the client counts."""

    sent: int = 0
    answered: int = 0
    refused: int = 0
    frames: int = 0
    running: bool = True


class Placer(asyncio.Protocol):
    """One warm connection that places an order as soon as the last one was answered."""

    def __init__(self, load: Load, requests: tuple[bytes, bytes]) -> None:
        self._load = load
        self._requests = requests
        self._turn = 0
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a TCP transport

    def go(self) -> None:
        assert self._transport is not None  # noqa: S101 - connected before it goes
        self._transport.write(self._requests[self._turn])
        self._turn ^= 1
        self._load.sent += 1

    def hang_up(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(END_OF_HEAD)
        if not found or len(body) < _length(head):
            return
        self._buffer = b""
        self._load.answered += 1
        if b'"code":1101' not in body:
            self._load.refused += 1
        if self._load.running:
            self.go()


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return 0


def _request(authority: str, authorization: str, side: int) -> bytes:
    body = json.dumps({**ORDER, "side": side}).encode()
    head = (
        f"POST /api/v3/orders/sync HTTP/1.1\r\nHost: {authority}\r\nAuthorization: {authorization}\r\n"
        f"Content-Type: application/json\r\nversion: 3\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _listen(session: aiohttp.ClientSession, url: str, authorization: str, load: Load) -> None:
    async with session.ws_connect(url, headers={"authorization": authorization}, compress=0) as socket:
        await socket.send_str(SUBSCRIBE)
        async for _ in socket:
            load.frames += 1


async def _post(session: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> dict[str, Any]:
    async with session.post(url, json=body) as response:
        answer: dict[str, Any] = await response.json()
        return answer


async def _cpu_ns(session: aiohttp.ClientSession, urls: Urls) -> int:
    async with session.get(f"{urls.control_url}/stats", params={"only": "totals"}) as response:
        return int((await response.json())["process"]["cpu_ns"])


async def drive(urls: Urls, accounts: int, seconds: float, *, sockets: bool) -> dict[str, Any]:
    """Load a running simulator and give the figures."""
    load = Load()
    loop = asyncio.get_running_loop()
    where = urlsplit(urls.api_url)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        made = await _post(session, f"{urls.control_url}/accounts", {"count": accounts, "prefix": "XB"})
        keys = [one["authorization"] for one in made["accounts"]]
        listeners = [
            asyncio.create_task(_listen(session, urls.order_socket_url, key, load)) for key in keys if sockets
        ]
        while load.frames < len(listeners):  # noqa: ASYNC110 - counters of a load, polled
            await asyncio.sleep(0.01)
        load.frames = 0
        placers = []
        for key in keys:
            requests = (_request(where.netloc, key, 1), _request(where.netloc, key, -1))
            _, placer = await loop.create_connection(
                lambda requests=requests: Placer(load, requests),  # type: ignore[misc]  # bound per turn
                str(where.hostname),
                where.port or 80,
            )
            placers.append(placer)
        figures = await _measure(session, urls, load, placers, seconds)
        for placer in placers:
            placer.hang_up()
        for task in listeners:
            task.cancel()
        await asyncio.gather(*listeners, return_exceptions=True)
    return figures


async def _measure(
    session: aiohttp.ClientSession, urls: Urls, load: Load, placers: list[Placer], seconds: float
) -> dict[str, Any]:
    cpu, began, own = await _cpu_ns(session, urls), time.perf_counter(), time.process_time_ns()
    for placer in placers:
        placer.go()
    await asyncio.sleep(seconds)
    load.running = False
    while load.answered < load.sent:  # noqa: ASYNC110 - counters of a load, polled
        await asyncio.sleep(0.005)
    elapsed = time.perf_counter() - began
    spent = await _cpu_ns(session, urls) - cpu
    per_order = spent / max(1, load.answered) / 1000
    return {
        "orders": load.answered,
        "refused": load.refused,
        "frames": load.frames,
        "orders_per_s": round(load.answered / elapsed, 1),
        "cpu_us_per_order": round(per_order, 1),
        "orders_per_cpu_s": round(1_000_000 / per_order, 1) if per_order else 0.0,
        "client_cpu_us_per_order": round((time.process_time_ns() - own) / max(1, load.answered) / 1000, 1),
    }


def measure(accounts: int, seconds: float, *, sockets: bool) -> dict[str, Any]:
    """Start a simulator in a process of its own, load it from this one, end it."""
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "simulator", "--per-second", "0", "--per-minute", "0", "--per-day", "0"]
    process = subprocess.Popen(  # noqa: S603 - this very program
        [*command, "--ready-fd", str(writing), "--die-with-parent"], pass_fds=(writing,)
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as pipe:
            urls = Urls(**json.loads(pipe.readline()))
        return uvloop.run(drive(urls, accounts, seconds, sockets=sockets))
    finally:
        process.terminate()
        process.wait()


def main(arguments: list[str]) -> int:
    made = argparse.ArgumentParser(prog="simulator bench", description=__doc__)
    made.add_argument("--accounts", type=int, default=100)
    made.add_argument("--seconds", type=float, default=5.0)
    made.add_argument("--no-sockets", action="store_true", help="without order sockets")
    made.add_argument("--json", type=Path, help="write the figures to this file; - is standard output")
    options = made.parse_args(arguments)
    figures = measure(options.accounts, options.seconds, sockets=not options.no_sockets)
    rate = figures["orders_per_cpu_s"]
    met = rate >= BAR_ORDERS_PER_S
    result = {"name": "simulator", "figures": figures, "bar": BAR_ORDERS_PER_S, "met": met}
    text = json.dumps(result, indent=2)
    if options.json is not None and str(options.json) != "-":
        options.json.write_text(text + "\n")
    else:
        sys.stdout.write(text + "\n")
    return 0
