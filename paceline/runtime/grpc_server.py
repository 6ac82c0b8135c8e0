"""The gRPC server of a service: health, reflection, keepalives, TLS, and an end that drains."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from paceline.runtime.common_settings import CommonSettings
from paceline.runtime.domain_errors import map_domain_error
from paceline.runtime.failure import SetupError, demand_free_port
from paceline.runtime.grpc_options import Tls, server_options, tls_of
from paceline.runtime.grpc_server_calls import Served, ServerCalls
from paceline.runtime.grpc_status import MapError
from paceline.runtime.lifecycle import Runtime
from paceline.runtime.log import Logger
from paceline.runtime.metrics import Metrics
from paceline.runtime.readiness import Readiness
from paceline.runtime.telemetry import Telemetry

Register: TypeAlias = Callable[[Any, Any], None]
"""A generated `add_…Servicer_to_server`."""

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
_UNARY_GRACE_S = 5.0
_STREAM_GRACE_S = 1.0


@dataclass(frozen=True, slots=True)
class Listen:
    """Where and how a server listens."""

    host: str = "127.0.0.1"
    port: int = 0
    tls: Tls | None = None
    tls_required: bool = False
    deadline_s: float = 10.0
    setting_name: str = "PACELINE_GRPC_PORT"


def listen_of(settings: CommonSettings) -> Listen:
    return Listen(
        settings.grpc_host,
        settings.grpc_port,
        tls_of(settings),
        settings.tls_required,
        settings.rpc_deadline_ms / 1000,
    )


class GrpcServer:
    """Add servicers, then start. Health follows readiness, for the whole and for each service."""

    def __init__(
        self,
        listen: Listen,
        *,
        metrics: Metrics,
        telemetry: Telemetry,
        readiness: Readiness,
        draining: asyncio.Event,
        log: Logger,
        map_error: MapError = map_domain_error,
    ) -> None:
        self._listen = listen
        self._readiness = readiness
        self._draining = draining
        self._streams: set[asyncio.Task[Any]] = set()
        served = Served(telemetry, log, map_error, listen.deadline_s, draining, self._streams)
        self._server = grpc.aio.server(interceptors=[ServerCalls(served, metrics)], options=server_options())
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._names: list[str] = []
        self._told: asyncio.Task[None] | None = None
        self.port = 0

    def add(self, register: Register, servicer: object, name: str) -> None:
        """Serve a servicer under its full name (`FeedService.full_name` of its descriptor)."""
        register(servicer, self._server)
        self._names.append(name)

    async def start(self) -> None:
        names = (*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        self.port = self._bind()
        await self._server.start()
        self._readiness.subscribe(self._tell_health)

    async def stop(self) -> None:
        """Refuse what is new, let unary calls end, then cut the streams that did not end on `draining`."""
        self._draining.set()
        await self._health.enter_graceful_shutdown()
        stopping = asyncio.ensure_future(self._server.stop(_UNARY_GRACE_S))
        await asyncio.wait({stopping}, timeout=_STREAM_GRACE_S)
        for stream in tuple(self._streams):
            stream.cancel()
        await stopping

    def _bind(self) -> int:
        listen = self._listen
        credentials = self._credentials()
        demand_free_port(listen.setting_name, listen.host, listen.port)  # gRPC's own words name no setting
        address = f"[{listen.host}]:{listen.port}" if ":" in listen.host else f"{listen.host}:{listen.port}"
        if credentials is None:
            return self._server.add_insecure_port(address)
        return self._server.add_secure_port(address, credentials)

    def _credentials(self) -> grpc.ServerCredentials | None:
        tls = self._listen.tls
        if tls is None:
            if self._listen.tls_required:
                raise SetupError("PACELINE_TLS_REQUIRED is set and there is no certificate to serve with")
            return None
        authority = tls.authority()
        return grpc.ssl_server_credentials(
            [tls.pair()], root_certificates=authority, require_client_auth=authority is not None
        )

    def _tell_health(self, ready: bool) -> None:
        status = _SERVING if ready else _NOT_SERVING
        before = self._told

        async def tell() -> None:
            if before is not None:
                await before
            for name in ("", *self._names):
                await self._health.set(name, status)

        self._told = asyncio.get_running_loop().create_task(tell())


def grpc_server(runtime: Runtime[Any], *, map_error: MapError = map_domain_error) -> GrpcServer:
    """The server of a service, as its settings say."""
    return GrpcServer(
        listen_of(runtime.settings),
        metrics=runtime.metrics,
        telemetry=runtime.telemetry,
        readiness=runtime.readiness,
        draining=runtime.draining,
        log=runtime.log,
        map_error=map_error,
    )
