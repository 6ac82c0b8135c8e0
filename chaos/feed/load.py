"""Many leaders at the simulated broker, and the journal judged against its books."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any

from chaos.feed.consumer import Consumer
from chaos.feed.judge import Evidence, judge, order_of, trade_of
from chaos.feed.leaders import Leaders, Quoted, quoted_of
from chaos.person import People
from chaos.stage import Stage
from chaos.verdict import Findings
from chaos.watched import ended
from paceline.adapters.postgres.journal import PostgresJournal
from paceline.cli.demo.people import together
from paceline.domain.errors import Unavailable
from paceline.domain.event import Event
from paceline.domain.ids import Offset, Partition
from paceline.domain.partitioning import PARTITIONS

LEADERS = 40
_PAGE = 2_000
_MAX_FILL_LOTS = 5
_HEARD_S = 1.5
"""What is older than a first connect, by whole seconds, is no news: trading begins well after it."""
_SHARES = 14
_NO_LETTERS = 5
_READ_EVERY_S = 3.0
"""The journal is read while it is written: a busy machine reads all of it in no look's time."""


class LeadersLoad:
    unit = "fills"

    def __init__(self, leaders: int = LEADERS) -> None:
        self._wanted = leaders
        self._open = AsyncExitStack()
        self._events: dict[Partition, list[Event]] = {}
        self._reading = asyncio.Lock()

    async def prepare(self, stage: Stage) -> None:
        self._stage = stage
        self._journal = PostgresJournal(stage.database)
        self._consumer = await self._open.enter_async_context(Consumer(stage.database))
        stage.clients = await self._enrol()
        await stage.control.post("/liquidity", {"max_fill_lots": _MAX_FILL_LOTS})
        quoted = await self._instruments()
        self._leaders = Leaders(stage.control, stage.clients, quoted, stage.seed, stage.seconds)
        self._people = People(stage)
        for work in (self._people.run(), self._keep_reading()):
            self._open.push_async_callback(ended, asyncio.ensure_future(work))
        await asyncio.sleep(_HEARD_S)

    async def trade(self) -> None:
        await self._leaders.trade()

    async def findings(self) -> Findings:
        await self._people.look()
        trades = (await self._stage.control.get("/trades"))["trades"]
        orders = (await self._stage.control.get("/orders"))["orders"]
        heads = await self._read_on()
        letters = await self._journal.dead_letters(None, _NO_LETTERS)
        evidence = Evidence(
            trades=[trade_of(row) for row in trades],
            orders=[order_of(row) for row in orders],
            events=self._events,
            heads=heads,
            received=self._consumer.received,
            restless=self._people.restless(),
            dead_letters=[f"{each.account_id} {each.kind} {each.detail}" for each in letters],
            breaches=int((await self._stage.control.get("/limits"))["breaches"]),
        )
        return Findings(orders=len(orders), copies=0, load=len(trades), breaks=judge(evidence))

    def shortfalls(self) -> Sequence[str]:
        idle = {each.address: each.name for each in self._stage.replicas("feed")}
        return [
            f"{name} never held a live session"
            for address, name in idle.items()
            if address not in self._people.holders
        ]

    async def close(self) -> None:
        await self._open.aclose()

    async def _enrol(self) -> list[str]:
        registrar = self._stage.registrar
        app_id = await registrar.open_app()
        at_broker = await registrar.at_broker({"count": self._wanted, "prefix": "XL"})
        clients = sorted(each["client_id"] for each in at_broker)
        await together(registrar.open_leader(client, app_id) for client in clients)
        await registrar.wait_for_sessions(len(clients), lambda _count: None)
        return clients

    async def _instruments(self) -> dict[str, Quoted]:
        """Shares of which one is a lot, and futures of which it is not."""
        rows: list[dict[str, Any]] = (await self._stage.control.get("/quotes"))["quotes"]
        shares = [row for row in rows if row["symbol"].endswith("-EQ") and row["previous_close"] > 100]
        futures = [row for row in rows if row["symbol"].startswith("NSE:") and row["symbol"].endswith("FUT")]
        return {row["symbol"]: quoted_of(row) for row in [*shares[:_SHARES], *futures]}

    async def _keep_reading(self) -> None:
        """Until cancelled; what a database that is away did not tell is read the next time."""
        while True:
            await asyncio.sleep(_READ_EVERY_S)
            with suppress(Unavailable):
                await self._read_on()

    async def _read_on(self) -> Mapping[Partition, int]:
        """What was journaled since the last look."""
        async with self._reading:
            heads = await self._journal.heads([Partition(number) for number in range(PARTITIONS)])
            for partition, head in heads.items():
                known = self._events.setdefault(partition, [])
                while (after := known[-1].offset if known else Offset(0)) < head:
                    page = await self._journal.read(partition, after, _PAGE)
                    if not page:
                        break
                    known.extend(page)
        return heads
