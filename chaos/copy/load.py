"""The demo's day without waiting for anyone: one fill of the leader after the other, come what may."""

import asyncio
import re
from collections.abc import Sequence

import aiohttp

from chaos.copy.judge import breaks, with_windows
from chaos.copy.laws import judge
from chaos.copy.orders import OrderLeader
from chaos.person import People
from chaos.stage import Stage
from chaos.verdict import Findings
from paceline.cli.demo.books import Books
from paceline.cli.demo.day import Day, traded_today
from paceline.cli.demo.script import day, habits

FOLLOWERS = 20
_PAUSE_S = 1.0
_SENT = re.compile(r"^paceline_executor_orders_total\{[^}]*\} [1-9]", re.MULTILINE)
_SAMPLE_S = 2.0


class CopyLoad:
    unit = "copies"

    def __init__(self, followers: int = FOLLOWERS, beside: OrderLeader | None = None) -> None:
        """`beside` is a leader who trades by orders while the day goes on."""
        self._followers = followers
        self._orders = beside
        self._senders: set[str] = set()
        self._beside: list[asyncio.Task[None]] = []

    async def prepare(self, stage: Stage) -> None:
        self._stage = stage
        traded = await traded_today(stage.control)
        self._steps = day(stage.seed, round(stage.seconds / _PAUSE_S), traded)
        wanted = list(habits(stage.seed, self._followers, traded))
        people = await stage.registrar.enrol(wanted, lambda: None)
        clients = [people.leader_client, *people.follower_clients]
        if self._orders is not None:
            clients += await self._orders.enrol(stage, [each.symbol for each in traded])
        await stage.registrar.wait_for_sessions(len(clients), lambda _count: None)
        stage.clients = sorted(clients)
        self._day = Day(stage.channel, stage.control, people)
        self._books = Books(stage.channel, stage.control, people)
        self._beside = [asyncio.create_task(self._sample()), asyncio.create_task(People(stage).run())]

    async def trade(self) -> None:
        if self._orders is None:
            await self._trade_fills()
        else:
            await asyncio.gather(self._trade_fills(), self._orders.trade())

    async def _trade_fills(self) -> None:
        for step in self._steps:
            await self._day.fill(step)
            await asyncio.sleep(_PAUSE_S)

    async def findings(self) -> Findings:
        evidence = await self._books.evidence(len(self._steps), self._stage.seed)
        limits = (await self._stage.control.get("/limits"))["limits"]
        found = tuple(with_windows(breaks(evidence, await self._day.open_orders()), limits))
        copies = len(evidence.booked)
        if self._orders is not None:
            beside = await self._orders.evidence()
            found += judge(beside)
            copies += len(beside.booked)
        return Findings(orders=len(self._steps) + copies, copies=copies, load=copies, breaks=found)

    def shortfalls(self) -> Sequence[str]:
        replicas = self._stage.replicas("executor")
        idle = [f"{each.name} never sent" for each in replicas if each.name not in self._senders]
        return [*idle, *(self._orders.shortfalls() if self._orders is not None else ())]

    async def close(self) -> None:
        for each in self._beside:
            each.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)

    async def _sample(self) -> None:
        """A replica that is killed forgets what it counted, so it is asked all the time."""
        async with aiohttp.ClientSession() as session:
            while True:
                for replica in self._stage.replicas("executor"):
                    try:
                        async with session.get(replica.metrics_url) as answer:
                            if _SENT.search(await answer.text()):
                                self._senders.add(replica.name)
                    except (aiohttp.ClientError, TimeoutError):
                        continue
                await asyncio.sleep(_SAMPLE_S)
