"""The simulated broker on which the SDK plays, with the few questions that the tests ask of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from simulator.instruments import Kind
from simulator.orders import Product, Side

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.account import Account, Position
    from simulator.clients import Client
    from simulator.exchange import Exchange
    from simulator.fyers.data_socket import Connection
    from simulator.fyers.order_socket import Socket
    from simulator.instruments import Instrument
    from simulator.market import Market
    from simulator.orders import Order
    from simulator.server import Simulator

PATIENCE_S = 30.0
FAR_TICKS = 100


class Stage:
    """Prices are rupees here, as the SDK's user sees them."""

    def __init__(self, simulator: Simulator, client: Client) -> None:
        self.simulator = simulator
        self.client = client

    @property
    def http(self) -> str:
        return self.simulator.urls.api_url.removesuffix("/api/v3")

    @property
    def exchange(self) -> Exchange:
        return self.simulator.exchange

    @property
    def client_id(self) -> str:
        return self.client.id

    @property
    def account(self) -> Account:
        return self.client.account

    @property
    def app_id(self) -> str:
        return self.client.app.id

    def token(self) -> str:
        return self.simulator.face.tokens.issue(self.client).text

    def market(self, symbol: str) -> Market:
        return self.exchange.markets[symbol]

    def last(self, symbol: str) -> float:
        return self.market(symbol).ltp / 100

    def best(self, symbol: str) -> tuple[float, float]:
        market = self.market(symbol)
        return market.best(Side.BUY) / 100, market.best(Side.SELL) / 100

    def below(self, symbol: str, ticks: int = FAR_TICKS) -> float:
        """A price at which a buyer waits."""
        market = self.market(symbol)
        return (market.ltp - ticks * market.instrument.tick) / 100

    def above(self, symbol: str, ticks: int = FAR_TICKS) -> float:
        return self.below(symbol, -ticks)

    def move(self, symbol: str, ticks: int) -> None:
        market = self.market(symbol)
        self.exchange.move(symbol, market.ltp + ticks * market.instrument.tick)

    def order(self, order_id: str) -> Order:
        return self.exchange.orders[order_id]

    def position(self, symbol: str, product: str) -> Position:
        return self.account.position(self.market(symbol).instrument, Product(product))

    def net(self, symbol: str, product: str) -> int:
        return self.position(symbol, product).net

    def options(self) -> tuple[Instrument, Instrument]:
        """A call and a put of one underlying."""
        call = next(one for one in self.exchange.universe if one.kind is Kind.CALL)
        put = next(
            one
            for one in self.exchange.universe
            if one.kind is Kind.PUT and one.underlying == call.underlying
        )
        return call, put

    def sockets(self) -> list[Socket]:
        """The account's open order sockets, oldest first."""
        return self.simulator.sockets.connected(self.client_id)

    def subscribed_kinds(self) -> set[str]:
        """What the account's order sockets listen to."""
        return {kind for socket in self.sockets() for kind in socket.lists}

    def data_connection(self) -> Connection:
        """The data socket opened first among those still open."""
        return self.simulator.app.data.connections[0]

    def newest_data_connection(self) -> Connection:
        return self.simulator.app.data.connections[-1]

    @property
    def acknowledge_every(self) -> int:
        return self.simulator.app.data.acknowledge_every

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait on a condition of the simulator itself."""
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                await asyncio.sleep(0.005)
