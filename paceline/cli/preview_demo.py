"""A dry run on a day of its own: everything is started, a leader trades, his journal is what is tried."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import grpc

from paceline.api.v1 import subscription_pb2
from paceline.cli.demo.control import Control
from paceline.cli.demo.day import Day, traded_today
from paceline.cli.demo.people import Registrar
from paceline.cli.demo.script import Habit, day
from paceline.cli.ending import run_until_ended
from paceline.cli.stack import Stack, StackOptions
from paceline.domain.money import ONE
from paceline.embedded.nest import Nest

T = TypeVar("T")

_EVENTS = 12
_SEED = 1
_HEARD_S = 1.5


class PreviewDemoError(Exception):
    """The day could not be traded; the message says why."""


def run_preview_demo(
    request: subscription_pb2.PreviewSubscriptionRequest,
    ask: Callable[[str], Awaitable[T]],
    say: Callable[[str], None],
) -> T:
    """`ask` is called with the gateway's address once the day is over; `request` is given its leader and his
    day. Nothing is left of the stack.
    """
    logs = Nest("paceline-run")
    try:
        with Stack(StackOptions(seed=_SEED, logs=logs.path), say) as stack:
            if not stack.control_url:
                raise PreviewDemoError("the demo trades at the simulated broker: unset PACELINE_FYERS_…_URL")
            told = run_until_ended(_traded_and_asked(stack, request, ask, say))
            say("stopping")
            return told
    finally:
        logs.close()


async def _traded_and_asked(
    stack: Stack,
    request: subscription_pb2.PreviewSubscriptionRequest,
    ask: Callable[[str], Awaitable[T]],
    say: Callable[[str], None],
) -> T:
    request.range.start_time.FromSeconds(int(time.time()) - 60)
    request.range.ClearField("end_time")
    async with (
        Control(stack.control_url) as control,
        grpc.aio.insecure_channel(stack.gateway) as channel,
    ):
        registrar = Registrar(channel, control)
        if await registrar.enrolled():
            raise PreviewDemoError("the named database holds accounts already; the demo wants an empty one")
        traded = await traded_today(control)
        people = await registrar.enrol([Habit(ONE)], lambda: None)
        await registrar.wait_until_live(people, lambda _count: None)
        await asyncio.sleep(_HEARD_S)
        the_day = Day(channel, control, people)
        for number, step in enumerate(day(_SEED, _EVENTS, traded), start=1):
            stack.check()
            await the_day.trade(number, step)
        await the_day.settle()
        say(f"{people.leader_id} has traded {_EVENTS} times; now for what that would have been")
        request.subscription.leader_id = people.leader_id
        return await ask(stack.gateway)
