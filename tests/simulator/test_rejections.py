"""What is refused at the door, what is rejected by risk and exchange, and in which words."""

from dataclasses import replace
from typing import Any

import pytest

from simulator.account import Account
from simulator.desk import protected_limit, slices
from simulator.exchange import Exchange, Refusal
from simulator.fyers.words import words
from simulator.instruments import Segment, Venue
from simulator.orders import (
    Order,
    OrderRequest,
    OrderType,
    Product,
    Reject,
    RejectReason,
    Side,
    Status,
    Validity,
)
from tests.simulator.kit import NIFTY, SBIN, limit, placed, wish

STOP = OrderType.STOP_LIMIT


@pytest.mark.parametrize(
    ("request_", "reason", "code"),
    [
        (wish("NSE:NIFTY50-INDEX", 1), RejectReason.NOT_TRADABLE, -300),
        (wish(qty=0), RejectReason.BAD_PARAMETER, -50),
        (wish(NIFTY, 66), RejectReason.LOT_MULTIPLE, -50),
        (limit(80_001), RejectReason.TICK_MULTIPLE, -50),
        (limit(0), RejectReason.BAD_PARAMETER, -50),
        (wish(type=OrderType.STOP_MARKET), RejectReason.BAD_PARAMETER, -50),
        (wish(type=OrderType.STOP_MARKET, stop=80_101), RejectReason.TICK_MULTIPLE, -50),
        (wish(type=STOP, stop=81_000, limit=80_900), RejectReason.STOP_AND_LIMIT, -50),
        (wish(qty=100, disclosed=9), RejectReason.DISCLOSED_QUANTITY, -50),
        (wish(qty=100, disclosed=101), RejectReason.DISCLOSED_QUANTITY, -50),
        (wish(NIFTY, 65, disclosed=65), RejectReason.DISCLOSED_QUANTITY, -50),
        (wish(NIFTY, 65, product=Product.CNC), RejectReason.PRODUCT_SEGMENT, -50),
        (wish(product=Product.MARGIN), RejectReason.PRODUCT_SEGMENT, -50),
        (wish(tag="with space"), RejectReason.BAD_TAG, -50),
        (wish(tag="x" * 31), RejectReason.BAD_TAG, -50),
        (wish(tag="Untagged"), RejectReason.BAD_TAG, -50),
        (wish(tag="XA00001"), RejectReason.BAD_TAG, -50),
        (wish(tag="cp1", product=Product.CO), RejectReason.TAG_ON_PRODUCT, -50),
    ],
)
def test_a_fault_at_the_door_makes_no_order(
    exchange: Exchange, account: Account, request_: OrderRequest, reason: RejectReason, code: int
) -> None:
    outcome = exchange.place(account, request_)

    assert isinstance(outcome, Refusal)
    assert outcome.reject.reason is reason
    assert words(outcome.reject).code == code
    assert account.orders == {}


@pytest.mark.parametrize(
    ("request_", "reason", "said"),
    [
        (wish(NIFTY, 1820), RejectReason.FREEZE_QUANTITY, "Current:1820 Freeze:1800:NFO.NIFTY26NOVFUT"),
        (limit(96_065), RejectReason.PRICE_BAND, "Current:INR 960.65 LowerCircuit:INR 640.40"),
        (limit(64_035), RejectReason.PRICE_BAND, "UpperCircuit:INR 960.60:NSE.SBIN-EQ for C-XA00001"),
        (
            wish(type=OrderType.STOP_MARKET, stop=70_000),
            RejectReason.TRIGGER_PASSED,
            "700.00 is already passed",
        ),
        (wish(qty=90_000, product=Product.CNC), RejectReason.MARGIN, "RED:Margin Shortfall:INR 7,"),
        (wish(qty=5, side=Side.SELL, product=Product.CNC), RejectReason.HOLDINGS, "Requested:5 Available:0"),
    ],
)
def test_a_rejected_order_has_an_id_and_the_brokers_words(
    exchange: Exchange, account: Account, request_: OrderRequest, reason: RejectReason, said: str
) -> None:
    order = placed(exchange, account, request_)

    assert order.status is Status.REJECTED
    assert order.reject is not None
    assert order.reject.reason is reason
    spoken = words(order.reject, order.instrument, account.client_id)
    assert spoken.code == -99
    assert said in spoken.message
    assert account.orders[order.id] is order
    assert account.used == 0


def test_a_tick_is_named_with_four_digits() -> None:
    said = words(Reject(RejectReason.TICK_MULTIPLE, "StopPrice", required=10))
    assert said.message == "StopPrice not a multiple of tick size 0.1000"


def test_a_closed_market_rejects_and_an_offline_order_waits_for_it(
    exchange: Exchange, account: Account
) -> None:
    exchange.hours.shut.add((Venue.NSE, Segment.CAPITAL))
    closed = placed(exchange, account, wish())
    assert closed.reject == Reject(RejectReason.MARKET_CLOSED)

    offline = placed(exchange, account, wish(offline=True))
    assert (offline.status, offline.filled) == (Status.PENDING, 0)
    assert exchange.release_after_market() == 0

    exchange.hours.shut.clear()
    assert exchange.release_after_market() == 1
    assert offline.status is Status.TRADED


def test_an_offline_order_can_be_withdrawn_before_the_open(exchange: Exchange, account: Account) -> None:
    exchange.hours.shut.add((Venue.NSE, Segment.CAPITAL))
    offline = placed(exchange, account, wish(offline=True))
    exchange.cancel(offline)
    exchange.hours.shut.clear()
    assert exchange.release_after_market() == 0
    assert offline.status is Status.CANCELLED


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"limit": 79_001}, RejectReason.TICK_MULTIPLE),
        ({"limit": 99_000}, RejectReason.PRICE_BAND),
        ({"qty": 100_001}, RejectReason.FREEZE_QUANTITY),
        ({"type": OrderType.STOP_MARKET, "stop": 70_000}, RejectReason.TRIGGER_PASSED),
        ({"type": STOP}, RejectReason.BAD_PARAMETER),
    ],
)
def test_a_modification_obeys_the_same_rules(
    exchange: Exchange, account: Account, change: dict[str, Any], reason: RejectReason
) -> None:
    from simulator.orders import OrderChange

    order = placed(exchange, account, limit(79_000))
    fault = exchange.modify(order, OrderChange(**change))
    assert fault is not None
    assert fault.reason is reason
    assert (order.limit, order.qty, order.type) == (79_000, 10, OrderType.LIMIT)


def test_a_reject_can_be_forced(exchange: Exchange, account: Account) -> None:
    barred = Reject(RejectReason.MARKET_ORDERS_BARRED)
    order = exchange.place(account, wish(), reject=barred)
    assert isinstance(order, Order)
    assert order.reject == barred


def test_slices_keep_to_the_freeze_quantity(exchange: Exchange) -> None:
    pieces = slices(exchange, wish(NIFTY, 65 * 60))
    assert [one.qty for one in pieces] == [1755, 1755, 390]
    assert slices(exchange, replace(wish(), validity=Validity.IOC)) == [
        replace(wish(), validity=Validity.IOC)
    ]


def test_a_protected_limit_is_on_the_tick_and_inside_the_bands(exchange: Exchange) -> None:
    ltp = exchange.markets[SBIN].ltp
    up, down = (protected_limit(exchange, SBIN, side, 1.0) for side in (Side.BUY, Side.SELL))
    assert up % 5 == down % 5 == 0
    assert abs(up - ltp * 1.01) < 5
    assert abs(ltp * 0.99 - down) < 5
    assert protected_limit(exchange, SBIN, Side.BUY, 90) == exchange.markets[SBIN].instrument.upper_band
