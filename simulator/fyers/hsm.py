"""The binary protocol of Fyers' data socket, seen from the server: requests in, answers and ticks out.

Pure: no socket, no clock. The layout and the field orders are written down in `docs/brokers/fyers.md`.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

UNCHANGED = -2147483648
"""Stands for "not known" in a snapshot and for "as it was" in an update."""

SYMBOL_FIELDS = (
    "ltp",
    "vol_traded_today",
    "last_traded_time",
    "exch_feed_time",
    "bid_size",
    "ask_size",
    "bid_price",
    "ask_price",
    "last_traded_qty",
    "tot_buy_qty",
    "tot_sell_qty",
    "avg_trade_price",
    "OI",
    "low_price",
    "high_price",
    "Yhigh",
    "Ylow",
    "lower_ckt",
    "upper_ckt",
    "open_price",
    "prev_close_price",
)
INDEX_FIELDS = ("ltp", "prev_close_price", "exch_feed_time", "high_price", "low_price", "open_price")
DEPTH_LEVELS = 5
DEPTH_FIELDS = tuple(
    f"{side}_{value}{level}"
    for value in ("price", "size", "order")
    for side in ("bid", "ask")
    for level in range(1, DEPTH_LEVELS + 1)
)


class MalformedFrameError(ValueError):
    """The client's bytes are not a request of this protocol."""


class FrameType(IntEnum):
    AUTH = 1
    ACKNOWLEDGE = 3
    SUBSCRIBE = 4
    UNSUBSCRIBE = 5
    DATA = 6
    PAUSE = 7
    RESUME = 8
    PING = 11
    MODE = 12
    CUSTOM = 51


class Mode(IntEnum):
    FULL = 70
    LITE = 76


@dataclass(frozen=True, slots=True)
class Auth:
    hsm_key: str
    source: str


@dataclass(frozen=True, slots=True)
class SetMode:
    mode: Mode
    channels: frozenset[int]


@dataclass(frozen=True, slots=True)
class Subscribe:
    topics: tuple[str, ...]
    channel: int


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    topics: tuple[str, ...]
    channel: int


@dataclass(frozen=True, slots=True)
class Pause:
    channels: frozenset[int]


@dataclass(frozen=True, slots=True)
class Resume:
    channels: frozenset[int]


@dataclass(frozen=True, slots=True)
class Acknowledge:
    message_number: int


@dataclass(frozen=True, slots=True)
class Ping:
    pass


Request = Auth | SetMode | Subscribe | Unsubscribe | Pause | Resume | Acknowledge | Ping


def decode_request(frame: bytes) -> Request:
    """Read one client message. The length header is ignored: the vendor's own client gets it wrong."""
    try:
        return _decode(frame)
    except (IndexError, KeyError, UnicodeDecodeError, ValueError, struct.error) as broken:
        raise MalformedFrameError(f"{broken!r} in {frame[:32].hex()}") from broken


def _decode(frame: bytes) -> Request:
    kind = FrameType(frame[2])
    return Ping() if kind is FrameType.PING else _READERS[kind](dict(_fields(frame)))


def _auth(fields: dict[int, bytes]) -> Auth:
    return Auth(hsm_key=fields[1].decode(), source=fields.get(4, b"").decode())


def _mode(fields: dict[int, bytes]) -> SetMode:
    return SetMode(mode=Mode(fields[2][0]), channels=_channels(fields[1]))


def _subscribe(fields: dict[int, bytes]) -> Subscribe:
    return Subscribe(topics=tuple(_topics(fields[1])), channel=fields[2][0])


def _unsubscribe(fields: dict[int, bytes]) -> Unsubscribe:
    return Unsubscribe(topics=tuple(_topics(fields[1])), channel=fields[2][0])


def _pause(fields: dict[int, bytes]) -> Pause:
    return Pause(channels=_channels(fields[1]))


def _resume(fields: dict[int, bytes]) -> Resume:
    return Resume(channels=_channels(fields[1]))


def _acknowledge(fields: dict[int, bytes]) -> Acknowledge:
    return Acknowledge(message_number=_number(">I", fields[1]))


_READERS: dict[FrameType, Callable[[dict[int, bytes]], Request]] = {
    FrameType.AUTH: _auth,
    FrameType.MODE: _mode,
    FrameType.SUBSCRIBE: _subscribe,
    FrameType.UNSUBSCRIBE: _unsubscribe,
    FrameType.PAUSE: _pause,
    FrameType.RESUME: _resume,
    FrameType.ACKNOWLEDGE: _acknowledge,
}


def _fields(frame: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 4
    for _ in range(frame[3]):
        field_id, length = struct.unpack_from(">BH", frame, offset)
        offset += 3
        if offset + length > len(frame):
            raise ValueError(f"field {field_id} is cut short")
        yield field_id, frame[offset : offset + length]
        offset += length


def _topics(packed: bytes) -> Iterator[str]:
    offset = 2
    for _ in range(_number(">H", packed[:2])):
        length = packed[offset]
        topic = packed[offset + 1 : offset + 1 + length]
        if len(topic) < length:
            raise ValueError("topic is cut short")
        yield topic.decode("ascii")
        offset += 1 + length


def _channels(mask: bytes) -> frozenset[int]:
    bits = _number(">Q", mask)
    return frozenset(channel for channel in range(64) if bits >> channel & 1)


def _number(layout: str, packed: bytes) -> int:
    number: int = struct.unpack(layout, packed)[0]
    return number


def encode_auth_answer(*, accepted: bool, acknowledge_every: int) -> bytes:
    """Answer an `Auth`; 0 asks for no acknowledgements."""
    return _frame(FrameType.AUTH, (1, _verdict(accepted)), (2, struct.pack(">I", acknowledge_every)))


def encode_answer(kind: FrameType, *, accepted: bool) -> bytes:
    """Answer a subscription, unsubscription, mode, pause or resume."""
    return _frame(kind, (1, _verdict(accepted)))


def encode_custom(code: int, message: str, about: FrameType) -> bytes:
    """The server's own words about a request, which the vendor's client reports as an error."""
    return _frame(FrameType.CUSTOM, (1, struct.pack(">i", code)), (2, message.encode()), (3, bytes([about])))


def _verdict(accepted: bool) -> bytes:
    return b"K" if accepted else b"N"


def _frame(kind: FrameType, *fields: tuple[int, bytes]) -> bytes:
    body = bytes([kind, len(fields)]) + b"".join(
        struct.pack(">BH", field_id, len(value)) + value for field_id, value in fields
    )
    return struct.pack(">H", len(body)) + body


@dataclass(frozen=True, slots=True)
class TopicName:
    """What a snapshot tells about its topic besides the values."""

    topic_id: int
    topic: str
    exchange: str
    token: str
    symbol: str
    precision: int
    multiplier: int = 1

    def scaled(self, price: float) -> int:
        """A price in rupees as the integer that stands for it on the wire."""
        unit: int = 10**self.precision * self.multiplier
        return round(price * unit)


def encode_data(message_number: int, records: Sequence[bytes]) -> bytes:
    """One message of ticks. Its length header holds 65,535 bytes: the caller cuts longer batches."""
    body = struct.pack(">BIH", FrameType.DATA, message_number, len(records)) + b"".join(records)
    return struct.pack(">H", len(body)) + body


def snapshot_record(name: TopicName, values: Sequence[int]) -> bytes:
    texts = (name.exchange, name.token, name.symbol)
    return b"".join(
        (
            b"S",
            _topic_id(name.topic_id),
            _short(name.topic),
            _values(values),
            b"\0\0",
            struct.pack(">HB", name.multiplier, name.precision),
            *map(_short, texts),
        )
    )


def update_record(topic_id: int, values: Sequence[int]) -> bytes:
    return b"U" + _topic_id(topic_id) + _values(values)


def lite_record(topic_id: int, last_price: int) -> bytes:
    """Of symbols and indices only: the vendor's client loses its place on a depth topic."""
    return b"L" + _topic_id(topic_id) + struct.pack(">i", last_price)


def changes(before: Sequence[int], after: Sequence[int]) -> list[int]:
    """The values of an update: what is as it was travels as UNCHANGED."""
    return [UNCHANGED if old == new else new for old, new in zip(before, after, strict=True)]


def _topic_id(topic_id: int) -> bytes:
    return topic_id.to_bytes(2, "little")  # the vendor's client unpacks it in its machine's own order


def _values(values: Sequence[int]) -> bytes:
    return struct.pack(f">B{len(values)}i", len(values), *values)


def _short(text: str) -> bytes:
    packed = text.encode()
    return bytes([len(packed)]) + packed
