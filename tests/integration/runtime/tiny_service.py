"""The smallest service: a store to wait for, a server, a task. Started as a process by the tests."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import asyncpg

from paceline.adapters.clock import SystemClock
from paceline.runtime.common_settings import CommonSettings
from paceline.runtime.dependency import POSTGRES_AWAY
from paceline.runtime.grpc_server import grpc_server
from paceline.runtime.lifecycle import Runtime
from paceline.runtime.main import main
from paceline.runtime.settings import setting
from tests.integration.runtime.echo import NAME, EchoService


@dataclass(frozen=True, kw_only=True, slots=True)
class TinySettings(CommonSettings):
    crash: bool = setting(default=False, about="whether the pump breaks")
    hang_s: float = setting(default=0.0, minimum=0, about="how long the stop takes")


async def pump(*, crash: bool) -> None:
    if crash:
        raise KeyError("planted")
    await asyncio.Event().wait()


async def ticks(_request: bytes, _context: Any) -> AsyncIterator[bytes]:
    while True:
        yield b"tick"
        await asyncio.sleep(0.05)


async def compose(runtime: Runtime[TinySettings]) -> None:
    settings = runtime.settings
    url = settings.postgres_url.reveal()
    pool = await runtime.reach(
        "PostgreSQL", settings.postgres_url, lambda: asyncpg.create_pool(url, min_size=1), away=POSTGRES_AWAY
    )
    runtime.on_stop("pool", pool.close)
    runtime.on_stop("hang", lambda: asyncio.sleep(settings.hang_s), stop_s=60)
    server = grpc_server(runtime)
    service = EchoService(server_streams={"Ticks": ticks})
    server.add(service.register, service, NAME)
    await runtime.start(server)
    runtime.spawn("pump", pump(crash=settings.crash))
    runtime.log.info("listening", grpc_port=server.port)


if __name__ == "__main__":
    main("tiny", TinySettings, compose, clock=SystemClock())
