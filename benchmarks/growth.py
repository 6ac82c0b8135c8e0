"""How the time of a fan-out grows with the followers: the slope of each crowd, and how far slopes differ."""

from statistics import median

import uvloop

from benchmarks.arena import open_arena, stack
from benchmarks.report import Result
from paceline.cli.stack import Stack
from paceline.embedded.certificate import Certificate

BAR = 0.2
"""Slopes differ by no more than this share."""
JUDGED_FROM = 100


def run(crowds: tuple[int, ...], rounds: int, seed: int) -> Result:
    """A stack of its own for every number of followers."""
    points: list[tuple[int, float]] = []
    bare_points: list[tuple[int, float]] = []
    for followers in crowds:
        with stack(seed) as (running, certificate):
            last_ms, bare_ms = uvloop.run(_measured(running, certificate, followers, rounds, seed))
        points.append((followers, round(last_ms, 2)))
        bare_points.append((followers, round(bare_ms, 2)))
    slopes = {str(count): round(took / count, 3) for count, took in points}
    differ, bare_differ = slope_spread(points), slope_spread(bare_points)
    return Result(
        name="growth",
        seed=seed,
        rounds=rounds,
        figures={"points": points, "ms_per_follower": slopes, "slope_spread": differ},
        lower_bound={"points": bare_points, "slope_spread": bare_differ},
        ratio={
            str(count): round(took / bare, 2)
            for (count, took), (_, bare) in zip(points, bare_points, strict=True)
        },
        bar=BAR,
        met=None if differ is None else differ <= BAR,
        headline=", ".join(f"{count}: {took:.0f} ms" for count, took in points),
        floor=", ".join(f"{took:.0f} ms" for _, took in bare_points),
        notes=(f"slopes are judged from {JUDGED_FROM} followers on: largest over smallest, less one",),
    )


def slope_spread(points: list[tuple[int, float]]) -> float | None:
    """None where there are not two to compare."""
    slopes = [took / count for count, took in points if count >= JUDGED_FROM]
    return round(max(slopes) / min(slopes) - 1, 3) if len(slopes) > 1 else None


async def _measured(
    running: Stack, certificate: Certificate, followers: int, rounds: int, seed: int
) -> tuple[float, float]:
    async with open_arena(running, certificate, followers, seed) as arena:
        await arena.race(rounds)
        _, last = await arena.times()
        return median(last), median(arena.bare.took_ms)
