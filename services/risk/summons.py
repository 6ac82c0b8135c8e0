"""Calls executors for liquidations that are wanted, again and again, until one of them has stored each."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation

import grpc
import structlog

from paceline.adapters.wire.decimals import text_of
from paceline.adapters.wire.liquidations import LIQUIDATION_CAUSE, LIQUIDATION_LEVEL
from paceline.api.v1 import executor_pb2, executor_pb2_grpc
from paceline.domain.errors import PacelineError, Unavailable
from paceline.domain.ids import LiquidationId, Partition
from paceline.domain.partitioning import partition_of
from paceline.ports.clock import Clock
from paceline.ports.liquidation_requests import LiquidationRequests, Request
from paceline.runtime.grpc_client import ChannelPool
from paceline.runtime.log import RepeatGate
from paceline.runtime.routes import Routes
from paceline.runtime.together import together

_log = structlog.get_logger(__name__)

_LOOK_S = 0.2
_ANSWER_S = 5.0
_AGAIN_NS = 1_000_000_000
_BATCH = 1_000
_FIRST = 8
"""These need not wait for the others."""


class Summoner:
    """What was asked and not answered is asked again a second later, for as long as it takes."""

    def __init__(
        self,
        requests: LiquidationRequests,
        mine: Callable[[], Iterable[Partition]],
        channels: ChannelPool,
        executors: Routes,
        clock: Clock,
        at_once: int,
    ) -> None:
        self._requests = requests
        self._mine = mine
        self._channels = channels
        self._executors = executors
        self._clock = clock
        self._at_once = at_once
        self._gate = RepeatGate(clock)
        self._news = asyncio.Event()
        self._tried_ns: dict[LiquidationId, int] = {}
        self._stored: list[LiquidationId] = []
        """By an executor, and not noted yet: nobody waits for that."""

    def wake(self) -> None:
        """Something new was written."""
        self._news.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.turn()
            except Unavailable as problem:
                if self._gate.held_back("unreachable") is not None:
                    _log.error("summons.unreachable", problem=str(problem))
            await self._pause()

    async def turn(self) -> None:
        """Asks for all that nobody acknowledged: whole accounts first, then by how little is left. The first
        few are under way before the others are read.
        """
        await self._call_all()
        await self._acknowledge()

    async def _call_all(self) -> None:
        first = await self._requests.unacknowledged(self._mine(), _FIRST)
        if len(first) < _FIRST:
            self._forget(first)
            await self._call(self._due(first))
            return
        wanted: list[Request] = []

        async def read() -> None:
            wanted.extend(await self._requests.unacknowledged(self._mine(), _BATCH))

        await together((self._call(self._due(first)), read()))
        self._forget(wanted)
        await self._call(self._due(wanted))

    def _due(self, wanted: Sequence[Request]) -> list[Request]:
        """Those that were not asked for a moment ago; from here on they were."""
        now_ns = self._clock.monotonic_ns()
        due = [
            each
            for each in wanted
            if now_ns - self._tried_ns.get(each.liquidation_id, now_ns - _AGAIN_NS) >= _AGAIN_NS
        ]
        self._tried_ns |= {each.liquidation_id: now_ns for each in due}
        return due

    def _forget(self, wanted: Iterable[Request]) -> None:
        """Whoever is acknowledged."""
        here = {each.liquidation_id for each in wanted}
        self._tried_ns = {each: at_ns for each, at_ns in self._tried_ns.items() if each in here}

    async def _call(self, due: Sequence[Request]) -> None:
        calls: defaultdict[str | None, list[Request]] = defaultdict(list)
        for each in sorted(due, key=_rank):
            calls[self._executors.address(partition_of(each.account_id))].append(each)
        await together(self._ask_all(address, requests) for address, requests in calls.items())

    async def _ask_all(self, address: str | None, requests: Sequence[Request]) -> None:
        """One executor, in this order. Whoever does not answer is not asked for the rest now."""
        for start in range(0, len(requests), self._at_once):
            some = requests[start : start + self._at_once]
            answer = await self._asked(address, some)
            if isinstance(answer, str):
                self._unheard(some, {each.liquidation_id: answer for each in some})
                return
            self._stored += map(LiquidationId, answer.liquidation_ids)
            self._unheard(some, {each.liquidation_id: each.reason for each in answer.refusals})

    async def _asked(
        self, address: str | None, requests: Sequence[Request]
    ) -> executor_pb2.BeginLiquidationsResponse | str:
        """What came before is noted meanwhile."""
        answers: list[executor_pb2.BeginLiquidationsResponse | str] = []

        async def ask() -> None:
            answers.append(await self._ask(address, requests))

        await together((ask(), self._acknowledge()))
        return answers[0]

    async def _acknowledge(self) -> None:
        stored, self._stored = self._stored, []
        if stored:
            await self._requests.acknowledge(stored)

    async def _ask(
        self, address: str | None, requests: Sequence[Request]
    ) -> executor_pb2.BeginLiquidationsResponse | str:
        """What an executor stored, and goes on with by himself; or why there is no answer."""
        if address is None:
            return "nobody holds its partition"
        try:
            async with asyncio.timeout(_ANSWER_S):
                channel = await self._channels.channel(address)
                stub = executor_pb2_grpc.ExecutorServiceStub(channel)
                return await stub.BeginLiquidations(
                    executor_pb2.BeginLiquidationsRequest(liquidations=map(request_to_wire, requests))
                )
        except TimeoutError:
            return f"no answer within {_ANSWER_S:g} s"
        except grpc.aio.AioRpcError as error:
            return error.details() or error.code().name
        except PacelineError as error:
            return str(error)

    def _unheard(self, requests: Sequence[Request], problems: Mapping[str, str]) -> None:
        if problems:
            self._executors.doubt()
        for each in requests:
            problem = problems.get(each.liquidation_id)
            if problem is not None and self._gate.held_back(each.liquidation_id) is not None:
                _log.error(
                    "liquidation.unheard",
                    liquidation=each.liquidation_id,
                    account=each.account_id,
                    problem=problem,
                )

    async def _pause(self) -> None:
        news = asyncio.ensure_future(self._news.wait())
        rest = asyncio.ensure_future(self._clock.sleep(_LOOK_S))
        try:
            await asyncio.wait({news, rest}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()
            rest.cancel()
        self._news.clear()


def _rank(request: Request) -> tuple[bool, Decimal]:
    """Whole accounts before copies, then by what is left."""
    level = _number(request.evidence.get("level"))
    return request.subscription_id is not None, Decimal("Infinity") if level is None else level


def request_to_wire(request: Request) -> executor_pb2.LiquidateRequest:
    wire = executor_pb2.LiquidateRequest(
        liquidation_id=request.liquidation_id,
        account_id=request.account_id,
        cause=LIQUIDATION_CAUSE.wire[request.cause],
        cause_id=request.cause_id,
        reason=request.reason,
        level=LIQUIDATION_LEVEL.wire[request.level],
    )
    if request.subscription_id is None:
        wire.whole_account = True
    else:
        wire.subscription_id = request.subscription_id
    evidence = request.evidence
    equity, level = _number(evidence.get("equity")), _number(evidence.get("level"))
    if equity is not None:
        wire.equity.amount.value = text_of(equity)
        wire.equity.currency = str(evidence.get("currency", ""))
    if level is not None:
        wire.margin_level_percent.value = text_of(level)
    prices = evidence.get("prices")
    for name, price in prices.items() if isinstance(prices, dict) else ():
        told = _number(price)
        if told is not None:
            wire.prices[name].value = text_of(told)
    return wire


def _number(text: object) -> Decimal | None:
    """None where it is none, as a margin level without margin."""
    try:
        number = Decimal(str(text))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
