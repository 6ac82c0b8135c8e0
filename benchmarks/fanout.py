"""One fill of the leader to the last of N followers' orders, beside a bare client placing the same orders."""

from statistics import median
from typing import Any

import uvloop

from benchmarks.arena import open_arena, stack
from benchmarks.broker import broker_delay
from benchmarks.cost import resident_mb
from benchmarks.report import Result, spread
from paceline.cli.stack import Stack
from paceline.embedded.certificate import Certificate

BAR = 1.5


def run(followers: int, delays: tuple[int, ...], rounds: int, seed: int) -> Result:
    """A stack of its own for every delay at the broker."""
    figures: dict[str, Any] = {"followers": followers}
    bounds: dict[str, Any] = {}
    ratio: dict[str, float] = {}
    words = []
    for delay_ms in delays:
        with stack(seed) as (running, certificate):
            one = uvloop.run(_measured(running, certificate, followers, delay_ms, rounds, seed))
        name = f"delay_{delay_ms}_ms"
        bounds[name] = {"bare_ms": one.pop("bare_ms")}
        ratio[name] = one["last_accepted_ms"]["p50"] / bounds[name]["bare_ms"]["p50"]
        figures[name] = one
        words.append(f"{one['last_accepted_ms']['p50']:.0f} ms at {delay_ms} ms")
    ratio = {name: round(value, 2) for name, value in ratio.items()}
    return Result(
        name="fanout",
        seed=seed,
        rounds=rounds,
        figures=figures,
        lower_bound=bounds,
        ratio=ratio,
        bar=BAR,
        met=all(value <= BAR for value in ratio.values()),
        headline=f"last of {followers}: {', '.join(words)}",
        floor=", ".join(f"{each['bare_ms']['p50']:.0f} ms" for each in bounds.values()),
        notes=(
            "TLS to the broker; what a process takes while nobody trades is not counted to the copies",
            "executor_rss_mb is with a warm TLS connection for each follower; its bar is 500 MB",
        ),
    )


async def _measured(
    running: Stack, certificate: Certificate, followers: int, delay_ms: int, rounds: int, seed: int
) -> dict[str, Any]:
    async with open_arena(running, certificate, followers, seed) as arena:
        async with broker_delay(arena.control, delay_ms):
            await arena.race(rounds)
        first, last = await arena.times()
        bare = arena.bare.took_ms
        return {
            "first_order_ms": spread(first),
            "last_accepted_ms": spread(last),
            "last_minus_bare_ms": round(median(last) - median(bare), 2),
            "cpu_us_per_copy": arena.cpu_us_per_copy(),
            "idle_cores": {name: round(cores, 3) for name, cores in arena.idle.items()},
            "executor_rss_mb": resident_mb(running.pids["executor"]),
            "bare_ms": spread(bare),
        }
