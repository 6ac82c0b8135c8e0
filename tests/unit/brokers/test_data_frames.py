"""The data socket's binary frames, against bytes written out by hand."""

import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.adapters.brokers.fyers import hsm
from paceline.adapters.brokers.fyers.prices import Prices
from paceline.adapters.brokers.fyers.topics import topic_name
from paceline.domain.ids import InstrumentId
from paceline.ports.broker import Tick

SBIN = InstrumentId("NSE:SBIN-EQ")
TOPIC = "sf|nse_cm|3045"
UNCHANGED = hsm.UNCHANGED
NOW_NS = 7


def data(*records: bytes, number: int = 1) -> bytes:
    body = struct.pack(">BIH", 6, number, len(records)) + b"".join(records)
    return struct.pack(">H", len(body)) + body


def text(word: str) -> bytes:
    return bytes((len(word),)) + word.encode()


def values(*numbers: int) -> bytes:
    return bytes((len(numbers),)) + struct.pack(f">{len(numbers)}i", *numbers)


def snapshot(topic_id: bytes, name: str, *numbers: int, multiplier: int = 1, precision: int = 2) -> bytes:
    tail = b"\0\0" + struct.pack(">HB", multiplier, precision) + text("NSE") + text("3045") + text("SBIN")
    return b"S" + topic_id + text(name) + values(*numbers) + tail


def update(topic_id: bytes, *numbers: int) -> bytes:
    return b"U" + topic_id + values(*numbers)


def lite(topic_id: bytes, last: int) -> bytes:
    return b"L" + topic_id + struct.pack(">i", last)


def ticks(prices: Prices, *records: bytes) -> tuple[Tick, ...]:
    message = hsm.decode(data(*records))
    assert isinstance(message, hsm.Data)
    return prices.ticks(message, NOW_NS)


@pytest.fixture
def prices() -> Prices:
    made = Prices()
    made.watch(TOPIC, SBIN)
    return made


def test_a_login_is_four_fields() -> None:
    assert hsm.login("key", "Us") == (
        b"\x00\x15\x01\x04\x01\x00\x03key\x02\x00\x01P\x03\x00\x01\x01\x04\x00\x02Us"
    )


def test_full_mode_is_a_mask_of_channels() -> None:
    assert hsm.full_mode(11) == b"\x00\x11\x0c\x02\x01\x00\x08" + (1 << 11).to_bytes(8) + b"\x02\x00\x01\x46"


def test_a_subscription_lists_its_topics() -> None:
    frame = hsm.subscription(hsm.Kind.SUBSCRIBE, ["sf|a|1", "if|b"], 11)
    assert frame[2:] == b"\x04\x02\x01\x00\x0e\x00\x02\x06sf|a|1\x04if|b\x02\x00\x01\x0b"


def test_an_acknowledgement_carries_the_message_number() -> None:
    assert hsm.acknowledgement(258) == b"\x00\x09\x03\x01\x01\x00\x04\x00\x00\x01\x02"


def test_a_ping_is_three_bytes() -> None:
    assert hsm.PING == b"\x00\x01\x0b"


@pytest.mark.parametrize(("word", "accepted"), [(b"K", True), (b"N", False)])
def test_the_answer_to_a_login_tells_how_often_to_acknowledge(word: bytes, accepted: bool) -> None:
    frame = b"\x00\x00\x01\x02\x01\x00\x01" + word + b"\x02\x00\x04\x00\x00\x00\x0a"
    assert hsm.decode(frame) == hsm.Reply(1, accepted, 10)


def test_a_notice_has_a_code_and_words() -> None:
    frame = (
        b"\x00\x00\x33\x03\x01\x00\x04" + struct.pack(">i", 51001) + b"\x02\x00\x02no" + b"\x03\x00\x01\x04"
    )
    assert hsm.decode(frame) == hsm.Notice(51001, "no", 4)


def test_a_snapshot_is_a_price_right_to_the_tick(prices: Prices) -> None:
    (tick,) = ticks(prices, snapshot(b"\x00\x07", TOPIC, 81505, 10, 5, 1_700_000_000))
    assert tick == Tick(SBIN, Decimal("815.05"), 1_700_000_000_000_000_000, NOW_NS)


@pytest.mark.parametrize(
    ("multiplier", "precision", "price"),
    [(1, 2, "815.05"), (1, 4, "8.1505"), (10, 2, "81.505"), (0, 0, "81505")],
)
def test_a_price_is_scaled_as_its_snapshot_says(
    prices: Prices, multiplier: int, precision: int, price: str
) -> None:
    (tick,) = ticks(prices, snapshot(b"\x00\x07", TOPIC, 81505, multiplier=multiplier, precision=precision))
    assert tick.price == Decimal(price)


def test_an_update_keeps_what_it_does_not_tell(prices: Prices) -> None:
    ticks(prices, snapshot(b"\x00\x07", TOPIC, 81505, 10, 5, 1_700_000_000))
    (moved,) = ticks(prices, update(b"\x00\x07", 81600, UNCHANGED, UNCHANGED, UNCHANGED))
    assert (moved.price, moved.broker_time_ns) == (Decimal(816), 1_700_000_000_000_000_000)
    (confirmed,) = ticks(prices, update(b"\x00\x07", UNCHANGED, UNCHANGED, UNCHANGED, 1_700_000_001))
    assert (confirmed.price, confirmed.broker_time_ns) == (Decimal(816), 1_700_000_001_000_000_000)
    assert ticks(prices, update(b"\x00\x07", UNCHANGED, 99)) == ()


def test_a_lite_record_is_a_price_alone(prices: Prices) -> None:
    ticks(prices, snapshot(b"\x00\x07", TOPIC, 81505))
    (tick,) = ticks(prices, lite(b"\x00\x07", 81510))
    assert tick.price == Decimal("815.1")


def test_an_index_tells_its_time_elsewhere(prices: Prices) -> None:
    nifty = InstrumentId("NSE:NIFTY50-INDEX")
    prices.watch("if|nse_cm|Nifty 50", nifty)
    (tick,) = ticks(prices, snapshot(b"\x01\x00", "if|nse_cm|Nifty 50", 2_590_000, 2_580_000, 1_700_000_000))
    assert tick == Tick(nifty, Decimal(25_900), 1_700_000_000_000_000_000, NOW_NS)


def test_what_nobody_introduced_or_watches_tells_nothing(prices: Prices) -> None:
    assert (
        ticks(prices, update(b"\x00\x09", 1), lite(b"\x00\x09", 1), snapshot(b"\x00\x09", "sf|x|1", 5)) == ()
    )
    assert ticks(prices, snapshot(b"\x00\x07", TOPIC, UNCHANGED)) == ()


def test_a_topics_number_given_to_another_topic_is_the_others(prices: Prices) -> None:
    ticks(prices, snapshot(b"\x00\x07", TOPIC, 81505))
    ticks(prices, snapshot(b"\x00\x07", "sf|x|1", 5))
    assert ticks(prices, update(b"\x00\x07", 6)) == ()


def test_several_records_of_one_frame_are_as_many_ticks(prices: Prices) -> None:
    found = ticks(
        prices, snapshot(b"\x00\x07", TOPIC, 81505), update(b"\x00\x07", 81510), lite(b"\x00\x07", 81515)
    )
    assert [tick.price for tick in found] == [Decimal("815.05"), Decimal("815.1"), Decimal("815.15")]


@given(st.binary())
def test_no_bytes_break_the_reader(frame: bytes) -> None:
    try:
        hsm.decode(frame)
    except hsm.UnreadableFrameError:
        return


@given(st.data())
def test_a_frame_cut_anywhere_is_unreadable_or_whole(source: st.DataObject) -> None:
    whole = data(snapshot(b"\x00\x07", TOPIC, 81505, 10), update(b"\x00\x07", 5), lite(b"\x00\x07", 6))
    cut = whole[: source.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(hsm.UnreadableFrameError):
        hsm.decode(cut)


@pytest.mark.parametrize(
    ("symbol", "token", "topic"),
    [
        ("NSE:SBIN-EQ", "10100000003045", "sf|nse_cm|3045"),
        ("MCX:CRUDEOIL26NOVFUT", "1120261119457", "sf|mcx_fo|457"),
        ("NSE:NIFTY50-INDEX", "101000000026000", "if|nse_cm|Nifty 50"),
        ("NSE:OTHER-INDEX", "101000000026001", "if|nse_cm|OTHER"),
        ("ODD:ODD-EQ", "9999000000001", None),
        ("ODD:ODD-EQ", "", None),
    ],
)
def test_a_topic_is_named_by_segment_and_token(symbol: str, token: str, topic: str | None) -> None:
    assert topic_name(symbol, token, {"NSE:NIFTY50-INDEX": "Nifty 50"}) == topic
