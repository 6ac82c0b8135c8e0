"""Orders per second of the simulator that everything is measured against, with every order socket open."""

import json
import subprocess
import sys

from benchmarks.report import Result

BAR_ORDERS_PER_CPU_S = 4_000


def run(seconds: float, seed: int) -> Result:
    """The simulator measures itself, as processes of its own; the bar is per second of its own CPU."""
    command = [sys.executable, "-P", "-m", "simulator", "bench", "--seconds", str(seconds), "--json", "-"]
    ended = subprocess.run(command, stdout=subprocess.PIPE, check=True)  # noqa: S603 - our own program
    figures = json.loads(ended.stdout)["figures"]
    rate = figures["orders_per_cpu_s"]
    return Result(
        name="simulator",
        seed=seed,
        rounds=1,
        figures=figures,
        lower_bound={"client_cpu_us_per_order": figures["client_cpu_us_per_order"]},
        ratio=round(figures["cpu_us_per_order"] / figures["client_cpu_us_per_order"], 2),
        bar=BAR_ORDERS_PER_CPU_S,
        met=rate >= BAR_ORDERS_PER_CPU_S,
        headline=f"{figures['orders_per_s']:,.0f} orders/s, {figures['cpu_us_per_order']:.0f} us of CPU each",
        floor=f"asking costs {figures['client_cpu_us_per_order']:.0f} us",
    )
