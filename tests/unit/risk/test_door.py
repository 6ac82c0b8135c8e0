"""What risk answers: one, pages of many, equities, and a watch that goes on where it was left."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any, cast

import pytest

from paceline.api.v1 import common_pb2, feed_pb2, risk_pb2
from paceline.domain.account import AccountType
from paceline.domain.errors import Invalid, NotFound, NotOwner, Unavailable
from paceline.domain.ids import AccountId, Partition
from paceline.runtime.grpc_client import ChannelPool
from paceline.runtime.metrics import Metrics
from paceline.runtime.partitions import Partitions
from paceline.runtime.routes import Routes
from services.risk.books import Books
from services.risk.passes import Passes
from services.risk.scale import price_units
from services.risk.servicer import RiskServicer, Rows
from services.risk.ticks import TickFollower
from services.risk.watch import Pace, Watches
from tests.fakes.clock import FakeClock
from tests.unit.risk.given import NOW, SBIN, account, board, fill, funds

F1 = AccountId("fyers:F1")


class Doors:
    """Stands for the leases and the books: open, or not."""

    held = True
    read = True

    def usable(self, partition: Partition, need_ms: int = 0) -> bool:
        return self.held

    def ready(self, partition: Partition) -> bool:
        return self.read


class Stage:
    def __init__(self, *names: str) -> None:
        self.clock = FakeClock(start_ns=NOW)
        self.board = board(*names)
        self.passes = Passes(self.board, self.clock, Metrics(), pass_ms=200)
        self.doors = Doors()
        self.draining = asyncio.Event()
        self.watches = Watches(self.board, self.passes, self.clock, self.draining, Pace(200, batch=2))
        door: Any = self.doors
        rows = Rows(door, door, door, door, door, wanted=lambda: None)
        self.servicer = RiskServicer(
            self.board,
            cast(Books, self.doors),
            self.watches,
            cast(Partitions, self.doors),
            rows,
        )

    def fund(self, *names: str, at_ns: int = NOW) -> None:
        for name in names:
            self.board.set_funds(funds(AccountId(f"fyers:{name}"), 1_000, used=100), at_ns, at_ns)

    async def get(self, name: str) -> risk_pb2.Portfolio:
        request = risk_pb2.GetPortfolioRequest(account_id=f"fyers:{name}")
        return (await self.servicer.GetPortfolio(request, None)).portfolio

    async def list(self, **asked: Any) -> risk_pb2.ListPortfoliosResponse:
        return await self.servicer.ListPortfolios(risk_pb2.ListPortfoliosRequest(**asked), None)

    def watch(self, **asked: Any) -> "AsyncIterator[risk_pb2.WatchPortfoliosResponse]":
        return self.servicer.WatchPortfolios(risk_pb2.WatchPortfoliosRequest(**asked), None)

    async def heard(
        self, stream: "AsyncIterator[risk_pb2.WatchPortfoliosResponse]"
    ) -> risk_pb2.WatchPortfoliosResponse:
        """The next response, with passes going on meanwhile."""
        waiting = asyncio.ensure_future(anext(stream))
        while not waiting.done():
            await self.clock.settle()
            if not waiting.done():
                self.clock.advance(0.2)
                await self.clock.settle()
                self.passes.turn()
        return waiting.result()


def ids(response: Any) -> list[str]:
    return [each.account_id for each in response.portfolios]


async def test_a_portfolio_with_its_positions() -> None:
    stage = Stage("F1")
    stage.fund("F1")
    stage.board.fold(fill(F1, 3, "100.10"))
    stage.board.set_price(SBIN.instrument_id, price_units(10_150, 2), NOW)
    stage.passes.turn()
    told = await stage.get("F1")
    assert (told.equity.value, told.unrealised.value, told.used_margin.value) == (
        "1004.2000",
        "4.2000",
        "100.0000",
    )
    assert told.margin_level_percent.value == "1004.2000"
    assert (told.stale, told.state) == (False, risk_pb2.RISK_STATE_NORMAL)
    (position,) = told.positions
    assert position.report.average_price.value == "100.1000"
    assert (position.unrealised.amount.value, position.last_price.value) == ("4.2000", "101.5000")
    assert told.funds_time.ToNanoseconds() == told.oldest_price_time.ToNanoseconds() == NOW


async def test_without_funds_there_is_no_equity_and_nobody_judged() -> None:
    stage = Stage("F1")
    stage.board.fold(fill(F1, 3, "100"))
    stage.passes.turn()
    told = await stage.get("F1")
    assert (told.stale, told.state) == (True, risk_pb2.RISK_STATE_NOT_JUDGED)
    assert not any(told.HasField(name) for name in ("equity", "cash", "funds_time", "oldest_price_time"))
    assert not told.positions[0].HasField("last_price")


async def test_who_is_not_ours_not_known_or_not_read_yet() -> None:
    stage = Stage("F1")
    with pytest.raises(Invalid):
        await stage.servicer.GetPortfolio(risk_pb2.GetPortfolioRequest(), None)
    with pytest.raises(NotFound):
        await stage.get("F2")
    stage.doors.read = False
    with pytest.raises(Unavailable):
        await stage.get("F1")
    stage.doors.held = False
    with pytest.raises(NotOwner):
        await stage.get("F1")


async def test_pages_hold_everyone_once() -> None:
    stage = Stage(*(f"F{n}" for n in range(7)))
    stage.passes.turn()
    first = await stage.list(page_size=3)
    second = await stage.list(page_size=3, page_token=first.next_page_token)
    third = await stage.list(page_size=3, page_token=second.next_page_token)
    assert ids(first) + ids(second) + ids(third) == [f"fyers:F{n}" for n in range(7)]
    assert third.next_page_token == ""


async def test_a_filter_chooses_and_refuses_what_is_not_heeded_yet() -> None:
    stage = Stage("F1", "F2")
    stage.board.admit(account("L1", AccountType.STRATEGY_PROVIDER))
    of_type = risk_pb2.PortfolioFilter(account_type=common_pb2.ACCOUNT_TYPE_STRATEGY_PROVIDER)
    assert ids(await stage.list(filter=of_type)) == ["fyers:L1"]
    assert ids(await stage.list(filter=risk_pb2.PortfolioFilter(account_ids=["fyers:F2"]))) == ["fyers:F2"]
    with pytest.raises(Invalid, match=r"filter\.states"):
        await stage.list(filter=risk_pb2.PortfolioFilter(states=[risk_pb2.RISK_STATE_NORMAL]))
    with pytest.raises(Invalid, match="order_by"):
        await stage.list(order_by="equity")


async def test_equities_one_for_each_asked_for() -> None:
    stage = Stage("F1", "F2")
    stage.fund("F1")
    stage.passes.turn()
    request = risk_pb2.GetCopyEquitiesRequest(account_ids=["fyers:F1", "fyers:F2", "fyers:NOBODY"])
    one, other, nobody = (await stage.servicer.GetCopyEquities(request, None)).equities
    assert (one.equity.amount.value, one.equity.currency, one.as_of_ns) == ("1000.0000", "INR", NOW)
    assert not other.HasField("equity")
    assert not nobody.HasField("equity")
    too_many = risk_pb2.GetCopyEquitiesRequest(account_ids=["fyers:F1"] * 10_001)
    with pytest.raises(Invalid):
        await stage.servicer.GetCopyEquities(too_many, None)


async def test_an_old_equity_says_how_old() -> None:
    stage = Stage("F1")
    stage.fund("F1", at_ns=NOW - 200_000_000_000)
    stage.passes.turn()
    request = risk_pb2.GetCopyEquitiesRequest(account_ids=["fyers:F1"])
    (told,) = (await stage.servicer.GetCopyEquities(request, None)).equities
    assert told.as_of_ns == NOW - 200_000_000_000


async def test_a_watch_tells_all_then_what_changes() -> None:
    stage = Stage("F1", "F2", "F3")
    stage.passes.turn()
    stream = stage.watch()
    assert [ids(await stage.heard(stream)) for _ in range(2)] == [["fyers:F1", "fyers:F2"], ["fyers:F3"]]
    caught_up = await stage.heard(stream)
    assert (ids(caught_up), caught_up.caught_up) == ([], True)
    stage.fund("F2")
    changed = await stage.heard(stream)
    assert (ids(changed), changed.caught_up) == (["fyers:F2"], False)
    heartbeat = await stage.heard(stream)
    assert (ids(heartbeat), heartbeat.caught_up) == ([], False)
    stage.draining.set()
    with pytest.raises(StopAsyncIteration):
        await stage.heard(stream)


async def test_a_watch_goes_on_where_it_was_left_and_elsewhere_from_the_start() -> None:
    stage, elsewhere = Stage("F1", "F2"), Stage("F1", "F2")
    for each in (stage, elsewhere):
        each.passes.turn()
    first = stage.watch()
    await stage.heard(first)
    token = (await stage.heard(first)).resume_token
    stage.fund("F1")
    stage.passes.turn()
    assert ids(await stage.heard(stage.watch(resume_token=token))) == ["fyers:F1"]
    assert ids(await elsewhere.heard(elsewhere.watch(resume_token=token))) == ["fyers:F1", "fyers:F2"]
    with pytest.raises(Invalid):
        await stage.heard(stage.watch(resume_token="nonsense"))
    with pytest.raises(Invalid):
        await stage.heard(stage.watch(interval_ms=-1))


async def test_a_watch_of_some_hears_of_these_alone() -> None:
    stage = Stage("F1", "F2")
    stage.passes.turn()
    stream = stage.watch(filter=risk_pb2.PortfolioFilter(account_ids=["fyers:F2"]))
    assert ids(await stage.heard(stream)) == ["fyers:F2"]


def test_ticks_become_prices_and_what_is_none_is_left_out() -> None:
    made = board("F1")
    made.fold(fill(F1, 1, "100"))
    unused: Any = None
    ticks = TickFollower(
        "risk", made, cast(ChannelPool, unused), cast(Routes, unused), FakeClock(), Metrics(), 50
    )
    told = [
        feed_pb2.Tick(instrument_id=SBIN.instrument_id, scale=2, last=10_150, received_ns=NOW),
        feed_pb2.Tick(instrument_id=SBIN.instrument_id, scale=0, last=2**62, received_ns=NOW + 1),
        feed_pb2.Tick(instrument_id="NSE:NOBODY-EQ", scale=2, last=1, received_ns=NOW),
    ]
    ticks.take(feed_pb2.StreamTicksResponse(ticks=told, unknown_instrument_ids=["NSE:GONE-EQ"]))
    made.assess(NOW)
    assert Decimal(int(made.instruments.price[0])) == 1_015_000
