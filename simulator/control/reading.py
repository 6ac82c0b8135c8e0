"""The truth: books, stamps, windows, counts."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from simulator.control.body import Body, Routes, Row, clients, texts
from simulator.fyers import parse
from simulator.fyers.books import funds_rows, holdings_body, position_row
from simulator.limits import Quota
from simulator.truth import frame_truth, limits_truth, order_truth, trade_truth

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from simulator.clients import Client
    from simulator.orders import Order, Trade
    from simulator.server import Simulator


def health(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    del body, path
    return {"status": "ok", "pid": os.getpid(), "accounts": len(simulator.face.clients)}


def urls(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    del body, path
    return dict(simulator.urls.as_dict())


def orders(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """Of one client, some, or all; narrowed by `tag` and `symbol`."""
    del path
    found: Iterable[Order] = (o for one in clients(simulator, body) for o in one.account.orders.values())
    if "tag" in body:
        found = (one for one in found if one.tag == body["tag"])
    if "symbol" in body:
        found = (one for one in found if one.instrument.symbol == body["symbol"])
    return {"orders": [order_truth(one) for one in found]}


def trades(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    del path
    found: Iterable[Trade] = (t for one in clients(simulator, body) for t in one.account.trades)
    if "order_id" in body:
        found = (one for one in found if one.order.id == body["order_id"])
    return {"trades": [trade_truth(one) for one in found]}


def positions(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    del path
    return {"positions": [row for one in clients(simulator, body) for row in _positions(simulator, one)]}


def _positions(simulator: Simulator, one: Client) -> list[Row]:
    markets = simulator.exchange.markets
    return [
        {"client_id": one.id, **position_row(position, markets[position.instrument.symbol], 0)}
        for position in one.account.positions.values()
        if not position.is_idle()
    ]


def books(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """Everything of one client, some, or all, by client."""
    del path
    return {
        "books": {
            one.id: {
                "orders": [order_truth(order) for order in one.account.orders.values()],
                "trades": [trade_truth(trade) for trade in one.account.trades],
                "positions": _positions(simulator, one),
                "holdings": holdings_body(one.account, simulator.exchange)["holdings"],
                "funds": funds_rows(one.account),
            }
            for one in clients(simulator, body)
        }
    }


def frames(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """Every frame that left for watched accounts, with the moment it was handed to the system."""
    del path
    log = simulator.truth.frames
    return {
        "frames": {one.id: [frame_truth(f) for f in log.get(one.id, ())] for one in clients(simulator, body)}
    }


def watch(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """Remember the frames of these clients from now on."""
    del path
    for one in clients(simulator, body):
        simulator.truth.watch(one.id)
    return {"watched": sorted(simulator.truth.watched)}


def limits(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """The peaks of every window that slid, per client, and the worst of all."""
    del path
    rows = [limits_truth(one) for one in clients(simulator, body)]
    worst = {
        span: max((row["peak"][span] for row in rows), default=0) for span in ("second", "minute", "day")
    }
    breaches = sum(sum(row["breaches"].values()) for row in rows)
    return {
        "limits": rows,
        "worst": worst,
        "breaches": breaches,
        "blocked": [r["client_id"] for r in rows if r["blocked"]],
    }


def set_limits(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """`per_second`, `per_minute`, `per_day`, `minute_breaches_allowed`; 0 is no limit."""
    del path
    old = simulator.settings.quota
    quota = Quota(
        per_second=parse.whole(body, "per_second", old.per_second),
        per_minute=parse.whole(body, "per_minute", old.per_minute),
        per_day=parse.whole(body, "per_day", old.per_day),
        minute_breaches_allowed=parse.whole(body, "minute_breaches_allowed", old.minute_breaches_allowed),
    )
    if not {"client_id", "client_ids"} & set(body):
        simulator.settings.quota = quota
    for one in clients(simulator, body):
        one.limits.quota = quota
    return {"per_second": quota.per_second, "per_minute": quota.per_minute, "per_day": quota.per_day}


def stats(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """Counts of calls, faults, logins, sockets and addresses, and the process's own time."""
    del path
    chosen = clients(simulator, body)
    connected = simulator.sockets.all_connected()
    rows = {
        one.id: {
            "calls": one.calls,
            "logins": one.logins,
            "refreshes": one.refreshes,
            "login_attempts": one.login_attempts,
            "sockets": connected.get(one.id, 0),
            "sockets_opened": one.sockets_opened,
            "addresses": dict(one.addresses),
        }
        for one in chosen
    }
    if texts(body, "only") == ["totals"]:
        rows = {}
    return {
        "accounts": rows,
        "paths": simulator.rest.hits(),
        "faults": {kind.value: count for kind, count in simulator.face.faults.hits.items()},
        "orders": len(simulator.exchange.orders),
        "logins": sum(one.logins for one in chosen),
        "sockets": sum(connected.values()),
        "process": {
            "cpu_ns": time.process_time_ns(),
            "mono_ns": time.monotonic_ns(),
            "wall_ns": time.time_ns(),
            "pid": os.getpid(),
        },
    }


ROUTES: Routes = (
    ("GET", "/health", health),
    ("GET", "/urls", urls),
    ("GET", "/orders", orders),
    ("GET", "/trades", trades),
    ("GET", "/positions", positions),
    ("GET", "/books", books),
    ("GET", "/frames", frames),
    ("POST", "/watch", watch),
    ("GET", "/limits", limits),
    ("POST", "/limits", set_limits),
    ("GET", "/stats", stats),
)
