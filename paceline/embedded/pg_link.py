"""One SQL statement over PostgreSQL's unix socket: enough to know that it answers and to make databases.

Synchronous and without a driver, so that it works before, beside and inside any event loop.
"""

import socket
import struct
from collections.abc import Iterator
from pathlib import Path

_PROTOCOL_3 = 196_608
_HEAD = struct.Struct("!ci")


class PostgresAnswerError(Exception):
    """The server refused; the message is its own."""


def query(
    socket_path: Path, *, user: str, database: str, sql: str, timeout_s: float = 30.0
) -> list[str | None]:
    """Run one statement on a trusted local connection; the first column of its rows."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(timeout_s)
        link.connect(str(socket_path))
        link.sendall(_startup(user, database))
        _read_until_ready(link)
        link.sendall(_message(b"Q", sql.encode() + b"\0"))
        rows = _read_until_ready(link)
        link.sendall(_message(b"X", b""))
    return rows


def _startup(user: str, database: str) -> bytes:
    fields = f"user\0{user}\0database\0{database}\0application_name\0paceline-embedded\0\0".encode()
    return struct.pack("!ii", len(fields) + 8, _PROTOCOL_3) + fields


def _message(kind: bytes, body: bytes) -> bytes:
    return _HEAD.pack(kind, len(body) + 4) + body


def _read_until_ready(link: socket.socket) -> list[str | None]:
    rows: list[str | None] = []
    refusal: str | None = None
    for kind, body in _messages(link):
        if kind == b"D":
            rows.append(_first_column(body))
        elif kind == b"E":
            refusal = refusal or _words(body)
        elif kind == b"Z":
            break
    else:
        raise PostgresAnswerError(refusal or "the connection ended before an answer")
    if refusal:
        raise PostgresAnswerError(refusal)
    return rows


def _messages(link: socket.socket) -> Iterator[tuple[bytes, bytes]]:
    while head := _read_exactly(link, _HEAD.size):
        kind, length = _HEAD.unpack(head)
        yield kind, _read_exactly(link, length - 4)


def _read_exactly(link: socket.socket, size: int) -> bytes:
    """So many bytes, or nothing when the peer went away."""
    data = bytearray()
    while len(data) < size:
        part = link.recv(size - len(data))
        if not part:
            return b""
        data += part
    return bytes(data)


def _first_column(body: bytes) -> str | None:
    (length,) = struct.unpack_from("!i", body, 2)
    return None if length < 0 else body[6 : 6 + length].decode()


def _words(body: bytes) -> str:
    fields = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
    return f"{fields.get(b'M', 'unknown error')} ({fields.get(b'C', '?????')})"
