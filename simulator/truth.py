"""What the judges read: stamps of every order and of every frame of the accounts that are watched."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulator.clients import Client
    from simulator.fyers.order_socket import Frame
    from simulator.orders import Order, Trade

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SentFrame:
    kind: str
    order_id: str
    trade: str
    status: int
    mono_ns: int
    wall_ns: int


@dataclass(slots=True)
class Truth:
    """Frames are remembered for watched accounts alone: leaders."""

    watched: set[str] = field(default_factory=set)
    frames: dict[str, list[SentFrame]] = field(default_factory=dict)

    def watch(self, client_id: str) -> None:
        self.watched.add(client_id)

    def sent(self, client_id: str, frames: Iterable[Frame], mono_ns: int) -> None:
        wall_ns = time.time_ns()
        log = self.frames.setdefault(client_id, [])
        for one in frames:
            order_id = one.order.id if one.order else ""
            trade = f"{order_id}-{one.trade.number}" if one.trade else ""
            log.append(SentFrame(one.kind, order_id, trade, int(one.status), mono_ns, wall_ns))

    def reset(self) -> None:
        self.frames.clear()


def order_truth(order: Order) -> Row:
    """An order with every stamp; prices in rupees, times in nanoseconds, 0 for what did not happen."""
    return {
        "id": order.id,
        "client_id": order.account.client_id,
        "symbol": order.instrument.symbol,
        "side": int(order.side),
        "type": int(order.type),
        "product": order.product.value,
        "validity": order.validity.value,
        "qty": order.qty,
        "filled": order.filled,
        "remaining": order.remaining if order.is_working else 0,
        "limit": order.limit / 100,
        "stop": order.stop / 100,
        "average": order.average / 100,
        "status": int(order.status),
        "reject": order.reject.reason.value if order.reject else "",
        "tag": order.tag,
        "source": order.source.value,
        "modifications": order.modifications,
        "received_at": {"mono_ns": order.received.mono_ns, "wall_ns": order.received.wall_ns},
        "accepted_at": {"mono_ns": order.accepted_mono_ns, "wall_ns": order.accepted_wall_ns},
        "first_frame_at": {"mono_ns": order.first_frame_mono_ns},
    }


def trade_truth(trade: Trade) -> Row:
    order = trade.order
    return {
        "number": f"{order.id}-{trade.number}",
        "order_id": order.id,
        "client_id": order.account.client_id,
        "symbol": order.instrument.symbol,
        "side": int(order.side),
        "product": order.product.value,
        "qty": trade.qty,
        "price": trade.price / 100,
        "tag": order.tag,
        "at": {"mono_ns": trade.mono_ns, "wall_ns": trade.wall_ns},
        "first_frame_at": {"mono_ns": trade.first_frame_mono_ns},
    }


def frame_truth(frame: SentFrame) -> Row:
    return {
        "kind": frame.kind,
        "order_id": frame.order_id,
        "trade": frame.trade,
        "status": frame.status,
        "sent_at": {"mono_ns": frame.mono_ns, "wall_ns": frame.wall_ns},
    }


def limits_truth(client: Client) -> Row:
    """The most calls and orders that ever fell into one sliding window, and what was refused."""
    limits = client.limits
    return {
        "client_id": client.id,
        "calls": limits.total,
        "refused": limits.refused,
        "peak": {"second": limits.second.peak, "minute": limits.minute.peak, "day": limits.day_peak},
        "orders": limits.orders,
        "order_peak": {"second": limits.order_second.peak, "minute": limits.order_minute.peak},
        "breaches": {verdict.value: count for verdict, count in limits.breaches.items()},
        "blocked": limits.blocked,
    }
