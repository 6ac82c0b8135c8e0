"""The data socket's binary frames, packed and unpacked. Pure."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeAlias

PING: Final = bytes((0, 1, 11))
UNCHANGED: Final = -2_147_483_648
TOPICS_A_MESSAGE: Final = 1_500
_PRECISION_MAX: Final = 8
_YES: Final = b"K"
_HEAD: Final = struct.Struct(">HBB")
_FIELD: Final = struct.Struct(">BH")
_DATA_HEAD: Final = struct.Struct(">HBIH")
_SCALE: Final = struct.Struct(">2xHB")
_I32: Final = struct.Struct(">i")


class Kind(IntEnum):
    AUTH = 1
    ACKNOWLEDGE = 3
    SUBSCRIBE = 4
    UNSUBSCRIBE = 5
    DATA = 6
    MODE = 12
    NOTICE = 51


class RecordKind(IntEnum):
    LITE = 76
    SNAPSHOT = 83
    UPDATE = 85


class UnreadableFrameError(ValueError):
    """A frame that ends too soon or holds what nobody knows."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The broker's answer to one request."""

    kind: int
    accepted: bool
    acknowledge_every: int = 0
    """Of data messages; 0 is never. Told with the answer to the login."""


@dataclass(frozen=True, slots=True)
class Notice:
    code: int
    words: str
    kind: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All values of a topic, and how to read them from now on; the id holds for this connection."""

    topic_id: bytes
    name: str
    values: tuple[int, ...]
    divisor: int


@dataclass(frozen=True, slots=True)
class Update:
    """Values that changed, `UNCHANGED` where they did not."""

    topic_id: bytes
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Lite:
    topic_id: bytes
    last: int


Record: TypeAlias = Snapshot | Update | Lite


@dataclass(frozen=True, slots=True)
class Data:
    number: int
    records: tuple[Record, ...]


Message: TypeAlias = Reply | Notice | Data


def login(hsm_key: str, source: str) -> bytes:
    return _request(Kind.AUTH, (hsm_key.encode(), b"P", b"\x01", source.encode()))


def full_mode(channel: int) -> bytes:
    return _request(Kind.MODE, (struct.pack(">Q", 1 << channel), bytes((70,))))


def subscription(kind: Kind, topics: Sequence[str], channel: int) -> bytes:
    """At most `TOPICS_A_MESSAGE` at once."""
    listed = b"".join(bytes((len(name),)) + name for name in (topic.encode("ascii") for topic in topics))
    return _request(kind, (struct.pack(">H", len(topics)) + listed, bytes((channel,))))


def acknowledgement(number: int) -> bytes:
    return _request(Kind.ACKNOWLEDGE, (struct.pack(">I", number),))


def decode(frame: bytes) -> Message:
    """Raises `UnreadableFrameError` only."""
    try:
        kind = frame[2]
        if kind == Kind.DATA:
            return _data(frame)
        return _answer(kind, _fields(frame))
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise UnreadableFrameError(str(error)) from error


def _request(kind: Kind, fields: Sequence[bytes]) -> bytes:
    body = b"".join(_FIELD.pack(number, len(value)) + value for number, value in enumerate(fields, 1))
    return _HEAD.pack(len(body) + 2, kind, len(fields)) + body


def _fields(frame: bytes) -> dict[int, bytes]:
    _, _, count = _HEAD.unpack_from(frame)
    found: dict[int, bytes] = {}
    at = _HEAD.size
    for _ in range(count):
        number, length = _FIELD.unpack_from(frame, at)
        at += _FIELD.size
        found[number] = _slice(frame, at, length)
        at += length
    return found


def _answer(kind: int, fields: dict[int, bytes]) -> Message:
    if kind == Kind.NOTICE:
        code = _I32.unpack(fields.get(1, b""))[0]
        return Notice(code, fields.get(2, b"").decode(errors="replace"), (fields.get(3) or b"\0")[0])
    every = int.from_bytes(fields.get(2, b"")) if kind == Kind.AUTH else 0
    return Reply(kind, fields.get(1) == _YES, every)


def _data(frame: bytes) -> Data:
    _, _, number, count = _DATA_HEAD.unpack_from(frame)
    records: list[Record] = []
    at = _DATA_HEAD.size
    for _ in range(count):
        record, at = _record(frame, at)
        records.append(record)
    return Data(number, tuple(records))


def _record(frame: bytes, at: int) -> tuple[Record, int]:
    kind, topic_id = frame[at], _slice(frame, at + 1, 2)
    at += 3
    if kind == RecordKind.LITE:
        return Lite(topic_id, _I32.unpack_from(frame, at)[0]), at + 4
    if kind == RecordKind.UPDATE:
        values, at = _values(frame, at)
        return Update(topic_id, values), at
    if kind == RecordKind.SNAPSHOT:
        return _snapshot(frame, at, topic_id)
    raise UnreadableFrameError(f"a record of kind {kind}")


def _snapshot(frame: bytes, at: int, topic_id: bytes) -> tuple[Snapshot, int]:
    name, at = _text(frame, at)
    values, at = _values(frame, at)
    multiplier, precision = _SCALE.unpack_from(frame, at)
    at += _SCALE.size
    if precision > _PRECISION_MAX:
        raise UnreadableFrameError(f"a precision of {precision} digits")
    for _ in range(3):  # exchange, token and symbol, which the name tells already
        _, at = _text(frame, at)
    return Snapshot(topic_id, name, values, 10**precision * (multiplier or 1)), at


def _values(frame: bytes, at: int) -> tuple[tuple[int, ...], int]:
    count = frame[at]
    return struct.unpack_from(f">{count}i", frame, at + 1), at + 1 + 4 * count


def _text(frame: bytes, at: int) -> tuple[str, int]:
    length = frame[at]
    return _slice(frame, at + 1, length).decode(errors="replace"), at + 1 + length


def _slice(frame: bytes, at: int, length: int) -> bytes:
    taken = frame[at : at + length]
    if len(taken) != length:
        raise UnreadableFrameError("the frame ends too soon")
    return taken
