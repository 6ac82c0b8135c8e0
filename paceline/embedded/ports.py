"""Free ports on the loopback."""

import secrets
import socket

LOOPBACK = "127.0.0.1"
_FIRST, _LAST = 20_000, 32_767
"""Below what Linux gives to whoever connects or names no port."""
_TRIES = 1_000
_claims: list[socket.socket] = []


def free_port() -> int:
    """A port that nothing listens on, and that no other process of ours is given while this one lives.

    A stranger may take it meanwhile: whoever listens on it must be ready to be refused.
    """
    for _ in range(_TRIES):
        port = _FIRST + secrets.randbelow(_LAST - _FIRST + 1)
        if _claimed(port):
            return port
    raise OSError(f"no free port on {LOOPBACK} between {_FIRST} and {_LAST}")


def _claimed(port: int) -> bool:
    """The claim is the same number of UDP: nobody else wants it, and it ends with the process."""
    claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        claim.bind((LOOPBACK, port))
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((LOOPBACK, port))
    except OSError:
        claim.close()
        return False
    _claims.append(claim)
    return True
