"""Frames and rows become reports, strictly; whatever cannot be read is kept with its reason."""

import json
from collections.abc import Iterator
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.adapters.brokers.fyers import codec
from paceline.adapters.brokers.fyers.rows import Owner
from paceline.domain.ids import AccountId
from paceline.domain.instrument import Exchange, Product, Segment
from paceline.domain.order import BrokerStatus, Fill, OrderReport, OrderType, Side, Validity
from paceline.domain.position import PositionReport
from paceline.ports.broker import Malformed, MalformedKind, Observed

OWNER = Owner(AccountId("fyers:XP0001"), "XP0001")
RECEIVED_NS = 1_702_887_999_123_456_789
AT_13_51_30_IST_NS = 1_702_887_690_000_000_000

PUBLISHED_ORDER = (
    b'{"orders":{"client_id":"XP0001","exchange":10,"fy_token":"10100000001628","id":"23121800292158",'
    b'"ord_type":2,"ordertag":"2:Untagged","org_ord_status":4,"product_type":"CNC","qty":1,"qty_remaining":1,'
    b'"segment":10,"symbol":"NSE:BECTORFOOD-EQ","time_oms":"18-Dec-2023 13:51:30","tran_side":1,'
    b'"validity":"DAY"},"s":"ok"}'
)
REQUIRED_OF_A_TRADE: dict[str, Any] = {
    "tradeNumber": "43",
    "orderNumber": "23121800292158",
    "tradedQty": 5,
    "tradePrice": 8.15,
    "clientId": "XP0001",
    "side": -1,
    "symbol": "NSE:IDEA-EQ",
}
RAW_TRADE: dict[str, Any] = {
    "id_fill": "23121800292158-43",
    "id": "23121800292158",
    "qty_traded": 5,
    "price_traded": 8.15,
    "client_id": "XP0001",
    "tran_side": -1,
    "symbol": "NSE:IDEA-EQ",
    "exchange": 10,
    "segment": 10,
    "product_type": "INTRADAY",
    "ord_type": 1,
    "fill_time": "18-12-2023 13:51:30",
    "ordertag": "1:cp1",
}


def read(frame: bytes | dict[str, Any]) -> tuple[Observed | Malformed, ...]:
    raw = frame if isinstance(frame, bytes) else json.dumps(frame).encode()
    return codec.decode_frame(raw, OWNER, RECEIVED_NS)


def only(frame: bytes | dict[str, Any]) -> OrderReport | Fill | PositionReport:
    (observed,) = read(frame)
    assert isinstance(observed, Observed), observed
    (report,) = observed.reports
    return report


def why(frame: bytes | dict[str, Any]) -> tuple[MalformedKind, str]:
    (malformed,) = read(frame)
    assert isinstance(malformed, Malformed), malformed
    return malformed.kind, malformed.reason


def trade(**changes: Any) -> dict[str, Any]:
    return {"s": "ok", "trades": REQUIRED_OF_A_TRADE | changes}


def test_the_published_order_frame_is_read_whole() -> None:
    report = only(PUBLISHED_ORDER)
    assert isinstance(report, OrderReport)
    assert (report.order_id, report.status, report.raw_status) == (
        "23121800292158",
        BrokerStatus.IN_TRANSIT,
        "4",
    )
    assert (report.side, report.type, report.validity) == (Side.BUY, OrderType.MARKET, Validity.DAY)
    assert (report.quantity, report.filled, report.tag) == (Decimal(1), Decimal(0), "")
    assert (report.exchange, report.segment) == (Exchange.NSE, Segment.CAPITAL_MARKET)
    assert report.key.instrument_id == "NSE:BECTORFOOD-EQ"
    assert report.broker_time_ns == AT_13_51_30_IST_NS


def test_a_trade_needs_seven_fields_and_the_rest_has_defaults() -> None:
    fill = only(trade())
    assert isinstance(fill, Fill)
    assert (fill.key.product, fill.order_type, fill.tag) == (Product.CNC, OrderType.MARKET, "")
    assert (fill.broker_time_ns, fill.exchange) == (RECEIVED_NS, Exchange.NSE)
    assert (fill.side, fill.quantity, fill.price) == (Side.SELL, Decimal(5), Decimal("8.15"))


@pytest.mark.parametrize("name", sorted(REQUIRED_OF_A_TRADE))
def test_a_trade_without_one_of_them_is_kept_with_the_fields_name(name: str) -> None:
    body = {key: value for key, value in REQUIRED_OF_A_TRADE.items() if key != name}
    kind, reason = why({"s": "ok", "trades": body})
    assert kind is MalformedKind.MISSING_FIELD
    if name != "tradeNumber":  # without it the row is taken for one of the wire's own names
        assert name in reason


def test_the_wires_own_names_and_the_callbacks_names_are_the_same_fill() -> None:
    raw = only({"trades": RAW_TRADE, "s": "ok"})
    book = only(
        trade(
            exchange=10,
            segment=10,
            productType="INTRADAY",
            orderType=1,
            orderDateTime="18-Dec-2023 13:51:30",
            orderTag="1:cp1",
        )
    )
    assert raw == book
    assert isinstance(raw, Fill)
    assert (raw.trade_id, raw.tag, raw.broker_time_ns) == ("43", "cp1", AT_13_51_30_IST_NS)


@pytest.mark.parametrize(
    ("tag", "expected"), [("1:cp1", "cp1"), ("2:Untagged", ""), ("", ""), ("1:1:x", "1:x"), (None, "")]
)
def test_tags_come_back_as_they_were_given(tag: str | None, expected: str) -> None:
    fill = only(trade(orderTag=tag))
    assert isinstance(fill, Fill)
    assert fill.tag == expected


@pytest.mark.parametrize(
    ("written", "price"),
    [
        ("2100.05", "2100.05"),
        ("2100.0500000000002", "2100.05"),
        ("0.0025", "0.0025"),
        ("8", "8"),
        ('"8.15"', "8.15"),
    ],
)
def test_prices_are_right_to_the_tick(written: str, price: str) -> None:
    fill = only(json.dumps(trade()).replace("8.15", written).encode())
    assert isinstance(fill, Fill)
    assert fill.price == Decimal(price)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"side": 0}, "side"),
        ({"side": True}, "side"),
        ({"exchange": 99}, "exchange"),
        ({"segment": 13}, "segment"),
        ({"orderType": 9}, "orderType"),
        ({"productType": "ODD"}, "productType"),
        ({"tradedQty": 0}, "tradedQty"),
        ({"tradedQty": -5}, "tradedQty"),
        ({"tradedQty": 1.5}, "tradedQty"),
        ({"tradedQty": True}, "tradedQty"),
        ({"tradePrice": "much"}, "tradePrice"),
        ({"tradePrice": 1e300}, "tradePrice"),
        ({"tradePrice": [1]}, "tradePrice"),
        ({"orderDateTime": "soon"}, "orderDateTime"),
        ({"orderDateTime": "31-Feb-2023 10:00:00"}, "orderDateTime"),
        ({"symbol": "NSE:ID\x00EA-EQ"}, "symbol"),
        ({"symbol": "NSE:\ud800"}, "symbol"),
        ({"symbol": "X" * 1000}, "symbol"),
        ({"symbol": {"a": 1}}, "symbol"),
        ({"orderNumber": 1.5}, "orderNumber"),
    ],
)
def test_what_is_not_understood_is_named(changes: dict[str, Any], name: str) -> None:
    kind, reason = why(trade(**changes))
    assert kind is MalformedKind.BAD_VALUE
    assert name in reason


def test_a_strangers_trade_is_kept_apart() -> None:
    kind, reason = why(trade(clientId="XZ9"))
    assert kind is MalformedKind.UNKNOWN_CLIENT
    assert "XZ9" in reason


@pytest.mark.parametrize(
    "frame", [b"", b"{", b"null", b"[]", b"\xff\xfe", b'{"a":NaN}', b"[" * 100_000, b"1" * 9_000]
)
def test_what_is_no_frame_is_kept_as_it_came(frame: bytes) -> None:
    (malformed,) = read(frame)
    assert isinstance(malformed, Malformed)
    assert (malformed.raw, malformed.kind) == (frame, MalformedKind.UNPARSEABLE)


@pytest.mark.parametrize(
    "frame",
    [
        b'{"code":1605,"message":"Successfully subscribed","s":"ok"}',
        b'{"edis":{},"s":"ok"}',
        b'{"pricealerts":{},"s":"ok"}',
        b'{"login":{},"s":"ok"}',
    ],
)
def test_notices_are_not_events(frame: bytes) -> None:
    assert read(frame) == ()


def test_one_frame_may_hold_lists_of_several_kinds_and_one_bad_row_spoils_no_other() -> None:
    order = json.loads(PUBLISHED_ORDER)["orders"]
    frame = {
        "s": "ok",
        "orders": [order, order | {"org_ord_status": 99}],
        "trades": [REQUIRED_OF_A_TRADE, RAW_TRADE],
        "positions": [{"symbol": "NSE:IDEA-EQ", "net_qty": 5, "tran_side": -1, "product_type": "CNC"}, 7],
    }
    observed, *malformed = read(frame)
    assert isinstance(observed, Observed)
    assert [type(each) for each in observed.reports] == [OrderReport, Fill, Fill, PositionReport]
    assert [each.kind for each in malformed if isinstance(each, Malformed)] == [
        MalformedKind.BAD_VALUE,
        MalformedKind.UNPARSEABLE,
    ]


@pytest.mark.parametrize(
    ("fields", "filled"),
    [
        ({"org_ord_status": 6, "qty": 10, "qty_remaining": 4}, 6),
        ({"org_ord_status": 6, "qty": 10, "qty_filled": 3, "qty_remaining": 7}, 3),
        ({"org_ord_status": 2, "qty": 10}, 10),
        ({"org_ord_status": 1, "qty": 10, "qty_filled": 3}, 3),
        ({"org_ord_status": 1, "qty": 10, "qty_remaining": 0}, 0),
        ({"org_ord_status": 5, "qty": 10}, 0),
        ({"org_ord_status": 4, "qty": 10}, 0),
    ],
)
def test_filled_is_what_is_said_else_what_is_certain(fields: dict[str, int], filled: int) -> None:
    order = json.loads(PUBLISHED_ORDER)["orders"]
    del order["qty_remaining"]
    report = only({"s": "ok", "orders": order | fields})
    assert isinstance(report, OrderReport)
    assert report.filled == filled


@pytest.mark.parametrize(
    ("row", "quantity"),
    [
        ({"netQty": 5, "side": 1}, 5),
        ({"netQty": 5, "side": -1}, -5),
        ({"netQty": -5, "side": -1}, -5),
        ({"netQty": 0, "side": 0}, 0),
        ({"netQty": -5}, -5),
        ({}, 0),
    ],
)
def test_positions_are_signed_however_they_are_written(row: dict[str, int], quantity: int) -> None:
    report = only({"positions": {"symbol": "NSE:IDEA-EQ", "productType": "MARGIN"} | row, "s": "ok"})
    assert isinstance(report, PositionReport)
    assert report.quantity == quantity


@pytest.mark.parametrize(
    ("symbol", "exchange", "segment"),
    [
        ("NSE:SBIN-EQ", Exchange.NSE, Segment.CAPITAL_MARKET),
        ("NSE:NIFTY26NOV25900CE", Exchange.NSE, Segment.EQUITY_DERIVATIVES),
        ("BSE:SENSEX26NOVFUT", Exchange.BSE, Segment.EQUITY_DERIVATIVES),
        ("MCX:CRUDEOIL26NOVFUT", Exchange.MCX, Segment.COMMODITY_DERIVATIVES),
        ("NSE:FORCE-EQ", Exchange.NSE, Segment.CAPITAL_MARKET),
    ],
)
def test_a_symbol_alone_tells_its_exchange_and_segment(
    symbol: str, exchange: Exchange, segment: Segment
) -> None:
    fill = only(trade(symbol=symbol))
    assert isinstance(fill, Fill)
    assert (fill.exchange, fill.segment) == (exchange, segment)


def test_twenty_is_commodity_and_twelve_is_currency() -> None:
    for code, segment in ((20, Segment.COMMODITY_DERIVATIVES), (12, Segment.CURRENCY_DERIVATIVES)):
        fill = only(trade(exchange=11, segment=code))
        assert isinstance(fill, Fill)
        assert fill.segment is segment


anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["ok", "1", "NSE:A-EQ"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
rows = st.dictionaries(
    st.sampled_from(
        sorted({*REQUIRED_OF_A_TRADE, *RAW_TRADE, *json.loads(PUBLISHED_ORDER)["orders"], "netQty"})
    ),
    anything,
)
frames = st.dictionaries(
    st.sampled_from(["orders", "trades", "positions", "s", "code"]), rows | st.lists(rows) | anything
)


@given(frames)
def test_no_frame_stops_the_session(frame: dict[str, Any]) -> None:
    for outcome in read(frame):
        assert isinstance(outcome, (Observed, Malformed))


@given(st.binary())
def test_no_bytes_stop_the_session(raw: bytes) -> None:
    for outcome in read(raw):
        assert outcome.raw == raw


@given(frames)
def test_whatever_is_read_can_be_stored(frame: dict[str, Any]) -> None:
    """PostgreSQL takes no NUL, and no encoding takes half a surrogate pair."""
    for outcome in read(frame):
        if isinstance(outcome, Observed):
            for text in strings(outcome.reports):
                assert "\x00" not in text
                assert text.encode()


def strings(value: object) -> Iterator[str]:
    """Every text in a report, however deep; empty ones aside."""
    if isinstance(value, str) and value:
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from strings(each)
    elif is_dataclass(value):
        for each in dataclass_fields(value):
            yield from strings(getattr(value, each.name))


def test_a_book_keeps_each_row_as_it_came_and_says_what_it_could_not_read() -> None:
    book = codec.trade_book(
        [REQUIRED_OF_A_TRADE | {"tradePrice": Decimal("8.15")}, {"x": 1}], OWNER, RECEIVED_NS
    )
    (row,) = book.rows
    assert json.loads(row.words()) == REQUIRED_OF_A_TRADE
    assert book.reports[0].price == Decimal("8.15")
    assert [each.kind for each in book.malformed] == [MalformedKind.MISSING_FIELD]
