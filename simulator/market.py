"""The synthetic market of one instrument: its quote, its depth, and the orders that rest in it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from simulator.book import BookSide
from simulator.orders import Order, Side

if TYPE_CHECKING:
    from simulator.instruments import Instrument

DEPTH_LEVELS = 5
AMPLE_LOTS = 1_000_000


class Lock(Enum):
    """A circuit: at the upper one nobody sells, at the lower one nobody buys."""

    NONE = "none"
    UPPER = "upper"
    LOWER = "lower"


class Refill(Enum):
    """When the synthetic depth is whole again."""

    EACH_ORDER = "order"
    EACH_TICK = "tick"
    BY_HAND = "hand"


@dataclass(slots=True)
class Liquidity:
    """How much the synthetic side of the market offers."""

    lots_per_level: int = AMPLE_LOTS
    spread_ticks: int = 1
    max_fill_lots: int = 0
    """The largest single fill; 0 lets one fill take all."""
    refill: Refill = Refill.EACH_ORDER


class Market:
    """Quote, synthetic depth, resting orders and waiting stops of one instrument."""

    __slots__ = (
        "_ask_left",
        "_bid_left",
        "asks",
        "bids",
        "high",
        "instrument",
        "last_qty",
        "last_wall_ns",
        "liquidity",
        "lock",
        "low",
        "ltp",
        "open",
        "previous_close",
        "price",
        "stops",
        "turnover",
        "volume",
    )

    def __init__(self, instrument: Instrument, liquidity: Liquidity) -> None:
        self.instrument = instrument
        self.liquidity = liquidity
        self.previous_close = self.price = self.ltp = self.open = self.high = self.low = (
            instrument.previous_close
        )
        self.volume = self.turnover = self.last_qty = self.last_wall_ns = 0
        self.lock = Lock.NONE
        self.bids = BookSide(Side.BUY)
        self.asks = BookSide(Side.SELL)
        self.stops: dict[int, Order] = {}
        self._bid_left: list[int] = []
        self._ask_left: list[int] = []
        self.refill()

    def refill(self) -> None:
        """Make the synthetic depth whole again."""
        full = self.liquidity.lots_per_level * self.instrument.lot
        self._bid_left = [0 if self.lock is Lock.LOWER else full] * DEPTH_LEVELS
        self._ask_left = [0 if self.lock is Lock.UPPER else full] * DEPTH_LEVELS

    def level_price(self, side: Side, level: int) -> int:
        """The synthetic price at a level of the bids (BUY) or asks (SELL), kept inside the bands."""
        away = self.liquidity.spread_ticks + level
        price = self.price - side * away * self.instrument.tick
        return min(max(price, self.instrument.lower_band), self.instrument.upper_band)

    def offer(self, side: Side) -> tuple[int, int, int]:
        """(price, quantity, level) of the best synthetic offer to this side; quantity 0 for none."""
        left = self._ask_left if side is Side.BUY else self._bid_left
        for level, qty in enumerate(left):
            if qty:
                return self.level_price(side.opposite, level), qty, level
        return 0, 0, 0

    def take(self, side: Side, level: int, qty: int) -> None:
        """Consume synthetic depth for an order of this side."""
        left = self._ask_left if side is Side.BUY else self._bid_left
        left[level] -= qty

    def best(self, side: Side) -> int:
        """The best bid (BUY) or ask (SELL) of anyone; 0 when that side is empty."""
        resting = (self.bids if side is Side.BUY else self.asks).best()
        price, qty, _ = self.offer(side.opposite)
        if resting is None:
            return price if qty else 0
        if not qty:
            return resting.resting_price
        return max(price, resting.resting_price) if side is Side.BUY else min(price, resting.resting_price)

    def depth(self, side: Side) -> list[tuple[int, int, int]]:
        """(price, quantity, orders) of the five best levels, synthetic and resting together."""
        left = self._bid_left if side is Side.BUY else self._ask_left
        levels: dict[int, tuple[int, int]] = {}
        for level, qty in enumerate(left):
            if qty:
                levels[self.level_price(side, level)] = (qty, 1 + level)
        for price, qty, orders in (self.bids if side is Side.BUY else self.asks).depth(DEPTH_LEVELS):
            known = levels.get(price, (0, 0))
            levels[price] = (known[0] + qty, known[1] + orders)
        best_first = sorted(levels.items(), reverse=side is Side.BUY)[:DEPTH_LEVELS]
        return [(price, qty, orders) for price, (qty, orders) in best_first]

    def move(self, price: int, wall_ns: int) -> None:
        """The market trades at this price now."""
        self.price = price
        self._print(price, 0, wall_ns)
        if self.liquidity.refill is not Refill.BY_HAND:
            self.refill()

    def traded(self, price: int, qty: int, wall_ns: int) -> None:
        self._print(price, qty, wall_ns)

    def _print(self, price: int, qty: int, wall_ns: int) -> None:
        self.ltp = price
        self.high = max(self.high, price)
        self.low = min(self.low, price)
        self.volume += qty
        self.turnover += qty * price
        self.last_qty = qty or self.last_qty
        self.last_wall_ns = wall_ns

    def new_day(self) -> None:
        """Yesterday's last price is today's previous close."""
        self.previous_close = self.open = self.high = self.low = self.ltp
        self.volume = self.turnover = self.last_qty = 0

    @property
    def average_price(self) -> int:
        return self.turnover // self.volume if self.volume else self.ltp

    @property
    def change(self) -> int:
        return self.ltp - self.previous_close
