"""An embedded PostgreSQL: the real server from a wheel, for a laptop and for tests."""

import secrets
import signal
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import quote

from paceline.embedded import pg_cluster, pg_link
from paceline.embedded.leash import Identity, end, spawn_leashed
from paceline.embedded.nest import KeptDirectory, Nest
from paceline.embedded.pg_cluster import USER, EmbeddedPostgresError
from paceline.embedded.ports import LOOPBACK, free_port

if TYPE_CHECKING:
    import subprocess

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError"]

_START_S = 60.0
_STOP_S = 20.0
_ATTEMPTS = 5
_POLL_S = 0.005
_LOG_TAIL = 2_000
_DATABASE = "paceline"
_CONNECTIONS_MAX = 400


class EmbeddedPostgres:
    """A server of our own, ready when `start` returns, gone without a trace when we are.

    Without `data` everything goes with it; with it the cluster is kept there and used by one owner at a time.
    `durable=False` is for tests: no fsync. `url` is the unix socket, trusted because its directory is ours
    alone; `tcp_url` is the loopback, with a password. `log` is kept.
    """

    def __init__(
        self,
        *,
        data: Path | None = None,
        durable: bool = True,
        connections_max: int = _CONNECTIONS_MAX,
        log: Path | None = None,
    ) -> None:
        self._wanted_data = data
        self._kept_log = log
        self._durable = durable
        self._connections_max = connections_max
        self._password = ""
        self._nest: Nest | None = None
        self._kept: KeptDirectory | None = None
        self._server: subprocess.Popen[bytes] | None = None
        self._port = 0

    @property
    def url(self) -> str:
        return self.url_of(_DATABASE)

    @property
    def tcp_url(self) -> str:
        return f"postgresql://{USER}:{self._password}@{LOOPBACK}:{self._port}/{_DATABASE}"

    @property
    def pid(self) -> int:
        if self._server is None:
            raise EmbeddedPostgresError("not started")
        return self._server.pid

    def url_of(self, database: str) -> str:
        """The unix-socket URL of one database of this server."""
        return f"postgresql://{USER}@/{database}?host={quote(str(self._directory))}&port={self._port}"

    def start(self) -> Self:
        self._nest = Nest("paceline-pg")
        try:
            if self._wanted_data is not None:
                self._kept = KeptDirectory(self._wanted_data)
            self._make_cluster()
            self._spawn_on_a_free_port()
            if _DATABASE not in self.query("SELECT datname FROM pg_database"):
                self.query(f"CREATE DATABASE {_DATABASE}")
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Return when every process, socket and private file is gone; clients are cut off. Twice is once."""
        if self._server is not None:
            end(self._server, signal.SIGQUIT, within_s=_STOP_S)
            self._server = None
            pg_cluster.remove_shared_memory(self._data)
        if self._kept is not None:
            self._kept.close()
            self._kept = None
        if self._nest is not None:
            self._nest.close()
            self._nest = None

    def kill(self) -> None:
        """SIGKILL of the server: as a crash. `restart` brings it back, recovered."""
        if self._server is not None:
            end(self._server, signal.SIGKILL, within_s=_STOP_S)

    def halt(self) -> None:
        """Stop at once and keep the data, as an outage. `restart` brings it back."""
        if self._server is not None:
            end(self._server, signal.SIGQUIT, within_s=_STOP_S)

    def restart(self) -> None:
        """The same addresses and data, a new process."""
        self.halt()
        give_up = time.monotonic() + _START_S
        while True:
            try:
                return self._spawn()
            except EmbeddedPostgresError as error:
                # Back-ends of a killed server go on for a moment and hold its memory.
                if "pre-existing shared memory" not in str(error) or time.monotonic() > give_up:
                    raise
                time.sleep(_POLL_S)

    def query(self, sql: str, *, database: str = "postgres") -> list[str | None]:
        """Run one statement; the first column of its rows."""
        return pg_link.query(self._socket, user=USER, database=database, sql=sql)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _directory(self) -> Path:
        if self._nest is None:
            raise EmbeddedPostgresError("not started")
        return self._nest.path

    @property
    def _data(self) -> Path:
        return self._kept.path / "cluster" if self._kept is not None else self._directory / "cluster"

    @property
    def _socket(self) -> Path:
        return self._directory / f".s.PGSQL.{self._port}"

    def _make_cluster(self) -> None:
        password_file = self._data.parent / "tcp-password"
        if pg_cluster.is_cluster(self._data):
            self._password = password_file.read_text(encoding="ascii")
            return
        self._password = secrets.token_urlsafe(18)
        password_file.touch(mode=0o600)
        password_file.write_text(self._password, encoding="ascii")
        pg_cluster.create(self._data, self._password, scratch=self._directory)

    def _spawn_on_a_free_port(self) -> None:
        for attempt in range(1, _ATTEMPTS + 1):
            self._port = free_port()
            try:
                return self._spawn()
            except EmbeddedPostgresError as error:
                if attempt == _ATTEMPTS or "Address already in use" not in str(error):
                    raise
        raise AssertionError("the last attempt returns or raises")

    def _spawn(self) -> None:
        locks = [each.lock for each in (self._nest, self._kept) if each is not None]
        with self._log.open("ab" if self._kept_log else "wb") as log:
            self._server = spawn_leashed(
                [str(pg_cluster.binary("postgres")), "-D", str(self._data), *self._options()],
                death_signal=signal.SIGQUIT,
                identity=Identity.NEVER_ROOT,
                env=pg_cluster.environment(),
                stdout=log,
                stderr=log,
                pass_fds=locks,
                cwd=self._directory,
            )
        self._wait_until_it_answers(self._server)

    @property
    def _log(self) -> Path:
        return self._kept_log or self._directory / "postgres.log"

    def _options(self) -> list[str]:
        # Without fsync a crash of the machine loses data; a crash of the server still loses nothing.
        durable = "on" if self._durable else "off"
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self._port),
            "unix_socket_directories": str(self._directory),
            "unix_socket_permissions": "0700",
            "max_connections": str(self._connections_max),
            "dynamic_shared_memory_type": "mmap",  # in the cluster, so that a crash leaves none in /dev/shm
            "fsync": durable,
            "full_page_writes": durable,
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def _wait_until_it_answers(self, server: "subprocess.Popen[bytes]") -> None:
        give_up = time.monotonic() + _START_S
        while True:
            try:
                self.query("SELECT 1")
            except (OSError, pg_link.PostgresAnswerError) as error:
                ended = server.poll() is not None
                if ended or time.monotonic() > give_up:
                    tail = self._log.read_bytes()[-_LOG_TAIL:].decode(errors="replace")
                    raise EmbeddedPostgresError(f"the server does not answer ({error})\n{tail}") from error
                time.sleep(_POLL_S)
            else:
                return
