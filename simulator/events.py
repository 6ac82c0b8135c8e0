"""What the exchange tells whoever listens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.account import Position
    from simulator.market import Market
    from simulator.orders import Order, Trade


class Sink(Protocol):
    """Called in the very step in which a thing happens: what is read off an order is its state then."""

    def order(self, order: Order) -> None: ...

    def filled(self, trade: Trade) -> None:
        """The order and its position already carry the fill."""

    def position(self, position: Position) -> None: ...


class Silent:
    """Nobody listens."""

    def order(self, order: Order) -> None:
        del order

    def filled(self, trade: Trade) -> None:
        del trade

    def position(self, position: Position) -> None:
        del position


class QuoteFeed:
    """Those who want to know when a price moved."""

    __slots__ = ("_listeners",)

    def __init__(self) -> None:
        self._listeners: list[Callable[[Market], None]] = []

    def subscribe(self, listener: Callable[[Market], None]) -> Callable[[], None]:
        """Call the listener at every move; the answer ends it."""
        self._listeners.append(listener)

        def unsubscribe() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return unsubscribe

    def moved(self, market: Market) -> None:
        for listener in tuple(self._listeners):
            listener(market)
