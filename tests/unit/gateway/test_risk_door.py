"""The way to risk: any replica is asked, another where one is gone, and whoever asks stays who he is."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
import pytest

from paceline.adapters.wire.pages import next_page_token, page_of
from paceline.api.v1 import risk_pb2, risk_pb2_grpc
from paceline.domain.errors import Invalid, Unavailable
from paceline.domain.ids import AccountId, Partition
from paceline.domain.partitioning import partition_of
from services.gateway.risk_door import ATTEMPTS, RiskDoor
from services.gateway.servicer_risk import RiskServicer

NAMED = {
    "GetRiskLimits": risk_pb2.GetRiskLimitsRequest(account_id="fyers:A"),
    "UpdateRiskLimits": risk_pb2.UpdateRiskLimitsRequest(request_id="r"),
    "GetKillSwitch": risk_pb2.GetKillSwitchRequest(),
    "ListKillSwitches": risk_pb2.ListKillSwitchesRequest(page_size=3),
    "EngageKillSwitch": risk_pb2.EngageKillSwitchRequest(reason="a storm"),
    "ReleaseKillSwitch": risk_pb2.ReleaseKillSwitchRequest(reason="it is over"),
    "ListGuardTrips": risk_pb2.ListGuardTripsRequest(page_size=5),
    "RearmGuard": risk_pb2.RearmGuardRequest(guard_trip_id="t"),
    "CreateLiquidation": risk_pb2.CreateLiquidationRequest(request_id="r"),
    "GetLiquidation": risk_pb2.GetLiquidationRequest(liquidation_id="l"),
    "ListLiquidations": risk_pb2.ListLiquidationsRequest(page_size=4),
    "ListLiquidationSteps": risk_pb2.ListLiquidationStepsRequest(liquidation_id="l"),
}


class Answering(risk_pb2_grpc.RiskServiceServicer):
    """Notes what it is asked and by whom; gone when told so."""

    def __init__(self, *, gone: bool = False) -> None:
        self.gone = gone
        self.asked: list[tuple[str, Any, str]] = []
        for name in (*NAMED, "ListPortfolios") if gone else NAMED:
            setattr(self, name, self._method(name))

    def _method(self, name: str) -> Callable[[Any, Any], Awaitable[Any]]:
        async def answer(request: Any, context: Any) -> Any:
            who = dict(context.invocation_metadata()).get("x-paceline-actor", "")
            self.asked.append((name, request, who))
            if self.gone:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "gone")
            return getattr(risk_pb2, f"{name}Response")()

        return answer


@dataclass
class Signposts:
    named: list[str]
    doubts: int = 0

    def addresses(self) -> frozenset[str]:
        return frozenset(self.named)

    def address(self, partition: Partition) -> str | None:
        return self.named[partition % len(self.named)] if self.named else None

    def doubt(self) -> None:
        self.doubts += 1


class Instant:
    async def sleep(self, seconds: float) -> None:
        assert seconds > 0


@dataclass
class Pool:
    channels: dict[str, grpc.aio.Channel]

    async def channel(self, address: str) -> grpc.aio.Channel:
        return self.channels[address]


@dataclass
class Caller:
    """As a servicer sees whoever asks."""

    metadata: Sequence[tuple[str, str]] = field(default=(("x-paceline-actor", "ana"), ("other", "thing")))

    def invocation_metadata(self) -> Sequence[tuple[str, str]]:
        return self.metadata

    def time_remaining(self) -> float:
        return 60.0


@asynccontextmanager
async def an_edge(*servicers: Answering) -> AsyncIterator[RiskServicer]:
    async with AsyncExitStack() as stack:
        channels: dict[str, grpc.aio.Channel] = {}
        for number, servicer in enumerate(servicers):
            server = grpc.aio.server()
            risk_pb2_grpc.add_RiskServiceServicer_to_server(servicer, server)
            port = server.add_insecure_port("127.0.0.1:0")
            await server.start()
            stack.push_async_callback(server.stop, None)
            channel = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
            channels[str(number)] = await stack.enter_async_context(channel)
        made: Any = RiskDoor
        yield RiskServicer(made(Pool(channels), Signposts(list(channels)), Instant()))


@pytest.mark.parametrize("name", NAMED)
async def test_it_is_handed_on_as_it_is_with_whoever_asks(name: str) -> None:
    there = Answering()
    async with an_edge(there) as edge:
        answer = await getattr(edge, name)(NAMED[name], Caller())
    assert isinstance(answer, getattr(risk_pb2, f"{name}Response"))
    assert there.asked == [(name, NAMED[name], "ana")]


async def test_where_one_is_gone_another_answers() -> None:
    gone, there = Answering(gone=True), Answering()
    async with an_edge(gone, there) as edge:
        await edge.EngageKillSwitch(risk_pb2.EngageKillSwitchRequest(reason="a storm"), Caller())
    assert (len(gone.asked), len(there.asked)) == (1, 1)


async def test_a_change_that_may_have_been_carried_out_is_not_sent_again() -> None:
    gone, there = Answering(gone=True), Answering()
    async with an_edge(gone, there) as edge:
        with pytest.raises(Unavailable, match="risk did not answer"):
            await edge.UpdateRiskLimits(risk_pb2.UpdateRiskLimitsRequest(), Caller())
        with pytest.raises(Unavailable, match="risk did not answer"):
            await edge.CreateLiquidation(risk_pb2.CreateLiquidationRequest(), Caller())
    assert (len(gone.asked), there.asked) == (2, [])


async def test_where_nobody_answers_it_is_said_after_a_few_tries() -> None:
    gone = Answering(gone=True)
    async with an_edge(gone) as edge:
        with pytest.raises(Unavailable, match="no risk answers"):
            await edge.GetRiskLimits(risk_pb2.GetRiskLimitsRequest(), Caller())
    assert len(gone.asked) == ATTEMPTS
    async with an_edge() as edge:
        with pytest.raises(Unavailable, match="no risk answers"):
            await edge.GetRiskLimits(risk_pb2.GetRiskLimitsRequest(), Caller())


class Holding(Answering):
    """Has portfolios of its own, told as risk tells them."""

    def __init__(self, *names: str) -> None:
        super().__init__()
        self.names = sorted(names)

    async def GetPortfolio(  # noqa: N802 - the name of the method
        self, request: risk_pb2.GetPortfolioRequest, context: Any
    ) -> risk_pb2.GetPortfolioResponse:
        if request.account_id not in self.names:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "not held here")
        return risk_pb2.GetPortfolioResponse(portfolio=risk_pb2.Portfolio(account_id=request.account_id))

    async def ListPortfolios(  # noqa: N802 - the name of the method
        self, request: risk_pb2.ListPortfoliosRequest, context: Any
    ) -> risk_pb2.ListPortfoliosResponse:
        page = page_of(request)
        later = [each for each in self.names if each > page.after]
        chosen = later[: page.size]
        return risk_pb2.ListPortfoliosResponse(
            portfolios=[risk_pb2.Portfolio(account_id=each) for each in chosen],
            next_page_token=next_page_token(request, chosen[-1]) if len(later) > page.size else "",
        )


class Telling(Answering):
    """Tells two portfolios, from where its token says; then it waits, or ends where told so."""

    def __init__(self, name: str, *, ends: bool = False) -> None:
        super().__init__()
        self.name, self.ends = name, ends
        self.resumed: list[str] = []

    async def WatchPortfolios(  # noqa: N802 - the name of the method
        self, request: risk_pb2.WatchPortfoliosRequest, context: Any
    ) -> AsyncIterator[risk_pb2.WatchPortfoliosResponse]:
        self.resumed.append(request.resume_token)
        for number in range(int(request.resume_token or 0), 2):
            yield risk_pb2.WatchPortfoliosResponse(
                portfolios=[risk_pb2.Portfolio(account_id=f"{self.name}{number}")],
                resume_token=str(number + 1),
                caught_up=number == 1,
            )
        if not self.ends:
            await asyncio.Event().wait()


async def test_all_replicas_are_watched_as_one_and_each_goes_on_where_it_was() -> None:
    first, second = Telling("A"), Telling("B")
    async with an_edge(first, second) as edge:
        stream: Any = edge.WatchPortfolios(risk_pb2.WatchPortfoliosRequest(), Caller())
        told = [await anext(stream) for _ in range(4)]
        await stream.aclose()
        names = sorted(each.account_id for one in told for each in one.portfolios)
        assert names == ["A0", "A1", "B0", "B1"]
        assert [each.caught_up for each in told] == [False, False, False, True]
        again: Any = edge.WatchPortfolios(
            risk_pb2.WatchPortfoliosRequest(resume_token=told[0].resume_token), Caller()
        )
        rest = [await anext(again) for _ in range(3)]
        await again.aclose()
    assert len({each.account_id for one in rest for each in one.portfolios}) == 3
    assert sorted([first.resumed[1], second.resumed[1]]) == ["", "1"]


async def test_a_replica_that_ends_ends_the_watch_and_a_strange_token_is_refused() -> None:
    async with an_edge(Telling("A"), Telling("B", ends=True)) as edge:
        stream = edge.WatchPortfolios(risk_pb2.WatchPortfoliosRequest(), Caller())
        with pytest.raises(Unavailable, match="ask again"):
            async for _ in stream:
                pass
        for token in ("nonsense", "WzFd"):
            strange = risk_pb2.WatchPortfoliosRequest(resume_token=token)
            with pytest.raises(Invalid, match="resume_token"):
                await anext(edge.WatchPortfolios(strange, Caller()))


async def test_a_portfolio_is_asked_of_whoever_holds_it() -> None:
    name = AccountId("fyers:A")
    there, elsewhere = Holding(name), Holding()
    doors = (there, elsewhere) if partition_of(name) % 2 == 0 else (elsewhere, there)
    async with an_edge(*doors) as edge:
        found = await edge.GetPortfolio(risk_pb2.GetPortfolioRequest(account_id=name), Caller())
        assert found.portfolio.account_id == name
    async with an_edge(elsewhere) as edge:
        with pytest.raises(Unavailable, match="nobody who holds"):
            await edge.GetPortfolio(risk_pb2.GetPortfolioRequest(account_id=name), Caller())


async def test_pages_of_all_replicas_are_one_list() -> None:
    names = [f"fyers:{each}" for each in "ABCDEFG"]
    async with an_edge(Holding(*names[::3]), Holding(*names[1::3]), Holding(*names[2::3])) as edge:
        asked, pages = risk_pb2.ListPortfoliosRequest(page_size=3), []
        while True:
            answer = await edge.ListPortfolios(asked, Caller())
            pages.append([each.account_id for each in answer.portfolios])
            asked.page_token = answer.next_page_token
            if not asked.page_token:
                break
    assert pages == [names[:3], names[3:6], names[6:]]


async def test_a_list_without_somebody_is_no_list() -> None:
    async with an_edge(Holding("fyers:A"), Answering(gone=True)) as edge:
        with pytest.raises(Unavailable, match="not everyone"):
            await edge.ListPortfolios(risk_pb2.ListPortfoliosRequest(), Caller())
    async with an_edge() as edge:
        with pytest.raises(Unavailable, match="not everyone"):
            await edge.ListPortfolios(risk_pb2.ListPortfoliosRequest(), Caller())
