"""What the tests of the simulator say it with."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import aiohttp

from simulator.account import Account, Position
from simulator.clients import Client
from simulator.exchange import Exchange
from simulator.orders import Order, OrderRequest, OrderType, Product, Side, Trade
from simulator.server import Simulator

SBIN = "NSE:SBIN-EQ"
IDEA = "NSE:IDEA-EQ"
NIFTY = "NSE:NIFTY26NOVFUT"
CALL = "NSE:NIFTY26NOV26300CE"
SUBSCRIBE = {"T": "SUB_ORD", "SLIST": ["orders", "trades", "positions"], "SUB_T": 1}
PATIENCE_S = 20.0

Row = dict[str, Any]


class Recorder:
    """Hears the exchange and remembers in words."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Any]] = []

    def order(self, order: Order) -> None:
        self.events.append(("order", (order.status, order.filled)))

    def filled(self, trade: Trade) -> None:
        self.events.append(("trade", (trade.qty, trade.price)))

    def position(self, position: Position) -> None:
        self.events.append(("position", position.net))

    def of(self, kind: str) -> list[Any]:
        return [what for heard, what in self.events if heard == kind]


def wish(symbol: str = SBIN, qty: int = 10, **changes: Any) -> OrderRequest:
    """A market buy, intraday or on margin, unless told otherwise."""
    product = Product.MARGIN if symbol in {NIFTY, CALL} else Product.INTRADAY
    fields: Row = {"type": OrderType.MARKET, "side": Side.BUY, "product": product} | changes
    return OrderRequest(symbol, qty, **fields)


def placed(exchange: Exchange, account: Account, request: OrderRequest) -> Order:
    outcome = exchange.place(account, request)
    assert isinstance(outcome, Order), outcome
    return outcome


def limit(price: int, qty: int = 10, side: Side = Side.BUY, **changes: Any) -> OrderRequest:
    return wish(qty=qty, side=side, type=OrderType.LIMIT, limit=price, **changes)


def body(symbol: str = SBIN, qty: int = 10, **changes: Any) -> Row:
    """The body of a market buy as the API takes it."""
    return {
        "symbol": symbol,
        "qty": qty,
        "type": 2,
        "side": 1,
        "productType": "INTRADAY",
        "limitPrice": 0,
        "stopPrice": 0,
        "validity": "DAY",
        "disclosedQty": 0,
        "offlineOrder": False,
        **changes,
    }


class Socket:
    """One client of the order socket."""

    def __init__(self, connection: aiohttp.ClientWebSocketResponse) -> None:
        self.connection = connection

    async def say(self, message: Row | str) -> None:
        await self.connection.send_str(message if isinstance(message, str) else json.dumps(message))

    async def hear(self) -> Any:
        """The next message, as JSON where it is JSON."""
        async with asyncio.timeout(PATIENCE_S):
            message = await self.connection.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            return message.type
        return json.loads(message.data) if message.data.startswith("{") else message.data

    async def hear_frames(self, number: int) -> list[Row]:
        return [await self.hear() for _ in range(number)]

    async def is_silent(self, seconds: float = 0.05) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self.connection.receive()
        except TimeoutError:
            return True
        return False


class Broker:
    """A served simulator as its clients see it."""

    def __init__(self, served: Simulator, session: aiohttp.ClientSession) -> None:
        self.served = served
        self.session = session

    @property
    def exchange(self) -> Exchange:
        return self.served.exchange

    def client(self, client_id: str = "XP00001", **settings: Any) -> Client:
        return self.served.face.add_client(client_id, **settings)

    def authorization(self, client: Client) -> str:
        return f"{client.app.id}:{self.served.face.tokens.issue(client).text}"

    async def call(self, key: str, method: str, path: str, send: Any = None, **query: str) -> tuple[int, Row]:
        """HTTP status and JSON of one call; a path that begins with /data is a data path."""
        base = (
            self.served.urls.api_url.removesuffix("/api/v3")
            if path.startswith("/data")
            else self.served.urls.api_url
        )
        headers = {"Authorization": key, "Content-Type": "application/json", "version": "3"}
        data = None if send is None else json.dumps(send)
        async with self.session.request(
            method, base + path, data=data, headers=headers, params=query
        ) as response:
            return response.status, await response.json(content_type=None)

    async def control(self, method: str, path: str, **send: Any) -> Row:
        """What the control door answers; a refusal comes back as its error."""
        url = self.served.urls.control_url + path
        async with self.session.request(method, url, json=send) as response:
            answer: Row = await response.json()
            return answer

    async def socket(self, key: str, *, subscribe: bool = True) -> Socket:
        """An order socket, subscribed."""
        url = self.served.urls.order_socket_url
        made = Socket(await self.session.ws_connect(url, headers={"authorization": key}))
        if subscribe:
            await made.say(SUBSCRIBE)
            assert (await made.hear())["code"] == 1605
        return made


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, and fail when it does not come."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.002)
