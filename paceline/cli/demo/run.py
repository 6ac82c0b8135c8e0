"""The demo from nothing to the verdict."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import grpc

from paceline.cli.demo.books import Books
from paceline.cli.demo.control import Control, ControlError
from paceline.cli.demo.day import Day, traded_today
from paceline.cli.demo.judge import Verdict, judge
from paceline.cli.demo.people import Registrar
from paceline.cli.demo.script import day, habits
from paceline.cli.demo.show import Screen
from paceline.cli.ending import run_until_ended
from paceline.cli.stack import Stack, StackOptions
from paceline.embedded.nest import Nest

HEARD_S = 1.5
"""What people decided reaches the planners by notice; and the books of a first connect fill the broker's
window of a second, which orders then wait for."""
CHANNEL = (("grpc.max_receive_message_length", 64 * 1024 * 1024),)


V = TypeVar("V")


class DemoError(Exception):
    """The day could not be traded to its end; the message says why."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    followers: int = 100
    events: int = 12
    seed: int = 1
    replicas: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)


Play: TypeAlias = Callable[[Stack, Screen, DemoOptions], Coroutine[Any, Any, V]]


def run_demo(options: DemoOptions, screen: Screen, play: Play[V]) -> V:
    """A stack of its own, what is played on it, the verdict; nothing is left of it."""
    logs = Nest("paceline-run")
    try:
        with Stack(_stack(options, logs.path), screen.say) as stack:
            if not stack.control_url:
                raise DemoError("the demo trades at the simulated broker: unset PACELINE_FYERS_…_URL")
            return _judged(screen, play(stack, screen, options))
    except (TimeoutError, ControlError, grpc.RpcError) as problem:
        raise DemoError(_words(problem)) from problem
    finally:
        logs.close()


def _judged(screen: Screen, played: Coroutine[Any, Any, V]) -> V:
    verdict = run_until_ended(played)
    screen.say("stopping")
    return verdict


async def run_day(stack: Stack, screen: Screen, options: DemoOptions) -> Verdict:
    """Enrols, trades and judges on a stack that runs."""
    async with (
        Control(stack.control_url) as control,
        grpc.aio.insecure_channel(stack.gateway, CHANNEL) as channel,
    ):
        registrar = Registrar(channel, control)
        if await registrar.enrolled():
            raise DemoError("the named database holds accounts already; the demo wants an empty one")
        traded = await traded_today(control)
        with screen.shown():
            enrolling = screen.begin("accounts enrolled", options.followers + 1)
            wanted = list(habits(options.seed, options.followers, traded))
            people = await registrar.enrol(wanted, lambda: screen.advance(enrolling))
            live = screen.begin("sessions live", options.followers + 1)
            await registrar.wait_until_live(people, lambda count: screen.reach(live, count))
            await asyncio.sleep(HEARD_S)
            trading = screen.begin("leader's fills copied", options.events)
            the_day = Day(channel, control, people)
            for number, step in enumerate(day(options.seed, options.events, traded), start=1):
                stack.check()
                screen.step(await the_day.trade(number, step))
                screen.advance(trading)
            await the_day.settle()
        return judge(await Books(channel, control, people).evidence(options.events, options.seed))


def _stack(options: DemoOptions, logs: Path) -> StackOptions:
    return StackOptions(
        replicas=options.replicas, seed=options.seed, logs=logs, environment=options.environment
    )


def _words(problem: Exception) -> str:
    if isinstance(problem, grpc.aio.AioRpcError):
        return f"the gateway answered {problem.code().name}: {problem.details()}"
    return str(problem)
