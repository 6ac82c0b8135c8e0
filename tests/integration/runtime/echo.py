"""A service without protos: bytes in, bytes out. What the runtime adds to RPCs is tried on it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio

from paceline.runtime.grpc_client import open_channel
from paceline.runtime.grpc_client_calls import ClientCalls
from paceline.runtime.grpc_options import Tls
from paceline.runtime.grpc_server import GrpcServer, Listen
from paceline.runtime.log import get_logger
from paceline.runtime.metrics import Metrics
from paceline.runtime.readiness import Readiness
from paceline.runtime.telemetry import Telemetry, start_telemetry

NAME = "test.v1.EchoService"
Unary = Callable[[bytes, Any], Awaitable[bytes]]


async def echo(request: bytes, _context: Any) -> bytes:
    return request


@dataclass
class EchoService:
    """Methods by name; each test puts in what it needs."""

    unary: dict[str, Any] = field(default_factory=lambda: {"Echo": echo})
    server_streams: dict[str, Any] = field(default_factory=dict)
    streams: dict[str, Any] = field(default_factory=dict)

    def register(self, _servicer: object, server: Any) -> None:
        handlers: dict[str, Any] = {}
        for name, method in self.unary.items():
            handlers[name] = grpc.unary_unary_rpc_method_handler(method)
        for name, method in self.server_streams.items():
            handlers[name] = grpc.unary_stream_rpc_method_handler(method)
        for name, method in self.streams.items():
            handlers[name] = grpc.stream_stream_rpc_method_handler(method)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(NAME, handlers),))


@dataclass
class Wire:
    """A server that runs and everything around it."""

    server: GrpcServer
    calls: ClientCalls
    metrics: Metrics
    readiness: Readiness
    draining: asyncio.Event
    telemetry: Telemetry

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    @asynccontextmanager
    async def channel(self, tls: Tls | None = None, **options: Any) -> AsyncIterator[grpc.aio.Channel]:
        channel = open_channel(self.address, self.calls, tls=tls, **options)
        try:
            yield channel
        finally:
            await channel.close()


def method(channel: grpc.aio.Channel, name: str) -> Any:
    return channel.unary_unary(f"/{NAME}/{name}")


def server_stream(channel: grpc.aio.Channel, name: str) -> Any:
    return channel.unary_stream(f"/{NAME}/{name}")


def stream(channel: grpc.aio.Channel, name: str) -> Any:
    return channel.stream_stream(f"/{NAME}/{name}")


async def read_to_the_end(call: Any) -> None:
    """All that a stream still brings, or the error that ends it."""
    while await call.read() is not grpc.aio.EOF:
        pass


@asynccontextmanager
async def serving(
    service: EchoService,
    *,
    listen: Listen | None = None,
    telemetry: Telemetry | None = None,
    client_deadline_s: float = 5.0,
) -> AsyncIterator[Wire]:
    """The service behind a real server on a free port, until the block ends."""
    metrics, readiness, draining = Metrics(), Readiness(), asyncio.Event()
    traces = telemetry or start_telemetry(service="echo", replica_id="1")
    server = GrpcServer(
        listen or Listen(),
        metrics=metrics,
        telemetry=traces,
        readiness=readiness,
        draining=draining,
        log=get_logger("echo"),
    )
    server.add(service.register, service, NAME)
    await server.start()
    calls = ClientCalls(metrics=metrics, telemetry=traces, deadline_s=client_deadline_s)
    try:
        yield Wire(server, calls, metrics, readiness, draining, traces)
    finally:
        await server.stop()
