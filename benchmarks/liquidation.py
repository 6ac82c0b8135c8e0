"""A leader's price falls through his last line: how long until he and all who copy him are sold.

Every round has a leader of his own whom all followers copy. Prices move a tick to and fro before, as they do
all day; then one price takes what he has left below 10 % of his margin. Time runs from the moment in which
the broker is told that price: to the first order that arrives there, and to the last of the followers' orders
that he accepted. The bare client places as many orders between the rounds, for accounts of its own.
"""

import asyncio
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import median
from typing import Any

import grpc
import uvloop
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.arena import NS_PER_MS, PAUSE_S, QUANTITY, Bare, bare_client, stack
from benchmarks.cost import cpu_s
from benchmarks.report import Result, spread
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.pool import PoolOptions, open_database
from paceline.api.v1 import risk_pb2, risk_pb2_grpc
from paceline.cli.demo.control import Control
from paceline.cli.demo.crash_script import RISE, Stand, floored, price_at
from paceline.cli.demo.day import Day, traded_today
from paceline.cli.demo.people import People, Registrar, together
from paceline.cli.demo.script import Habit, Step
from paceline.cli.stack import Stack
from paceline.embedded.certificate import Certificate
from paceline.runtime.metric_names import RISK_REPRICED_SECONDS

REPRICED_MS = 20.0
FIRST_MS = 100.0
LAST_MS = 200.0
SHARE_OF_BARE = 1.5
_ROUND_TRIPS = 2
"""The books side by side, then the order."""
_FALLEN = Decimal(5)
_MARGIN = Decimal("0.2")
_LEADER = Decimal("1.05")
_TICKS = 40
_TICK_S = 0.1
_BREATH_S = 1.0
_LOOK_S = 0.25
_PATIENCE_S = 180.0
_FUNDS_EACH_MS = 15
_FUNDS_LEAST_MS = 2_000


@dataclass(slots=True)
class Falls:
    """One stack, its people, and what each fall came to."""

    running: Stack
    control: Control
    database: Database
    gateway: grpc.aio.Channel
    risk: risk_pb2_grpc.RiskServiceStub
    bare: Bare
    tick: Decimal = Decimal("0.05")
    price: Decimal = Decimal(0)
    first_ms: list[float] = field(default_factory=list)
    last_ms: list[float] = field(default_factory=list)
    decided_ms: list[float] = field(default_factory=list)
    bare_first_ms: list[float] = field(default_factory=list)
    repriced: Counter[float] = field(default_factory=Counter)
    """Passes that prices asked for, by upper bounds in seconds."""
    spent: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    """CPU seconds of each process until all are sold, less what it takes while prices only move."""

    async def fall(self, number: int, people: People, symbol: str) -> None:
        stand = await self._enter(number, people, symbol)
        before, idle, began = self._repriced(), self._cpu(), time.monotonic()
        for turn in range(_TICKS):
            await self._move(symbol, stand.price + (turn % 2) * self.tick)
            await asyncio.sleep(_TICK_S)
        idle, idle_s = self._cpu() - idle, time.monotonic() - began
        await self._bare_round(number)
        cpu = self._cpu()
        fallen = price_at(_FALLEN, stand, self.tick)
        fell_ns, fell_wall_ns = time.monotonic_ns(), time.time_ns()
        async with self._told_again(symbol, fallen):
            await self._sold(people, symbol)
            took = (time.monotonic_ns() - fell_ns) / 1e9 / idle_s
            for name, spent in (self._cpu() - cpu).items():
                self.spent[name] += max(0.0, spent - idle[name] * took)
            await self._done(people)
        self.repriced += self._repriced() - before
        await self._judge(people, symbol, fell_ns)
        wanted = (
            "SELECT extract(epoch FROM min(requested_at)) FROM liquidation_requests WHERE account_id = $1"
        )
        wanted_s = await self.database.value(wanted, people.leader_id)
        self.decided_ms.append(float(wanted_s) * 1_000 - fell_wall_ns / NS_PER_MS)

    async def _enter(self, number: int, people: People, symbol: str) -> Stand:
        """He buys with borrowed money and is copied; how he stands once two readings of his funds agree."""
        quote = (await self.control.get("/quotes", symbols=symbol))["quotes"][0]
        self.tick = Decimal(str(quote["tick"]))
        price = floored(Decimal(str(quote["previous_close"])) * RISE, self.tick)
        await self._move(symbol, price)
        cash = price * QUANTITY * _MARGIN * _LEADER
        await self.control.patch(f"/accounts/{people.leader_client}", {"cash": float(cash)})
        await Day(self.gateway, self.control, people).trade(number, Step(symbol, 1, QUANTITY))
        bought_ns, readings = time.time_ns(), set[int]()
        leader = risk_pb2.GetPortfolioRequest(account_id=people.leader_id)
        async with self._told_again(symbol, price), asyncio.timeout(_PATIENCE_S):
            while True:
                now = (await self.risk.GetPortfolio(leader)).portfolio
                margin = Decimal(now.used_margin.value or "0")
                if margin and now.funds_time.ToNanoseconds() > bought_ns:
                    readings.add(now.funds_time.ToNanoseconds())
                if len(readings) > 1 and now.state == risk_pb2.RISK_STATE_NORMAL:
                    return Stand(Decimal(now.equity.value), margin, price, Decimal(QUANTITY))
                await asyncio.sleep(_LOOK_S)

    async def _bare_round(self, number: int) -> None:
        await asyncio.sleep(PAUSE_S)
        await self.bare.place_all(1 if number % 2 == 0 else -1)
        self.bare_first_ms.append(await self.bare.first_ms(number))
        await asyncio.sleep(PAUSE_S)

    async def _move(self, symbol: str, price: Decimal) -> None:
        await self.control.post("/prices", {"prices": {symbol: float(price)}})

    @asynccontextmanager
    async def _told_again(self, symbol: str, price: Decimal) -> AsyncIterator[None]:
        """At once, and every second: a price that nobody repeats grows old."""

        async def breathe() -> None:
            while True:
                await asyncio.sleep(_BREATH_S)
                await self._move(symbol, price)

        await self._move(symbol, price)
        task = asyncio.create_task(breathe())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _sold(self, people: People, symbol: str) -> None:
        """By the broker's books."""

        async def look() -> int:
            return len(people.follower_clients) - len(self._sales(await self._orders(symbol), people))

        await self._until(look, "followers are not sold")

    async def _done(self, people: People) -> None:
        unfinished = (
            "SELECT count(*) FROM liquidation_requests"
            " WHERE ended_at IS NULL AND starts_with(liquidation_id, $1)"
        )

        async def look() -> int:
            return int(await self.database.value(unfinished, f"margin:{people.leader_id}:"))

        await self._until(look, "liquidations are not done")

    async def _until(self, left: Callable[[], Awaitable[int]], problem: str) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                while count := await left():
                    self.running.check()
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            raise TimeoutError(f"{count} {problem}") from None

    async def _judge(self, people: People, symbol: str, fell_ns: int) -> None:
        """Everyone sold once and flat, else it is no measurement."""
        orders = await self._orders(symbol)
        crew = {people.leader_client, *people.follower_clients}
        sales = [each for each in orders if each["client_id"] in crew and _is_sale(each)]
        mine = [each for each in sales if int(each["received_at"]["mono_ns"]) >= fell_ns]
        positions = (await self.control.get("/positions"))["positions"]
        open_ = [each for each in positions if each["client_id"] in crew and each["netQty"]]
        sold_by = Counter(each["client_id"] for each in mine)
        if open_ or set(sold_by) != crew or max(sold_by.values()) > 1:
            raise RuntimeError(
                f"this is no measurement: {len(open_)} are not flat, {len(mine)} sales of {len(crew)}"
            )
        followers = [each for each in mine if each["client_id"] != people.leader_client]
        first_ns = min(int(each["received_at"]["mono_ns"]) for each in mine)
        last_ns = max(int(each["accepted_at"]["mono_ns"]) for each in followers)
        self.first_ms.append((first_ns - fell_ns) / NS_PER_MS)
        self.last_ms.append((last_ns - fell_ns) / NS_PER_MS)

    async def _orders(self, symbol: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.control.get("/orders", symbol=symbol))["orders"]
        return found

    def _sales(self, orders: Sequence[dict[str, Any]], people: People) -> set[str]:
        followers = set(people.follower_clients)
        return {each["client_id"] for each in orders if _is_sale(each)} & followers

    def _repriced(self) -> Counter[float]:
        """Passes by the bucket that they fell into."""
        found: Counter[float] = Counter()
        for process in self.running.services.of("risk"):
            with urllib.request.urlopen(process.metrics_url, timeout=10) as answer:  # noqa: S310 - our own
                text = answer.read().decode()
            for family in text_string_to_metric_families(text):
                if family.name == RISK_REPRICED_SECONDS.name:
                    below = 0.0
                    for sample in family.samples:
                        if sample.name.endswith("_bucket"):
                            found[float(sample.labels["le"])] += int(sample.value - below)
                            below = sample.value
        return found

    def _cpu(self) -> Counter[str]:
        return Counter({name: cpu_s(pid) for name, pid in self.running.pids.items()})


def run(followers: int, rounds: int, seed: int) -> Result:
    environment = {"PACELINE_FUNDS_INTERVAL_MS": str(max(_FUNDS_LEAST_MS, followers * _FUNDS_EACH_MS))}
    with stack(seed, environment) as (running, certificate):
        falls = uvloop.run(_measured(running, certificate, followers, rounds))
    first, last, bare = spread(falls.first_ms), spread(falls.last_ms), spread(falls.bare.took_ms)
    repriced = _quantiles(falls.repriced)
    first_bar = round(FIRST_MS + _ROUND_TRIPS * median(falls.bare_first_ms), 1)
    last_bar = round(LAST_MS + SHARE_OF_BARE * bare["p50"], 1)
    copies = rounds * (followers + 1)
    return Result(
        name="liquidation",
        seed=seed,
        rounds=rounds,
        figures={
            "followers": followers,
            "repriced_ms": repriced,
            "decided_ms": spread(falls.decided_ms),
            "first_ms": first,
            "last_ms": last,
            "bare_ms": bare,
            "cpu_us_per_account": {
                name: round(spent * 1e6 / copies)
                for name, spent in sorted({**falls.spent, "all": sum(falls.spent.values())}.items())
            },
        },
        lower_bound={"bare_ms": bare, "bare_first_ms": spread(falls.bare_first_ms)},
        ratio=round(last["p50"] / bare["p50"], 2),
        bar={"repriced_p99_ms": REPRICED_MS, "first_p99_ms": first_bar, "last_p50_ms": last_bar},
        met=repriced["p99"] <= REPRICED_MS and first["p99"] <= first_bar and last["p50"] <= last_bar,
        headline=f"first at {first['p50']:.0f} ms, last of {followers} at {last['p50']:.0f} ms",
        floor=f"as many bare orders {bare['p50']:.0f} ms",
        notes=(
            "TLS to the broker; p99 is by nearest rank: of fewer than 100 rounds it is the slowest",
            "re-priced: from the feed's receipt of a price, by the upper bounds of the metric's buckets",
            "decided: until the transaction that writes down what is wanted began",
        ),
    )


async def _measured(running: Stack, certificate: Certificate, followers: int, rounds: int) -> Falls:
    database = await open_database(running.postgres_url, PoolOptions(max_size=2))
    try:
        async with (
            Control(running.control_url) as control,
            grpc.aio.insecure_channel(running.gateway) as gateway,
            grpc.aio.insecure_channel(running.services.of("risk")[0].address) as risk,
            bare_client(running, control, certificate, followers) as bare,
        ):
            crowds = await _enrolled(Registrar(gateway, control), followers, rounds)
            symbols = [each.symbol for each in await traded_today(control)]
            stub = risk_pb2_grpc.RiskServiceStub(risk)
            falls = Falls(running, control, database, gateway, stub, bare)
            await bare.place_all(1)
            bare.took_ms.clear()
            for number, people in enumerate(crowds):
                await falls.fall(number, people, symbols[number % len(symbols)])
            return falls
    finally:
        await database.close()


async def _enrolled(registrar: Registrar, followers: int, rounds: int) -> list[People]:
    """As many leaders as rounds, all with the same followers."""
    one = Habit(Decimal(1))
    first = await registrar.enrol([one] * followers, lambda: None)
    crowds = [first]
    app_id = await registrar.open_app()
    ids = [f"fyers:{client}" for client in first.follower_clients]
    for number in range(1, rounds):
        (made,) = await registrar.at_broker({"count": 1, "prefix": f"XL{number}L"})
        leader_id = await registrar.open_leader(made["client_id"], app_id)
        await together(registrar.follow(leader_id, each, one) for each in ids)
        crowds.append(People(made["client_id"], leader_id, first.follower_clients))
    await registrar.wait_for_sessions(followers + rounds, lambda _count: None)
    return crowds


def _is_sale(order: dict[str, Any]) -> bool:
    return int(order["side"]) < 0 and not order["reject"]


def _quantiles(counted: Counter[float]) -> dict[str, float]:
    """The bounds that so many are not above."""
    total, found = sum(counted.values()), {}
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        seen = 0
        for bound in sorted(counted):
            seen += counted[bound]
            if seen >= share * total:
                found[name] = round(bound * 1_000, 1)
                break
    return found
