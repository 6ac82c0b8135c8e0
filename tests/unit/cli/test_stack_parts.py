"""Ports, keys, results and revisions of a stack."""

import json
import socket
import stat
import subprocess
import sys
import threading
from base64 import b64decode
from pathlib import Path

import pytest

from paceline.cli.keys import encryption_key
from paceline.cli.migrating import goes_back
from paceline.cli.output import write_json
from paceline.cli.ports import Ports
from paceline.cli.processes import SERVICES, Process, StackError, replica_name
from paceline.embedded.ports import LOOPBACK


def test_rows_of_ports_never_overlap_between_services_and_replicas() -> None:
    ports = Ports(50_051, 9_464, 9_800)
    rows = [ports.of_service(service, replica) for replica in range(2) for service in SERVICES]
    assert [grpc for grpc, _ in rows] == list(range(50_051, 50_061))
    assert [metrics for _, metrics in rows] == list(range(9_464, 9_474))
    assert ports.of_broker() == (9_800, 9_801)


def test_without_a_first_port_any_free_ones_are_taken() -> None:
    grpc, metrics = Ports().of_service("feed", 0)
    assert grpc != metrics
    assert min(grpc, metrics) > 1_023
    assert Ports().of_broker() == (0, 0)
    Ports().demand_free(2, broker=True)


def test_every_taken_port_is_named_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StackError) as caught:
            Ports(grpc=port, broker=port).demand_free(1, broker=True)
        Ports(broker=port).demand_free(1, broker=False)
    first, second = str(caught.value).splitlines()
    assert first.startswith(f"feed gRPC (--grpc-port): port {port} on 127.0.0.1 is taken")
    assert second.startswith(f"simulated broker (--broker-port): port {port} on 127.0.0.1 is taken")


def test_replicas_are_told_apart_by_name() -> None:
    assert [replica_name("feed", replica) for replica in range(2)] == ["feed", "feed-2"]


def test_a_key_is_made_once_and_kept_for_its_owner_alone(tmp_path: Path) -> None:
    data = tmp_path / "data"
    key = encryption_key(data)
    assert encryption_key(data) == key
    assert len(b64decode(key)) == 32
    (file,) = data.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert encryption_key(None) != encryption_key(None)


def test_a_crash_while_the_key_is_written_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "encryption.making").write_text("half")
    key = encryption_key(tmp_path)
    assert len(b64decode(key)) == 32
    assert [file.name for file in tmp_path.iterdir()] == ["encryption.key"]


def test_results_go_to_a_file_or_alone_to_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_json("-", {"met": True})
    assert json.loads(capsys.readouterr().out) == {"met": True}
    write_json(str(tmp_path / "out.json"), {"met": False})
    assert json.loads((tmp_path / "out.json").read_text()) == {"met": False}
    write_json(None, {"met": None})
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("at", "to", "back"),
    [
        (None, "head", False),
        (None, "base", False),
        ("0004", "head", False),
        ("0004", "base", True),
        ("0004", "0003", True),
        ("0004", "0004", False),
        ("0004", "0005", False),
    ],
)
def test_an_older_revision_is_back(at: str | None, to: str, back: bool) -> None:
    assert goes_back(at, to) is back


def test_a_stranger_on_the_port_of_a_service_is_no_sign_of_life() -> None:
    with socket.create_server((LOOPBACK, 0)) as stranger:
        greets = threading.Thread(target=_greet, args=(stranger,))
        greets.start()
        child = subprocess.Popen([sys.executable, "-c", ""])
        try:
            process = Process("feed", "feed", 0, stranger.getsockname()[1], None, child)
            assert process.waiting_for() == "its first sign of life"
        finally:
            child.wait()
            greets.join()


def _greet(stranger: socket.socket) -> None:
    """As a server of HTTP/2, who speaks first."""
    visitor, _ = stranger.accept()
    with visitor:
        visitor.sendall(bytes(3) + b"\x04" + bytes(5) + b"\r\n")
