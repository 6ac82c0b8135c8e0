"""Every REST call of the vendor's SDK works against the simulator and answers as its user expects."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from simulator.orders import Status

if TYPE_CHECKING:
    from tests.oracle.sdk import Sdk
    from tests.oracle.stage import Stage

pytestmark = [pytest.mark.oracle, pytest.mark.asyncio(loop_scope="module")]

SBIN = "NSE:SBIN-EQ"
PNB = "NSE:PNB-EQ"

Json = dict[str, Any]


def order(symbol: str = SBIN, **fields: object) -> Json:
    """The place body of the SDK's own documentation, a market order unless told otherwise."""
    return {
        "symbol": symbol,
        "qty": 10,
        "type": 2,
        "side": 1,
        "productType": "INTRADAY",
        "limitPrice": 0,
        "stopPrice": 0,
        "validity": "DAY",
        "disclosedQty": 0,
        "offlineOrder": False,
        "isSliceOrder": False,
        **fields,
    }


def resting(stage: Stage) -> Json:
    return order(type=1, limitPrice=stage.below(SBIN))


async def placed(sdk: Sdk, body: Json) -> str:
    answer = await sdk.call("place_order", body)
    assert (answer["s"], answer["code"]) == ("ok", 1101), answer
    assert answer["message"]
    return str(answer["id"])


async def row_of(sdk: Sdk, order_id: str) -> Json:
    answer = await sdk.call("orderbook", {"id": order_id})
    (row,) = answer["orderBook"]
    return dict(row)


def failed(answer: Json, code: int) -> bool:
    return (answer["s"], answer["code"]) == ("error", code) and bool(answer["message"])


class TestAccount:
    async def test_profile_names_the_client(self, sdk: Sdk, stage: Stage) -> None:
        answer = await sdk.call("get_profile")
        assert answer["s"] == "ok"
        assert answer["data"]["fy_id"] == stage.client_id

    async def test_funds_list_ten_limits_the_tenth_available(self, sdk: Sdk, stage: Stage) -> None:
        answer = await sdk.call("funds")
        limits = {row["id"]: row for row in answer["fund_limit"]}
        assert set(limits) == set(range(1, 11))
        assert limits[10]["title"] == "Available Balance"
        assert limits[10]["equityAmount"] == stage.account.available / 100

    async def test_holdings_have_rows_and_an_overall(self, sdk: Sdk) -> None:
        answer = await sdk.call("holdings")
        (row,) = answer["holdings"]
        assert (row["symbol"], row["quantity"], row["holdingType"]) == (PNB, 100, "HLD")
        assert answer["overall"]["count_total"] == 1


class TestOneOrder:
    async def test_a_market_order_trades_and_is_in_every_book(self, sdk: Sdk, stage: Stage) -> None:
        order_id = await placed(sdk, order(orderTag="cpmarket1"))
        row = await row_of(sdk, order_id)
        assert (row["status"], row["filledQty"], row["remainingQuantity"]) == (2, 10, 0)
        assert (row["symbol"], row["side"], row["type"], row["productType"]) == (SBIN, 1, 2, "INTRADAY")
        assert row["orderTag"] == "1:cpmarket1"
        assert row["fyToken"] == "10100000003045"
        assert re.fullmatch(r"\d\d-[A-Z][a-z]{2}-\d{4} \d\d:\d\d:\d\d", row["orderDateTime"])
        trades = [t for t in (await sdk.call("tradebook"))["tradeBook"] if t["orderNumber"] == order_id]
        assert sum(trade["tradedQty"] for trade in trades) == 10
        assert all(trade["tradeNumber"].startswith(f"{order_id}-") for trade in trades)
        positions = (await sdk.call("positions"))["netPositions"]
        (position,) = [p for p in positions if p["id"] == f"{SBIN}-INTRADAY"]
        assert position["netQty"] == stage.net(SBIN, "INTRADAY")

    async def test_a_limit_order_rests_changes_and_is_cancelled(self, sdk: Sdk, stage: Stage) -> None:
        order_id = await placed(sdk, resting(stage))
        assert (await row_of(sdk, order_id))["status"] == 6
        wanted = stage.below(SBIN, ticks=200)
        changed = await sdk.call(
            "modify_order", {"id": order_id, "type": 1, "limitPrice": wanted, "qty": 20, "stopPrice": 0}
        )
        assert (changed["s"], changed["code"], changed["id"]) == ("ok", 1102, order_id)
        row = await row_of(sdk, order_id)
        assert (row["qty"], row["limitPrice"], row["status"]) == (20, wanted, 6)
        gone = await sdk.call("cancel_order", {"id": order_id})
        assert (gone["s"], gone["code"], gone["id"]) == ("ok", 1103, order_id)
        assert (await row_of(sdk, order_id))["status"] == 1

    async def test_a_stop_limit_order_keeps_its_trigger(self, sdk: Sdk, stage: Stage) -> None:
        stop, limit = stage.above(SBIN), stage.above(SBIN, ticks=110)
        order_id = await placed(sdk, order(type=4, stopPrice=stop, limitPrice=limit))
        row = await row_of(sdk, order_id)
        assert (row["type"], row["stopPrice"], row["limitPrice"], row["status"]) == (4, stop, limit, 6)

    async def test_a_stop_market_order_keeps_its_trigger(self, sdk: Sdk, stage: Stage) -> None:
        stop = stage.above(SBIN)
        row = await row_of(sdk, await placed(sdk, order(type=3, stopPrice=stop)))
        assert (row["type"], row["stopPrice"], row["status"]) == (3, stop, 6)

    async def test_an_order_without_a_tag_is_untagged(self, sdk: Sdk) -> None:
        assert (await row_of(sdk, await placed(sdk, order())))["orderTag"] == "2:Untagged"

    async def test_the_book_is_asked_by_tag(self, sdk: Sdk) -> None:
        order_id = await placed(sdk, order(orderTag="cpbytag"))
        answer = await sdk.call("orderbook", {"order_tag": "1:cpbytag"})
        assert [row["id"] for row in answer["orderBook"]] == [order_id]

    async def test_the_sdk_filters_the_whole_book_by_itself(self, sdk: Sdk) -> None:
        wanted = [await placed(sdk, order()), await placed(sdk, order())]
        answer = await sdk.call("get_orders", {"id": ",".join(wanted)})
        assert sorted(row["id"] for row in answer["orderBook"]) == wanted

    async def test_a_sliced_order_answers_one_by_one(self, sdk: Sdk, stage: Stage) -> None:
        call, _ = stage.options()
        slice_of = call.freeze // call.lot * call.lot
        body = order(call.symbol, qty=2 * slice_of, productType="MARGIN", isSliceOrder=True)
        answer = await sdk.call("place_order", body)
        assert answer["code"] == 1101, answer
        ids = [part["body"]["id"] for part in answer["data"]]
        assert [part["statusCode"] for part in answer["data"]] == [200, 200]
        assert [stage.order(one).qty for one in ids] == [slice_of] * 2


class TestRefusals:
    @pytest.mark.parametrize(
        ("body", "code"),
        [
            (order("NSE:NOSUCH-EQ"), -300),
            (order(qty=0), -50),
            (order(type=1, limitPrice=812.43), -50),
            (order(orderTag="not alnum!"), -50),
            (order(productType="NOPE"), -50),
        ],
    )
    async def test_a_bad_order_is_refused_with_its_code(self, sdk: Sdk, body: Json, code: int) -> None:
        assert failed(await sdk.call("place_order", body), code)

    async def test_the_risk_system_rejects_with_99(self, sdk: Sdk, stage: Stage) -> None:
        assert failed(await sdk.call("place_order", order(qty=90_000, productType="CNC")), -99)
        newest = list(stage.account.orders.values())[-1]
        assert newest.status is Status.REJECTED
        row = await row_of(sdk, newest.id)
        assert row["status"] == 5
        assert row["message"]

    async def test_an_unknown_order_is_neither_changed_nor_cancelled(self, sdk: Sdk) -> None:
        assert failed(await sdk.call("cancel_order", {"id": "1"}), -51)
        assert failed(
            await sdk.call("modify_order", {"id": "1", "type": 1, "limitPrice": 800, "qty": 1}), -51
        )

    async def test_an_unknown_position_is_not_closed(self, sdk: Sdk) -> None:
        assert failed(await sdk.call("exit_positions", {"id": "NSE:NOSUCH-EQ-INTRADAY"}), -53)


class TestBaskets:
    async def test_a_basket_is_placed_changed_and_cancelled(self, sdk: Sdk, stage: Stage) -> None:
        answer = await sdk.call(
            "place_basket_orders", [resting(stage), order("NSE:NOSUCH-EQ"), resting(stage)]
        )
        assert [part["body"]["code"] for part in answer["data"]] == [1101, -300, 1101]
        ids = [part["body"]["id"] for part in answer["data"] if part["body"]["s"] == "ok"]
        wanted = stage.below(SBIN, ticks=150)
        changes = [{"id": one, "type": 1, "limitPrice": wanted, "qty": 30} for one in ids]
        changed = await sdk.call("modify_basket_orders", changes)
        assert [part["body"]["code"] for part in changed["data"]] == [1102, 1102]
        assert {stage.order(one).qty for one in ids} == {30}
        gone = await sdk.call("cancel_basket_orders", [{"id": one} for one in ids])
        assert [part["body"]["code"] for part in gone["data"]] == [1103, 1103]
        assert {stage.order(one).status for one in ids} == {Status.CANCELLED}

    async def test_more_than_ten_are_refused(self, sdk: Sdk, stage: Stage) -> None:
        assert failed(await sdk.call("place_basket_orders", [resting(stage)] * 11), -50)

    async def test_a_multileg_order_places_its_legs(self, sdk: Sdk, stage: Stage) -> None:
        before = len(stage.account.orders)
        call, put = stage.options()
        legs = {
            "leg1": {
                "symbol": call.symbol,
                "qty": call.lot,
                "side": 1,
                "type": 1,
                "limitPrice": stage.above(call.symbol),
            },
            "leg2": {
                "symbol": put.symbol,
                "qty": put.lot,
                "side": 1,
                "type": 1,
                "limitPrice": stage.above(put.symbol),
            },
        }
        body = {
            "orderTag": "legs1",
            "productType": "MARGIN",
            "offlineOrder": False,
            "orderType": "2L",
            "validity": "IOC",
        }
        answer = await sdk.call("place_multileg_order", {**body, "legs": legs})
        assert (answer["s"], answer["code"]) == ("ok", 1101), answer
        assert len(stage.account.orders) == before + 2


class TestPositions:
    async def test_one_position_is_closed_by_its_id(self, sdk: Sdk, stage: Stage) -> None:
        await placed(sdk, order("NSE:ITC-EQ"))
        answer = await sdk.call("exit_positions", {"id": "NSE:ITC-EQ-INTRADAY"})
        assert (answer["s"], answer["code"]) == ("ok", 200), answer
        assert stage.net("NSE:ITC-EQ", "INTRADAY") == 0

    async def test_all_positions_are_closed(self, sdk: Sdk, stage: Stage) -> None:
        await placed(sdk, order("NSE:ITC-EQ"))
        await placed(sdk, order("NSE:TCS-EQ", side=-1))
        answer = await sdk.call("exit_positions")
        assert answer["s"] == "ok", answer
        assert stage.account.open_positions() == []
        overall = (await sdk.call("positions"))["overall"]
        assert overall["count_open"] == 0
        assert set(overall) >= {"count_total", "pl_realized", "pl_unrealized", "pl_total"}

    async def test_a_position_is_converted(self, sdk: Sdk, stage: Stage) -> None:
        await placed(sdk, order("NSE:INFY-EQ"))
        body = {"symbol": "NSE:INFY-EQ", "positionSide": 1, "convertQty": 10}
        answer = await sdk.call("convert_position", {**body, "convertFrom": "INTRADAY", "convertTo": "CNC"})
        assert answer["s"] == "ok", answer
        assert (stage.net("NSE:INFY-EQ", "INTRADAY"), stage.net("NSE:INFY-EQ", "CNC")) == (0, 10)

    async def test_target_and_stop_are_attached(self, sdk: Sdk, stage: Stage) -> None:
        await placed(sdk, order("NSE:LT-EQ"))
        body = {"positionId": "NSE:LT-EQ-INTRADAY", "takeProfit": 25.5, "stopLoss": 12, "legType": 1}
        answer = await sdk.call("attach_position_legs", body)
        assert answer["s"] == "ok", answer
        position = stage.position("NSE:LT-EQ", "INTRADAY")
        assert (position.take_profit, position.stop_loss, position.leg_type) == (2550, 1200, 1)


async def test_a_gtt_order_is_placed_changed_listed_and_cancelled(sdk: Sdk, stage: Stage) -> None:
    price = stage.above(PNB)
    leg = {"price": price, "triggerPrice": price, "qty": 5}
    body = {"side": 1, "symbol": PNB, "productType": "CNC", "orderInfo": {"leg1": leg}}
    made = await sdk.call("place_gtt_order", body)
    assert (made["s"], made["code"]) == ("ok", 1101), made
    changed = await sdk.call("modify_gtt_order", {"id": made["id"], "orderInfo": {"leg1": {**leg, "qty": 7}}})
    assert (changed["s"], changed["code"]) == ("ok", 1102), changed
    (row,) = [row for row in (await sdk.call("gtt_orderbook"))["orderBook"] if row["id"] == made["id"]]
    assert (row["symbol"], row["qty"], row["price_trigger"], row["gtt_oco_ind"]) == (PNB, 7, price, 1)
    gone = await sdk.call("cancel_gtt_order", {"id": made["id"]})
    assert (gone["s"], gone["code"]) == ("ok", 1103), gone


class TestMarketData:
    async def test_market_status_lists_exchanges(self, sdk: Sdk) -> None:
        rows = (await sdk.call("market_status"))["marketStatus"]
        (normal,) = [r for r in rows if (r["exchange"], r["segment"], r["market_type"]) == (10, 10, "NORMAL")]
        assert normal["status"] == "OPEN"

    @pytest.mark.parametrize(
        ("call", "symbols"), [("quotes", f"{SBIN},{PNB}"), ("quotes_v2", [SBIN, PNB])], ids=["GET", "POST"]
    )
    async def test_quotes_say_the_simulators_price(
        self, sdk: Sdk, stage: Stage, call: str, symbols: str | list[str]
    ) -> None:
        answer = await sdk.call(call, {"symbols": symbols})
        prices = {row["n"]: row["v"]["lp"] for row in answer["d"]}
        assert prices == {SBIN: stage.last(SBIN), PNB: stage.last(PNB)}
        assert answer["d"][0]["v"]["bid"] < answer["d"][0]["v"]["ask"]

    async def test_depth_has_five_levels_a_side(self, sdk: Sdk, stage: Stage) -> None:
        depth = (await sdk.call("depth", {"symbol": SBIN, "ohlcv_flag": "1"}))["d"][SBIN]
        assert len(depth["bids"]) == len(depth["ask"]) == 5
        assert set(depth["bids"][0]) == {"price", "volume", "ord"}
        assert depth["ltp"] == stage.last(SBIN)
        assert depth["bids"][0]["price"] < depth["ask"][0]["price"]
