"""Two witnesses of one trading day: the vendor's SDK and our adapter, at the same broker, see the same."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from paceline.adapters.brokers.fyers.adapter import Fyers
from paceline.adapters.brokers.fyers.order_socket import FyersOrderStreams
from paceline.domain.ids import InstrumentId, Tag
from paceline.domain.order import Fill, OrderReport
from paceline.domain.position import PositionReport
from paceline.ports.broker import Malformed, Observed
from tests.fakes.clock import FakeClock
from tests.oracle import neutral
from tests.oracle.trading_day import SYMBOLS, Hands, TradingDay

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from paceline.adapters.brokers.fyers.egress import Egresses
    from paceline.adapters.brokers.fyers.settings import FyersSettings
    from paceline.ports.broker import Credentials, OrderConnection
    from tests.oracle.sdk import Sdk
    from tests.oracle.stage import Stage

pytestmark = [pytest.mark.oracle, pytest.mark.asyncio(loop_scope="module")]

PATIENCE_S = 30.0


class Witness:
    """Our adapter's order socket, everything it said kept in order."""

    def __init__(self, connection: OrderConnection) -> None:
        self.reports: list[OrderReport | Fill | PositionReport] = []
        self.malformed: list[Malformed] = []
        self._news = asyncio.Condition()
        self._connection = connection

    async def listen(self) -> None:
        async for said in self._connection:
            async with self._news:
                if isinstance(said, Observed):
                    self.reports += said.reports
                else:
                    self.malformed.append(said)
                self._news.notify_all()

    async def heard(self, count: int) -> None:
        async with self._news, asyncio.timeout(PATIENCE_S):
            await self._news.wait_for(lambda: len(self.reports) + len(self.malformed) >= count)

    def orders(self) -> list[neutral.Neutral]:
        return [neutral.our_order(one) for one in self.reports if isinstance(one, OrderReport)]

    def trades(self) -> list[neutral.Neutral]:
        return [neutral.our_trade(one) for one in self.reports if isinstance(one, Fill)]

    def positions(self) -> list[neutral.Neutral]:
        return [neutral.our_position(one) for one in self.reports if isinstance(one, PositionReport)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hands(
    sdk: Sdk, stage: Stage, settings: FyersSettings, egresses: Egresses, credentials: Credentials
) -> Hands:
    await sdk.call("open_order_socket", "OnOrders,OnTrades,OnPositions")
    await sdk.wait_for("general", lambda frame: frame["code"] == 1605)
    return Hands(sdk, Fyers(settings, egresses, FakeClock()), credentials, stage)


@pytest_asyncio.fixture(loop_scope="module")
async def witness(
    hands: Hands, settings: FyersSettings, egresses: Egresses, credentials: Credentials
) -> AsyncIterator[Witness]:
    streams = FyersOrderStreams(settings, egresses, FakeClock())
    async with await streams.connect(credentials) as connection:
        ours = Witness(connection)
        listening = asyncio.create_task(ours.listen())
        yield ours
    await listening
    await hands.stage.until(lambda: len(hands.stage.sockets()) == 1)


def told(sdk: Sdk, event: str, since: int) -> list[dict[str, Any]]:
    return [frame[event] for frame in sdk.seen(event)[since:]]


async def frames_of_both(hands: Hands, witness: Witness, since: dict[str, int]) -> None:
    """Until both have heard every frame that the simulator sent to either."""
    await hands.stage.until(lambda: not any(socket.pending for socket in hands.stage.sockets()))
    await witness.heard(hands.stage.sockets()[-1].frames_sent)
    kinds = [kind_of(one) for one in witness.reports]
    goals = {event: before + kinds.count(event) for event, before in since.items()}
    await hands.sdk.wait_until(
        lambda: all(len(hands.sdk.seen(event)) >= goal for event, goal in goals.items())
    )


def kind_of(report: OrderReport | Fill | PositionReport) -> str:
    return {OrderReport: "orders", Fill: "trades", PositionReport: "positions"}[type(report)]


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
@pytest.mark.parametrize("seed", [11, 12, 13])
async def test_both_see_the_same_orders_fills_and_positions(
    hands: Hands, witness: Witness, seed: int, *, binary: bool
) -> None:
    hands.stage.simulator.settings.binary_frames = binary
    sdk = hands.sdk
    since = {event: len(sdk.seen(event)) for event in ("orders", "trades", "positions")}
    await TradingDay(hands, seed).happen()
    await frames_of_both(hands, witness, since)
    assert witness.malformed == []
    assert witness.orders() == [neutral.sdk_order(one) for one in told(sdk, "orders", since["orders"])]
    assert witness.trades() == [neutral.sdk_trade(one) for one in told(sdk, "trades", since["trades"])]
    assert witness.positions() == [
        neutral.sdk_position(one) for one in told(sdk, "positions", since["positions"])
    ]
    orders = witness.orders()
    assert {one["status"] for one in orders} == {1, 2, 4, 5, 6}
    assert {one["product"] for one in orders} == {"INTRADAY", "CNC", "MARGIN", "CO"}
    assert {one["segment"] for one in orders} == {10, 11, 20}
    assert {one["type"] for one in orders} == {1, 2, 3, 4}
    assert {(one["validity"], one["offline"]) for one in orders} == {
        ("DAY", False),
        ("IOC", False),
        ("DAY", True),
    }
    assert len({(one["id"], one["stop"]) for one in orders}) > len({one["id"] for one in orders})  # changed
    assert len({one["order_id"] for one in witness.trades()}) < len(witness.trades())  # some filled in parts
    assert sdk.seen("order_error") == []


async def test_both_read_the_same_books(hands: Hands) -> None:
    await TradingDay(hands, seed=21).happen()
    orders = await hands.ours.order_book(hands.credentials)
    trades = await hands.ours.trade_book(hands.credentials)
    positions = await hands.ours.positions(hands.credentials)
    their_orders = (await hands.sdk.call("orderbook"))["orderBook"]
    their_trades = (await hands.sdk.call("tradebook"))["tradeBook"]
    their_positions = (await hands.sdk.call("positions"))["netPositions"]
    assert (orders.malformed, trades.malformed, positions.malformed) == ((), (), ())
    assert [neutral.our_order(one) for one in orders.reports] == [neutral.sdk_order(o) for o in their_orders]
    assert [int(one.disclosed) for one in orders.reports] == [o["disclosedQty"] for o in their_orders]
    assert any(one.disclosed for one in orders.reports)
    assert [neutral.our_trade(one) for one in trades.reports] == [
        neutral.sdk_trade(one, "%d-%b-%Y %H:%M:%S") for one in their_trades
    ]
    assert [neutral.our_position(one) for one in positions.reports] == [
        neutral.sdk_position(one) for one in their_positions
    ]


async def test_the_books_say_what_the_socket_said_last(hands: Hands, witness: Witness) -> None:
    since = {event: len(hands.sdk.seen(event)) for event in ("orders", "trades", "positions")}
    await TradingDay(hands, seed=31).happen(rounds=1)
    await frames_of_both(hands, witness, since)
    last = {one["id"]: one for one in witness.orders()}
    book = [neutral.our_order(one) for one in (await hands.ours.order_book(hands.credentials)).reports]
    assert {one["id"]: one for one in book if one["id"] in last} == last


async def test_both_find_an_order_by_its_tag(hands: Hands) -> None:
    spec_tag = Tag("findme1")
    body = {
        "symbol": SYMBOLS[0],
        "qty": 1,
        "type": 2,
        "side": 1,
        "productType": "INTRADAY",
        "validity": "DAY",
    }
    placed = await hands.sdk.call("place_order", {**body, "orderTag": spec_tag})
    (ours,) = (await hands.ours.order_book(hands.credentials, tag=spec_tag)).reports
    assert ours.order_id == placed["id"]
    assert ours.tag == spec_tag


async def test_both_are_told_the_same_prices_and_money(hands: Hands) -> None:
    quotes = await hands.ours.quotes(hands.credentials, [InstrumentId(one) for one in SYMBOLS])
    theirs = (await hands.sdk.call("quotes", {"symbols": ",".join(SYMBOLS)}))["d"]
    assert [(one.instrument_id, float(one.last), float(one.bid), float(one.ask)) for one in quotes] == [
        (row["n"], row["v"]["lp"], row["v"]["bid"], row["v"]["ask"]) for row in theirs
    ]
    funds = await hands.ours.funds(hands.credentials)
    limits = {row["id"]: row["equityAmount"] for row in (await hands.sdk.call("funds"))["fund_limit"]}
    assert (float(funds.available), float(funds.used_margin), float(funds.realised)) == (
        limits[10],
        limits[2],
        limits[4],
    )
    profile = await hands.ours.profile(hands.credentials)
    assert profile.client_id == (await hands.sdk.call("get_profile"))["data"]["fy_id"]
