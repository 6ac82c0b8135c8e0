"""Orders over REST: shapes, codes, refusals, baskets, slices, legs; the books."""

import pytest

from simulator.account import Holding
from tests.simulator.fields import BOOK_ORDER, BOOK_POSITION, BOOK_TRADE
from tests.simulator.kit import CALL, NIFTY, SBIN, Broker, Row, body


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


async def test_an_order_is_placed_changed_and_cancelled(broker: Broker, key: str) -> None:
    status, answer = await broker.call(
        key, "POST", "/orders/sync", body(type=1, limitPrice=790.0, orderTag="cp1")
    )
    assert (status, answer["s"], answer["code"]) == (200, "ok", 1101)
    order_id = answer["id"]
    assert answer["message"] == f"Order submitted successfully. Your Order Ref. No.{order_id}"

    status, answer = await broker.call(
        key, "PATCH", "/orders/sync", {"id": order_id, "type": 1, "limitPrice": 791.5, "qty": 12}
    )
    assert (status, answer["code"], answer["id"]) == (200, 1102, order_id)
    row = await order(broker, key, order_id)
    assert (row["limitPrice"], row["qty"], row["status"], row["orderTag"]) == (791.5, 12, 6, "1:cp1")

    status, answer = await broker.call(key, "DELETE", "/orders/sync", {"id": order_id})
    assert (status, answer["code"]) == (200, 1103)
    assert (await order(broker, key, order_id))["status"] == 1


async def test_the_order_book_is_whole_or_narrowed(broker: Broker, key: str) -> None:
    first = await place(broker, key, orderTag="cp1")
    second = await place(broker, key)

    _, everything = await broker.call(key, "GET", "/orders")
    assert [one["id"] for one in everything["orderBook"]] == [first, second]
    assert set(everything["orderBook"][0]) >= BOOK_ORDER
    assert [one["orderTag"] for one in everything["orderBook"]] == ["1:cp1", "2:Untagged"]

    _, tagged = await broker.call(key, "GET", "/orders", order_tag="1:cp1")
    assert [one["id"] for one in tagged["orderBook"]] == [first]
    _, none = await broker.call(key, "GET", "/orders", order_tag="1:cp9")
    assert none["orderBook"] == []
    assert await broker.call(key, "GET", "/orders", id="404") == (
        400,
        {"s": "error", "code": -51, "message": "Invalid order id"},
    )


async def test_the_trade_book_names_order_and_trade(broker: Broker, key: str) -> None:
    order_id = await place(broker, key, orderTag="cp1")
    await place(broker, key)

    _, answer = await broker.call(key, "GET", "/tradebook", order_tag="1:cp1")

    (trade,) = answer["tradeBook"]
    assert set(trade) == BOOK_TRADE
    assert trade["orderNumber"] == order_id
    assert trade["tradeNumber"].startswith(f"{order_id}-")
    assert trade["tradeValue"] == trade["tradedQty"] * trade["tradePrice"]


async def test_positions_holdings_and_funds(broker: Broker) -> None:
    sbin = broker.exchange.markets[SBIN].instrument
    client = broker.client(cash=50_000_000, holdings=[Holding(sbin, 10, 70_000)])
    key = broker.authorization(client)
    await place(broker, key)
    await place(broker, key, qty=4, side=-1, productType="CNC")

    _, positions = await broker.call(key, "GET", "/positions")
    intraday, delivery = positions["netPositions"]
    assert set(intraday) >= BOOK_POSITION
    assert (intraday["id"], intraday["netQty"], intraday["side"]) == (f"{SBIN}-INTRADAY", 10, 1)
    assert (delivery["netQty"], delivery["side"]) == (-4, -1)
    assert positions["overall"]["count_open"] == positions["overall"]["count_total"] == 2

    _, holdings = await broker.call(key, "GET", "/holdings")
    (holding,) = holdings["holdings"]
    assert (holding["quantity"], holding["remainingQuantity"], holding["costPrice"]) == (10, 6, 700.0)
    assert holdings["overall"]["count_total"] == 1

    _, funds = await broker.call(key, "GET", "/funds")
    amounts = {one["id"]: one["equityAmount"] for one in funds["fund_limit"]}
    assert sorted(amounts) == list(range(1, 11))
    assert amounts[10] == pytest.approx(amounts[1] - amounts[2])
    assert amounts[9] == 500_000.0


async def test_the_profile_names_the_client(broker: Broker, key: str) -> None:
    status, answer = await broker.call(key, "GET", "/profile")
    assert (status, answer["data"]["fy_id"], answer["code"]) == (200, "XP00001", 200)


async def test_a_rejected_order_is_answered_with_its_id_and_stays_in_the_book(broker: Broker) -> None:
    key = broker.authorization(broker.client(cash=100))
    status, answer = await broker.call(key, "POST", "/orders/sync", body())
    assert (status, answer["s"], answer["code"]) == (400, "error", -99)
    assert answer["message"].startswith("RED:Margin Shortfall:INR ")
    row = await order(broker, key, answer["id"])
    assert (row["status"], row["message"], row["remainingQuantity"]) == (5, answer["message"], 0)


@pytest.mark.parametrize(
    ("changes", "code", "named"),
    [
        ({"symbol": "NSE:NOBODY-EQ"}, -300, "symbol"),
        ({"symbol": 5}, -50, "symbol"),
        ({"symbol": "X" * 101}, -50, "symbol"),
        ({"qty": "ten"}, -50, "qty"),
        ({"qty": 1.5}, -50, "qty"),
        ({"qty": True}, -50, "qty"),
        ({"qty": 1e300}, -50, "qty"),
        ({"qty": None}, -50, "qty"),
        ({"type": 9}, -50, "type"),
        ({"type": [1]}, -50, "type"),
        ({"side": 0}, -50, "side"),
        ({"productType": "MIS"}, -50, "productType"),
        ({"validity": "GTC"}, -50, "validity"),
        ({"limitPrice": -1}, -50, "limitPrice"),
        ({"limitPrice": 100.003, "type": 1}, -50, "limitPrice"),
        ({"offlineOrder": "no"}, -50, "offlineOrder"),
        ({"orderTag": ""}, -50, "orderTag"),
        ({"orderTag": "a-b"}, -50, "orderTag"),
        ({"isSliceOrder": 1}, -50, "isSliceOrder"),
    ],
)
async def test_a_bad_field_is_named(broker: Broker, key: str, changes: Row, code: int, named: str) -> None:
    status, answer = await broker.call(key, "POST", "/orders/sync", body() | changes)
    assert (status, answer["s"], answer["code"]) == (400, "error", code)
    assert named.lower() in answer["message"].lower()


@pytest.mark.parametrize("raw", ["{", "[1]", "5", '"x"', "[" * 5000, ""])
async def test_an_unreadable_body_is_refused(broker: Broker, key: str, raw: str) -> None:
    headers = {"Authorization": key}
    async with broker.session.post(
        f"{broker.served.urls.api_url}/orders/sync", data=raw, headers=headers
    ) as response:
        assert (response.status, (await response.json())["code"]) == (400, -50)


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_unknown_and_ended_orders_cannot_be_touched(broker: Broker, key: str, method: str) -> None:
    assert (await broker.call(key, method, "/orders/sync", {"id": "1"}))[1]["code"] == -51
    ended = await place(broker, key)
    status, answer = await broker.call(key, method, "/orders/sync", {"id": int(ended), "type": 2})
    assert (status, answer["code"], answer["message"]) == (400, -99, "Not a pending order")
    assert (await broker.call(key, method, "/orders/sync", {"id": [1]}))[1]["code"] == -50


async def test_nobody_reaches_an_order_of_somebody_else(broker: Broker, key: str) -> None:
    mine = await place(broker, key, type=1, limitPrice=790)
    other = broker.authorization(broker.client("XP00002"))
    assert (await broker.call(other, "DELETE", "/orders/sync", {"id": mine}))[1]["code"] == -51
    assert (await broker.call(other, "GET", "/orders"))[1]["orderBook"] == []


async def test_a_basket_answers_for_each_and_one_bad_item_spoils_nothing(broker: Broker, key: str) -> None:
    items = [body(), body(symbol="NSE:NOBODY-EQ"), body() | {"qty": "x"}, body(type=1, limitPrice=790)]
    status, answer = await broker.call(key, "POST", "/multi-order/sync", items)

    assert (status, answer["code"], answer["s"]) == (200, 200, "ok")
    assert [one["statusCode"] for one in answer["data"]] == [200, 400, 400, 200]
    assert [one["body"]["code"] for one in answer["data"]] == [1101, -300, -50, 1101]
    assert set(answer["data"][0]) == {"statusCode", "body", "statusDescription"}

    working = answer["data"][3]["body"]["id"]
    _, changed = await broker.call(
        key, "PATCH", "/multi-order/sync", [{"id": working, "type": 1, "limitPrice": 791}]
    )
    assert changed["data"][0]["body"]["code"] == 1102
    _, ended = await broker.call(key, "DELETE", "/multi-order/sync", [{"id": working}, {"id": "1"}])
    assert [one["body"]["code"] for one in ended["data"]] == [1103, -51]


@pytest.mark.parametrize("items", [[], [body()] * 11, {}, [1]])
async def test_a_basket_has_one_to_ten_orders(broker: Broker, key: str, items: object) -> None:
    assert (await broker.call(key, "POST", "/multi-order/sync", items))[1]["code"] == -50


async def test_a_slice_order_is_cut_at_the_freeze_quantity(broker: Broker) -> None:
    key = broker.authorization(broker.client(cash=10**14))
    wanted = body(NIFTY, 65 * 60, productType="MARGIN", isSliceOrder=True)
    _, answer = await broker.call(key, "POST", "/orders/sync", wanted)
    assert answer["code"] == 1101
    assert [one["body"]["code"] for one in answer["data"]] == [1101] * 3
    _, book = await broker.call(key, "GET", "/orders")
    assert [one["qty"] for one in book["orderBook"]] == [1755, 1755, 390]

    too_much = body(NIFTY, 1755 * 11, productType="MARGIN", isSliceOrder=True)
    assert (await broker.call(key, "POST", "/orders/sync", too_much))[1]["code"] == -50


def legs(broker: Broker, away: int = 0) -> Row:
    future, call = (broker.exchange.markets[one].ltp / 100 for one in (NIFTY, CALL))
    return {
        "orderTag": "ml1",
        "productType": "MARGIN",
        "offlineOrder": False,
        "orderType": "2L",
        "validity": "IOC",
        "legs": {
            "leg1": {"symbol": NIFTY, "qty": 65, "side": 1, "type": 1, "limitPrice": future + 10 - away},
            "leg2": {"symbol": CALL, "qty": 65, "side": -1, "type": 1, "limitPrice": call - 10},
        },
    }


async def test_legs_trade_together_or_not_at_all(broker: Broker) -> None:
    key = broker.authorization(broker.client(cash=10**12))
    status, answer = await broker.call(key, "POST", "/multileg/orders/sync", legs(broker, away=20))
    assert (status, answer["code"]) == (400, -99)
    assert (await broker.call(key, "GET", "/orders"))[1]["orderBook"] == []

    status, answer = await broker.call(key, "POST", "/multileg/orders/sync", legs(broker))
    assert (status, answer["code"]) == (200, 1101)
    _, book = await broker.call(key, "GET", "/orders")
    assert [one["status"] for one in book["orderBook"]] == [2, 2]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"orderType": "4L"}, "legs"),
        ({"legs": []}, "legs"),
        ({"legs": {"leg1": 1, "leg2": 2}}, "legs"),
        ({"validity": "DAY"}, "validity"),
        (
            {"legs": {"leg1": {"symbol": "NSE:X", "qty": 1, "side": 1, "type": 1}, "leg2": {"symbol": SBIN}}},
            "qty",
        ),
    ],
)
async def test_a_bad_multileg_order_is_refused(broker: Broker, key: str, changes: Row, said: str) -> None:
    status, answer = await broker.call(key, "POST", "/multileg/orders/sync", legs(broker) | changes)
    assert (status, said in answer["message"]) == (400, True)


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"symbol": "NSE:NOBODY"}, "The input symbol is invalid."),
        ({"symbol": SBIN}, "Only NFO symbols are allowed"),
        ({"symbol": "NSE:BANKNIFTY26NOVFUT"}, "All symbols must be related to the same underlying symbol."),
        ({"symbol": NIFTY}, "You cannot add same symbol for two legs."),
        ({"type": 2}, "Only limit orders are allowed"),
    ],
)
async def test_legs_must_belong_together(broker: Broker, key: str, second: Row, said: str) -> None:
    wanted = legs(broker)
    wanted["legs"]["leg2"] |= second
    status, answer = await broker.call(key, "POST", "/multileg/orders/sync", wanted)
    assert (status, answer["message"]) == (400, said)
