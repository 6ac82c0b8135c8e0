"""One stack, a leader and his followers with every order socket open, and a bare client beside them.

The client is aiohttp over TLS as the platform's own, its connections warm, its tokens and bodies ready:
nothing is journaled, planned, limited or remembered. It places the same orders at the same simulator while
the platform rests, for accounts of its own, so that neither uses up the other's windows.
"""

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import aiohttp
import grpc

from benchmarks.cost import cpu_s
from paceline.cli.demo.books import Books
from paceline.cli.demo.control import Control
from paceline.cli.demo.day import Day
from paceline.cli.demo.judge import judge, latencies
from paceline.cli.demo.people import People, Registrar
from paceline.cli.demo.script import Habit, Step
from paceline.cli.stack import Stack, StackOptions
from paceline.embedded.certificate import Certificate, self_signed
from paceline.embedded.nest import Nest

SYMBOL = "NSE:SBIN-EQ"
QUANTITY = 10
WARM_UP = 2
"""Rounds that are not counted: both sides once."""
NS_PER_MS = 1_000_000
_IDLE_S = 3.0
_APART_S = 0.15
"""One account may ask ten times a second."""
PAUSE_S = 1.1
"""Longer than the broker's shortest window."""
_A_MINUTE_S = 60.0
_IN_A_MINUTE = 180
"""Orders of one account, below the broker's window of 200."""
_BARE = "XB"


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
        await asyncio.gather(*(self.place(key, body) for key, body in zip(self.keys, bodies, strict=True)))
        self.took_ms.append((await self._latest_ns("accepted_at") - began_ns) / NS_PER_MS)

    async def first_ms(self, number: int) -> float:
        """One order of one of them, a while after the last: how long until it arrived."""
        await asyncio.sleep(_APART_S)
        body = _order(1 if number % 2 == 0 else -1)
        began_ns = time.monotonic_ns()
        await self.place(self.keys[number % len(self.keys)], body)
        return (await self._latest_ns("received_at") - began_ns) / NS_PER_MS

    async def _latest_ns(self, moment: str) -> int:
        orders = (await self.control.get("/orders", symbol=SYMBOL))["orders"]
        return max(int(each[moment]["mono_ns"]) for each in orders if each["client_id"].startswith(_BARE))

    async def rate(self, seconds: float) -> float:
        """Orders a second for all of them in turns, as many at a time as there are accounts."""
        ends = time.monotonic() + seconds
        placed = 0

        async def keep(key: str) -> None:
            nonlocal placed
            side = 1
            for _ in range(_IN_A_MINUTE):
                if time.monotonic() >= ends:
                    return
                again = time.monotonic() + _APART_S
                await self.place(key, _order(side))
                placed += 1
                side = -side
                await asyncio.sleep(again - time.monotonic())

        began = time.monotonic()
        await asyncio.gather(*(keep(key) for key in self.keys))
        return placed / (time.monotonic() - began)

    async def place(self, key: str, body: dict[str, Any]) -> None:
        async with self.session.post(self.url, json=body, headers={"Authorization": key}) as response:
            answer = await response.json()
            if answer.get("s") != "ok":
                raise RuntimeError(f"the bare client was refused: {answer}")


@dataclass(slots=True)
class Arena:
    channel: grpc.aio.Channel
    control: Control
    people: People
    bare: Bare
    seed: int
    pids: Mapping[str, int]
    rounds: int = 0
    counted: int = 0
    rounds_s: float = 0.0
    spent: Counter[str] = field(default_factory=Counter)
    """CPU seconds of each process while the platform had its rounds."""
    idle: Mapping[str, float] = field(default_factory=dict)
    """Cores that each takes while nobody trades."""

    async def race(self, rounds: int, *, bare: bool = True) -> None:
        """So many rounds of the platform, each followed by one of the bare client."""
        day = Day(self.channel, self.control, self.people)
        for _ in range(rounds):
            side = 1 if self.rounds % 2 == 0 else -1
            await asyncio.sleep(PAUSE_S)
            began, before = time.monotonic(), self._cpu()
            await day.trade(self.rounds, Step(SYMBOL, side, QUANTITY))
            self.spent += self._cpu() - before
            self.rounds_s += time.monotonic() - began
            self.counted += 1
            self.rounds += 1
            if bare:
                await asyncio.sleep(PAUSE_S)
                await self.bare.place_all(side)

    async def warm(self) -> None:
        await self.race(WARM_UP)
        self.bare.took_ms.clear()
        await asyncio.sleep(PAUSE_S)
        began, before = time.monotonic(), self._cpu()
        await asyncio.sleep(_IDLE_S)
        took_s = time.monotonic() - began
        self.idle = {name: spent / took_s for name, spent in (self._cpu() - before).items()}
        self.spent, self.rounds_s, self.counted = Counter(), 0.0, 0

    def cpu_us_per_copy(self) -> dict[str, float]:
        """Of each process, and in all; what it takes while nobody trades is not of the copies."""
        copies = max(1, self.counted * len(self.people.follower_clients))
        found = {
            name: max(0.0, spent - self.idle.get(name, 0.0) * self.rounds_s) * 1e6 / copies
            for name, spent in sorted(self.spent.items())
        }
        return {name: round(value) for name, value in {**found, "all": sum(found.values())}.items()}

    def _cpu(self) -> Counter[str]:
        return Counter({name: cpu_s(pid) for name, pid in self.pids.items()})

    async def times(self) -> tuple[list[float], list[float]]:
        """First arrivals and last acceptances of the rounds that count; raises where the books disagree."""
        evidence = await Books(self.channel, self.control, self.people).evidence(self.rounds, self.seed)
        verdict = judge(evidence)
        if not verdict.sound or verdict.skipped:
            raise RuntimeError(f"this is no measurement: {verdict.as_json()}")
        first, last = latencies(evidence)
        return first[WARM_UP:], last[WARM_UP:]


@contextmanager
def stack(seed: int, environment: Mapping[str, str] | None = None) -> Iterator[tuple[Stack, Certificate]]:
    """For one measurement; the broker speaks TLS."""
    nest = Nest("paceline-bench")
    try:
        certificate = self_signed(nest.path)
        options = StackOptions(
            seed=seed, logs=nest.path, broker_tls=certificate, environment=environment or {}
        )
        with Stack(options, _nobody) as running:
            yield running, certificate
    finally:
        nest.close()


@asynccontextmanager
async def open_arena(
    running: Stack, certificate: Certificate, followers: int, seed: int
) -> AsyncIterator[Arena]:
    """Warm, and everyone live."""
    async with (
        Control(running.control_url) as control,
        grpc.aio.insecure_channel(running.gateway) as channel,
        bare_client(running, control, certificate, followers) as bare,
    ):
        registrar = Registrar(channel, control)
        people = await registrar.enrol([Habit(Decimal(1))] * followers, _nothing)
        await registrar.wait_until_live(people, lambda _count: None)
        arena = Arena(channel, control, people, bare, seed, running.pids)
        await arena.warm()
        yield arena


@asynccontextmanager
async def bare_client(
    running: Stack, control: Control, certificate: Certificate, accounts: int
) -> AsyncIterator[Bare]:
    context = ssl.create_default_context(cafile=certificate.chain)
    connector = aiohttp.TCPConnector(limit=0, ssl=context, keepalive_timeout=_A_MINUTE_S)
    made = (await control.post("/accounts", {"count": accounts, "prefix": _BARE}))["accounts"]
    url = running.broker_urls["PACELINE_FYERS_API_URL"] + "/orders/sync"
    async with aiohttp.ClientSession(connector=connector) as session:
        yield Bare(session, control, url, [each["authorization"] for each in made])


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


def _nobody(_words: str) -> None:
    """Nobody watches."""


def _nothing() -> None:
    """Nothing is shown."""
