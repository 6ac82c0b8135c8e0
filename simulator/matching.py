"""Price-time matching: against resting orders first, then against the synthetic depth at the same price."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.events import Silent
from simulator.margin import held_margin
from simulator.market import Refill
from simulator.orders import Order, Side, Status, Trade, Validity

if TYPE_CHECKING:
    from simulator.clock import Clock
    from simulator.events import QuoteFeed, Sink
    from simulator.market import Market


class Matcher:
    """Carries orders into a market and books what they trade."""

    def __init__(self, clock: Clock, quotes: QuoteFeed) -> None:
        self.sink: Sink = Silent()
        self.skew_ns = 0
        self._clock = clock
        self._quotes = quotes
        self._trades = 0

    def now(self) -> int:
        """The broker's own wall time, with its error."""
        return self._clock.wall_ns() + self.skew_ns

    def enter(self, order: Order, market: Market) -> None:
        """An accepted order meets the market; what is left of it rests, waits, or is cancelled."""
        if order.held:
            return
        if order.type.is_stop and not order.triggered:
            market.stops[order.number] = order
            return
        if market.liquidity.refill is Refill.EACH_ORDER:
            market.refill()
        before = market.ltp
        self._take(order, market)
        if order.is_working:
            self._leave(order, market)
        if market.ltp != before:
            self._quotes.moved(market)
            self.trigger_stops(market)

    def withdraw(self, order: Order, market: Market) -> None:
        """Take an order out of the market without a word."""
        market.stops.pop(order.number, None)
        (market.bids if order.side is Side.BUY else market.asks).remove(order)

    def finish(self, order: Order, market: Market, status: Status) -> None:
        """End a working order, free what it blocked, and tell."""
        self.withdraw(order, market)
        self.release(order)
        order.status = status
        order.updated_wall_ns = self.now()
        self.sink.order(order)

    def release(self, order: Order) -> None:
        """Free the margin and the claim on the position of what is unfilled."""
        order.account.used -= order.blocked
        order.blocked = 0
        self._pending(order, -order.remaining)

    def move(self, market: Market, price: int) -> None:
        """The market trades at a price: stops wake, and resting orders that it crosses are filled."""
        market.move(price, self.now())
        self._quotes.moved(market)
        self.trigger_stops(market)
        self.sweep(market)

    def sweep(self, market: Market) -> None:
        """Fill resting orders that the synthetic quote now crosses, at their own price."""
        for side in (market.bids, market.asks):
            for order in side:
                if not self._cross(order, market):
                    break

    def _cross(self, order: Order, market: Market) -> bool:
        while order.remaining:
            price, qty, level = market.offer(order.side)
            if not qty or (price - order.resting_price) * order.side > 0:
                return False
            part = self._part(order, market, qty)
            market.take(order.side, level, part)
            self.fill(order, part, order.resting_price)
        self.withdraw(order, market)
        return True

    def trigger_stops(self, market: Market) -> None:
        """Wake every stop that the last price has reached; their own trades may wake more."""
        while True:
            due = [one for one in market.stops.values() if (market.ltp - one.stop) * one.side >= 0]
            if not due:
                return
            for order in due:
                del market.stops[order.number]
            for order in due:
                order.triggered = True
                order.updated_wall_ns = self.now()
                self.sink.order(order)
                self.enter(order, market)

    def _take(self, order: Order, market: Market) -> None:
        bound = order.limit if order.type.has_limit else 0
        opposite = market.asks if order.side is Side.BUY else market.bids
        while order.remaining:
            resting = opposite.best()
            price, qty, level = market.offer(order.side)
            if resting is not None and (not qty or (resting.resting_price - price) * order.side <= 0):
                if bound and (resting.resting_price - bound) * order.side > 0:
                    return
                self._meet(order, resting, market)
                continue
            if not qty or (bound and (price - bound) * order.side > 0):
                return
            part = self._part(order, market, qty)
            market.take(order.side, level, part)
            self.fill(order, part, price)
            market.traded(price, part, order.updated_wall_ns)

    def _meet(self, order: Order, resting: Order, market: Market) -> None:
        price = resting.resting_price
        part = self._part(order, market, resting.remaining)
        self.fill(resting, part, price)
        if not resting.remaining:
            self.withdraw(resting, market)
        self.fill(order, part, price)
        market.traded(price, part, order.updated_wall_ns)

    def _part(self, order: Order, market: Market, available: int) -> int:
        largest = market.liquidity.max_fill_lots * market.instrument.lot
        part = min(order.remaining, available)
        return min(part, largest) if largest else part

    def _leave(self, order: Order, market: Market) -> None:
        if order.validity is Validity.IOC:
            self.finish(order, market, Status.CANCELLED)
            return
        if order.type.has_limit:
            order.resting_price = order.limit
        else:
            order.resting_price = market.ltp
        (market.bids if order.side is Side.BUY else market.asks).add(order)

    def fill(self, order: Order, qty: int, price: int) -> Trade:
        """Book one fill on order, position, and money, and tell."""
        account, position = order.account, order.position
        released = order.blocked * qty // order.remaining
        order.blocked -= released
        self._pending(order, -qty)
        order.filled += qty
        order.filled_value += qty * price
        profit = position.apply(order.side, qty, price)
        margin = held_margin(order.instrument, order.product, position.net, position.open_value)
        account.used += margin - position.margin - released
        position.margin = margin
        account.realised += profit
        now = self.now()
        order.updated_wall_ns = now
        if not order.remaining:
            order.status = Status.TRADED
        self._trades += 1
        trade = Trade(self._trades, order, qty, price, self._clock.mono_ns(), now)
        account.trades.append(trade)
        self.sink.filled(trade)
        return trade

    @staticmethod
    def _pending(order: Order, change: int) -> None:
        if order.side is Side.BUY:
            order.position.pending_buy += change
        else:
            order.position.pending_sell += change

    def claim(self, order: Order, blocked: int) -> None:
        """An order was accepted: bind its margin and its claim on the position."""
        order.blocked = blocked
        order.account.used += blocked
        self._pending(order, order.remaining)
