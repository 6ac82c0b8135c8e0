"""The day itself: the leader trades, and the followers' orders arrive."""

import asyncio
import time
from dataclasses import dataclass

import grpc

from paceline.api.v1 import copy_order_pb2, event_pb2, query_pb2, query_pb2_grpc
from paceline.cli.demo.control import Control
from paceline.cli.demo.people import People
from paceline.cli.demo.script import PRODUCT, Step, Traded

_QUIET_S = 0.1
_STEP_S = 20.0
_PAGE = 1_000
_SETTLE_S = 30.0
_LOOK_S = 0.02
_SYMBOLS = (
    "NSE:SBIN-EQ",
    "NSE:RELIANCE-EQ",
    "NSE:INFY-EQ",
    "NSE:TCS-EQ",
    "NSE:HDFCBANK-EQ",
    "NSE:ITC-EQ",
)
_OPEN = (
    copy_order_pb2.COPY_STATUS_PLANNED,
    copy_order_pb2.COPY_STATUS_UNKNOWN,
    copy_order_pb2.COPY_STATUS_WORKING,
    copy_order_pb2.COPY_STATUS_PARTIAL,
)


@dataclass(frozen=True, slots=True)
class Progress:
    """One step done: how many orders it led to, and how long until the last of them was seen here."""

    number: int
    step: Step
    price: float
    orders: int
    elapsed_ms: float


@dataclass(frozen=True, slots=True)
class LeaderFill:
    order_id: str
    price: float


class Day:
    def __init__(self, channel: grpc.aio.Channel, control: Control, people: People) -> None:
        self._query = query_pb2_grpc.QueryServiceStub(channel)
        self._control = control
        self._people = people

    async def trade(self, number: int, step: Step) -> Progress:
        """One fill of the leader; returns when every follower's decision about it is made and done with."""
        before = await self._count()
        began = time.monotonic()
        fill = await self.fill(step)
        after, last_s = await self._until_done(fill, before + 1, began)
        return Progress(number, step, fill.price, after - before - 1, (last_s - began) * 1000)

    async def fill(self, step: Step) -> LeaderFill:
        """The leader's order, filled at once."""
        made = await self._control.post(
            "/trades",
            {
                "client_id": self._people.leader_client,
                "symbol": step.symbol,
                "side": step.side,
                "qty": step.quantity,
                "product": PRODUCT,
            },
        )
        (trade,) = made["trades"]
        return LeaderFill(trade["order_id"], trade["price"])

    async def settle(self, within_s: float = _SETTLE_S) -> None:
        """Until no copy order is open; raises TimeoutError with those that are."""
        open_: list[str] = []
        try:
            async with asyncio.timeout(within_s):
                while open_ := await self.open_orders():  # noqa: ASYNC110 - asked over the wire
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise TimeoutError(f"copy orders stay open, first {open_[:3]}") from None

    async def open_orders(self) -> list[str]:
        """Those that have not ended, a few of them, each in words."""
        request = query_pb2.ListCopyOrdersRequest(
            filter=copy_order_pb2.CopyOrderFilter(statuses=_OPEN), page_size=10
        )
        page = await self._query.ListCopyOrders(request)
        return [
            f"{each.account_id} {each.tag} {copy_order_pb2.CopyStatus.Name(each.status)}"
            for each in page.orders
        ]

    async def _count(self) -> int:
        stats = await self._control.get("/stats", only="totals")
        return int(stats["orders"])

    async def _until_done(self, fill: LeaderFill, before: int, began: float) -> tuple[int, float]:
        """Watches the broker's count; once it rests, asks the platform whether that was all."""
        seen, seen_at, asked_at = before, began, began
        while True:
            await asyncio.sleep(_LOOK_S)
            now, count = time.monotonic(), await self._count()
            if count != seen:
                seen, seen_at = count, now
            if now - began >= _STEP_S:
                return seen, seen_at
            if now - max(seen_at, asked_at) >= _QUIET_S:
                if await self._decided(fill) and not await self.open_orders():
                    return max(seen, await self._count()), seen_at
                asked_at = time.monotonic()

    async def _decided(self, fill: LeaderFill) -> bool:
        """Whether there is a decision for every follower."""
        identity = await self._identity(fill)
        if identity is None:
            return False
        missing = len(self._people.follower_clients)
        token = ""
        while True:
            page = await self._query.ListDecisions(
                query_pb2.ListDecisionsRequest(
                    filter=copy_order_pb2.DecisionFilter(event_identity=identity),
                    page_size=_PAGE,
                    page_token=token,
                )
            )
            missing -= len(page.decisions)
            token = page.next_page_token
            if missing <= 0 or not token:
                return missing <= 0

    async def _identity(self, fill: LeaderFill) -> str | None:
        """The journal's name for a fill, once it is there."""
        request = query_pb2.ListEventsRequest(
            filter=query_pb2.EventFilter(
                account_id=self._people.leader_id, kind=event_pb2.EVENT_KIND_FILL, order_id=fill.order_id
            ),
            page_size=1,
        )
        events = (await self._query.ListEvents(request)).events
        return events[0].identity if events else None


async def traded_today(control: Control) -> list[Traded]:
    """Instruments of the day, with the lots that the broker's own master names."""
    quotes = (await control.get("/quotes", symbols=",".join(_SYMBOLS)))["quotes"]
    return [Traded(each["symbol"], int(each["lot"])) for each in quotes]
