"""The demo's day without waiting for anyone: the leader trades on while replicas die."""

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import dataclass

import grpc

from paceline.cli.demo.books import Books
from paceline.cli.demo.control import Control
from paceline.cli.demo.day import Day, traded_today
from paceline.cli.demo.judge import Evidence, Verdict, judge
from paceline.cli.demo.people import Registrar
from paceline.cli.demo.script import day, habits
from paceline.cli.stack import Stack

SETTLE_S = 40.0
_SETTLED_APART_S = 1.0


@dataclass(frozen=True, slots=True)
class Plan:
    seed: int
    followers: int
    fills: int
    pause_s: float


async def trade_through(stack: Stack, plan: Plan, troubles: Awaitable[None]) -> Verdict:
    """One fill after another, come what may; judged once the books hold still."""
    async with Control(stack.control_url) as control, grpc.aio.insecure_channel(stack.gateway) as channel:
        traded = await traded_today(control)
        registrar = Registrar(channel, control)
        people = await registrar.enrol(list(habits(plan.seed, plan.followers, traded)), lambda: None)
        await registrar.wait_until_live(people, lambda _count: None)
        the_day = Day(channel, control, people)
        trouble = asyncio.ensure_future(troubles)
        for step in day(plan.seed, plan.fills, traded):
            await the_day.fill(step)
            await asyncio.sleep(plan.pause_s)
        await trouble
        return judge(await _settled(Books(channel, control, people), plan))


async def _settled(books: Books, plan: Plan) -> Evidence:
    """What stands in the books once all is decided and two looks are equal, or once time is up."""
    give_up = time.monotonic() + SETTLE_S
    before = await books.evidence(plan.fills, plan.seed)
    while True:
        await asyncio.sleep(_SETTLED_APART_S)
        now = await books.evidence(plan.fills, plan.seed)
        if time.monotonic() > give_up or (_complete(now, plan) and now == before):
            return now
        before = now


def _complete(evidence: Evidence, plan: Plan) -> bool:
    booked = {order.tag for order in evidence.booked}
    return len(evidence.decisions) >= plan.followers * plan.fills and all(
        copy.tag in booked for copy in evidence.copies
    )
