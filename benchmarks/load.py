"""Fills of many leaders at once, as fast as the journal takes them in, and the books of both sides."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle

from paceline.adapters.postgres.database import Database
from paceline.cli.demo.control import Control

SYMBOL = "NSE:SBIN-EQ"
_PARTS = 10
"""Fills of one order: an order that fills in parts is the common case of a big one."""
_HANDS = 16
_BACKLOG_EVENTS = 4_000
_LOOK_S = 0.01
_WITHIN_S = 300.0

Trades = Counter[tuple[str, str, int]]
"""Client, number and quantity, and how often."""


@dataclass(frozen=True, slots=True)
class Driven:
    """`took_s` is from the first order to the last event in the journal."""

    orders: int
    fills: int
    events: int
    took_s: float


class Load:
    """Orders that fill at once, of one client after the other; sides alternate, so that nobody runs out."""

    def __init__(self, control: Control, database: Database, clients: Sequence[str]) -> None:
        self._control = control
        self._database = database
        self._turns: Iterator[tuple[str, int]] = (
            (client, side) for side in cycle((1, -1)) for client in clients
        )
        self.fills = 0

    async def drive(self, seconds: float) -> Driven:
        """The driver keeps a backlog that outlasts its own pauses, and waits at the end until all is in."""
        fills_before, events_before = self.fills, await self.events()
        await self.place(_PARTS)
        await self.until_journaled()
        events_an_order = await self.events() - events_before
        orders, began = 0, time.monotonic()
        fills_before, events_before = self.fills, await self.events()
        done = events_before

        async def hand() -> None:
            nonlocal orders
            while time.monotonic() - began < seconds:
                if orders * events_an_order - (done - events_before) > _BACKLOG_EVENTS:
                    await asyncio.sleep(_LOOK_S)
                    continue
                orders += 1
                await self.place(_PARTS)

        hands = asyncio.gather(*(hand() for _ in range(_HANDS)))
        while not hands.done():
            done = await self.events()
            await asyncio.sleep(_LOOK_S)
        await hands
        ended = await self.until_journaled()
        events = await self.events() - events_before
        return Driven(orders, self.fills - fills_before, events, ended - began)

    async def place(self, parts: int) -> None:
        """One order of the next client."""
        client, side = next(self._turns)
        await self._control.post(
            "/trades",
            {
                "client_id": client,
                "symbol": SYMBOL,
                "side": side,
                "qty": parts,
                "parts": parts,
                "product": "INTRADAY",
            },
        )
        self.fills += parts

    async def place_for(self, count: int) -> None:
        """One fill each, for so many clients, as fast as the control door takes them."""
        room = asyncio.Semaphore(_HANDS)

        async def one() -> None:
            async with room:
                await self.place(1)

        await asyncio.gather(*(one() for _ in range(count)))

    async def events(self) -> int:
        """In the journal: offsets have no holes."""
        return int(await self._database.value("SELECT coalesce(sum(last_offset), 0) FROM partition_heads"))

    async def until_journaled(self) -> float:
        """When the last fill was in the journal and nothing followed it; raises TimeoutError."""
        found, events, at = -1, -1, time.monotonic()
        try:
            async with asyncio.timeout(_WITHIN_S):
                while True:
                    now = await self.events()
                    if now == events:
                        found = await self._journaled_fills()
                        if found >= self.fills:
                            return at
                    else:
                        events, at = now, time.monotonic()
                    await asyncio.sleep(5 * _LOOK_S)
        except TimeoutError:
            raise TimeoutError(f"{found} of {self.fills} fills are journaled after {_WITHIN_S:g} s") from None

    async def _journaled_fills(self) -> int:
        return int(await self._database.value("SELECT count(*) FROM events WHERE kind = 'FILL'"))

    async def journaled(self) -> Trades:
        """As the journal tells them."""
        rows = await self._database.fetch("SELECT account_id, body FROM events WHERE kind = 'FILL'")
        return Counter(
            (
                row["account_id"].partition(":")[2],
                f"{row['body']['order_id']}-{row['body']['trade_id']}",
                int(row["body"]["quantity"]),
            )
            for row in rows
        )

    async def booked(self) -> tuple[Trades, int]:
        """As the broker's books tell them, and how many of them no frame ever told."""
        rows = (await self._control.get("/trades"))["trades"]
        untold = sum(not row["first_frame_at"]["mono_ns"] for row in rows)
        return Counter((row["client_id"], row["number"], row["qty"]) for row in rows), untold
