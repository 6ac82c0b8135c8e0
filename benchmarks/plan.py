"""Deciding for everyone in one chunk; below it, one multiplication and the names that a copy needs."""

import time
from collections.abc import Callable
from decimal import ROUND_DOWN, Decimal
from hashlib import blake2b
from statistics import median

from benchmarks import given
from benchmarks.report import Result, spread
from paceline.domain.copying.plan import plan_chunk

_NAMES_OF_A_COPY = 3
_RATIO = Decimal("1.5")


def run(subscriptions: int, rounds: int, seed: int) -> Result:
    copiers = [given.copier(number, _RATIO) for number in range(subscriptions)]
    event, leader, market = given.event(40), given.leader(), given.market()
    decide = _per_one_us(lambda: plan_chunk(event, leader, copiers, market), subscriptions, rounds)
    bare = _per_one_us(lambda: [_bare_copy(each) for each in range(subscriptions)], subscriptions, rounds)
    return Result(
        name="plan",
        seed=seed,
        rounds=rounds,
        figures={"subscriptions": subscriptions, "us_per_follower": spread(decide)},
        lower_bound={"us_per_follower": spread(bare)},
        ratio=round(median(decide) / median(bare), 1),
        bar=None,
        met=None,
        headline=f"{median(decide):.1f} us a follower",
        floor=f"a product and {_NAMES_OF_A_COPY} hashes {median(bare):.1f} us",
        notes=("the decisions alone: their transaction and the pause of the loop are not in it",),
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
