"""A leader and a follower on a stack that comes and goes at a broker that stays."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import TypeVar

import grpc

from paceline.api.v1 import event_pb2, query_pb2, query_pb2_grpc
from paceline.cli.demo.control import Control
from paceline.cli.demo.people import Registrar
from paceline.cli.demo.script import Habit

T = TypeVar("T")
SYMBOL = "NSE:SBIN-EQ"
LEADER = "XL00001"
WITHIN_S = 60.0


class Desk:
    """What a person does at the gateway and at the broker; each act waits for its effect."""

    def __init__(self, gateway: str, control_url: str) -> None:
        self._gateway = gateway
        self._control_url = control_url

    def enrol_and_buy(self, quantity: int) -> set[str]:
        """The leader buys once his follower is live; the fills that the journal then holds."""

        async def act(channel: grpc.aio.Channel, control: Control) -> set[str]:
            registrar = Registrar(channel, control)
            people = await registrar.enrol([Habit(Decimal(1))], lambda: None)
            await registrar.wait_until_live(people, lambda _count: None)
            await _trade(control, 1, quantity)
            await _until(lambda: _flat(control, quantity))
            await _until(lambda: _held_fills(channel, 1))
            return await _fills(channel)

        return self._run(act)

    def known_fills(self) -> set[str]:
        return self._run(lambda channel, _control: _fills(channel))

    def sell_and_count(self, quantity: int) -> int:
        """The leader sells; how many fills the journal holds once the leader's is there."""

        async def act(channel: grpc.aio.Channel, control: Control) -> int:
            before = len(await _fills(channel))
            await _trade(control, -1, quantity)
            await _until(lambda: _flat(control, 0))
            await _until(lambda: _held_fills(channel, before + 1))
            return before + 1

        return self._run(act)

    def positions(self) -> set[int]:
        async def act(_channel: grpc.aio.Channel, control: Control) -> set[int]:
            return {each["netQty"] for each in (await control.get("/positions"))["positions"]}

        return self._run(act)

    def _run(self, act: Callable[[grpc.aio.Channel, Control], Awaitable[T]]) -> T:
        async def whole() -> T:
            async with (
                Control(self._control_url) as control,
                grpc.aio.insecure_channel(self._gateway) as channel,
            ):
                return await act(channel, control)

        return asyncio.run(whole())


async def _trade(control: Control, side: int, quantity: int) -> None:
    order = {"client_id": LEADER, "symbol": SYMBOL, "side": side, "qty": quantity, "product": "INTRADAY"}
    await control.post("/trades", order)


async def _fills(channel: grpc.aio.Channel) -> set[str]:
    """Of the leader."""
    stub = query_pb2_grpc.QueryServiceStub(channel)
    which = query_pb2.EventFilter(account_id=f"fyers:{LEADER}", kind=event_pb2.EVENT_KIND_FILL)
    page = await stub.ListEvents(query_pb2.ListEventsRequest(filter=which, page_size=100))
    return {event.identity for event in page.events}


async def _held_fills(channel: grpc.aio.Channel, count: int) -> bool:
    return len(await _fills(channel)) >= count


async def _flat(control: Control, quantity: int) -> bool:
    """Whether everyone holds so much."""
    positions = (await control.get("/positions"))["positions"]
    return len(positions) == 2 and {each["netQty"] for each in positions} == {quantity}


async def _until(true: Callable[[], Awaitable[bool]]) -> None:
    give_up = time.monotonic() + WITHIN_S
    while not await true():
        assert time.monotonic() < give_up, f"not within {WITHIN_S} s"
        await asyncio.sleep(0.05)
