"""What the HTTP client costs: the same orders of as many accounts at once, by one library after another."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from importlib.util import find_spec
from statistics import median
from typing import Any

import uvloop

from benchmarks.broker import Broker, Place, broker_delay, broker_process, open_broker, settled
from benchmarks.report import Result, spread
from benchmarks.wires import ITSELF, WIRES
from benchmarks.wires import Place as PlaceOne

_WARM_UP = 2
_PAUSE_S = 0.2
_NOWHERE = "https://127.0.0.1:1/api/v3"
_US = 1e6


@dataclass(slots=True)
class Cost:
    """Of one client: what each round came to."""

    total_ms: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    """Of this process with all its threads, per order."""
    broker_cpu_us: list[float] = field(default_factory=list)

    def as_figures(self) -> dict[str, Any]:
        return {
            "total_ms": spread(self.total_ms),
            "cpu_us_per_order": round(median(self.cpu_us), 1),
            "broker_cpu_us_per_order": round(median(self.broker_cpu_us), 1),
        }


def run(followers: int, delays: tuple[int, ...], rounds: int, seed: int) -> Result:
    """Every client keeps its connections through all rounds; they take turns."""
    figures: dict[str, Any] = {"followers": followers}
    ratio: dict[str, float] = {}
    words = []
    with broker_process(seed) as place:
        measured, errors = uvloop.run(_measured(place, followers, delays, rounds))
    for delay_ms, costs in measured.items():
        name = f"delay_{delay_ms}_ms"
        figures[name] = {client: cost.as_figures() for client, cost in costs.items()}
        ratio[name] = round(median(costs["aiohttp"].cpu_us) / median(costs["bytes_alone"].cpu_us), 2)
        each = ", ".join(f"{client} {median(cost.cpu_us):.0f}" for client, cost in costs.items())
        words.append(f"{delay_ms} ms: {each}")
    return Result(
        name="clients",
        seed=seed,
        rounds=rounds,
        figures={
            **figures,
            "errors": errors,
            "versions": {name: version(name) for name in _there() if name not in ITSELF},
        },
        lower_bound={
            name: costs["bytes_alone"] for name, costs in figures.items() if name.startswith("delay_")
        },
        ratio=ratio,
        bar=None,
        met=None,
        headline=f"us of CPU an order at {'; '.join(words)}",
        floor="bytes alone",
        notes=(
            "TLS, HTTP/1.1, one event loop on uvloop, all connections warm; CPU of the whole process",
            *(f"{name} is not installed: `make clients` measures it too" for name in _missing()),
        ),
    )


def _there() -> Iterator[str]:
    return (name for name in WIRES if name in ITSELF or find_spec(name) is not None)


def _missing() -> list[str]:
    return sorted(set(WIRES) - set(_there()))


async def _measured(
    place: Place, followers: int, delays: tuple[int, ...], rounds: int
) -> tuple[Mapping[int, Mapping[str, Cost]], Mapping[str, Mapping[str, str]]]:
    async with open_broker(place, followers) as broker, AsyncExitStack() as stack:
        ways = {name: await stack.enter_async_context(WIRES[name](broker)) for name in _there()}
        return await in_turns(broker, ways, followers, delays, rounds), await _words(broker)


async def _words(broker: Broker) -> dict[str, dict[str, str]]:
    """What each calls a connection that was refused, and an order that was taken and never answered: these
    must not be the same.
    """
    nowhere = replace(broker, place=replace(broker.place, api_url=_NOWHERE))
    found = {}
    for name in (each for each in _there() if each != "bytes_alone"):
        rule = await broker.control.post("/faults", {"kind": "drop_after_accept", "remaining": 1})
        lost = await _word(name, broker)
        await broker.control.delete(f"/faults/{rule['id']}")
        found[name] = {"never_sent": await _word(name, nowhere), "taken_and_not_answered": lost}
    return found


async def _word(name: str, broker: Broker) -> str:
    try:
        async with WIRES[name](broker) as place:
            await place(0)
    except Exception as error:  # noqa: BLE001 - whatever each library raises is what is asked for
        return type(error).__name__
    raise RuntimeError(f"{name} got an answer where there was none")


async def in_turns(
    broker: Broker, ways: Mapping[str, PlaceOne], orders: int, delays: tuple[int, ...], rounds: int
) -> Mapping[int, Mapping[str, Cost]]:
    """One way after another, so many orders each time: warmed up first, then round by round at each delay."""
    for _ in range(_WARM_UP):
        for way in ways.values():
            await _measure(broker, way, Cost(), orders)
    settled()
    found: dict[int, Mapping[str, Cost]] = {}
    for delay_ms in delays:
        costs = found[delay_ms] = {name: Cost() for name in ways}
        async with broker_delay(broker.control, delay_ms):
            for _ in range(rounds):
                for name, way in ways.items():
                    await _measure(broker, way, costs[name], orders)
    return found


async def _measure(broker: Broker, place_one: PlaceOne, cost: Cost, orders: int) -> None:
    """Everyone at once, as a fan-out sends them: so many orders together."""
    await asyncio.sleep(_PAUSE_S)
    at_broker, mine, began = broker.cpu_s(), time.process_time(), time.perf_counter()
    await asyncio.gather(*(place_one(number) for number in range(len(broker.authorizations))))
    cost.total_ms.append((time.perf_counter() - began) * 1_000)
    cost.cpu_us.append((time.process_time() - mine) * _US / orders)
    cost.broker_cpu_us.append((broker.cpu_s() - at_broker) * _US / orders)
