"""Directories of embedded servers: a private one that vanishes with its users, a given one that is locked."""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from paceline.embedded import reaper

SOCKET_PATH_MAX = 93
"""Redis cuts longer paths silently: its limit of 108 bytes has the socket's name in it."""
_NAME_MAX = 24
_RETRY_S = 0.05
_CLOSE_S = 30.0


class DirectoryInUseError(Exception):
    """Another process keeps its data there."""

    def __init__(self, directory: Path, holder: str) -> None:
        super().__init__(
            f"{directory} is in use by process {holder or '(unknown)'}; stop it or choose another"
        )


class Nest:
    """A private directory under a short path: gone when `close` returns, or soon after we are killed."""

    def __init__(self, prefix: str) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=f"{prefix}-", dir=_short_temp()))
        self._lock_path = self.path / "lock"
        self.lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        """Pass this descriptor on to every process that uses the directory."""
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self._reaper = subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, "-I", "-S", reaper.__file__, str(self._lock_path), str(self.path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            start_new_session=True,
            cwd="/",
        )
        if self._reaper.stdout is None or self._reaper.stdout.readline() != b"watching\n":
            raise RuntimeError(f"nobody watches over {self.path}")
        self._reaper.stdout.close()

    def close(self) -> None:
        """Remove the directory. Every process that was given the lock must have ended."""
        if self._reaper.returncode is not None:
            return
        os.close(self.lock)
        try:
            self._reaper.wait(_CLOSE_S)
        except subprocess.TimeoutExpired:
            self._reaper.kill()
            self._reaper.wait()
            raise RuntimeError(f"a process still uses {self.path}") from None
        finally:
            shutil.rmtree(self.path, ignore_errors=True)


class KeptDirectory:
    """A directory that stays, used by one owner at a time. A killed owner leaves no lock behind."""

    def __init__(self, path: Path, *, wait_s: float = 10.0) -> None:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = path.resolve()
        self.lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        """Pass this descriptor on to every process that uses the directory."""
        try:
            self._take(wait_s)
        except DirectoryInUseError:
            os.close(self.lock)
            raise
        os.ftruncate(self.lock, 0)
        os.pwrite(self.lock, str(os.getpid()).encode(), 0)

    def close(self) -> None:
        os.close(self.lock)

    def _take(self, wait_s: float) -> None:
        """Wait a little: the servers of a killed owner may be on their way out."""
        give_up = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.pread(self.lock, 32, 0).decode()
                if time.monotonic() > give_up or _lives(holder):
                    raise DirectoryInUseError(self.path, holder) from None
                time.sleep(_RETRY_S)
            else:
                return


def _lives(holder: str) -> bool:
    return holder.isdigit() and Path("/proc", holder).exists()


def _short_temp() -> str:
    """The system's temporary directory, unless a socket in it would have too long a name."""
    usual = tempfile.gettempdir()
    return usual if len(usual) + _NAME_MAX <= SOCKET_PATH_MAX else "/tmp"  # noqa: S108 - mkdtemp makes a private one in it
