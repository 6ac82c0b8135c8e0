"""Ports that are free, and stay ours until their server listens."""

import json
import socket
import subprocess
import sys

import pytest

from paceline.embedded import ports
from paceline.embedded.ports import LOOPBACK, free_port

TAKER = """
import json, sys
from paceline.embedded.ports import free_port
print(json.dumps([free_port() for _ in range(300)]), flush=True)
sys.stdin.read()
"""


def test_no_two_processes_that_live_are_given_the_same_port() -> None:
    takers = [
        subprocess.Popen([sys.executable, "-c", TAKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    try:
        given = [port for taker in takers if taker.stdout for port in json.loads(taker.stdout.readline())]
    finally:
        for taker in takers:
            taker.communicate()
    assert len(given) == len(set(given)) == 600


def test_a_port_is_none_that_a_caller_of_anything_may_have_as_his_own() -> None:
    first_of_linux = 32_768
    assert all(1_024 < free_port() < first_of_linux for _ in range(100))


def test_what_a_stranger_listens_on_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((LOOPBACK, free_port())) as taken:
        number = taken.getsockname()[1]
        monkeypatch.setattr(ports, "_FIRST", number)
        monkeypatch.setattr(ports, "_LAST", number)
        with pytest.raises(OSError, match=f"no free port on {LOOPBACK} between {number} and {number}"):
            free_port()
