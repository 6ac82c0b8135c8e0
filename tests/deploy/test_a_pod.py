"""A service started as its pod is, asked by the very probes of its manifest."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy.helm.generate import SERVICES
from paceline.embedded.ports import free_port
from tests.deploy.chart import Rendered, render

NOWHERE = {
    "PACELINE_POSTGRES_URL": "postgresql://paceline:opensesame@127.0.0.1:1/paceline",
    "PACELINE_REDIS_URL": "redis://127.0.0.1:1/0",
    "PACELINE_ENCRYPTION_KEY": "A" * 43 + "=",
}
WITHIN_S = 30.0


def until(met: Callable[[], bool], why: str) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not met():
        assert time.monotonic() < deadline, why
        time.sleep(0.02)


@contextmanager
def pod(rendered: Rendered, service: str) -> Iterator["subprocess.Popen[str]"]:
    """The process of a pod on 127.0.0.1: its command, its environment and nothing else."""
    given = rendered.environment(service, NOWHERE) | {"POD_IP": "127.0.0.1"}
    expanded = {
        name: re.sub(r"\$\((\w+)\)", lambda found: given[found[1]], text) for name, text in given.items()
    }
    command = str(Path(sys.executable).with_name(f"paceline-{service}"))
    process = subprocess.Popen(
        [command],
        env={"PATH": os.defpath, **expanded},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def status(rendered: Rendered, service: str, path: str) -> int | None:
    ports = {each["name"]: each["containerPort"] for each in rendered.container(service)["ports"]}
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{ports['metrics']}{path}", timeout=2) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        refusal.close()
        return refusal.code
    except OSError:
        return None


@pytest.mark.e2e
@pytest.mark.parametrize("service", SERVICES)
def test_a_pod_without_its_stores_lives_waits_and_ends_in_order(service: str) -> None:
    """Killing it would not bring a database back: alive, not ready, and gone in time when told."""
    grpc_port, metrics_port = free_port(), free_port()
    settings: dict[str, Any] = {"grpc_port": grpc_port, "metrics_port": metrics_port}
    rendered = render({"services": {service: {"settings": settings}}})
    container = rendered.container(service)
    alive = container["livenessProbe"]["httpGet"]["path"]
    with pod(rendered, service) as process:
        until(lambda: process.poll() is not None or status(rendered, service, alive) == 200, "never alive")
        assert process.poll() is None, process.communicate()[0]
        until(lambda: status(rendered, service, "/readyz") == 503, "never said that it waits")
        assert status(rendered, service, alive) == 200
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 0, output
    assert "waiting for a store" in output
    assert "127.0.0.1:1" in output
    assert "opensesame" not in output
