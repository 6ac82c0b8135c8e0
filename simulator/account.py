"""One client of the broker: cash, positions, holdings, and what of it is bound."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulator.orders import Product, Side

if TYPE_CHECKING:
    from simulator.instruments import Instrument
    from simulator.orders import Order, Trade


@dataclass(slots=True, eq=False)
class Position:
    """What one account did in one symbol and product, netted; values before the contract's multiplier."""

    account: Account
    instrument: Instrument
    product: Product
    buy_qty: int = 0
    buy_value: int = 0
    sell_qty: int = 0
    sell_value: int = 0
    net: int = 0
    open_value: int = 0
    """Cost of the open quantity, always positive."""
    realised: int = 0
    carried_buy: int = 0
    carried_sell: int = 0
    margin: int = 0
    pending_buy: int = 0
    pending_sell: int = 0
    take_profit: int = 0
    stop_loss: int = 0
    leg_type: int = 0

    @property
    def id(self) -> str:
        return f"{self.instrument.symbol}-{self.product.value}"

    @property
    def open_average(self) -> int:
        quantity = abs(self.net)
        return (self.open_value + quantity // 2) // quantity if quantity else 0

    def apply(self, side: Side, qty: int, price: int) -> int:
        """Book a fill; gives the profit that it realised, multiplier included."""
        if side is Side.BUY:
            self.buy_qty += qty
            self.buy_value += qty * price
        else:
            self.sell_qty += qty
            self.sell_value += qty * price
        closing = min(qty, max(0, -side * self.net))
        profit = self._close(side, closing, price) if closing else 0
        opening = qty - closing
        self.net += side * opening
        self.open_value += opening * price
        return profit

    def _close(self, side: Side, qty: int, price: int) -> int:
        held = abs(self.net)
        cost = self.open_value if qty == held else self.open_value * qty // held
        self.open_value -= cost
        self.net += side * qty
        gain = (cost - qty * price) * side * self.instrument.multiplier
        self.realised += gain
        return gain

    def transfer(self, side: Side, qty: int, price: int) -> None:
        """Take in (or, negative, give away) an open quantity without a trade and without a profit."""
        emptied = self.net + side * qty == 0
        value = -self.open_value if emptied else qty * price
        self.net += side * qty
        self.open_value += value
        if side is Side.BUY:
            self.buy_qty += qty
            self.buy_value += value
        else:
            self.sell_qty += qty
            self.sell_value += value

    def closable(self, side: Side) -> int:
        """How much an order of this side would close, beyond what working orders close already."""
        working = self.pending_buy if side is Side.BUY else self.pending_sell
        return max(0, -side * self.net - working)

    def unrealised(self, ltp: int) -> int:
        signed = self.net * ltp - (self.open_value if self.net > 0 else -self.open_value)
        return signed * self.instrument.multiplier

    def is_idle(self) -> bool:
        return self.buy_qty == 0 and self.sell_qty == 0 and self.net == 0


@dataclass(slots=True)
class Holding:
    instrument: Instrument
    qty: int
    cost: int


@dataclass(slots=True, eq=False)
class Account:
    """Money in paise."""

    client_id: str
    cash: int
    opening_cash: int
    name: str = ""
    realised: int = 0
    used: int = 0
    """Margin of positions plus what working orders block."""
    orders: dict[str, Order] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)
    positions: dict[tuple[str, Product], Position] = field(default_factory=dict)
    holdings: dict[str, Holding] = field(default_factory=dict)

    @property
    def available(self) -> int:
        return self.cash + self.realised - self.used

    def position(self, instrument: Instrument, product: Product) -> Position:
        """The position of this key, begun empty when there is none."""
        key = (instrument.symbol, product)
        found = self.positions.get(key)
        if found is None:
            found = self.positions[key] = Position(self, instrument, product)
        return found

    def open_positions(self) -> list[Position]:
        return [one for one in self.positions.values() if one.net]

    def working_orders(self) -> list[Order]:
        return [one for one in self.orders.values() if one.is_working]
