"""A leader who trades by orders that rest, and those who mirror them or copy their fills."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from random import Random
from typing import Any

from chaos.copy.evidence import OrdersBooks
from chaos.copy.laws import Evidence, Follower
from chaos.copy.rounds import LANES, Close, Nibble, Round, Step, rounds, sides
from chaos.feed.leaders import Quoted, carry_out, quoted_of
from chaos.feed.script import Cancel, Modify, Place, Trade
from chaos.stage import Stage
from paceline.api.v1 import common_pb2, subscription_pb2, subscription_pb2_grpc
from paceline.cli.demo.control import ControlError
from paceline.cli.demo.people import together

_MIRRORS = tuple(map(Decimal, ("1", "0.5", "2", "1.5", "0.25")))
_BY_FILLS = tuple(map(Decimal, ("1", "0.5", "2")))
_SYMBOLS = 4
_PRICE_LEAST = 100
_MAX_FILL_LOTS = 5
_PENDING = 6
_EACH_A_MINUTE = 4


class OrderLeader:
    """Beside the leader of the day, in symbols that nobody else trades."""

    def __init__(self) -> None:
        self._most: Counter[str] = Counter()
        """The largest quantity that an order of his ever asked for."""
        self._seen: Counter[str] = Counter()

    async def enrol(self, stage: Stage, taken: Sequence[str]) -> tuple[str, ...]:
        """Everyone's names at the broker; `taken` are the symbols of others."""
        self._stage = stage
        registrar = stage.registrar
        (leader,) = await registrar.at_broker({"count": 1, "prefix": "XL", "start": 2})
        ratios = (*_MIRRORS, *_BY_FILLS)
        at_broker = await registrar.at_broker({"count": len(ratios), "prefix": "XM"})
        self._client = str(leader["client_id"])
        self._followers = [
            Follower(str(row["client_id"]), ratio, mirrors=number < len(_MIRRORS))
            for number, (row, ratio) in enumerate(zip(at_broker, ratios, strict=True))
        ]
        app_id = await registrar.open_app()
        leader_id = await registrar.open_leader(self._client, app_id)
        await together(
            self._follow(row["access_token"], one, number, app_id, leader_id)
            for number, (row, one) in enumerate(zip(at_broker, self._followers, strict=True))
        )
        rows: list[dict[str, Any]] = (await stage.control.get("/quotes"))["quotes"]
        shares = [each for each in map(quoted_of, rows) if _fits(each, taken)]
        self._quoted = {each.symbol: each for each in shares[:_SYMBOLS]}
        liquidity = {"symbols": list(self._quoted), "max_fill_lots": _MAX_FILL_LOTS}
        await stage.control.post("/liquidity", liquidity)
        self._books = OrdersBooks(stage, self._client, leader_id, self._followers, sides(list(self._quoted)))
        return (self._client, *(each.client for each in self._followers))

    async def trade(self) -> None:
        """Returns when every round is over, and he is flat."""
        stage = self._stage
        began = time.monotonic()

        async def lane(number: int) -> None:
            for one in rounds(stage.seed, number, stage.seconds, list(self._quoted)):
                stage.note("round", symbol=one.symbol, at_s=round(time.monotonic() - began, 1))
                await self._round(one)

        await asyncio.gather(*(lane(number) for number in range(LANES)))

    async def evidence(self) -> Evidence:
        found = await self._books.evidence(self._most)
        self._seen = Counter(
            modified=sum(each.modifications > 0 for each in found.booked),
            cancelled=sum(each.cancelled for each in found.booked),
            ended_in_part=sum(each.cancelled and 0 < each.filled < each.quantity for each in found.booked),
        )
        return found

    def shortfalls(self) -> list[str]:
        """Copies that nothing happened to prove nothing."""
        least = round(_EACH_A_MINUTE * self._stage.seconds / 60)
        kinds = ("modified", "cancelled", "ended_in_part")
        seldom = [kind for kind in kinds if self._seen[kind] < least]
        return [f"{self._seen[kind]} copies were {kind}; {least} are the least" for kind in seldom]

    async def _round(self, one: Round) -> None:
        order_id = ""
        for step in one.steps:
            # An order may have ended by itself: what is open at last is closed.
            with suppress(ControlError):
                order_id = await self._step(self._quoted[one.symbol], step, order_id)

    async def _step(self, what: Quoted, step: Step, order_id: str) -> str:
        match step:
            case Nibble(seed):
                await self._nibble(what.symbol, Random(seed))
                return order_id
            case Close():
                await self._close(what)
                return order_id
        known = await carry_out(self._stage.control, self._client, what, step, order_id)
        if isinstance(step, Place | Trade | Modify) and step.lots is not None:
            self._most[known] = max(self._most[known], step.lots * what.lot)
        return known

    async def _nibble(self, symbol: str, random: Random) -> None:
        followers = {each.client for each in self._followers}
        orders = (await self._stage.control.get("/orders", symbol=symbol))["orders"]
        resting = [row for row in orders if row["client_id"] in followers and row["status"] == _PENDING]
        for row in sorted(resting, key=lambda each: (each["client_id"], each["tag"])):
            quantity = random.randint(1, row["remaining"])
            if random.random() < 0.7:
                await self._ask_fill(row["id"], quantity)

    async def _ask_fill(self, order_id: str, quantity: int) -> None:
        # Unless it was filled or cancelled since it was seen.
        with suppress(ControlError):
            await self._stage.control.post(f"/orders/{order_id}/fill", {"qty": quantity})

    async def _close(self, what: Quoted) -> None:
        control = self._stage.control
        orders = (await control.get("/orders", client_id=self._client, symbol=what.symbol))["orders"]
        for row in orders:
            if row["status"] == _PENDING:
                await carry_out(control, self._client, what, Cancel(), row["id"])
        rows = (await control.get("/positions", client_id=self._client))["positions"]
        held = sum(int(row["netQty"]) for row in rows if row["symbol"] == what.symbol)
        if held:
            order_id = await carry_out(control, self._client, what, _against(held, what.lot), "")
            self._most[order_id] = abs(held)

    async def _follow(self, token: str, one: Follower, number: int, app_id: str, leader_id: str) -> None:
        account_id = await self._stage.registrar.open_account(
            one.client, app_id, common_pb2.ACCOUNT_TYPE_COPY_FOLLOWER, token
        )
        subscriptions = subscription_pb2_grpc.SubscriptionServiceStub(self._stage.channel)
        made = await subscriptions.CreateSubscription(
            subscription_pb2.CreateSubscriptionRequest(
                request_id=f"chaos-subscription-{account_id}",
                subscription=_subscription(leader_id, account_id, one, chases=bool(number % 2)),
            )
        )
        await subscriptions.ApproveSubscription(
            subscription_pb2.ApproveSubscriptionRequest(subscription_id=made.subscription.subscription_id)
        )


def _fits(what: Quoted, taken: Sequence[str]) -> bool:
    return what.symbol.endswith("-EQ") and what.close > _PRICE_LEAST and what.symbol not in taken


def _against(held: int, lot: int) -> Trade:
    lots = abs(held) // lot
    return Trade(-1 if held > 0 else 1, lots, min(2, lots))


def _subscription(
    leader_id: str, follower_id: str, one: Follower, *, chases: bool
) -> subscription_pb2.Subscription:
    mode, shortfall = subscription_pb2.COPY_MODE_ON_FILL, subscription_pb2.SHORTFALL_POLICY_FORGO
    if one.mirrors:
        mode = subscription_pb2.COPY_MODE_ON_ORDER
        shortfall = subscription_pb2.SHORTFALL_POLICY_CHASE if chases else shortfall
    return subscription_pb2.Subscription(
        leader_id=leader_id,
        follower_id=follower_id,
        auto_copy=True,
        mode=mode,
        sizing=subscription_pb2.Sizing(
            mode=subscription_pb2.SIZING_MODE_FIXED_RATIO, value=common_pb2.Decimal(value=str(one.ratio))
        ),
        style=subscription_pb2.EXECUTION_STYLE_PROTECTED_LIMIT,
        shortfall=shortfall,
    )
