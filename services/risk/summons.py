"""Calls executors for liquidations that are wanted, again and again, until one of them has stored each."""

import asyncio
from collections.abc import Callable, Iterable
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

_log = structlog.get_logger(__name__)

_LOOK_S = 0.2
_ANSWER_S = 5.0
_AGAIN_NS = 1_000_000_000
_BATCH = 1_000


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
        self._places = asyncio.Semaphore(at_once)
        self._gate = RepeatGate(clock)
        self._news = asyncio.Event()
        self._tried_ns: dict[LiquidationId, int] = {}

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
        """Asks for all that nobody acknowledged."""
        wanted = await self._requests.unacknowledged(self._mine(), _BATCH)
        now_ns = self._clock.monotonic_ns()
        due = [
            each
            for each in wanted
            if now_ns - self._tried_ns.get(each.liquidation_id, now_ns - _AGAIN_NS) >= _AGAIN_NS
        ]
        here = {each.liquidation_id for each in wanted}
        self._tried_ns = {each: at_ns for each, at_ns in self._tried_ns.items() if each in here}
        self._tried_ns |= {each.liquidation_id: now_ns for each in due}
        answered = await asyncio.gather(*(self._ask(each) for each in due))
        taken = [each.liquidation_id for each, has_it in zip(due, answered, strict=True) if has_it]
        if taken:
            await self._requests.acknowledge(taken)

    async def _ask(self, request: Request) -> bool:
        """Whether an executor told the first step: then it is stored, and he goes on by himself."""
        async with self._places:
            address = self._executors.address(partition_of(request.account_id))
            problem = "nobody holds its partition"
            if address is not None:
                try:
                    async with asyncio.timeout(_ANSWER_S):
                        return await self._first_step(address, request)
                except TimeoutError:
                    problem = f"no answer within {_ANSWER_S:g} s"
                except grpc.aio.AioRpcError as error:
                    problem = error.details() or error.code().name
                except PacelineError as error:
                    problem = str(error)
        self._executors.doubt()
        if self._gate.held_back(request.liquidation_id) is not None:
            _log.error(
                "liquidation.unheard",
                liquidation=request.liquidation_id,
                account=request.account_id,
                problem=problem,
            )
        return False

    async def _first_step(self, address: str, request: Request) -> bool:
        channel = await self._channels.channel(address)
        call = executor_pb2_grpc.ExecutorServiceStub(channel).Liquidate(request_to_wire(request))
        try:
            return isinstance(await call.read(), executor_pb2.LiquidateResponse)
        finally:
            call.cancel()

    async def _pause(self) -> None:
        news = asyncio.ensure_future(self._news.wait())
        rest = asyncio.ensure_future(self._clock.sleep(_LOOK_S))
        try:
            await asyncio.wait({news, rest}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()
            rest.cancel()
        self._news.clear()


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
