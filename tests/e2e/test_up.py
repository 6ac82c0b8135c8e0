"""`paceline up`: what it starts is told, and gone with it, however it ends."""

import json
import signal
import socket
import stat
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from paceline.cli.processes import SERVICES, start_simulator
from paceline.cli.stack import BROKER_URLS
from paceline.embedded.leash import end
from tests.e2e.second_day import Desk
from tests.e2e.stage import paceline, wait_until

pytestmark = pytest.mark.e2e
ANY_PORTS = ("--grpc-port", "0", "--metrics-port", "0", "--broker-port", "0")


@pytest.fixture
def temp(tmp_path: Path) -> Path:
    """Short: sockets live in it."""
    return tmp_path / "t"


def test_a_killed_parent_leaves_no_process_socket_directory_or_lock(temp: Path) -> None:
    up = paceline("up", *ANY_PORTS, temp=temp)
    try:
        endpoints = up.endpoints()
        assert {f"{service} gRPC" for service in SERVICES} <= endpoints.keys()
        for service in SERVICES:
            assert _ready(endpoints[f"{service} metrics"])
        assert len(up.family()) > len(SERVICES) + 3
        assert up.end(signal.SIGKILL) == -signal.SIGKILL
        wait_until(lambda: not up.left_behind(), "nothing is left behind", within_s=15)
    finally:
        up.close()
    for name, url in endpoints.items():
        assert not _answers(url), f"{name} still answers at {url}"


def test_named_stores_are_used_and_left_alone_and_a_signal_ends_all_in_order(
    temp: Path, empty_postgres_url: str, redis_url: str
) -> None:
    stores = {"DATABASE_URL": empty_postgres_url, "PACELINE_REDIS_URL": redis_url}
    up = paceline("up", *ANY_PORTS, temp=temp, environment=stores)
    try:
        assert "gateway gRPC" in up.endpoints()
        assert not [each for each in up.family() if "postgres" in each or "valkey" in each]
        assert up.end(signal.SIGTERM) == 0
    finally:
        up.close()
    assert up.left_behind() == []
    assert "starting PostgreSQL" not in up.stderr
    ended = [line.split("service=")[1].split()[0] for line in up.stderr.splitlines() if "] stopped " in line]
    assert ended == list(reversed(SERVICES))
    assert "GRPC" not in up.stderr
    assert "Traceback" not in up.stderr


def test_taken_ports_are_all_said_with_their_names(temp: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        up = paceline("up", "--grpc-port", port, "--metrics-port", "0", "--broker-port", port, temp=temp)
        code = up.wait()
    words = f"port {port} on 127.0.0.1 is taken by another process; stop it or choose another port"
    assert code == 1
    assert f"feed gRPC (--grpc-port): {words}" in up.stderr
    assert f"simulated broker (--broker-port): {words}" in up.stderr
    assert "Traceback" not in up.stderr
    assert up.left_behind() == []


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A broker that outlives the stacks that trade there."""
    child, urls = start_simulator({}, tmp_path / "simulator.log", ["--port", "0"])
    yield urls
    end(child, signal.SIGTERM, within_s=10)
    assert child.stdout is not None
    child.stdout.close()


def test_kept_data_knows_the_trade_of_the_run_before_and_opens_its_keys(
    temp: Path, tmp_path: Path, broker: dict[str, str]
) -> None:
    data = tmp_path / "kept"
    named = {name: broker[key] for name, key in BROKER_URLS.items()}
    named["PACELINE_MARKET_HOURS"] = "always-open"
    up = paceline("up", *ANY_PORTS, "--data", str(data), temp=temp, environment=named)
    try:
        desk = Desk(up.endpoints()["gateway gRPC"], broker["control_url"])
        before = desk.enrol_and_buy(10)
        busy = paceline("up", *ANY_PORTS, "--data", str(data), temp=tmp_path / "b", environment=named)
        assert busy.wait() == 1
        assert f"{data / 'postgres'} is in use by process" in busy.stderr
        assert up.end(signal.SIGTERM) == 0
    finally:
        up.close()
    assert stat.S_IMODE((data / "encryption.key").stat().st_mode) == 0o600
    again = paceline("up", *ANY_PORTS, "--data", str(data), temp=temp, environment=named)
    try:
        desk = Desk(again.endpoints()["gateway gRPC"], broker["control_url"])
        assert desk.known_fills() == before
        assert desk.sell_and_count(10) == len(before) + 1
        assert desk.positions() == {0}
        assert again.end(signal.SIGTERM) == 0
    finally:
        again.close()
    assert again.left_behind() == []


def _ready(metrics_url: str) -> bool:
    url = metrics_url.replace("/metrics", "/readyz")
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - it told us so itself
        return bool(json.load(answer) == {"status": "ready"})


def _answers(url: str) -> bool:
    place = url.removeprefix("http://").split("/")[0]
    host, _, port = place.rpartition(":")
    if not port.isdigit():
        return Path(url).exists()
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True
