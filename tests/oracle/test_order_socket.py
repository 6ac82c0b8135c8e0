"""The vendor's order socket against the simulator: what its callbacks get, under which names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from tests.oracle.sdk import Sdk
    from tests.oracle.stage import Stage

pytestmark = [pytest.mark.oracle, pytest.mark.asyncio(loop_scope="module")]

SBIN = "NSE:SBIN-EQ"
EVERYTHING = "OnOrders,OnTrades,OnPositions,OnGeneral"
SUBSCRIBED = {"code": 1605, "message": "Successfully subscribed", "s": "ok"}

ORDER_NAMES = {
    *("clientId", "id", "parentId", "exchOrdId", "qty", "remainingQuantity", "filledQty", "limitPrice"),
    *(
        "stopPrice",
        "tradedPrice",
        "type",
        "fyToken",
        "exchange",
        "segment",
        "symbol",
        "instrument",
        "message",
    ),
    *("offlineOrder", "orderDateTime", "orderValidity", "productType", "side", "status", "source", "ex_sym"),
    *("description", "orderTag", "takeProfit", "stopLoss", "legType", "id_fyers"),
}
TRADE_NAMES = {
    *("tradeNumber", "orderNumber", "tradedQty", "tradePrice", "tradeValue", "productType", "clientId"),
    *("exchangeOrderNo", "orderType", "side", "symbol", "orderDateTime", "fyToken", "exchange", "segment"),
    *("orderTag", "id_fyers"),
}
POSITION_NAMES = {
    *(
        "symbol",
        "id",
        "buyAvg",
        "buyQty",
        "buyVal",
        "sellAvg",
        "sellQty",
        "sellVal",
        "netAvg",
        "netQty",
        "side",
    ),
    *(
        "qty",
        "productType",
        "realized_profit",
        "unrealized_profit",
        "pl",
        "rbiRefRate",
        "crossCurrency",
        "fyToken",
    ),
    *(
        "exchange",
        "segment",
        "dayBuyQty",
        "daySellQty",
        "cfBuyQty",
        "cfSellQty",
        "qtyMulti_com",
        "takeProfit",
    ),
    *("stopLoss", "legType"),
}


def order(**fields: object) -> dict[str, Any]:
    body = {"symbol": SBIN, "qty": 10, "type": 2, "side": 1, "productType": "INTRADAY", "validity": "DAY"}
    return {**body, "limitPrice": 0, "stopPrice": 0, "disclosedQty": 0, "offlineOrder": False, **fields}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def live(sdk: Sdk) -> Sdk:
    """The SDK with its order socket open and acknowledged."""
    await sdk.call("open_order_socket", EVERYTHING)
    await sdk.wait_for("general", lambda frame: frame == SUBSCRIBED)
    return sdk


async def test_a_market_order_is_told_as_order_trade_and_position(live: Sdk, stage: Stage) -> None:
    order_id = (await live.call("place_order", order(orderTag="cp1")))["id"]
    traded = await live.wait_for(
        "orders", lambda f: f["orders"]["id"] == order_id and f["orders"]["status"] == 2
    )
    trade = await live.wait_for("trades", lambda f: f["trades"]["orderNumber"] == order_id)
    net = stage.net(SBIN, "INTRADAY")
    position = await live.wait_for("positions", lambda f: f["positions"]["netQty"] == net)
    assert {traded["s"], trade["s"], position["s"]} == {"ok"}
    assert set(traded["orders"]) == ORDER_NAMES
    assert set(trade["trades"]) == TRADE_NAMES
    assert set(position["positions"]) == POSITION_NAMES
    assert traded["orders"]["clientId"] == trade["trades"]["clientId"] == stage.client_id
    assert (traded["orders"]["filledQty"], traded["orders"]["orderTag"]) == (10, "1:cp1")
    assert (trade["trades"]["tradedQty"], trade["trades"]["side"]) == (10, 1)
    assert trade["trades"]["tradePrice"] == traded["orders"]["tradedPrice"]


async def test_every_state_of_an_order_is_told_in_its_order(live: Sdk, stage: Stage) -> None:
    limit = stage.below(SBIN)
    order_id = (await live.call("place_order", order(type=1, limitPrice=limit)))["id"]
    await live.call("modify_order", {"id": order_id, "type": 1, "limitPrice": limit, "qty": 20})
    await live.call("cancel_order", {"id": order_id})
    await live.wait_for("orders", lambda f: f["orders"]["id"] == order_id and f["orders"]["status"] == 1)
    told = [f["orders"] for f in live.seen("orders") if f["orders"]["id"] == order_id]
    assert [(state["status"], state["qty"]) for state in told] == [(4, 10), (6, 10), (6, 20), (1, 20)]


async def test_a_fill_in_parts_is_one_trade_each(live: Sdk, stage: Stage) -> None:
    order_id = (await live.call("place_order", order(type=1, limitPrice=stage.below(SBIN))))["id"]
    stage.exchange.fill(stage.order(order_id), 10, parts=3)
    await live.wait_for("orders", lambda f: f["orders"]["id"] == order_id and f["orders"]["status"] == 2)
    trades = [f["trades"] for f in live.seen("trades") if f["trades"]["orderNumber"] == order_id]
    assert [trade["tradedQty"] for trade in trades] == [4, 3, 3]
    assert len({trade["tradeNumber"] for trade in trades}) == 3


async def test_a_rejection_carries_the_brokers_words(live: Sdk) -> None:
    await live.call("place_order", order(qty=90_000, productType="CNC"))
    told = await live.wait_for("orders", lambda f: f["orders"]["status"] == 5)
    assert "Margin" in told["orders"]["message"]


async def test_after_unsubscribing_nothing_more_is_told(live: Sdk, stage: Stage) -> None:
    await live.call("unsubscribe_orders", "OnOrders")
    await stage.until(lambda: "orders" not in stage.subscribed_kinds())
    seen = len(live.seen("orders"))
    order_id = (await live.call("place_order", order()))["id"]
    await live.wait_for("trades", lambda f: f["trades"]["orderNumber"] == order_id)
    assert len(live.seen("orders")) == seen


async def test_the_sdk_had_nothing_to_complain_of(live: Sdk) -> None:
    assert live.seen("order_error") == []
