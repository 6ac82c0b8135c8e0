"""The process: its start, its end, its leash, TLS, and the measurement of it."""

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import simulator
from simulator import bench
from simulator.__main__ import main, parser, settings_of
from simulator.leash import die_with_parent
from simulator.limits import Quota
from tests.simulator.kit import Broker, body

PATIENCE_S = 20
HEIR = """
import subprocess, sys
subprocess.Popen([sys.executable, "-m", "simulator", "--print-url", "--die-with-parent"]).wait()
"""


@pytest.fixture
def started() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator", "--print-url", "--per-second", "3"],
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()


def test_it_says_where_it_is_and_ends_on_sigterm(started: subprocess.Popen[str]) -> None:
    assert started.stdout is not None
    urls = json.loads(started.stdout.readline())
    named = ("api", "data", "order_socket", "data_socket", "symbols", "auth", "control")
    assert set(urls) == {f"{one}_url" for one in named}
    started.terminate()
    assert started.wait(PATIENCE_S) == 0


def test_it_dies_with_its_parent() -> None:
    parent = subprocess.Popen([sys.executable, "-c", HEIR], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    parent.stdout.readline()
    parent.kill()
    # the pipe ends when the last process that holds it is gone
    assert parent.stdout.read() == ""
    parent.wait(PATIENCE_S)
    parent.stdout.close()


def test_the_leash_ends_an_orphan_at_once() -> None:
    child = os.fork()
    if child == 0:  # pragma: no cover - the child's own coverage is lost
        try:
            die_with_parent(parent_pid=1 if os.getppid() != 1 else 2)
        except SystemExit as ended:
            os._exit(40 + int(ended.code or 0))
        os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 40


def test_settings_come_from_the_command_line() -> None:
    options = parser().parse_args(
        [
            "--seed",
            "9",
            "--per-minute",
            "7",
            "--no-refresh",
            "--universe-date",
            "2026-11-02",
            "--binary-frames",
        ]
    )
    settings = settings_of(options)
    assert (settings.seed, settings.quota.per_minute, settings.refresh_supported) == (9, 7, False)
    assert (settings.binary_frames, settings.is_tls, str(settings.universe_date)) == (
        True,
        False,
        "2026-11-02",
    )


def test_a_port_that_is_taken_is_said(
    started: subprocess.Popen[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert started.stdout is not None
    port = json.loads(started.stdout.readline())["api_url"].split(":")[2].split("/")[0]
    assert main(["--port", port]) == 1
    assert "cannot listen" in capsys.readouterr().err


def test_it_serves_in_this_process_until_it_is_told_to_end(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    assert main(["--ready-fd", str(writing)]) == 0
    with os.fdopen(reading) as ready:
        assert "control_url" in json.loads(ready.readline())


def test_the_measurement_gives_its_figures(tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    assert main(["bench", "--accounts", "4", "--seconds", "0.3", "--json", str(target)]) == 0
    figures = json.loads(target.read_text())["figures"]
    assert figures["orders"] > 0
    assert figures["refused"] == 0
    assert figures["frames"] == 5 * figures["orders"]
    assert figures["cpu_us_per_order"] > 0


def test_the_measurement_prints_its_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.main(["--accounts", "2", "--seconds", "0.1", "--no-sockets"]) == 0
    assert json.loads(capsys.readouterr().out)["figures"]["frames"] == 0


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "simulator")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_path, key_path = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert_path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return cert_path, key_path


async def test_it_speaks_tls(certificate: tuple[Path, Path]) -> None:
    cert, key_path = certificate
    settings = simulator.Settings(tls_cert=cert, tls_key=key_path, quota=Quota(0, 0, 0))
    trust = ssl.create_default_context(cafile=str(cert))
    async with (
        simulator.serve(settings) as served,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as session,
    ):
        broker = Broker(served, session)
        assert served.urls.api_url.startswith("https://")
        assert served.urls.order_socket_url.startswith("wss://")
        key = broker.authorization(broker.client())
        socket = await broker.socket(key)
        assert (await broker.call(key, "POST", "/orders/sync", body()))[0] == 200
        assert len(await socket.hear_frames(5)) == 5
        await socket.connection.close()
        await asyncio.sleep(0)
