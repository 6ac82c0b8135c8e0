"""Houses that fall again and again, side by side, and the judgement of what came of it."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from typing import Any

from chaos.copy.judge import with_windows
from chaos.feed.leaders import Quoted, quoted_of
from chaos.person import People
from chaos.risk.books import RiskBooks, of_api, trades_of
from chaos.risk.houses import House
from chaos.risk.laws import Evidence, judge
from chaos.risk.market import Market
from chaos.risk.rounds import RATIOS, rounds, side
from chaos.stage import Stage
from chaos.verdict import Findings
from paceline.api.v1 import common_pb2
from paceline.cli.demo.script import Habit

HOUSES = 4
_PRICE_LEAST = 400
_HEARD_S = 1.5
"""What is older than a first connect, by whole seconds, is no news: trading begins well after it."""
_ROUND_S = 20.0
"""No round begins so near to the end."""
_APART_S = 1.5
"""Houses begin one after the other, so that at any instant one of them is falling."""
CROSSINGS_A_MINUTE, CASCADES_A_MINUTE, KILLS_A_MINUTE = 3, 5, 1


class RiskLoad:
    unit = "copies"

    def __init__(self, houses: int = HOUSES) -> None:
        self._wanted = houses
        self._beside: list[asyncio.Task[None]] = []
        self._counted: Counter[str] = Counter()

    async def prepare(self, stage: Stage) -> None:
        self._stage = stage
        self._books = RiskBooks(stage)
        quoted = await self._shares(self._wanted + 1)
        self._market = Market(stage.control, quoted)
        await self._market.open()
        aside = quoted[-1].symbol
        self._houses = [await self._house(n, quoted[n].symbol, aside) for n in range(self._wanted)]
        everybody = list(chain.from_iterable(house.crew for house in self._houses))
        await stage.registrar.wait_for_sessions(len(everybody), lambda _count: None)
        stage.clients = sorted(everybody)
        stage.lied_to = sorted(
            each for house in self._houses for each in (house.followers[-1], house.bystander)
        )
        await asyncio.sleep(_HEARD_S)
        self._beside = [
            asyncio.create_task(self._market.breathe()),
            asyncio.create_task(People(stage).run()),
        ]

    async def trade(self) -> None:
        began = time.monotonic()

        async def live(house: House) -> None:
            await asyncio.sleep(house.number * _APART_S)
            for one in rounds(self._stage.seed, house.number):
                if time.monotonic() - began > self._stage.seconds - _ROUND_S or not await house.play(one):
                    return

        await asyncio.gather(*(live(house) for house in self._houses))

    async def findings(self) -> Findings:
        for task in self._beside:
            if task.done():
                task.result()
        orders, trades, breaches = await self._books.of_broker()
        wanted, rows = await self._books.wanted(), await self._books.rows()
        crossings = [each for house in self._houses for each in house.crossings]
        evidence = Evidence(
            crossings=crossings,
            stands=[each for house in self._houses for each in house.stands],
            sides={house.symbol: side(house.number) for house in self._houses}
            | {house.aside: 1 for house in self._houses},
            booked=of_api(orders),
            trades=trades_of(trades),
            wanted=wanted,
            rows=rows,
            alerts=await self._books.alerts(),
            lied_to=frozenset(self._stage.lied_to),
            restless=await self._books.restless(),
            vain=[each for house in self._houses for each in house.vain],
            nameless_skips=await self._books.nameless_skips(),
            breaches=breaches,
        )
        liquidated = {row.tag for row in rows if row.liquidation}
        copies = sum(each.tag not in liquidated for each in evidence.booked)
        self._counted = Counter(
            crossings=sum(each.falls(client) for each in crossings for client in each.crew),
            liquidations=len(wanted),
            cascades=sum(each.cause == "CASCADE" for each in wanted),
        )
        limits = (await self._stage.control.get("/limits"))["limits"]
        found = tuple(with_windows(judge(evidence), limits))
        story = "".join(f"{line}\n" for line in await self._books.story())
        (self._stage.log / "story.txt").write_text(story, encoding="utf-8")
        return Findings(len(evidence.booked), copies, copies, found, dict(self._counted))

    def shortfalls(self) -> Sequence[str]:
        minutes = self._stage.seconds / 60
        least = {"crossings": CROSSINGS_A_MINUTE * minutes, "cascades": CASCADES_A_MINUTE * minutes}
        found = [
            f"{self._counted[what]} {what}; {round(count)} are the least"
            for what, count in least.items()
            if self._counted[what] < round(count)
        ]
        killed = Counter(
            str(blow["process"]).partition("-")[0] for blow in self._stage.blows if blow["kind"] == "kill"
        )
        dead = round(KILLS_A_MINUTE * minutes)
        services = [each for each in ("risk", "executor") if killed[each] < dead]
        return [*found, *(f"{killed[each]} kills of {each}; {dead} are the least" for each in services)]

    async def close(self) -> None:
        for each in self._beside:
            each.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)

    async def _shares(self, wanted: int) -> list[Quoted]:
        rows: list[dict[str, Any]] = (await self._stage.control.get("/quotes"))["quotes"]
        fitting = [each for each in map(quoted_of, rows) if each.symbol.endswith("-EQ")]
        dear = [each for each in fitting if each.close > _PRICE_LEAST and each.lot == 1]
        return dear[:wanted]

    async def _house(self, number: int, symbol: str, aside: str) -> House:
        registrar, habits = self._stage.registrar, [Habit(ratio) for ratio in RATIOS]
        people = await registrar.enrol(habits, lambda: None, crowd=f"H{number}")
        (row,) = await registrar.at_broker({"client_id": f"XBH{number}"})
        app_id, token = await registrar.open_app(), row["access_token"]
        await registrar.open_account(row["client_id"], app_id, common_pb2.ACCOUNT_TYPE_LIVE, token)
        return House(number, symbol, aside, people, row["client_id"], self._stage, self._books, self._market)
