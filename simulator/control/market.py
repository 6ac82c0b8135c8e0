"""Prices, liquidity, locks, hours and the clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.clock import ist, moment
from simulator.control.body import Body, ControlError, Routes, Row, market, member, texts
from simulator.faults import FaultKind
from simulator.fyers import parse
from simulator.hours import SESSIONS
from simulator.instruments import Segment, Venue
from simulator.market import Liquidity, Lock, Market, Refill
from simulator.orders import Side
from simulator.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.server import Simulator

MILLISECOND_NS = 1_000_000


def prices(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """`{"prices": {symbol: rupees}}`: each market trades there now."""
    del path
    wanted = body.get("prices")
    if not isinstance(wanted, dict):
        raise ControlError("prices must be an object of symbols")
    for symbol in wanted:
        tick = market(simulator, symbol).instrument.tick
        if parse.price(wanted, symbol) <= 0 or parse.price(wanted, symbol) % tick:
            raise ControlError(f"price of {symbol} must be a positive multiple of its tick {tick / 100}")
    for symbol in wanted:
        simulator.exchange.move(symbol, parse.price(wanted, symbol))
    return {"quotes": [quote(market(simulator, symbol)) for symbol in wanted]}


def quotes(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """Of `symbols`, or of all."""
    del path
    chosen = texts(body, "symbols") or list(simulator.exchange.markets)
    return {"quotes": [quote(market(simulator, one)) for one in chosen]}


def quote(one: Market) -> Row:
    instrument = one.instrument
    return {
        "symbol": instrument.symbol,
        "fy_token": instrument.fy_token,
        "lot": instrument.lot,
        "tick": instrument.tick / 100,
        "freeze": instrument.freeze,
        "ltp": one.ltp / 100,
        "bid": one.best(Side.BUY) / 100,
        "ask": one.best(Side.SELL) / 100,
        "previous_close": one.previous_close / 100,
        "lower_band": instrument.lower_band / 100,
        "upper_band": instrument.upper_band / 100,
        "volume": one.volume,
        "lock": one.lock.value,
    }


def walk(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """A seeded random walk: `steps` at once, and with `run` on and on at every tick of the routine."""
    del path
    chosen = texts(body, "symbols") or [one.symbol for one in simulator.exchange.universe]
    for symbol in chosen:
        market(simulator, symbol)
    seed = parse.whole(body, "seed", simulator.settings.seed)
    made = Walk(simulator.exchange, seed, chosen, parse.whole(body, "max_ticks", 3))
    made.step(parse.whole(body, "steps", 0))
    if parse.flag(body, "run"):
        simulator.walk = made
    return {"steps": made.steps, "running": simulator.walk is not None}


def stop_walk(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    del body, path
    steps = simulator.walk.steps if simulator.walk else 0
    simulator.walk = None
    return {"steps": steps, "running": False}


def liquidity(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """Of `symbols`, or of all; what is not named keeps its value."""
    del path
    chosen = texts(body, "symbols")
    old = market(simulator, chosen[0]).liquidity if chosen else simulator.exchange.liquidity
    new = Liquidity(
        lots_per_level=parse.whole(body, "lots_per_level", old.lots_per_level),
        spread_ticks=parse.whole(body, "spread_ticks", old.spread_ticks),
        max_fill_lots=parse.whole(body, "max_fill_lots", old.max_fill_lots),
        refill=member(Refill, body, "refill", old.refill),
    )
    for symbol in chosen:
        market(simulator, symbol)
    simulator.exchange.set_liquidity(new, chosen)
    return {
        "lots_per_level": new.lots_per_level,
        "spread_ticks": new.spread_ticks,
        "max_fill_lots": new.max_fill_lots,
    }


def refill(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """Make the synthetic depth whole again, and let it meet what rests."""
    del path
    chosen = texts(body, "symbols") or list(simulator.exchange.markets)
    for symbol in chosen:
        one = market(simulator, symbol)
        one.refill()
        simulator.exchange.matcher.sweep(one)
    return {"symbols": chosen}


def lock(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """`lock`: upper, lower or none."""
    del path
    one = market(simulator, parse.text(body, "symbol"))
    wanted = member(Lock, body, "lock")
    simulator.exchange.lock(one.instrument.symbol, wanted)
    if wanted is not Lock.NONE:
        simulator.face.faults.count(FaultKind.CIRCUIT_LOCK)
    return quote(one)


def hours(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """`real` switches real hours; `venue`, `segment` and `open` hold one market shut or free it."""
    del path
    kept = simulator.exchange.hours
    if "real" in body:
        kept.real = parse.flag(body, "real")
    if "open" in body:
        one = (member(Venue, body, "venue"), member(Segment, body, "segment"))
        if parse.flag(body, "open"):
            kept.shut.discard(one)
        else:
            kept.shut.add(one)
    simulator.exchange.release_after_market()
    now = simulator.exchange.clock.wall_ns()
    phases = {
        f"{venue.name}:{segment.name}": kept.phase((venue, segment), now).value for venue, segment in SESSIONS
    }
    return {"real": kept.real, "phases": phases}


def clock(simulator: Simulator, body: Body, path: Mapping[str, str]) -> Row:
    """`at` (ISO) with `frozen`, `advance_s`, `release`; `skew_ms` is the error of the broker's own clock."""
    del path
    driven = simulator.exchange.clock
    if parse.flag(body, "release"):
        driven.release()
    if "at" in body:
        driven.set(moment(parse.text(body, "at")), frozen=parse.flag(body, "frozen"))
    if "advance_s" in body:
        driven.advance(parse.number(body, "advance_s"))
    if "skew_ms" in body:
        simulator.exchange.matcher.skew_ns = round(parse.number(body, "skew_ms") * MILLISECOND_NS)
        simulator.face.faults.count(FaultKind.CLOCK_SKEW)
    if {"at", "advance_s"} & set(body) and simulator.face.day.on_time():
        simulator.face.new_limits_day()
    now = driven.wall_ns()
    return {
        "wall_ns": now,
        "at": ist(now).isoformat(),
        "skew_ms": simulator.exchange.matcher.skew_ns / MILLISECOND_NS,
    }


ROUTES: Routes = (
    ("POST", "/prices", prices),
    ("GET", "/quotes", quotes),
    ("POST", "/walk", walk),
    ("DELETE", "/walk", stop_walk),
    ("POST", "/liquidity", liquidity),
    ("POST", "/refill", refill),
    ("POST", "/lock", lock),
    ("POST", "/hours", hours),
    ("POST", "/clock", clock),
)
