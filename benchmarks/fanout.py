"""One fill of the leader to the last of N followers' orders, beside a bare client placing the same orders.

Both in one run, alternating, on one simulator: the platform's rounds with every follower's order socket open,
the client's rounds while the platform rests. The client is aiohttp, its connections warm, its tokens and
bodies ready: nothing is journaled, planned, limited or remembered. Neither speaks TLS here.
"""

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import median
from typing import Any

import aiohttp
import grpc
import uvloop

from benchmarks.cost import cpu_s
from benchmarks.report import Result, spread
from paceline.cli.demo.books import Books
from paceline.cli.demo.control import Control
from paceline.cli.demo.day import Day
from paceline.cli.demo.judge import latencies
from paceline.cli.demo.people import People, Registrar
from paceline.cli.demo.script import Habit, Step
from paceline.cli.stack import Stack, StackOptions
from paceline.embedded.nest import Nest

BAR = 1.5
SYMBOL = "NSE:SBIN-EQ"
QUANTITY = 10
_PAUSE_S = 1.1
"""Longer than the broker's shortest window."""
_NS_PER_MS = 1_000_000
_PREFIX = "XB"
_ONE = Decimal(1)


@dataclass(slots=True)
class Bare:
    """The client that does nothing else."""

    session: aiohttp.ClientSession
    control: Control
    url: str
    keys: Sequence[str]
    took_ms: list[float] = field(default_factory=list)

    async def place_all(self, side: int) -> None:
        """One order for everyone; how long until the last was accepted at the broker."""
        bodies = [_order(side) for _ in self.keys]
        began_ns = time.monotonic_ns()
        await asyncio.gather(*(self._place(key, body) for key, body in zip(self.keys, bodies, strict=True)))
        orders = (await self.control.get("/orders", symbol=SYMBOL))["orders"]
        mine = [each["accepted_at"]["mono_ns"] for each in orders if each["client_id"].startswith(_PREFIX)]
        self.took_ms.append((max(mine) - began_ns) / _NS_PER_MS)

    async def _place(self, key: str, body: dict[str, Any]) -> None:
        async with self.session.post(self.url, json=body, headers={"Authorization": key}) as response:
            answer = await response.json()
            if answer.get("s") != "ok":
                raise RuntimeError(f"the bare client was refused: {answer}")


def run(followers: int, rounds: int, seed: int) -> Result:
    """A stack of its own for one measurement."""
    logs = Nest("paceline-bench")
    try:
        with Stack(StackOptions(seed=seed, logs=logs.path), _nobody) as stack:
            return uvloop.run(_measured(stack, followers, rounds, seed))
    finally:
        logs.close()


async def _measured(stack: Stack, followers: int, rounds: int, seed: int) -> Result:
    connector = aiohttp.TCPConnector(limit=0)
    async with (
        Control(stack.control_url) as control,
        grpc.aio.insecure_channel(stack.gateway) as channel,
        aiohttp.ClientSession(connector=connector) as session,
    ):
        people = await _enrolled(channel, control, followers)
        bare = await _bare(stack, control, session, followers)
        await bare.place_all(1)
        await bare.place_all(-1)
        bare.took_ms.clear()
        day = Day(channel, control, people)
        await day.trade(0, Step(SYMBOL, 1, QUANTITY))
        await day.trade(0, Step(SYMBOL, -1, QUANTITY))
        cpu_s = 0.0
        for number in range(rounds):
            side = 1 if number % 2 == 0 else -1
            await asyncio.sleep(_PAUSE_S)
            before_s = _stack_cpu_s()
            await day.trade(number, Step(SYMBOL, side, QUANTITY))
            cpu_s += _stack_cpu_s() - before_s
            await asyncio.sleep(_PAUSE_S)
            await bare.place_all(side)
        evidence = await Books(channel, control, people).evidence(rounds + 2, seed)
    first, last = (sorted_by_time[2:] for sorted_by_time in latencies(evidence))
    return _result(seed, followers, first, last, bare.took_ms, cpu_s)


def _result(
    seed: int, followers: int, first: list[float], last: list[float], bare: list[float], cpu_s: float
) -> Result:
    rounds = len(last)
    ratio = round(median(last) / median(bare), 2)
    figures = {
        "followers": followers,
        "first_order_ms": spread(first),
        "last_accepted_ms": spread(last),
        "last_minus_bare_ms": round(median(last) - median(bare), 2),
        "cpu_us_per_copy": round(cpu_s * 1e6 / (followers * rounds), 1),
    }
    return Result(
        name="fanout",
        seed=seed,
        rounds=rounds,
        figures=figures,
        lower_bound={"bare_ms": spread(bare)},
        ratio=ratio,
        bar=BAR,
        met=ratio <= BAR,
        headline=f"first {median(first):.1f} ms, last {median(last):.1f} ms of {followers} followers",
        floor=f"bare client {median(bare):.1f} ms",
        notes=(
            "no TLS; broker delay 0; cpu is of all processes of the stack, stores and simulator included",
        ),
    )


async def _enrolled(channel: grpc.aio.Channel, control: Control, followers: int) -> People:
    registrar = Registrar(channel, control)
    people = await registrar.enrol([Habit(_ONE)] * followers, _nothing)
    await registrar.wait_until_live(people, lambda _count: None)
    await asyncio.sleep(_PAUSE_S)
    return people


async def _bare(stack: Stack, control: Control, session: aiohttp.ClientSession, followers: int) -> Bare:
    made = (await control.post("/accounts", {"count": followers, "prefix": _PREFIX}))["accounts"]
    url = stack.broker_urls["PACELINE_FYERS_API_URL"] + "/orders/sync"
    return Bare(session, control, url, [each["authorization"] for each in made])


def _order(side: int) -> dict[str, Any]:
    return {
        "symbol": SYMBOL,
        "qty": QUANTITY,
        "type": 2,
        "side": side,
        "productType": "INTRADAY",
        "limitPrice": 0,
        "stopPrice": 0,
        "validity": "DAY",
        "disclosedQty": 0,
        "offlineOrder": False,
        "orderTag": "bare",
    }


def _stack_cpu_s() -> float:
    """Of all our descendants: the stack."""
    return cpu_s(os.getpid()) - time.process_time()


def _nobody(_words: str) -> None:
    """Nobody watches."""


def _nothing() -> None:
    """Nothing is shown."""
