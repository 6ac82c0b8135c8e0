"""The gateway as a process: it starts on real stores, serves, says what it serves, and ends cleanly."""

import base64
import os
import signal
import subprocess
import sys
from typing import Any, cast

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from paceline.api.v1 import account_pb2, account_pb2_grpc
from paceline.embedded.leash import end, spawn_leashed
from paceline.embedded.ports import free_port
from tests.integration.gateway.house import account

PATIENCE_S = 30
SERVICES = {
    f"paceline.api.v1.{name}Service"
    for name in ("Account", "Auth", "Query", "Risk", "Session", "Signal", "Subscription")
}


async def names_served(channel: grpc.aio.Channel) -> set[str]:
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(cast(Any, channel))
    call = stub.ServerReflectionInfo()
    await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    answer: Any = await call.read()
    await call.done_writing()
    return {each.name for each in answer.list_services_response.service}


async def test_it_serves_every_public_service_until_it_is_told_to_stop(
    postgres_url: str, redis_url: str
) -> None:
    port = free_port()
    environment = {
        **os.environ,
        "PACELINE_POSTGRES_URL": postgres_url,
        "PACELINE_REDIS_URL": redis_url,
        "PACELINE_GRPC_PORT": str(port),
        "PACELINE_METRICS_PORT": "0",
        "PACELINE_ENCRYPTION_KEY": base64.b64encode(os.urandom(32)).decode(),
    }
    child = spawn_leashed(
        [sys.executable, "-m", "services.gateway"], env=environment, stdout=subprocess.DEVNULL
    )
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)
            watch = health.Watch(health_pb2.HealthCheckRequest(), timeout=PATIENCE_S, wait_for_ready=True)
            while (await watch.read()).status != health_pb2.HealthCheckResponse.SERVING:
                pass
            assert await names_served(channel) >= SERVICES
            accounts = account_pb2_grpc.AccountServiceStub(channel)
            asked = account_pb2.CreateAccountRequest(request_id="r1", account=account("XP1"))
            made = await accounts.CreateAccount(asked, timeout=PATIENCE_S)
            assert made.account.account_id == "fyers:XP1"
            watch.cancel()
        child.send_signal(signal.SIGTERM)
        assert child.wait(PATIENCE_S) == 0
    finally:
        end(child, signal.SIGTERM, within_s=PATIENCE_S)


def test_its_help_names_every_setting() -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "services.gateway", "--help"], capture_output=True, text=True, check=True
    )
    assert "PACELINE_REQUESTS_KEPT_H" in answer.stdout
    assert "PACELINE_ENCRYPTION_KEY" in answer.stdout
