"""What the clock brings about: square-off, the end of a market's day, the next morning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.account import Holding
from simulator.clock import ist
from simulator.desk import flatten
from simulator.hours import SATURDAY, SESSIONS
from simulator.orders import Source

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from simulator.account import Account, Position
    from simulator.exchange import Exchange
    from simulator.hours import Market
    from simulator.instruments import Instrument
    from simulator.orders import Product

NEXT_MORNING_HOUR = 6


class TradingDay:
    """Keeps the broker's daily routine, by the clock or by hand."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._done: set[tuple[str, Market, date]] = set()
        self.date = _trading_date(exchange)

    def on_time(self) -> bool:
        """Do what is due under real hours; True when a new day began."""
        if not self._exchange.hours.real:
            return False
        today = _trading_date(self._exchange)
        began = today > self.date
        if began:
            self.begin()
        self.date = today
        at = ist(self._exchange.clock.wall_ns())
        for market, session in SESSIONS.items():
            if at.weekday() >= SATURDAY:
                continue
            if at.time() >= session.squares_off and self._once("square-off", market, at.date()):
                self.square_off(market=market)
            if at.time() >= session.closes and self._once("close", market, at.date()):
                self.close(market)
        self._exchange.release_after_market()
        return began

    def _once(self, what: str, market: Market, day: date) -> bool:
        key = (what, market, day)
        if key in self._done:
            return False
        self._done.add(key)
        return True

    def square_off(self, accounts: Iterable[Account] | None = None, market: Market | None = None) -> int:
        """The broker cancels intraday orders and closes intraday positions; gives how many it closed."""

        def concerned(product: Product, instrument: Instrument) -> bool:
            return product.is_intraday and market in {None, (instrument.venue, instrument.segment)}

        closed = 0
        for account in list(accounts if accounts is not None else self._exchange.accounts.values()):
            for order in account.working_orders():
                if concerned(order.product, order.instrument):
                    self._exchange.cancel(order)
            closed += len(flatten(self._exchange, account, only=concerned, source=Source.BROKER))
        return closed

    def close(self, market: Market | None = None) -> int:
        """Expire every working order of a market (None: of all); gives how many."""
        expired = 0
        for account in self._exchange.accounts.values():
            for order in account.working_orders():
                if market in {None, (order.instrument.venue, order.instrument.segment)}:
                    self._exchange.expire(order)
                    expired += 1
        return expired

    def begin(self) -> None:
        """A new day: books are empty, positions are carried or become holdings, prices have a new close."""
        self.close()
        self.date = _trading_date(self._exchange)
        for market in self._exchange.markets.values():
            market.new_day()
        for account in self._exchange.accounts.values():
            _carry(account)
        self._exchange.orders.clear()


def _trading_date(exchange: Exchange) -> date:
    """The broker's day turns at six in the morning."""
    return ist(exchange.clock.wall_ns() - NEXT_MORNING_HOUR * 3_600 * 1_000_000_000).date()


def _carry(account: Account) -> None:
    account.orders.clear()
    account.trades.clear()
    account.cash += account.realised
    account.realised = 0
    account.used = 0
    for key, position in list(account.positions.items()):
        if position.product.is_delivery:
            _deliver(account, position)
        if position.product.is_delivery or not position.net:
            del account.positions[key]
            continue
        account.used += position.margin
        _begin_again(position)
    account.opening_cash = account.cash


def _deliver(account: Account, position: Position) -> None:
    """Bought shares arrive and are paid; sold ones leave and are paid for."""
    symbol = position.instrument.symbol
    held = account.holdings.get(symbol)
    old = held.qty if held else 0
    if position.net > 0:
        cost = (held.cost * old if held else 0) + position.open_value
        total = old + position.net
        account.holdings[symbol] = Holding(position.instrument, total, cost // total)
        account.cash -= position.open_value
    elif position.net < 0 and held is not None:
        account.cash += position.open_value
        held.qty = old + position.net
        if not held.qty:
            del account.holdings[symbol]


def _begin_again(position: Position) -> None:
    """An overnight position starts the day as carried at its cost."""
    quantity = abs(position.net)
    long = position.net > 0
    position.carried_buy = position.buy_qty = quantity if long else 0
    position.carried_sell = position.sell_qty = 0 if long else quantity
    position.buy_value = position.open_value if long else 0
    position.sell_value = 0 if long else position.open_value
    position.realised = 0
