"""Deciding for everyone, alone and in the replicator; below it, a product and the names of a copy."""

import time
from collections.abc import Callable
from decimal import ROUND_DOWN, Decimal
from hashlib import blake2b
from statistics import median

from benchmarks import given
from benchmarks.planning import measured
from benchmarks.report import Result, spread
from paceline.domain.copying.plan import plan_chunk

_NAMES_OF_A_COPY = 3
_PAUSE_MS = 20.0
_RATIO = Decimal("1.5")


def run(subscriptions: int, rounds: int, seed: int) -> Result:
    copiers = [given.copier(number, _RATIO) for number in range(subscriptions)]
    event, leader, market = given.event(40), given.leader(), given.market()
    decide = _per_one_us(lambda: plan_chunk(event, leader, copiers, market), subscriptions, rounds)
    bare = _per_one_us(lambda: [_bare_copy(each) for each in range(subscriptions)], subscriptions, rounds)
    whole = measured(subscriptions, rounds)
    figures = {
        "subscriptions": subscriptions,
        "us_per_follower": spread(decide),
        "committed_us_per_follower": spread(whole.us_per_follower),
        "transaction_ms": spread(whole.transaction_ms),
        "loop_pause_ms": spread(whole.pause_ms),
        "idle_pause_ms": round(whole.idle_pause_ms, 2),
    }
    longest = max(whole.pause_ms)
    return Result(
        name="plan",
        seed=seed,
        rounds=rounds,
        figures=figures,
        lower_bound={"us_per_follower": spread(bare)},
        ratio=round(median(decide) / median(bare), 1),
        bar={"loop_pause_ms": _PAUSE_MS},
        met=longest <= _PAUSE_MS,
        headline=f"{median(decide):.1f} us a follower, loop away for {longest:.1f} ms at most",
        floor=f"a product and {_NAMES_OF_A_COPY} hashes {median(bare):.1f} us",
        notes=(
            "us_per_follower is the decisions alone; committed_us_per_follower until the last chunk's commit",
            "transaction_ms is the mean of an event's chunks; pauses are of the wall, whoever had the core",
            "no executor takes the orders in",
        ),
    )


def _per_one_us(work: Callable[[], object], count: int, rounds: int) -> list[float]:
    work()
    taken = []
    for _ in range(rounds):
        began = time.perf_counter_ns()
        work()
        taken.append((time.perf_counter_ns() - began) / 1e3 / count)
    return taken


def _bare_copy(number: int) -> tuple[object, ...]:
    quantity = (_RATIO * Decimal(40)).quantize(Decimal(1), ROUND_DOWN)
    named = f"fyers:LEADER:20260101:NSE:CAPITAL_MARKET:1:t1/s{number}"
    return quantity, *(blake2b(f"{each}{named}".encode()).hexdigest() for each in range(_NAMES_OF_A_COPY))
