"""The service processes of a stack on one machine: started, watched, ended."""

import http.client
import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from paceline.embedded.leash import give_way, spawn_leashed
from paceline.embedded.ports import LOOPBACK

SERVICES = ("feed", "replicator", "executor", "risk", "gateway")
"""In order of starting; they end in the reverse."""
_GIVE_WAY = {"feed": 5, "risk": 5, "gateway": 5}
"""Here all share a few cores: what a burst of orders leaves behind is read and reckoned when it has left."""
_READY_S = 90.0
_POLL_S = 0.02
_SAY_EVERY_S = 3.0
_STOP_S = 20.0
_TAIL = 3_000
_QUIET_LIBRARIES = {"GRPC_VERBOSITY": "NONE"}
"""gRPC's C core writes lines of its own to stderr; what matters we log ourselves."""

_MODULE = (sys.executable, "-P", "-m")
"""Ours, whatever lies in the directory we were started from."""


class StackError(Exception):
    """Something of the stack did not start or did not stay; the message says what."""


@dataclass(slots=True)
class Process:
    """One replica of one service."""

    name: str
    service: str
    grpc_port: int
    metrics_port: int
    log: Path | None
    child: "subprocess.Popen[bytes]"

    @property
    def pid(self) -> int:
        return self.child.pid

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.grpc_port}"

    @property
    def metrics_url(self) -> str:
        return f"http://{LOOPBACK}:{self.metrics_port}/metrics"

    def waiting_for(self) -> str | None:
        """None once it takes work; else what it waits for, or that it does not answer yet."""
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{self.metrics_port}/readyz", timeout=2):
                return None
        except urllib.error.HTTPError as refusal:
            with refusal:
                return ", ".join(json.load(refusal)["waiting_for"])
        except (OSError, http.client.HTTPException):
            return "its first sign of life"

    def last_words(self) -> str:
        if self.log is None or not self.log.exists():
            return ""
        return self.log.read_bytes()[-_TAIL:].decode(errors="replace")

    def check(self) -> None:
        code = self.child.poll()
        if code is not None:
            raise StackError(f"{self.name} ended with code {code}\n{self.last_words()}")


@dataclass(slots=True)
class Processes:
    """All replicas of all services. `logs` gets one file a process; without it they write to our stderr."""

    environment: Mapping[str, str]
    logs: Path | None
    running: list[Process] = field(default_factory=list)

    def start(self, service: str, replica: int, grpc_port: int, metrics_port: int) -> Process:
        name = replica_name(service, replica)
        log = self.logs / f"{name}.log" if self.logs else None
        child = self._spawn(service, grpc_port, metrics_port, log)
        process = Process(name, service, grpc_port, metrics_port, log, child)
        self.running.append(process)
        return process

    def kill(self, process: Process) -> None:
        """SIGKILL, as a crash; `start_again` brings a new life of the same replica."""
        process.child.kill()
        process.child.wait()

    def start_again(self, process: Process) -> None:
        """The same name and ports, a new process."""
        process.child = self._spawn(process.service, process.grpc_port, process.metrics_port, process.log)

    def wait_until_ready(
        self,
        processes: Sequence[Process],
        *,
        within_s: float = _READY_S,
        say: Callable[[str], None] | None = None,
    ) -> None:
        """Raises a `StackError` when one ends or takes too long; `say` hears once what they wait for."""
        began = time.monotonic()
        said_at, said = began, ""
        for process in processes:
            while (waits := process.waiting_for()) is not None:
                self.check()
                now = time.monotonic()
                if now - began > within_s:
                    raise StackError(f"{process.name} still waits for {waits}\n{process.last_words()}")
                words = f"{process.name} waits for {waits}"
                if say is not None and now - said_at > _SAY_EVERY_S and words != said:
                    say(words)
                    said_at, said = now, words
                time.sleep(_POLL_S)

    def check(self) -> None:
        """Raises when one of them ended by itself."""
        for process in self.running:
            process.check()

    def of(self, service: str) -> list[Process]:
        return [process for process in self.running if process.service == service]

    def stop(self) -> None:
        """Service by service, who came last first; the replicas of one together, with time to drain."""
        for service in reversed(SERVICES):
            for process in self.of(service):
                if process.child.poll() is None:
                    process.child.send_signal(signal.SIGTERM)
            for process in self.of(service):
                _await_end(process.child)
        self.running.clear()

    def _spawn(
        self, service: str, grpc_port: int, metrics_port: int, log: Path | None
    ) -> "subprocess.Popen[bytes]":
        environment = {
            **_QUIET_LIBRARIES,
            **self.environment,
            "PACELINE_GRPC_PORT": str(grpc_port),
            "PACELINE_METRICS_PORT": str(metrics_port),
        }
        child = _spawn([*_MODULE, f"services.{service}"], environment, log)
        if service in _GIVE_WAY:
            give_way(child, _GIVE_WAY[service])
        return child


def replica_name(service: str, replica: int) -> str:
    return service if replica == 0 else f"{service}-{replica + 1}"


def start_simulator(
    environment: Mapping[str, str], log: Path | None, arguments: Sequence[str]
) -> tuple["subprocess.Popen[bytes]", dict[str, str]]:
    """The simulated broker as a process of its own, and the URLs it says it serves."""
    argv = [*_MODULE, "simulator", *arguments, "--print-url"]
    child = _spawn(argv, environment, log, stdout=subprocess.PIPE)
    if child.stdout is None:
        raise StackError("the simulator has no standard output")
    line = child.stdout.readline()
    if not line:
        words = log.read_text(errors="replace")[-_TAIL:] if log else ""
        raise StackError(f"the simulator ended with code {child.wait()}\n{words}")
    urls: dict[str, str] = json.loads(line)
    return child, urls


def _await_end(child: "subprocess.Popen[bytes]") -> None:
    """A second signal would cut the drain short."""
    try:
        child.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _spawn(
    argv: Sequence[str], environment: Mapping[str, str], log: Path | None, *, stdout: int | None = None
) -> "subprocess.Popen[bytes]":
    if log is None:
        return spawn_leashed(
            argv, env=environment, stdout=stdout if stdout is not None else sys.stderr.buffer
        )
    with log.open("ab") as sink:
        return spawn_leashed(
            argv, env=environment, stdout=stdout if stdout is not None else sink, stderr=sink
        )
