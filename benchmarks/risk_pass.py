"""One full re-pricing of everyone, published as one packed value a partition.

Every price moves before every round. Timed is what a pass does: reckon, pack, and hand to a real Redis. The
lower bound is the bare arithmetic on columns already in order, and the same bytes to that Redis as one value.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from statistics import median
from typing import Any

import numpy as np
from redis.asyncio import Redis

from benchmarks.report import Result
from paceline.adapters.clock import SystemClock
from paceline.adapters.redis.connection import open_redis
from paceline.adapters.redis.portfolios import RedisPortfolios
from paceline.domain.account import Account, AccountState, AccountType, Broker
from paceline.domain.ids import AccountId, InstrumentId, Partition
from paceline.domain.instrument import Exchange, InstrumentKey, Product, Segment
from paceline.domain.position import Funds, PositionReport
from paceline.embedded.redis import EmbeddedRedis
from paceline.runtime.metrics import Metrics
from services.risk.assess import Ages
from services.risk.board import Board
from services.risk.passes import Passes
from services.risk.portfolios import portfolio_of
from services.risk.publish import Material, Publisher

BARS_MS = {10_000: 40.0, 100_000: 200.0}
INSTRUMENTS = 2_000
PUTS = 1_000
_NS_PER_MS = 1_000_000


@dataclass(slots=True)
class Times:
    """Milliseconds of each round, by part; `cpu` is of this process alone."""

    parts: dict[str, list[float]] = field(default_factory=dict)

    def add(self, part: str, began_ns: int) -> None:
        self.parts.setdefault(part, []).append((time.perf_counter_ns() - began_ns) / _NS_PER_MS)

    def figures(self) -> dict[str, dict[str, float]]:
        return {
            part: {
                "p50": round(median(taken), 2),
                "p99": round(sorted(taken)[int(0.99 * (len(taken) - 1))], 2),
            }
            for part, taken in self.parts.items()
        }


def filled(accounts: int, positions: int, random: np.random.Generator) -> Board:
    """Everyone has funds and so many positions in different instruments."""
    board, now_ns = Board(Ages(60_000_000, 60_000_000)), time.time_ns()
    keys = [InstrumentKey(InstrumentId(f"NSE:I{n}-EQ"), Product.INTRADAY) for n in range(INSTRUMENTS)]
    for key in keys:
        board.know(key.instrument_id, Decimal(1))
    quantities = random.integers(-500, 500, (accounts, positions))
    quantities[quantities == 0] = 1
    for n in range(accounts):
        account_id = AccountId(f"fyers:XF{n:06d}")
        board.admit(_account(account_id))
        board.set_funds(
            Funds(account_id, Decimal(1_000_000), Decimal(50_000), Decimal(950_000)), now_ns, now_ns
        )
        first = int(random.integers(INSTRUMENTS))
        for m in range(positions):
            key, quantity = keys[(first + 37 * m) % INSTRUMENTS], Decimal(int(quantities[n, m]))
            board.fold(
                PositionReport(
                    account_id, key, Exchange.NSE, Segment.CAPITAL_MARKET, quantity, Decimal("812.35")
                )
            )
    return board


def _account(account_id: AccountId) -> Account:
    client = account_id.partition(":")[2]
    return Account(
        account_id, Broker.FYERS, client, AccountType.COPY_FOLLOWER, AccountState.ACTIVE, frozenset(Segment)
    )


def move(board: Board, random: np.random.Generator) -> None:
    prices, now_ns = random.integers(10_000, 50_000_000, INSTRUMENTS), time.time_ns()
    for instrument_id, price in zip(board.names.instruments, prices.tolist(), strict=True):
        board.set_price(instrument_id, price, now_ns)


async def measure(board: Board, redis: Redis, rounds: int, random: np.random.Generator) -> Times:
    clock, times = SystemClock(), Times()
    passes = Passes(board, clock, Metrics(), pass_ms=200)
    store = RedisPortfolios(redis)
    publisher = Publisher(board, passes, store, clock, Material(10_000, 3_600_000, 3_600_000, 1))
    bare = bare_pass(board)
    for _ in range(rounds):
        move(board, random)
        cpu, began = time.process_time_ns(), time.perf_counter_ns()
        passes.turn()
        times.add("assess_ms", began)
        packing = time.perf_counter_ns()
        packed = publisher.packed(publisher.laid_out())
        times.add("pack_ms", packing)
        publishing = time.perf_counter_ns()
        await store.publish(packed)
        times.add("publish_ms", publishing)
        times.add("pass_ms", began)
        times.parts.setdefault("cpu_ms", []).append((time.process_time_ns() - cpu) / _NS_PER_MS)
        whole = b"".join(packed.values())
        began = time.perf_counter_ns()
        bare()
        await store.publish({Partition(0): whole})
        times.add("bare_ms", began)
    for _ in range(min(rounds, 5)):
        seats = list(board.seats.values())[:PUTS]
        began = time.perf_counter_ns()
        await store.put([portfolio_of(board, seat) for seat in seats])
        times.add(f"put_{len(seats)}_keys_ms", began)
    return times


def bare_pass(board: Board) -> Callable[[], object]:
    """The same positions in order of their accounts: nothing but the arithmetic that must be done."""
    top = board.cells.top
    order = np.argsort(board.cells.account[:top], kind="stable")
    instrument, quantity = board.cells.instrument[:top][order], board.cells.quantity[:top][order]
    cost = board.cells.cost[:top][order]
    starts = np.flatnonzero(np.diff(board.cells.account[:top][order], prepend=-1))

    def reckon() -> object:
        worth = np.take(board.instruments.price, instrument)
        worth *= quantity
        worth -= cost
        return np.add.reduceat(worth, starts)

    return reckon


async def measured(
    counts: Sequence[int], positions: int, rounds: int, seed: int
) -> dict[str, dict[str, Any]]:
    """Milliseconds of each part by number of accounts."""
    figures: dict[str, dict[str, Any]] = {}
    with EmbeddedRedis() as server:
        redis = open_redis(server.url, timeout_s=10)
        for accounts in counts:
            random = np.random.default_rng(seed)
            times = await measure(filled(accounts, positions, random), redis, rounds, random)
            for part, taken in times.figures().items():
                figures.setdefault(part, {})[str(accounts)] = taken
        await redis.aclose()
    return figures


def run(accounts: Sequence[int], positions: int, rounds: int, seed: int) -> Result:
    figures = asyncio.run(measured(accounts, positions, rounds, seed))
    bare, passes = figures.pop("bare_ms"), figures["pass_ms"]
    bars = {str(each): BARS_MS[each] for each in accounts if each in BARS_MS}
    return Result(
        name="risk-pass",
        seed=seed,
        rounds=rounds,
        figures={"positions": positions, **figures},
        lower_bound={"bare_ms": bare},
        ratio={each: round(passes[each]["p50"] / bare[each]["p50"], 2) for each in passes},
        bar={"pass_ms": bars},
        met=all(passes[each]["p50"] <= bar for each, bar in bars.items()) if bars else None,
        headline=", ".join(f"{int(each):,} accounts {took['p50']:.1f} ms" for each, took in passes.items()),
        floor="arithmetic " + ", ".join(f"{took['p50']:.1f} ms" for took in bare.values()),
    )
