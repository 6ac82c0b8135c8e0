"""Resting orders of one side of one instrument: price, then time."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING

from simulator.orders import Side

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulator.orders import Order


class BookSide:
    """Best price first; at one price, oldest first."""

    __slots__ = ("_keys", "_levels", "_sign")

    def __init__(self, side: Side) -> None:
        self._sign = -1 if side is Side.BUY else 1
        self._keys: list[int] = []
        self._levels: dict[int, dict[int, Order]] = {}

    def add(self, order: Order) -> None:
        key = order.resting_price * self._sign
        level = self._levels.get(key)
        if level is None:
            level = self._levels[key] = {}
            insort(self._keys, key)
        level[order.number] = order

    def remove(self, order: Order) -> None:
        """Nothing happens to an order that does not rest here."""
        key = order.resting_price * self._sign
        level = self._levels.get(key)
        if level is None or level.pop(order.number, None) is None:
            return
        if not level:
            del self._levels[key]
            del self._keys[bisect_left(self._keys, key)]

    def best(self) -> Order | None:
        if not self._keys:
            return None
        return next(iter(self._levels[self._keys[0]].values()))

    def depth(self, levels: int) -> list[tuple[int, int, int]]:
        """(price, quantity, orders) of the best prices."""
        return [
            (
                key * self._sign,
                sum(one.remaining for one in self._levels[key].values()),
                len(self._levels[key]),
            )
            for key in self._keys[:levels]
        ]

    def __iter__(self) -> Iterator[Order]:
        for key in list(self._keys):
            yield from list(self._levels.get(key, {}).values())

    def __len__(self) -> int:
        return sum(len(level) for level in self._levels.values())
