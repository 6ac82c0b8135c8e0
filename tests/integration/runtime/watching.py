"""Looking at processes from outside, and waiting for what must become true."""

import time
from collections.abc import Callable
from pathlib import Path

PATIENCE_S = 30.0


def wait_until(true: Callable[[], object], what: str) -> None:
    """Return when it is; fail when it does not become so."""
    give_up = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < give_up, f"not within {PATIENCE_S} s: {what}"
        time.sleep(0.01)


def runs(pid: int) -> bool:
    """Whether the process is there and not only waiting to be buried."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def users_of(directory: str) -> list[int]:
    """Processes whose command line names the directory."""
    found = []
    for each in Path("/proc").iterdir():
        if each.name.isdigit():
            try:
                command = (each / "cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            if directory.encode() in command:
                found.append(int(each.name))
    return found
