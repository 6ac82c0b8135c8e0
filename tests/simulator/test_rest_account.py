"""Positions, triggered orders, market data and limits over REST."""

import pytest

from simulator.market import Liquidity
from tests.simulator.kit import SBIN, Broker, Row, body


@pytest.fixture
def key(broker: Broker) -> str:
    return broker.authorization(broker.client())


async def place(broker: Broker, key: str, **changes: object) -> str:
    status, answer = await broker.call(key, "POST", "/orders/sync", body(**changes))  # type: ignore[arg-type]
    assert status == 200, answer
    return str(answer["id"])


async def order(broker: Broker, key: str, order_id: str) -> Row:
    _, answer = await broker.call(key, "GET", "/orders", id=order_id)
    row: Row = answer["orderBook"][0]
    return row


async def test_positions_are_closed_all_by_id_or_by_kind(broker: Broker, key: str) -> None:
    assert (await broker.call(key, "DELETE", "/positions", {"exit_all": 1}))[1]["code"] == -352
    await place(broker, key)
    await place(broker, key, productType="CNC")

    status, answer = await broker.call(key, "DELETE", "/positions", {"id": f"{SBIN}-INTRADAY"})
    assert (status, answer["code"]) == (200, 200)
    kinds = {"segment": [10], "side": [1], "productType": ["CNC"]}
    assert (await broker.call(key, "DELETE", "/positions", kinds))[0] == 200
    _, positions = await broker.call(key, "GET", "/positions")
    assert [one["netQty"] for one in positions["netPositions"]] == [0, 0]

    assert (await broker.call(key, "DELETE", "/positions", {"id": ["nothing"]}))[1]["code"] == -53
    assert (await broker.call(key, "DELETE", "/positions", {"segment": [10]}))[1]["code"] == -50
    await place(broker, key)
    assert (await broker.call(key, "DELETE", "/positions", {}))[0] == 200


async def test_closing_can_cancel_what_is_working(broker: Broker, key: str) -> None:
    await place(broker, key)
    working = await place(broker, key, type=1, limitPrice=820, side=-1)
    wish = {"id": f"{SBIN}-INTRADAY", "pending_orders_cancel": 1}
    assert (await broker.call(key, "DELETE", "/positions", wish))[0] == 200
    assert (await order(broker, key, working))["status"] == 1


async def test_a_close_that_is_rejected_says_so(broker: Broker, key: str) -> None:
    await place(broker, key)
    await broker.control("POST", "/hours", venue="NSE", segment="CAPITAL", open=False)
    assert (await broker.call(key, "DELETE", "/positions", {"exit_all": 1}))[1]["code"] == -99


async def test_a_position_is_converted(broker: Broker, key: str) -> None:
    await place(broker, key)
    wish = {
        "symbol": f"{SBIN}-INTRADAY",
        "positionSide": 1,
        "convertQty": 4,
        "convertFrom": "INTRADAY",
        "convertTo": "CNC",
    }
    status, answer = await broker.call(key, "POST", "/positions", wish)
    assert (status, answer["positionDetails"]) == (200, 1101)
    _, positions = await broker.call(key, "GET", "/positions")
    assert {one["productType"]: one["netQty"] for one in positions["netPositions"]} == {
        "INTRADAY": 6,
        "CNC": 4,
    }

    assert (await broker.call(key, "POST", "/positions", wish | {"positionSide": -1}))[1]["code"] == -53
    assert (await broker.call(key, "POST", "/positions", wish | {"convertQty": 99}))[1]["code"] == -50
    assert (await broker.call(key, "POST", "/positions", wish | {"convertTo": "CO"}))[1]["code"] == -50
    backwards = wish | {"convertFrom": "CNC", "convertTo": "INTRADAY", "symbol": f"{SBIN}-CNC"}
    assert (await broker.call(key, "POST", "/positions", backwards))[1]["code"] == -50


async def test_legs_are_attached_to_a_position(broker: Broker, key: str) -> None:
    await place(broker, key)
    wish = {"positionId": f"{SBIN}-INTRADAY", "takeProfit": 10, "stopLoss": 5, "legType": 1}
    assert (await broker.call(key, "PATCH", "/positions", wish))[0] == 200
    assert (await broker.call(key, "PATCH", "/positions", wish | {"legType": 3}))[1]["code"] == -50
    assert (await broker.call(key, "PATCH", "/positions", wish | {"positionId": "x"}))[1]["code"] == -53


def gtt(trigger: float = 900, **changes: object) -> Row:
    leg = {"price": trigger, "triggerPrice": trigger, "qty": 1}
    return {"side": 1, "symbol": SBIN, "productType": "CNC", "orderInfo": {"leg1": leg}, **changes}


async def test_a_triggered_order_waits_changes_ends(broker: Broker, key: str) -> None:
    _, answer = await broker.call(key, "POST", "/gtt/orders/sync", gtt())
    assert answer["code"] == 1101
    order_id = answer["id"]
    changed = {"id": order_id, "orderInfo": {"leg1": {"price": 910, "triggerPrice": 905, "qty": 2}}}
    assert (await broker.call(key, "PATCH", "/gtt/orders/sync", changed))[1]["code"] == 1102

    _, book = await broker.call(key, "GET", "/gtt/orders")
    (row,) = book["orderBook"]
    assert (row["price_limit"], row["price_trigger"], row["qty"], row["gtt_oco_ind"]) == (910.0, 905.0, 2, 1)
    assert (row["ord_status"], row["report_type"]) == (6, "PLACED")

    assert (await broker.call(key, "DELETE", "/gtt/orders/sync", {"id": order_id}))[1]["code"] == 1103
    assert (await broker.call(key, "DELETE", "/gtt/orders/sync", {"id": order_id}))[1]["code"] == -51
    assert (await broker.call(key, "PATCH", "/gtt/orders/sync", changed))[1]["code"] == -51


async def test_a_triggered_pair_and_its_refusals(broker: Broker, key: str) -> None:
    await place(broker, key, productType="CNC")
    pair = {
        "leg1": {"price": 900, "triggerPrice": 900, "qty": 1},
        "leg2": {"price": 700, "triggerPrice": 700, "qty": 1},
    }
    _, answer = await broker.call(key, "POST", "/gtt/orders/sync", gtt(side=-1, orderInfo=pair))
    assert answer["code"] == 1101
    broker.exchange.move(SBIN, 90_000)
    _, book = await broker.call(key, "GET", "/gtt/orders")
    assert (book["orderBook"][0]["report_type"], book["orderBook"][0]["gtt_oco_ind"]) == ("TRIGGERED", 2)

    for wish in (
        gtt(symbol="NSE:NOBODY-EQ"),
        gtt(symbol="NSE:NIFTY50-INDEX"),
        gtt(productType="INTRADAY"),
        gtt(trigger=900.01),
        gtt(orderInfo={}),
        gtt(orderInfo={"leg1": {"price": 1, "triggerPrice": 1, "qty": 0}}),
        gtt(orderInfo={"leg1": pair["leg1"], "leg2": 5}),
        gtt(orderInfo={"leg1": pair["leg2"], "leg2": pair["leg1"]}),
    ):
        assert (await broker.call(key, "POST", "/gtt/orders/sync", wish))[0] == 400


async def test_a_single_cannot_become_a_pair(broker: Broker, key: str) -> None:
    _, answer = await broker.call(key, "POST", "/gtt/orders/sync", gtt())
    leg = {"price": 910, "triggerPrice": 905, "qty": 2}
    wish = {"id": answer["id"], "orderInfo": {"leg1": leg, "leg2": leg}}
    assert (await broker.call(key, "PATCH", "/gtt/orders/sync", wish))[1]["code"] == -50


async def test_market_data(broker: Broker, key: str) -> None:
    _, status = await broker.call(key, "GET", "/data/marketStatus")
    assert {"exchange": 10, "segment": 10, "market_type": "NORMAL", "status": "OPEN"} in status[
        "marketStatus"
    ]

    _, quotes = await broker.call(key, "GET", "/data/quotes", symbols=f"{SBIN},NSE:NOBODY-EQ")
    known, unknown = quotes["d"]
    assert (known["n"], known["s"], unknown["s"]) == (SBIN, "ok", "error")
    assert known["v"]["bid"] < known["v"]["lp"] < known["v"]["ask"]
    _, posted = await broker.call(key, "POST", "/data/quotes", {"symbols": [SBIN]})
    assert posted["d"][0]["v"]["fyToken"] == "10100000003045"
    assert (await broker.call(key, "POST", "/data/quotes", {"symbols": [SBIN] * 51}))[1]["code"] == -50
    assert (await broker.call(key, "GET", "/data/quotes"))[1]["code"] == -50

    _, depth = await broker.call(key, "GET", "/data/depth", symbol=SBIN, ohlcv_flag="1")
    shown = depth["d"][SBIN]
    assert (len(shown["bids"]), len(shown["ask"]), shown["upper_ckt"]) == (5, 5, 960.6)
    _, bare = await broker.call(key, "GET", "/data/depth", symbol=SBIN)
    assert "ltp" not in bare["d"][SBIN]
    assert (await broker.call(key, "GET", "/data/depth", symbol="NSE:X"))[1]["code"] == -300


async def test_symbols_become_tokens_for_a_bare_token(broker: Broker, key: str) -> None:
    bare = key.partition(":")[2]
    wish = {"symbols": [SBIN, "NSE:NOBODY-EQ"]}
    _, answer = await broker.call(bare, "POST", "/data/symbol-token", wish)
    assert answer["validSymbol"] == {SBIN: "10100000003045"}
    assert answer["invalidSymbol"] == ["NSE:NOBODY-EQ"]
    assert (await broker.call(key, "POST", "/data/symbol-token", {"symbols": "x"}))[1]["code"] == -50
    assert (await broker.call(key, "POST", "/data/symbol-token", {"symbols": ["x"] * 501}))[1]["code"] == -50
    assert (await broker.call("bad", "POST", "/data/symbol-token", wish))[0] == 401


async def test_limits_are_enforced_with_headers_and_counted(broker: Broker) -> None:
    client = broker.client()
    key = broker.authorization(client)
    await broker.control("POST", "/limits", per_second=3, client_id=client.id)
    for _ in range(3):
        assert (await broker.call(key, "GET", "/profile"))[0] == 200

    headers = {"Authorization": key}
    async with broker.session.get(f"{broker.served.urls.api_url}/profile", headers=headers) as response:
        assert (response.status, (await response.json())["code"]) == (429, -429)
        assert int(response.headers["Retry-After"]) == 1
        assert 0 < int(response.headers["X-Retry-After-Ms"]) <= 1000

    truth = await broker.control("GET", "/limits")
    assert truth["limits"][0]["peak"]["second"] == truth["worst"]["second"] == 4
    assert truth["breaches"] == truth["limits"][0]["refused"] == 1


async def test_an_unknown_path_is_not_found(broker: Broker, key: str) -> None:
    assert (await broker.call(key, "GET", "/nothing"))[0] == 404
    assert (await broker.call(key, "PUT", "/orders/sync"))[0] == 404


async def test_partial_fills_show_in_the_book(broker: Broker, key: str) -> None:
    broker.exchange.set_liquidity(Liquidity(lots_per_level=1), [SBIN])
    order_id = await place(broker, key)
    row = await order(broker, key, order_id)
    assert (row["status"], row["filledQty"], row["remainingQuantity"]) == (6, 5, 5)
