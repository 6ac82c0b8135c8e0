"""Things that the broker does to its clients, at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from simulator.control.body import Body, Routes, Row, clients, is_all
from simulator.faults import FaultKind
from simulator.fyers import parse
from simulator.fyers.auth import TOKEN_EXPIRED
from simulator.fyers.words import CODE_TOKEN_EXPIRED, Words

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.server import Simulator


def expire_tokens(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """Now, of some clients or of all; `code` is what their next call is told (-8, -15, -16, -17)."""
    del path
    code = parse.whole(body, "code", CODE_TOKEN_EXPIRED)
    fault = Words(code, parse.text(body, "message", TOKEN_EXPIRED.message))
    tokens = simulator.face.tokens
    if is_all(body):
        spoilt = tokens.spoil(None, fault)
    else:
        spoilt = sum(tokens.spoil(one.id, fault) for one in clients(simulator, body))
    simulator.face.faults.count(FaultKind.TOKENS_EXPIRED, spoilt)
    return {"expired": spoilt}


def cut_sockets(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """Break order sockets without a farewell."""
    del path
    chosen = [None] if is_all(body) else [one.id for one in clients(simulator, body)]
    cut = sum(simulator.sockets.cut(one) for one in chosen)
    simulator.face.faults.count(FaultKind.WS_CUT, cut)
    return {"cut": cut}


def square_off(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """The broker closes intraday positions of some clients or of all."""
    del path
    closed = simulator.face.day.square_off([one.account for one in clients(simulator, body)])
    simulator.face.faults.count(FaultKind.SQUARE_OFF, closed)
    return {"closed": closed}


def close_day(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """End of day: working orders expire."""
    del body, path
    return {"expired": simulator.face.day.close()}


def new_day(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """The next morning: empty books, carried positions, fresh limits."""
    del body, path
    simulator.face.begin_day()
    return {"date": simulator.face.day.date.isoformat()}


async def listener(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """`open` false closes the broker's port (for `ms`, if given): new connections are refused."""
    del path
    if parse.flag(body, "open"):
        await simulator.open_listener()
        return {"open": True}
    simulator.close_listener()
    simulator.face.faults.count(FaultKind.LISTENER_CLOSED)
    pause = parse.number(body, "ms", 0)
    if pause:
        await asyncio.sleep(pause / 1000)
        await simulator.open_listener()
    return {"open": bool(pause)}


def reset(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """`counters` (default), `faults`, `books`: what is named true is forgotten."""
    del path
    if body.get("counters", True) is True:
        for one in simulator.face.clients.values():
            one.limits.reset()
            one.logins = one.refreshes = one.sockets_opened = one.calls = 0
            one.addresses.clear()
        simulator.face.faults.reset_counts()
        simulator.rest.reset()
        simulator.truth.reset()
    if parse.flag(body, "faults"):
        simulator.face.faults.clear()
    if parse.flag(body, "books"):
        _forget_books(simulator)
    return {"reset": True}


def _forget_books(simulator: Simulator) -> None:
    exchange = simulator.exchange
    for order in list(exchange.orders.values()):
        if order.is_working:
            exchange.matcher.withdraw(order, exchange.markets[order.instrument.symbol])
    exchange.orders.clear()
    simulator.face.conditionals.gtts.clear()
    for account in exchange.accounts.values():
        account.orders.clear()
        account.trades.clear()
        account.positions.clear()
        account.cash, account.used, account.realised = account.opening_cash, 0, 0


ROUTES: Routes = (
    ("POST", "/tokens/expire", expire_tokens),
    ("POST", "/sockets/cut", cut_sockets),
    ("POST", "/day/square-off", square_off),
    ("POST", "/day/close", close_day),
    ("POST", "/day/begin", new_day),
    ("POST", "/listener", listener),
    ("POST", "/reset", reset),
)
