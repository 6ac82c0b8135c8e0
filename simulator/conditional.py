"""Orders that wait for a price outside the book: good-till-triggered ones, and legs on positions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulator.desk import flatten
from simulator.orders import Order, OrderRequest, OrderType, Product, Side, Source, Status

if TYPE_CHECKING:
    from simulator.account import Account, Position
    from simulator.exchange import Exchange
    from simulator.instruments import Instrument
    from simulator.market import Market

PERCENT_LEG = 2


@dataclass(slots=True)
class Leg:
    price: int
    trigger: int
    qty: int


@dataclass(slots=True, eq=False)
class Gtt:
    """One waiting order, or two of which the first to trigger cancels the other."""

    id: str
    number: int
    account: Account
    instrument: Instrument
    side: Side
    product: Product
    legs: list[Leg]
    created_wall_ns: int
    tag: str = ""
    status: Status = Status.PENDING
    order_id: str = ""
    above: list[bool] | None = None
    """For each leg, whether it waits for the price to rise to its trigger."""

    @property
    def is_pair(self) -> bool:
        return len(self.legs) > 1


class Conditionals:
    """Watches prices and places what they trigger."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._numbers = 0
        self.gtts: dict[str, Gtt] = {}
        self._legged: dict[str, list[Position]] = {}
        exchange.subscribe_quotes(self._moved)

    def place(
        self, account: Account, instrument: Instrument, side: Side, product: Product, legs: list[Leg]
    ) -> Gtt:
        self._numbers += 1
        now = self._exchange.matcher.now()
        ltp = self._exchange.markets[instrument.symbol].ltp
        gtt = Gtt(f"9{self._numbers:013d}", self._numbers, account, instrument, side, product, legs, now)
        gtt.above = [leg.trigger > ltp for leg in legs]
        self.gtts[gtt.id] = gtt
        return gtt

    def modify(self, gtt: Gtt, legs: list[Leg]) -> None:
        """New prices and quantities for the legs that are named."""
        gtt.legs[: len(legs)] = legs
        ltp = self._exchange.markets[gtt.instrument.symbol].ltp
        gtt.above = [leg.trigger > ltp for leg in gtt.legs]

    def cancel(self, gtt: Gtt) -> None:
        gtt.status = Status.CANCELLED

    def of(self, account: Account) -> list[Gtt]:
        return [one for one in self.gtts.values() if one.account is account]

    def attach(self, position: Position, take_profit: int, stop_loss: int, leg_type: int) -> None:
        """Watch a position; prices are paise from its average, or hundredths of a percent of it."""
        position.take_profit, position.stop_loss, position.leg_type = take_profit, stop_loss, leg_type
        watched = self._legged.setdefault(position.instrument.symbol, [])
        if position not in watched:
            watched.append(position)
        self._exchange.matcher.sink.position(position)

    def _moved(self, market: Market) -> None:
        symbol = market.instrument.symbol
        for gtt in list(self.gtts.values()):
            if gtt.status is Status.PENDING and gtt.instrument.symbol == symbol:
                self._look(gtt, market)
        for position in self._legged.get(symbol, ()):
            self._look_at_legs(position, market)

    def _look(self, gtt: Gtt, market: Market) -> None:
        for leg, above in zip(gtt.legs, gtt.above or (), strict=True):
            if (market.ltp >= leg.trigger) if above else (market.ltp <= leg.trigger):
                gtt.status = Status.TRADED
                request = OrderRequest(
                    gtt.instrument.symbol,
                    leg.qty,
                    OrderType.LIMIT,
                    gtt.side,
                    gtt.product,
                    limit=leg.price,
                    tag=gtt.tag,
                )
                outcome = self._exchange.place(gtt.account, request, source=Source.BROKER)
                gtt.order_id = outcome.id if isinstance(outcome, Order) else ""
                return

    def _look_at_legs(self, position: Position, market: Market) -> None:
        if not position.net or not (position.take_profit or position.stop_loss):
            return
        gain = (market.ltp - position.open_average) * (1 if position.net > 0 else -1)
        target, stop = self._distances(position)
        if (target and gain >= target) or (stop and gain <= -stop):
            position.take_profit = position.stop_loss = position.leg_type = 0
            flatten(
                self._exchange,
                position.account,
                only=lambda product, instrument: (
                    product is position.product and instrument is position.instrument
                ),
                source=Source.BROKER,
            )

    @staticmethod
    def _distances(position: Position) -> tuple[int, int]:
        if position.leg_type != PERCENT_LEG:
            return position.take_profit, position.stop_loss
        average = position.open_average
        return position.take_profit * average // 10_000, position.stop_loss * average // 10_000
