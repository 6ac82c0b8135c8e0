"""In which order things happened at a broker whose clock has whole seconds and may have been put back."""

from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple

from paceline.domain.ids import BrokerOrderId
from paceline.domain.order import Fill, OrderReport

_STEPS_MAX = 2
"""Times that go back more often than a clock is put right show that numbers do not say what came first."""


class _Place(NamedTuple):
    """Within one second an order comes before its trades, and trades by number; what a clock that was put
    back makes equal comes as it was listed.
    """

    at_ns: int
    listed: int
    is_fill: bool
    order_id: str
    trade_id: str


def in_order(orders: Iterable[OrderReport], trades: Iterable[Fill]) -> list[OrderReport | Fill]:
    """By broker time; but where the trade book is listed as it grew, a later trade is later by any clock."""
    listed = _as_it_grew(list(trades))
    times = _never_back([fill.broker_time_ns for fill in listed])
    shifts: dict[BrokerOrderId, tuple[int, int]] = {}
    places: list[tuple[_Place, OrderReport | Fill]] = []
    for number, (fill, at_ns) in enumerate(zip(listed, times, strict=True)):
        shift = at_ns - fill.broker_time_ns
        place = number if shift else 0
        shifts.setdefault(fill.order_id, (shift, place))
        places.append((_Place(at_ns, place, True, fill.order_id, fill.trade_id), fill))
    for each in orders:
        shift, place = shifts.get(each.order_id, (0, 0))
        places.append((_Place(each.broker_time_ns + shift, place, False, each.order_id, ""), each))
    return [told for _, told in sorted(places, key=lambda placed: placed[0])]


def _as_it_grew(trades: Sequence[Fill]) -> Sequence[Fill]:
    """Oldest first, where trade numbers go one way through the whole book and its times hardly ever do not;
    else by time.
    """
    numbers = [int(fill.trade_id) for fill in trades if fill.trade_id.isascii() and fill.trade_id.isdigit()]
    ups = [later > earlier for earlier, later in pairwise(numbers)]
    if len(numbers) == len(trades) and (all(ups) or not any(ups)):
        grown = trades if all(ups) else trades[::-1]
        falls = sum(later.broker_time_ns < earlier.broker_time_ns for earlier, later in pairwise(grown))
        if falls <= _STEPS_MAX:
            return grown
    return sorted(trades, key=lambda fill: fill.broker_time_ns)


def _never_back(times: Sequence[int]) -> Sequence[int]:
    return list(accumulate(times, max))
