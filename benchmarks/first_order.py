"""A fill of the leader leaves the broker; how long until the first follower's order arrives there."""

from collections.abc import Sequence
from typing import Any

import uvloop

from benchmarks.arena import open_arena, stack
from benchmarks.report import Result, spread
from paceline.cli.stack import Stack
from paceline.embedded.certificate import Certificate

BAR = {"p50": 8.0, "p99": 30.0}


def run(crowds: tuple[int, ...], rounds: int, seed: int) -> Result:
    """A stack of its own for every number of followers. The bound is the bare client's own first order."""
    figures: dict[str, Any] = {}
    bounds: dict[str, Any] = {}
    for followers in crowds:
        with stack(seed) as (running, certificate):
            took, bare = uvloop.run(_measured(running, certificate, followers, rounds, seed))
        figures[f"n{followers}_ms"] = spread(took)
        bounds[f"n{followers}_bare_ms"] = spread(bare)
    ratio = {
        name: round(figures[name]["p50"] / bounds[name.replace("_ms", "_bare_ms")]["p50"], 2)
        for name in figures
    }
    worst = {rank: max(each[rank] for each in figures.values()) for rank in BAR}
    return Result(
        name="first-order",
        seed=seed,
        rounds=rounds,
        figures=figures,
        lower_bound=bounds,
        ratio=ratio,
        bar=BAR,
        met=all(worst[rank] <= BAR[rank] for rank in BAR),
        headline=", ".join(f"{name.removesuffix('_ms')}: {each['p50']} ms" for name, each in figures.items()),
        floor=", ".join(f"one bare order {each['p50']} ms" for each in bounds.values()),
        notes=("TLS to the broker; p99 is by nearest rank: of fewer than 100 rounds it is the slowest",),
    )


async def _measured(
    running: Stack, certificate: Certificate, followers: int, rounds: int, seed: int
) -> tuple[Sequence[float], Sequence[float]]:
    async with open_arena(running, certificate, followers, seed) as arena:
        await arena.race(rounds, bare=False)
        first, _ = await arena.times()
        return first, [await arena.bare.first_ms(number) for number in range(rounds)]
