"""Child processes that never outlive their parent, however it ends."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from pathlib import Path
from typing import IO, TypeAlias

from paceline.embedded import leash_child

Stream: TypeAlias = int | IO[bytes] | None

_NICER_TRIES = 20
_NICER_AGAIN_S = 0.03


class Identity(Enum):
    """Who the child is."""

    OURS = "OURS"
    NEVER_ROOT = "NEVER_ROOT"
    """As root: an ordinary user in a user namespace of its own, or `ANOTHER` where that is forbidden."""
    ANOTHER = "ANOTHER"
    """As root: an ordinary user for good, with root's way through the directories."""


def leashed(
    argv: Sequence[str], *, death_signal: signal.Signals = signal.SIGKILL, identity: Identity = Identity.OURS
) -> list[str]:
    """A command line that runs `argv` and sends it `death_signal` when this process dies.

    For a spawner of one's own (asyncio's, say). The leash belongs to the thread that spawns: it has to be one
    that lives as long as the process, which is the main one.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("a leash held by another thread than the main one tears when that thread ends")
    program = argv[0] if "/" in argv[0] else _on_path(argv[0])
    return [
        *(sys.executable, "-I", "-S", str(Path(leash_child.__file__))),
        *(str(os.getpid()), str(int(death_signal)), identity.value, "--"),
        *(program, *argv[1:]),
    ]


def spawn_leashed(
    argv: Sequence[str],
    *,
    death_signal: signal.Signals = signal.SIGKILL,
    identity: Identity = Identity.OURS,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdout: Stream = None,
    stderr: Stream = None,
    pass_fds: Iterable[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own (Ctrl-C reaches us, not it) that dies with this process."""
    return subprocess.Popen(  # noqa: S603 - the caller's own command line, no shell
        leashed(argv, death_signal=death_signal, identity=identity),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        env=None if env is None else dict(env),
        cwd=cwd,
        pass_fds=tuple(pass_fds),
        start_new_session=True,
    )


def give_way(child: "subprocess.Popen[bytes]", niceness: int) -> None:
    """Let it, just started, step back where others want the same cores; so far as the system lets us.

    Linux may weigh sessions, which each child has one of, before it looks at who is nice within them.
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, child.pid, os.getpriority(os.PRIO_PROCESS, 0) + niceness)
    for _ in range(_NICER_TRIES):
        try:
            Path(f"/proc/{child.pid}/autogroup").write_text(str(niceness), encoding="ascii")
        except BlockingIOError:  # once in a tenth of a second, for anyone but root
            time.sleep(_NICER_AGAIN_S)
        except OSError:
            return
        else:
            return


def end(child: "subprocess.Popen[bytes]", how: signal.Signals, *, within_s: float) -> int:
    """Signal a child and wait for its end; what does not go in time is killed. The exit code."""
    if child.poll() is None:
        child.send_signal(how)
    try:
        return child.wait(within_s)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def _on_path(name: str) -> str:
    for folder in os.get_exec_path():
        candidate = Path(folder) / name
        if os.access(candidate, os.X_OK):
            return str(candidate)
    raise FileNotFoundError(name)
