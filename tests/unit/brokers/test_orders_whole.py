"""Orders carried whole: each field of a raw frame, the same in the book, the same in the journaled fact."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from paceline.adapters.brokers.fyers import codec
from paceline.adapters.brokers.fyers.answers import parse
from paceline.adapters.brokers.fyers.rows import Owner
from paceline.adapters.postgres.codec import from_json, to_json
from paceline.adapters.wire.orders import order_from_wire, order_to_wire
from paceline.domain.facts import material
from paceline.domain.ids import AccountId
from paceline.domain.instrument import Exchange, Product, Segment
from paceline.domain.order import BrokerStatus, OrderReport, OrderType, Side, Validity
from paceline.domain.tracking import Tracker
from paceline.ports.broker import Observed

OWNER = Owner(AccountId("fyers:XP0001"), "XP0001")
NOW_NS = 1_795_000_000_000_000_000
Row = dict[str, Any]

MARKETS = {
    (10, 10): ("NSE:SBIN-EQ", Exchange.NSE, Segment.CAPITAL_MARKET),
    (10, 11): ("NSE:NIFTY26DECFUT", Exchange.NSE, Segment.EQUITY_DERIVATIVES),
    (10, 12): ("NSE:USDINR26DECFUT", Exchange.NSE, Segment.CURRENCY_DERIVATIVES),
    (11, 20): ("MCX:GOLD26DECFUT", Exchange.MCX, Segment.COMMODITY_DERIVATIVES),
    (12, 10): ("BSE:RELIANCE-A", Exchange.BSE, Segment.CAPITAL_MARKET),
    (12, 11): ("BSE:SENSEX26DECFUT", Exchange.BSE, Segment.EQUITY_DERIVATIVES),
}
TYPES = {1: OrderType.LIMIT, 2: OrderType.MARKET, 3: OrderType.STOP, 4: OrderType.STOP_LIMIT}
PRODUCTS = {
    "INTRADAY": Product.INTRADAY,
    "CNC": Product.CNC,
    "MARGIN": Product.MARGIN,
    "MTF": Product.MTF,
    "CO": Product.COVER,
    "BO": Product.BRACKET,
}
STATUSES = {
    1: BrokerStatus.CANCELLED,
    2: BrokerStatus.TRADED,
    4: BrokerStatus.IN_TRANSIT,
    5: BrokerStatus.REJECTED,
    6: BrokerStatus.PENDING,
    7: BrokerStatus.EXPIRED,
}
prices = st.integers(0, 10_000_000).map(lambda paise: Decimal(paise) / 100)


@st.composite
def socket_rows(draw: st.DrawFn) -> Row:
    """An order as a frame tells it, legs, stops, after-market orders and commodities among them."""
    exchange, segment = draw(st.sampled_from(sorted(MARKETS)))
    quantity = draw(st.integers(1, 100_000))
    filled = draw(st.integers(0, quantity))
    return {
        "client_id": "XP0001",
        "exchange": exchange,
        "segment": segment,
        "symbol": MARKETS[exchange, segment][0],
        "fy_token": f"{exchange}{segment}000000003045",
        "id": draw(st.from_regex(r"\A[1-9][0-9]{13}(-BO-[1-3])?\Z")),
        "id_parent": draw(st.sampled_from(["", "26112100000007"])),
        "id_exchange": draw(st.sampled_from(["", "1100000000000001"])),
        "qty": quantity,
        "qty_filled": filled,
        "qty_remaining": quantity - filled,
        "qty_disc": draw(st.integers(0, quantity)),
        "price_limit": draw(prices),
        "price_stop": draw(prices),
        "price_traded": draw(prices),
        "ord_type": draw(st.sampled_from(sorted(TYPES))),
        "org_ord_status": draw(st.sampled_from(sorted(STATUSES))),
        "tran_side": draw(st.sampled_from([1, -1])),
        "product_type": draw(st.sampled_from(sorted(PRODUCTS))),
        "validity": draw(st.sampled_from(["DAY", "IOC"])),
        "offline_flag": draw(st.booleans()),
        "oms_msg": draw(st.sampled_from(["", "RED:Margin Shortfall:INR 5.00"])),
        "ordertag": draw(st.sampled_from(["1:cp1", "2:Untagged", ""])),
        "time_oms": "21-Nov-2026 10:00:00",
    }


BOOK = {
    "client_id": "clientId",
    "fy_token": "fyToken",
    "id_parent": "parentId",
    "id_exchange": "exchOrdId",
    "qty_filled": "filledQty",
    "qty_remaining": "remainingQuantity",
    "qty_disc": "disclosedQty",
    "price_limit": "limitPrice",
    "price_stop": "stopPrice",
    "price_traded": "tradedPrice",
    "ord_type": "type",
    "org_ord_status": "status",
    "tran_side": "side",
    "product_type": "productType",
    "validity": "orderValidity",
    "offline_flag": "offlineOrder",
    "oms_msg": "message",
    "ordertag": "orderTag",
    "time_oms": "orderDateTime",
}


def decoded(row: Row) -> tuple[OrderReport, OrderReport]:
    """From a frame, and from a book that shows the same order."""
    frame = json.dumps({"s": "ok", "orders": row}, default=float).encode()
    (seen,) = codec.decode_frame(frame, OWNER, NOW_NS)
    assert isinstance(seen, Observed)
    listed = parse(json.dumps([{BOOK.get(name, name): value for name, value in row.items()}], default=float))
    book = codec.order_book(listed, OWNER, NOW_NS)
    assert book.malformed == ()
    (told,), (read,) = seen.reports, book.reports
    assert isinstance(told, OrderReport)
    return told, read


@given(socket_rows())
def test_each_field_of_the_frame_is_in_the_report_and_in_the_fact(row: Row) -> None:
    told, read = decoded(row)
    _, exchange, segment = MARKETS[row["exchange"], row["segment"]]
    assert (told.order_id, told.parent_id, told.exchange_order_id) == (
        row["id"],
        row["id_parent"],
        row["id_exchange"],
    )
    assert (told.key.instrument_id, told.exchange, told.segment) == (row["symbol"], exchange, segment)
    assert (told.key.product, told.raw_product) == (PRODUCTS[row["product_type"]], row["product_type"])
    assert (told.side, told.type) == (Side(row["tran_side"]), TYPES[row["ord_type"]])
    assert told.status is STATUSES[row["org_ord_status"]]
    assert (told.quantity, told.filled, told.disclosed) == (row["qty"], row["qty_filled"], row["qty_disc"])
    assert (told.limit_price, told.trigger_price) == (row["price_limit"], row["price_stop"])
    assert told.average_price == row["price_traded"]
    assert (told.validity, told.offline) == (Validity(row["validity"]), row["offline_flag"])
    assert told.tag == ("cp1" if row["ordertag"] == "1:cp1" else "")
    assert (told.message, told.raw_status) == (row["oms_msg"], str(row["org_ord_status"]))
    assert replace(read, raw_status=told.raw_status) == told
    (fact,) = Tracker(OWNER.account_id).observe(told, NOW_NS).facts
    assert fact.body == told
    assert from_json(OrderReport, to_json(fact.body)) == told
    assert order_from_wire(order_to_wire(told)) == told


@given(
    socket_rows(), st.sampled_from(["price_limit", "price_stop", "qty", "qty_disc", "validity", "ord_type"])
)
def test_a_change_of_any_term_is_the_next_revision_by_either_source(row: Row, name: str) -> None:
    row |= {
        "org_ord_status": 6,
        "qty": 100,
        "qty_filled": 0,
        "qty_remaining": 100,
        "qty_disc": 5,
        "ord_type": 4,
    }
    row |= {"validity": "DAY", "price_limit": Decimal(100), "price_stop": Decimal(99)}
    other = {"qty": 90, "qty_disc": 4, "validity": "IOC", "ord_type": 1}.get(name, Decimal(98))
    later = row | {name: other, "time_oms": "21-Nov-2026 10:00:07"}
    later["qty_remaining"] = later["qty"]
    before, _ = decoded(row)
    told, read = decoded(later)
    for news in (told, read):
        tracker = Tracker(OWNER.account_id)
        tracker.observe(before, NOW_NS)
        (fact,) = tracker.observe(news, NOW_NS).facts
        assert (fact.revision, fact.body) == (2, news)
    assert material(told) == material(read) != material(before)
