"""Becomes another program that dies with the process that started it.

Run as a script, so that nothing of ours is imported: `leash_child.py PARENT SIGNAL IDENTITY -- argv…`.
The order matters: changing the identity clears the death signal, so it is asked for afterwards; and a parent
that died before that is noticed by the new parent.
"""

import ctypes
import os
import sys
from pathlib import Path

_CLONE_NEWUSER = 0x10000000
_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_DAC_OVERRIDE = 1
_ORDINARY_USER = 1000
_REFUSED = 126


def main(argv: list[str]) -> None:
    parent, signal_number, identity = int(argv[1]), int(argv[2]), argv[3]
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() == 0 and identity != "OURS":
        _become_ordinary(libc, identity)
    _demand(libc.prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit(_REFUSED)
    os.execv(argv[5], argv[5:])  # noqa: S606 - to become that program is all this is for


def _become_ordinary(libc: ctypes.CDLL, identity: str) -> None:
    if identity == "ANOTHER" or not _enter_namespace(libc):
        _become_another(libc)


def _enter_namespace(libc: ctypes.CDLL) -> bool:
    """Be uid 1000 in a user namespace of one's own: no user is added, no file changes its owner."""
    uid, gid = os.getuid(), os.getgid()
    if libc.unshare(_CLONE_NEWUSER) != 0:
        return False
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{_ORDINARY_USER} {uid} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{_ORDINARY_USER} {gid} 1", encoding="ascii")
    return True


def _become_another(libc: ctypes.CDLL) -> None:
    """Be uid 1000 for good, where namespaces are forbidden (as in a container), but keep root's way through
    the directories: programs and data may lie where only root may look.
    """
    libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setgid(_ORDINARY_USER)
    os.setuid(_ORDINARY_USER)
    bit = 1 << _CAP_DAC_OVERRIDE
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    capabilities = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
    if libc.capset(header, capabilities) == 0:
        libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0)


def _demand(result: int, what: str) -> None:
    if result != 0:
        sys.stderr.write(f"{what}: {os.strerror(ctypes.get_errno())}\n")
        sys.exit(_REFUSED)


if __name__ == "__main__":
    main(sys.argv)
