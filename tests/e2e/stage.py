"""What end-to-end tests stand on: a small day on a stack, and the command line as a process."""

import asyncio
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from paceline.cli.demo.judge import Verdict
from paceline.cli.demo.run import DemoOptions, run_day
from paceline.cli.demo.show import Screen
from paceline.cli.stack import Stack
from paceline.embedded.leash import spawn_leashed

PATIENCE_S = 180.0
CLI = (sys.executable, "-P", "-m", "paceline.cli.__main__")


def trade_a_day(stack: Stack, options: DemoOptions) -> Verdict:
    """The demo's day on a stack that runs already; nobody watches."""
    return asyncio.run(run_day(stack, Screen(Console(file=io.StringIO())), options))


def wait_until(true: Callable[[], object], what: str, *, within_s: float = PATIENCE_S) -> None:
    give_up = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < give_up, f"not within {within_s} s: {what}"
        time.sleep(0.02)


@dataclass(slots=True)
class Command:
    """`paceline …` with a temporary directory of its own, by which its whole family is recognised."""

    process: "subprocess.Popen[bytes]"
    temp: Path
    _out: list[str] = field(default_factory=list)
    _err: list[str] = field(default_factory=list)
    _readers: list[threading.Thread] = field(default_factory=list)

    def __post_init__(self) -> None:
        for stream, lines in ((self.process.stdout, self._out), (self.process.stderr, self._err)):
            reader = threading.Thread(target=_drain, args=(stream, lines), daemon=True)
            reader.start()
            self._readers.append(reader)

    @property
    def stdout(self) -> str:
        return "".join(self._out)

    @property
    def stderr(self) -> str:
        return "".join(self._err)

    def endpoints(self) -> dict[str, str]:
        """What `up` says it serves, once it does."""
        self.says("Ctrl-C ends it.")
        rows = [line.rstrip().split("  ", 1) for line in self._out if "  " in line]
        return {name: url.strip() for name, url in rows}

    def says(self, words: str) -> None:
        wait_until(
            lambda: words in self.stdout + self.stderr or self.process.poll() is not None, f"says {words!r}"
        )
        assert words in self.stdout + self.stderr, self.stdout + self.stderr

    def end(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        return self.wait()

    def wait(self) -> int:
        code = self.process.wait(PATIENCE_S)
        for reader in self._readers:
            reader.join(PATIENCE_S)
        return code

    def family(self) -> list[str]:
        """Command lines of all processes that came of it and still run."""
        marker = f"TMPDIR={self.temp}".encode()
        return [
            _read(each / "cmdline").replace(b"\0", b" ").decode()
            for each in Path("/proc").iterdir()
            if each.name.isdigit() and marker in _read(each / "environ").split(b"\0")
        ]

    def left_behind(self) -> list[str]:
        """Processes, sockets, directories and locks that should be gone."""
        return [*self.family(), *map(str, self.temp.rglob("*"))]

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.wait()


def paceline(*arguments: str, temp: Path, environment: Mapping[str, str] | None = None) -> Command:
    """Start the command line; settings of whoever runs the tests are not heard."""
    temp.mkdir(exist_ok=True)
    plain = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PACELINE_") and name not in {"DATABASE_URL", "REDIS_URL"}
    }
    child = spawn_leashed(
        [*CLI, *arguments],
        env={**plain, **(environment or {}), "TMPDIR": str(temp), "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    return Command(child, temp)


def _drain(stream: io.BufferedReader | None, lines: list[str]) -> None:
    if stream is not None:
        with stream:
            lines.extend(line.decode(errors="replace") for line in stream)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
