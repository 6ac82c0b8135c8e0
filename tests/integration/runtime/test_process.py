"""A service as a process: what it says, what it answers, how it ends."""

import asyncio
import json
import os
import signal
import socket
import sys
import urllib.error
import urllib.request
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from paceline.embedded.leash import leashed
from paceline.embedded.ports import free_port
from paceline.embedded.postgres import EmbeddedPostgres
from paceline.runtime.grpc_status import status_of
from tests.integration.runtime.echo import method, read_to_the_end, server_stream

ROOT = Path(__file__).parents[3]


@dataclass
class Tiny:
    """The process and what it has logged so far."""

    process: Process
    logged: list[dict[str, Any]] = field(default_factory=list)
    raw: list[str] = field(default_factory=list)

    async def event(self, name: str) -> dict[str, Any]:
        """The first event of this name, waited for."""
        for each in self.logged:
            if each["event"] == name:
                return each
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            while line := await self.process.stdout.readline():
                self.raw.append(line.decode())
                self.logged.append(json.loads(line))
                if self.logged[-1]["event"] == name:
                    return self.logged[-1]
        raise AssertionError(f"{name!r} was not logged: {self.raw}")

    async def end(self) -> tuple[int, str]:
        """Exit code and everything it wrote."""
        async with asyncio.timeout(30):
            out, err = await self.process.communicate()
        return self.process.returncode or 0, "".join(self.raw) + out.decode() + err.decode()


@asynccontextmanager
async def tiny(*arguments: str, **settings: str) -> AsyncIterator[Tiny]:
    environ = {"PATH": os.environ["PATH"], "PACELINE_GRPC_PORT": "0", "PACELINE_METRICS_PORT": "0"}
    environ |= {f"PACELINE_{name.upper()}": value for name, value in settings.items()}
    command = leashed([sys.executable, "-m", "tests.integration.runtime.tiny_service", *arguments])
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE, env=environ, cwd=ROOT)
    try:
        yield Tiny(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def fetch(port: int, path: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, json.load(refusal)


async def test_wrong_settings_are_one_message_and_exit_2() -> None:
    async with tiny(grpc_port="99999", drain_s="soon", log_levl="debug") as service:
        code, said = await service.end()
    about_postgres = "where events, plans and ledgers are kept: postgresql://user:password@host:5432/database"
    assert code == 2
    assert said.splitlines() == [
        "paceline-tiny: 4 settings are wrong:",
        f"  PACELINE_POSTGRES_URL is required: {about_postgres}",
        "  PACELINE_REDIS_URL is required: where buckets, prices and portfolios are kept: redis://host:6379/0",
        "  PACELINE_GRPC_PORT '99999' is above 65535",
        "  PACELINE_DRAIN_S 'soon' is not a number",
        "  note: PACELINE_LOG_LEVL is not a setting; did you mean PACELINE_LOG_LEVEL?",
    ]


async def test_a_taken_port_is_one_message_and_exit_2(postgres_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for setting in ("grpc_port", "metrics_port"):
            stores = {"postgres_url": postgres_url, "redis_url": "redis://nowhere"}
            async with tiny(**{**stores, setting: port}) as service:
                code, said = await service.end()
            complaints = [line for line in said.splitlines() if not line.startswith("{")]
            assert code == 2
            taken_by = f"port {port} on 127.0.0.1 is taken by another process; stop it or choose another port"
            assert complaints == [f"paceline-tiny: PACELINE_{setting.upper()}: {taken_by}"]


async def test_it_waits_for_a_store_alive_and_not_ready_and_then_serves() -> None:
    metrics_port = free_port()
    with EmbeddedPostgres(durable=False) as postgres:
        postgres.halt()
        async with tiny(
            postgres_url=postgres.tcp_url, redis_url="redis://nowhere", metrics_port=str(metrics_port)
        ) as service:
            waiting = await service.event("waiting for a store")
            place = postgres.tcp_url.rpartition("@")[2].partition("/")[0]
            assert (waiting["store"], waiting["at"], waiting["level"]) == ("PostgreSQL", place, "warning")
            assert await asyncio.to_thread(fetch, metrics_port, "/healthz") == (200, {"status": "alive"})
            status, answer = await asyncio.to_thread(fetch, metrics_port, "/readyz")
            assert status == 503
            assert f"PostgreSQL at {place}" in answer["waiting_for"]
            postgres.restart()
            await service.event("ready")
            assert await asyncio.to_thread(fetch, metrics_port, "/readyz") == (200, {"status": "ready"})
            service.process.send_signal(signal.SIGTERM)
            code, said = await service.end()
    assert code == 0
    password = postgres.tcp_url.partition("paceline:")[2].partition("@")[0]
    assert password not in said


async def test_it_serves_until_told_to_stop_and_drains(postgres_url: str) -> None:
    async with tiny(postgres_url=postgres_url, redis_url="redis://nowhere") as service:
        port = (await service.event("listening"))["grpc_port"]
        await service.event("ready")
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            health = await stub.Check(health_pb2.HealthCheckRequest())
            assert health.status == health_pb2.HealthCheckResponse.SERVING
            assert await method(channel, "Echo")(b"x") == b"x"
            call = server_stream(channel, "Ticks")(b"")
            await call.read()
            service.process.send_signal(signal.SIGTERM)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await read_to_the_end(call)
            assert status_of(caught.value).reason == "DRAINING"
        code, said = await service.end()
    assert code == 0
    assert json.loads(said.splitlines()[-1])["event"] == "stopped"


async def test_a_stop_while_it_waits_for_a_store_is_obeyed() -> None:
    nowhere = f"postgresql://u:hunter2@127.0.0.1:{free_port()}/x"
    async with tiny(postgres_url=nowhere, redis_url="redis://nowhere") as service:
        await service.event("waiting for a store")
        service.process.send_signal(signal.SIGINT)
        code, said = await service.end()
    assert code == 0
    assert "hunter2" not in said


async def test_a_broken_task_ends_the_process_with_its_reason(postgres_url: str) -> None:
    async with tiny(postgres_url=postgres_url, redis_url="redis://nowhere", crash="yes") as service:
        down = await service.event("the service goes down")
        code, said = await service.end()
    assert down["reason"] == "task pump failed: KeyError"
    assert code == 1
    assert "KeyError: 'planted'" in said


async def test_a_drain_is_cut_short_by_its_time_and_by_a_second_signal(postgres_url: str) -> None:
    stores = {"postgres_url": postgres_url, "redis_url": "redis://nowhere", "hang_s": "50"}
    async with tiny(**stores, drain_s="0.2") as service:
        await service.event("ready")
        service.process.send_signal(signal.SIGTERM)
        await service.event("the drain was cut short")
        assert (await service.end())[0] == 1
    async with tiny(**stores, drain_s="50") as service:
        await service.event("ready")
        service.process.send_signal(signal.SIGTERM)
        await service.event("stopping")
        await asyncio.sleep(0.1)
        service.process.send_signal(signal.SIGTERM)
        await service.event("the drain was cut short by a second signal")
        assert (await service.end())[0] == 1


async def test_help_names_every_setting_and_version_the_version() -> None:
    async with tiny("--help") as service:
        code, said = await service.end()
    assert code == 0
    assert "PACELINE_CRASH  (default: false)\n      whether the pump breaks" in said
    assert "PACELINE_POSTGRES_URL  (required, also read as DATABASE_URL)" in said
    async with tiny("--version") as service:
        assert (await service.end())[1].startswith("paceline-tiny ")
    async with tiny("--frobnicate") as service:
        assert (await service.end())[0] == 2
