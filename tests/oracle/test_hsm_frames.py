"""The data socket's requests, read from bytes laid out by hand; the SDK itself judges the answers."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.fyers import hsm
from simulator.fyers.hsm import (
    Acknowledge,
    Auth,
    FrameType,
    MalformedFrameError,
    Mode,
    Pause,
    Ping,
    Resume,
    SetMode,
    Subscribe,
    Unsubscribe,
)

CHANNEL_11 = struct.pack(">Q", 1 << 11)


def request(kind: int, *fields: tuple[int, bytes], length: int = 0) -> bytes:
    body = b"".join(bytes([field]) + struct.pack(">H", len(value)) + value for field, value in fields)
    return struct.pack(">HBB", length, kind, len(fields)) + body


def scrips(*topics: str) -> bytes:
    return struct.pack(">H", len(topics)) + b"".join(bytes([len(t)]) + t.encode() for t in topics)


@pytest.mark.parametrize(
    ("frame", "meaning"),
    [
        (
            request(1, (1, b"key"), (2, b"P"), (3, b"\x01"), (4, b"PythonSDK-3.2.0")),
            Auth("key", "PythonSDK-3.2.0"),
        ),
        (request(12, (1, CHANNEL_11), (2, bytes([76]))), SetMode(Mode.LITE, frozenset({11}))),
        (request(12, (1, CHANNEL_11), (2, bytes([70]))), SetMode(Mode.FULL, frozenset({11}))),
        (
            request(4, (1, scrips("sf|nse_cm|3045", "dp|nse_cm|22")), (2, bytes([11])), length=999),
            Subscribe(("sf|nse_cm|3045", "dp|nse_cm|22"), 11),
        ),
        (
            request(5, (1, scrips("if|nse_cm|Nifty 50")), (2, bytes([3]))),
            Unsubscribe(("if|nse_cm|Nifty 50",), 3),
        ),
        (request(7, (1, struct.pack(">Q", 0b110))), Pause(frozenset({1, 2}))),
        (request(8, (1, CHANNEL_11)), Resume(frozenset({11}))),
        (request(3, (1, struct.pack(">I", 4_000_000_000))), Acknowledge(4_000_000_000)),
        (bytes([0, 1, 11]), Ping()),
    ],
)
def test_each_request_is_read_whatever_its_length_header_says(frame: bytes, meaning: hsm.Request) -> None:
    assert hsm.decode_request(frame) == meaning


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\0\0",
        request(6),
        request(99),
        request(1),
        request(4, (1, scrips("sf|nse_cm|3045"))),
        request(4, (1, scrips("sf|nse_cm|3045")[:-3]), (2, bytes([11]))),
        request(4, (1, struct.pack(">H", 7)), (2, bytes([11]))),
        request(12, (1, CHANNEL_11), (2, bytes([71]))),
        request(3, (1, b"\0\0"))[:-1],
    ],
)
def test_what_is_no_request_is_refused(frame: bytes) -> None:
    with pytest.raises(MalformedFrameError):
        hsm.decode_request(frame)


@given(st.binary(max_size=80))
def test_no_bytes_do_worse_than_be_refused(frame: bytes) -> None:
    try:
        decoded = hsm.decode_request(frame)
    except MalformedFrameError:
        return
    assert isinstance(decoded, hsm.Request)


def test_an_answer_carries_its_true_length() -> None:
    answer = hsm.encode_auth_answer(accepted=True, acknowledge_every=25)
    assert struct.unpack(">HBB", answer[:4]) == (len(answer) - 2, FrameType.AUTH, 2)


def test_an_update_sends_only_what_changed() -> None:
    assert hsm.changes([1, 2, 3], [1, 5, 3]) == [hsm.UNCHANGED, 5, hsm.UNCHANGED]


def test_a_data_message_counts_its_records_and_has_no_field_count() -> None:
    message = hsm.encode_data(7, [hsm.lite_record(1, 100), hsm.lite_record(2, 200)])
    assert struct.unpack(">HBIH", message[:9]) == (len(message) - 2, FrameType.DATA, 7, 2)
    assert message[9:] == b"L\x01\x00" + struct.pack(">i", 100) + b"L\x02\x00" + struct.pack(">i", 200)


def test_the_field_lists_are_as_long_as_the_sdk_reads_them() -> None:
    assert (len(hsm.SYMBOL_FIELDS), len(hsm.INDEX_FIELDS), len(hsm.DEPTH_FIELDS)) == (21, 6, 30)


def test_a_price_is_scaled_by_precision_and_multiplier() -> None:
    name = hsm.TopicName(1, "sf|cde_fo|1", "cde_fo", "1", "USDINR", precision=4, multiplier=1)
    assert name.scaled(84.1225) == 841225
