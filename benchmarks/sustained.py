"""Many leaders trade without a pause: how many copies a second reach the broker while no backlog grows.

The driver posts a leader's fill whenever fewer than so many copies are on their way, so the backlog is
bounded from the first second to the last; what is counted is what the broker accepted. A follower's windows
are kept: a leader takes his turn again only when the broker's limits of his followers allow it.
"""

import asyncio
import time
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import grpc
import uvloop

from benchmarks.arena import QUANTITY, SYMBOL, bare_client, stack
from benchmarks.cost import cpu_s
from benchmarks.report import Result
from paceline.cli.demo.control import Control
from paceline.cli.demo.day import Day
from paceline.cli.demo.people import People, Registrar
from paceline.cli.demo.script import Habit, Step
from paceline.cli.stack import Stack
from paceline.embedded.certificate import Certificate

BAR = 0.3
JUDGED_FROM_S = 60.0
JUDGED_LEADERS = 50
_ON_THE_WAY = 400
"""Copies: enough that nobody idles, too few to grow old."""
_TURN_S = 0.4
"""A leader trades no more often: 150 times a minute, when a follower may send 200."""
_LOOK_S = 0.02
_BARE_S = 10.0
_WARM_S = 3.0


@dataclass(slots=True)
class _Driver:
    control: Control
    days: list[tuple[Day, People]]
    followers: int
    fills: int = 0
    before: int = 0
    most_waiting: int = 0

    async def drive(self, seconds: float) -> float:
        """Until so long has passed; copies accepted a second."""
        began = time.monotonic()
        accepted_before = await self.accepted()
        turns = [began] * len(self.days)
        number = 0
        while (now := time.monotonic()) - began < seconds:
            waiting = self.fills * self.followers - await self.accepted()
            self.most_waiting = max(self.most_waiting, waiting)
            room = max(0, _ON_THE_WAY - waiting) // self.followers
            due = [
                each % len(self.days)
                for each in range(number, number + len(self.days))
                if turns[each % len(self.days)] <= now
            ][:room]
            for leader in due:
                turns[leader] = now + _TURN_S
                number = leader + 1
            await asyncio.gather(*(self._fill(leader) for leader in due))
            await asyncio.sleep(_LOOK_S)
        took_s = time.monotonic() - began
        return (await self.accepted() - accepted_before) / took_s

    async def _fill(self, leader: int) -> None:
        day, _ = self.days[leader]
        self.fills += 1
        await day.fill(Step(SYMBOL, 1, QUANTITY))  # an exit would take back what is not filled yet

    async def accepted(self) -> int:
        """Copies: what the broker has, less what the leaders placed there."""
        return int((await self.control.get("/stats", only="totals"))["orders"]) - self.before - self.fills

    async def until_done(self, within_s: float) -> None:
        """Raises TimeoutError with how many copies never came."""
        wanted = self.fills * self.followers
        try:
            async with asyncio.timeout(within_s):
                while await self.accepted() < wanted:  # noqa: ASYNC110 - asked over the wire
                    await asyncio.sleep(_LOOK_S)
        except TimeoutError:
            missing = wanted - await self.accepted()
            raise TimeoutError(f"{missing} of {wanted} copies did not arrive") from None


def run(leaders: int, followers_each: int, seconds: float, seed: int) -> Result:
    with stack(seed) as (running, certificate):
        found = uvloop.run(_measured(running, certificate, leaders, followers_each, seconds))
    figures, bare = found
    ratio = round(figures["orders_per_s"] / bare, 2)
    judged = seconds >= JUDGED_FROM_S and leaders >= JUDGED_LEADERS
    return Result(
        name="sustained",
        seed=seed,
        rounds=1,
        figures=figures,
        lower_bound={"bare_orders_per_s": round(bare, 1)},
        ratio=ratio,
        bar=BAR,
        met=ratio >= BAR if judged else None,
        headline=f"{figures['orders_per_s']:.0f} copies/s of {leaders} leaders",
        floor=f"bare client {bare:.0f} orders/s",
        notes=(
            "TLS to the broker; the bare client has as many accounts and keeps every connection busy",
            f"at most {_ON_THE_WAY} copies are on their way at any time; all of them arrived in the end",
        ),
    )


async def _measured(
    running: Stack, certificate: Certificate, leaders: int, followers_each: int, seconds: float
) -> tuple[dict[str, Any], float]:
    async with (
        Control(running.control_url) as control,
        grpc.aio.insecure_channel(running.gateway) as channel,
        bare_client(running, control, certificate, leaders * followers_each) as bare,
    ):
        registrar = Registrar(channel, control)
        crowds = [
            await registrar.enrol([Habit(Decimal(1))] * followers_each, lambda: None, crowd=f"{number}C")
            for number in range(leaders)
        ]
        await registrar.wait_for_sessions(leaders * (followers_each + 1), lambda _count: None)
        await bare.rate(_WARM_S)
        bare_rate = await bare.rate(_BARE_S)
        orders = int((await control.get("/stats", only="totals"))["orders"])
        driver = _Driver(
            control,
            [(Day(channel, control, people), people) for people in crowds],
            followers_each,
            before=orders,
        )
        await driver.drive(_WARM_S)
        before, already = _cpu(running), await driver.accepted()
        rate = await driver.drive(seconds)
        arrived = max(1, await driver.accepted() - already)
        spent = {name: round((now - before[name]) * 1e6 / arrived) for name, now in _cpu(running).items()}
        await driver.until_done(seconds)
        breaches = int((await control.get("/limits"))["breaches"])
        if breaches:
            raise RuntimeError(f"{breaches} windows of the broker were breached: this is no measurement")
        return {
            "orders_per_s": round(rate, 1),
            "leaders": leaders,
            "followers_each": followers_each,
            "seconds": seconds,
            "most_on_the_way": driver.most_waiting,
            "cpu_us_per_copy": {**spent, "all": sum(spent.values())},
        }, bare_rate


def _cpu(running: Stack) -> dict[str, float]:
    return {name: cpu_s(pid) for name, pid in running.pids.items()}
