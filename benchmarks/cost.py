"""What processes cost, as the system counts it."""

import os
from contextlib import suppress
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_KB_PER_MB = 1_024


def cpu_s(root: int) -> float:
    """Of a process and all that came of it and still runs."""
    rows = dict(_processes())
    family = {root}
    while more := {pid for pid, (parent, _) in rows.items() if parent in family} - family:
        family |= more
    return sum(spent for pid, (_, spent) in rows.items() if pid in family) / _TICKS_PER_S


def resident_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return round(int(line.split()[1]) / _KB_PER_MB, 1)
    raise ProcessLookupError(f"process {pid} has no memory: it has ended")


def _processes() -> list[tuple[int, tuple[int, int]]]:
    """Of each process its parent and the ticks it spent."""
    found = []
    for each in Path("/proc").iterdir():
        if each.name.isdigit():
            with suppress(OSError):
                fields = (each / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
                found.append((int(each.name), (int(fields[1]), int(fields[11]) + int(fields[12]))))
    return found
