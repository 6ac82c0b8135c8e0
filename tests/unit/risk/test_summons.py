"""What an executor is told of a wanted liquidation is what he stores."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import cast

import grpc.aio

from paceline.adapters.wire.liquidations import liquidation_from_wire
from paceline.api.v1 import executor_pb2, executor_pb2_grpc
from paceline.domain.ids import AccountId, InstrumentId, LiquidationId, Partition, SubscriptionId
from paceline.domain.liquidation import LiquidationCause, LiquidationLevel
from paceline.ports.liquidation_requests import LiquidationRequests, Request
from paceline.runtime.grpc_client import ChannelPool
from paceline.runtime.routes import Routes
from services.risk.summons import Summoner, request_to_wire
from tests.fakes.clock import FakeClock

ME = AccountId("fyers:XLEADER")
EVIDENCE = {
    "equity": "800.5000",
    "used_margin": "16000.0000",
    "level": "5.00",
    "currency": "INR",
    "prices": {"NSE:SBIN-EQ": "608.0000"},
}
WANTED = Request(
    LiquidationId(f"margin:{ME}:1"),
    ME,
    LiquidationCause.MARGIN,
    "turn 1",
    "the margin level is 5 %",
    EVIDENCE,
)


def test_a_whole_account_with_its_evidence() -> None:
    heard = liquidation_from_wire(request_to_wire(WANTED))
    assert (heard.liquidation_id, heard.account_id, heard.whole) == (WANTED.liquidation_id, ME, True)
    assert (heard.cause, heard.cause_id, heard.reason) == (WANTED.cause, "turn 1", WANTED.reason)
    assert (heard.equity, heard.currency, heard.margin_level) == (Decimal("800.5"), "INR", Decimal(5))
    assert heard.prices == {InstrumentId("NSE:SBIN-EQ"): Decimal(608)}
    assert heard.level is LiquidationLevel.FLATTEN


def test_copies_of_a_subscription_and_what_is_not_known() -> None:
    copies = replace(
        WANTED,
        subscription_id=SubscriptionId("s1"),
        cause=LiquidationCause.CASCADE,
        evidence={"level": "infinite", "prices": {"NSE:SBIN-EQ": "NaN"}},
    )
    heard = liquidation_from_wire(request_to_wire(copies))
    assert (heard.subscription_id, heard.cause) == ("s1", LiquidationCause.CASCADE)
    assert (heard.equity, heard.margin_level, heard.prices) == (None, None, {})
    assert liquidation_from_wire(request_to_wire(replace(copies, evidence={}))).prices == {}


@dataclass
class Wanted:
    """The table: what was acknowledged is not read again."""

    left: list[Request]

    async def unacknowledged(self, partitions: Iterable[Partition], limit: int) -> Sequence[Request]:
        return self.left[:limit]

    async def acknowledge(self, liquidation_ids: Iterable[LiquidationId]) -> None:
        gone = set(liquidation_ids)
        self.left = [each for each in self.left if each.liquidation_id not in gone]


@dataclass
class Executor(executor_pb2_grpc.ExecutorServiceServicer):
    """Stores whatever it is asked for, but for those that it refuses."""

    refuses: str = ""
    calls: list[list[str]] = field(default_factory=list)

    async def BeginLiquidations(  # noqa: N802 - the name of the call
        self, request: executor_pb2.BeginLiquidationsRequest, context: object
    ) -> executor_pb2.BeginLiquidationsResponse:
        names = [each.liquidation_id for each in request.liquidations]
        self.calls.append(names)
        answer = executor_pb2.BeginLiquidationsResponse()
        answer.liquidation_ids.extend(each for each in names if each != self.refuses)
        if self.refuses in names:
            answer.refusals.add(liquidation_id=self.refuses, reason="not now")
        return answer


@dataclass
class Signpost:
    channel_to: grpc.aio.Channel
    doubts: int = 0

    async def channel(self, address: str) -> grpc.aio.Channel:
        return self.channel_to

    def address(self, partition: Partition) -> str:
        return "there"

    def doubt(self) -> None:
        self.doubts += 1


async def asked(table: Wanted, executor: Executor, turns: int = 1) -> list[list[str]]:
    server = grpc.aio.server()
    executor_pb2_grpc.add_ExecutorServiceServicer_to_server(executor, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            sign = Signpost(channel)
            summoner = Summoner(
                cast(LiquidationRequests, table),
                lambda: [Partition(0)],
                cast(ChannelPool, sign),
                cast(Routes, sign),
                FakeClock(),
                100,
            )
            for _ in range(turns):
                await summoner.turn()
    finally:
        await server.stop(None)
    return executor.calls


def copies(count: int) -> list[Request]:
    return [
        replace(WANTED, liquidation_id=LiquidationId(f"m/{n}"), subscription_id=SubscriptionId(f"s{n}"))
        for n in range(count)
    ]


async def test_the_first_few_are_asked_for_alone_and_everyone_once() -> None:
    table = Wanted([WANTED, *copies(250)])
    calls = await asked(table, Executor(), turns=2)
    assert calls[0][0] == WANTED.liquidation_id
    assert [len(each) for each in calls] == [8, 100, 100, 43]
    assert len({name for each in calls for name in each}) == 251
    assert table.left == []


async def test_who_is_refused_is_not_asked_for_again_at_once_and_keeps_nobody_waiting() -> None:
    table = Wanted([WANTED, *copies(20)])
    calls = await asked(table, Executor(refuses=WANTED.liquidation_id), turns=3)
    assert [len(each) for each in calls] == [8, 13]
    assert table.left == [WANTED]
