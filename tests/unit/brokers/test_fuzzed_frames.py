"""Whatever comes over a socket: read, or kept aside with its reason; never an exception, never a secret."""

import json
from decimal import Decimal
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from paceline.adapters.brokers.fyers import codec, hsm
from paceline.adapters.brokers.fyers.answers import UnreadableError, parse
from paceline.adapters.brokers.fyers.prices import Prices
from paceline.adapters.brokers.fyers.rows import Owner
from paceline.domain.calendar import trading_day
from paceline.domain.ids import AccountId, InstrumentId
from paceline.domain.order import Fill, OrderReport
from paceline.domain.tracking import Tracker
from paceline.ports.broker import Malformed, Observed
from services.feed.letters import without_secrets
from services.feed.prices import price_of, price_to_wire
from tests.unit.brokers.test_data_frames import TOPIC, data, lite, snapshot, update

ACCOUNT = AccountId("fyers:XP0001")
OWNER = Owner(ACCOUNT, "XP0001")
NOW_NS = 1_795_000_000_000_000_000

COMMON: dict[str, Any] = {
    "client_id": "XP0001",
    "exchange": 10,
    "segment": 10,
    "fy_token": "10100000003045",
    "symbol": "NSE:SBIN-EQ",
    "product_type": "INTRADAY",
    "tran_side": 1,
    "ord_type": 1,
    "ordertag": "1:abc",
}
ORDER = COMMON | {
    "id": "26112100000001",
    "id_parent": "",
    "id_exchange": "1100000000000001",
    "qty": 10,
    "qty_remaining": 6,
    "qty_filled": 4,
    "qty_disc": 0,
    "price_limit": 812.35,
    "price_stop": 0,
    "price_traded": 812.3,
    "org_ord_status": 6,
    "validity": "DAY",
    "offline_flag": False,
    "oms_msg": "",
    "time_oms": "21-Nov-2026 10:00:00",
}
TRADE = COMMON | {
    "id": "26112100000001",
    "id_fill": "26112100000001-7",
    "qty_traded": 4,
    "price_traded": 812.3,
    "fill_time": "21-11-2026 10:00:00",
}
POSITION = COMMON | {"net_qty": 4, "net_avg": 812.3, "pl_realized": 0}
ROWS = {"orders": ORDER, "trades": TRADE, "positions": POSITION}

odd = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.sampled_from(
        [
            -1,
            10**30,
            -(10**30),
            "",
            "0",
            "-5",
            "1e400",
            "NaN",
            "sNaN",
            "Infinity",
            "31-Feb-2026 10:00:00",
            "1-1-1 0:0:0",
            "1-1-99999999999999999999 0:0:0",
            "9999999999",
            "\x00",
            "\ud800",
            [],
            {},
            [[]],
            {"a": {}},
        ]
    ),
)


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """A frame as the broker sends it, with some of its fields replaced, dropped or doubled up in lists."""
    frame: dict[str, Any] = {"s": "ok"}
    for kind in draw(st.sets(st.sampled_from(sorted(ROWS)), min_size=1)):
        row = dict(ROWS[kind])
        for name in draw(st.sets(st.sampled_from(sorted(row)), max_size=3)):
            if draw(st.booleans()):
                row[name] = draw(odd)
            else:
                del row[name]
        frame[kind] = draw(st.sampled_from([row, [row], [row, 7, row], [[row]]]))
    return frame


def taken_in(raw: bytes) -> None:
    """As a session does it: decoded, judged, twice."""
    tracker = Tracker(ACCOUNT)
    tracker.baseline((), (), (), NOW_NS)
    for outcome in (*codec.decode_frame(raw, OWNER, NOW_NS), *codec.decode_frame(raw, OWNER, NOW_NS)):
        if isinstance(outcome, Malformed):
            assert outcome.reason
            continue
        assert isinstance(outcome, Observed)
        for report in outcome.reports:
            tracker.observe(report, NOW_NS, raw)
            if isinstance(report, Fill | OrderReport):
                trading_day(report.exchange, report.broker_time_ns)
                assert report.quantity >= 0
    for _ in range(2):
        tracker.recover([], [], NOW_NS)


@given(mutated())
@example({"orders": ORDER | {"time_oms": "1-1-1 0:0:0"}})
@example({"orders": ORDER | {"time_oms": "1-1-99999999999999999999 0:0:0"}})
@example({"orders": ORDER | {"qty_filled": -5}})
@example({"trades": TRADE | {"fill_time": 5}})
def test_a_frame_with_any_field_spoilt_is_read_or_kept_aside(frame: dict[str, Any]) -> None:
    taken_in(json.dumps(frame).encode(errors="surrogatepass"))


@given(st.binary(), st.integers(0, 2_000))
def test_a_frame_cut_or_spoilt_anywhere_is_read_or_kept_aside(noise: bytes, at: int) -> None:
    whole = json.dumps({"orders": ORDER, "trades": [TRADE]}).encode()
    taken_in(whole[:at])
    taken_in(whole[:at] + noise + whole[at + len(noise) :])


def test_the_frames_that_are_spoilt_here_are_good_ones() -> None:
    for kind, row in ROWS.items():
        (outcome,) = codec.decode_frame(json.dumps({kind: row}).encode(), OWNER, NOW_NS)
        assert isinstance(outcome, Observed)


@given(
    st.recursive(
        odd, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    )
)
def test_books_of_any_shape_are_read_or_kept_aside(listed: object) -> None:
    try:
        read = parse(json.dumps(listed))
    except UnreadableError:
        return  # an answer that is not JSON is no book at all
    for decode in (codec.order_book, codec.trade_book, codec.position_book):
        book = decode(read, OWNER, NOW_NS)
        assert len(book.rows) + len(book.malformed) == (len(read) if isinstance(read, list) else 0)


FRAME = data(
    snapshot(b"\x00\x07", TOPIC, 81505, 1, 2, 1_700_000_000),
    update(b"\x00\x07", 81510),
    lite(b"\x00\x07", 81515),
)


@given(
    st.lists(st.tuples(st.integers(0, len(FRAME) - 1), st.integers(0, 255)), max_size=6),
    st.integers(1, len(FRAME)),
)
def test_a_price_frame_with_any_bytes_spoilt_is_read_or_refused(
    changes: list[tuple[int, int]], cut: int
) -> None:
    spoilt = bytearray(FRAME)
    for at, value in changes:
        spoilt[at] = value
    prices = Prices()
    prices.watch(TOPIC, InstrumentId("NSE:SBIN-EQ"))
    for raw in (bytes(spoilt), bytes(spoilt[:cut]), FRAME):
        try:
            message = hsm.decode(raw)
        except hsm.UnreadableFrameError:
            continue
        if isinstance(message, hsm.Data):
            for tick in prices.ticks(message, NOW_NS):
                assert tick.price.is_finite()
                wire = price_to_wire(tick.instrument_id, price_of(tick), stale=tick.stale)
                assert Decimal(wire.last).scaleb(-wire.scale) == tick.price


SECRET = "sEcReT-" + "q" * 30
JWT = f"eyJhbGciOiJIUzI1NiJ9.{SECRET}.{SECRET}"


@given(
    st.sampled_from(
        ["access_token", "token", "Authorization", "appSecret", "pin", "hsm_key", "refresh-token"]
    ),
    st.sampled_from(
        [
            '{{"{name}":"{value}","x":1',
            "{name}={value}&a=b",
            "{name}: Bearer {value}\r\n",
            "'{name}' : '{value}'",
        ]
    ),
    st.binary(max_size=20),
)
def test_nothing_of_a_secret_is_kept(name: str, shape: str, around: bytes) -> None:
    raw = shape.format(name=name, value=SECRET).encode()
    assert SECRET.encode() not in without_secrets(b" " + raw + around)
    assert SECRET.encode() not in without_secrets(around + JWT.encode() + around)


def test_a_frame_without_secrets_is_kept_as_it_came() -> None:
    raw = json.dumps({"orders": ORDER, "trades": TRADE}).encode()
    assert without_secrets(raw) == raw
