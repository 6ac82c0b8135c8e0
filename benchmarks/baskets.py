"""Ten slices of one order: as ten requests at once, or as one basket; by the executor's own adapter."""

import asyncio
from collections.abc import Mapping
from statistics import median
from typing import Any

import uvloop

from benchmarks.broker import Place, broker_process, open_broker
from benchmarks.clients import Cost, in_turns
from benchmarks.report import Result
from benchmarks.wires import SPEC, TAG, an_adapter, credentials
from paceline.domain.errors import BrokerError
from paceline.domain.ids import Tag

SLICES = 10
"""As many as a basket of Fyers holds."""


def run(followers: int, delays: tuple[int, ...], rounds: int, seed: int) -> Result:
    with broker_process(seed) as place:
        measured = uvloop.run(_measured(place, followers, delays, rounds))
    figures: dict[str, Any] = {"followers": followers, "slices": SLICES}
    bounds: dict[str, Any] = {}
    ratio: dict[str, float] = {}
    words = []
    for delay_ms, costs in measured.items():
        name = f"delay_{delay_ms}_ms"
        figures[name] = {way: cost.as_figures() for way, cost in costs.items()}
        bounds[name] = figures[name]["basket"]
        apart, basket = (median(costs[way].total_ms) for way in ("apart", "basket"))
        ratio[name] = round(apart / basket, 2)
        words.append(f"{apart:.0f} and {basket:.0f} ms at {delay_ms} ms")
    return Result(
        name="baskets",
        seed=seed,
        rounds=rounds,
        figures=figures,
        lower_bound=bounds,
        ratio=ratio,
        bar=None,
        met=None,
        headline=f"{SLICES} slices of {followers}, apart and as baskets: {', '.join(words)}",
        floor="baskets",
        notes=("TLS, uvloop, all connections warm; the simulated broker without limits",),
    )


async def _measured(
    place: Place, followers: int, delays: tuple[int, ...], rounds: int
) -> Mapping[int, Mapping[str, Cost]]:
    async with open_broker(place, followers) as broker, an_adapter(broker, followers * SLICES) as fyers:
        mine = credentials(broker)
        slices = [(SPEC, Tag(TAG))] * SLICES

        async def apart(number: int) -> None:
            await asyncio.gather(*(fyers.place(mine[number], SPEC, Tag(TAG)) for _ in range(SLICES)))

        async def basket(number: int) -> None:
            outcomes = await fyers.place_basket(mine[number], slices)
            for each in outcomes:
                if isinstance(each, BrokerError):
                    raise each

        ways = {"apart": apart, "basket": basket}
        return await in_turns(broker, ways, len(broker.authorizations) * SLICES, delays, rounds)
