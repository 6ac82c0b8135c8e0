"""Accounts are flattened once, whoever dies when, and nothing else leaves meanwhile."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import grpc.aio
import pytest

from paceline.adapters.postgres.liquidation_requests import PostgresLiquidationRequests
from paceline.adapters.postgres.liquidations import PostgresLiquidations
from paceline.api.v1 import executor_pb2, risk_pb2, subscription_pb2
from paceline.domain.copy_order import CopyOrder, CopyStatus
from paceline.domain.errors import FailedPrecondition, NotFound, NotOwner
from paceline.domain.ids import Epoch, Partition
from paceline.domain.liquidation import LiquidationState
from paceline.ports.liquidations import Act
from paceline.runtime.metric_names import LIQUIDATIONS_RUNNING
from services.executor import liquidate
from services.risk.servicer_liquidations import LiquidationMethods
from simulator.faults import FaultKind
from tests.integration.executor.flattening import Stage, a_stage
from tests.integration.executor.world import PATIENT, SHARE, until
from tests.unit.domain.given import d


async def test_longs_shorts_and_open_orders_are_gone_and_everything_was_traded_once(
    postgres_url: str, redis_url: str
) -> None:
    async with a_stage(postgres_url, redis_url) as stage, stage.world.executor():
        await stage.world.until_owned()
        await stage.trade(30)
        await stage.holds(10)
        await stage.trade(-7, "NSE:TCS-EQ")
        await stage.rest(-5, 900.0)
        (copy,) = await stage.world.working([stage.follower])
        steps = await stage.liquidate(equity={"amount": {"value": "812.50"}, "currency": "INR"})
        assert stage.net() == {}
        assert stage.open() == []
        assert stage.sold() == {"NSE:SBIN-EQ": -30, "NSE:TCS-EQ": 7}
        assert [each.instrument.symbol for each in stage.ours()] == ["NSE:TCS-EQ", "NSE:SBIN-EQ"]
        assert stage.world.at_broker(copy).filled == 0
        ledger = await stage.ledger()
        assert (ledger.position, ledger.ideal, ledger.adjusted) == (d(0), d(0), d(-10))
        assert [each.number for each in steps] == list(range(1, len(steps) + 1))
        acts = await stage.acts()
        assert acts[:2] == ["liquidation.stored", "liquidation.state"]
        assert acts[-1] == "liquidation.done"
        assert (acts.count("liquidation.cancel"), acts.count("liquidation.place")) == (2, 2)
        assert await stage.liquidate() == steps, "asked again, it is told again"
        await _is_read(stage, steps)
        sent = await stage.world.rows.sent_since([stage.follower], 0)
        assert len(sent[stage.follower]) == 5, "an entry, two cancellations, two sales"
        assert len(stage.ours()) == 2
        with pytest.raises(grpc.aio.AioRpcError, match="exists already"):
            await stage.liquidate(subscription_id=stage.name)


async def _is_read(stage: Stage, steps: list[executor_pb2.LiquidationStep]) -> None:
    requests = PostgresLiquidationRequests(stage.world.database)
    reads = LiquidationMethods(stage.liquidations, requests, lambda: None)
    done = risk_pb2.LiquidationFilter(
        account_id=stage.follower,
        cause=executor_pb2.LIQUIDATION_CAUSE_MARGIN,
        states=[executor_pb2.LIQUIDATION_STATE_DONE],
    )
    listed = await reads.ListLiquidations(risk_pb2.ListLiquidationsRequest(filter=done), None)
    one = (
        await reads.GetLiquidation(risk_pb2.GetLiquidationRequest(liquidation_id="liq-1"), None)
    ).liquidation
    assert (list(listed.liquidations), one.equity.amount.value) == ([one], "812.50")
    asked = risk_pb2.ListLiquidationStepsRequest(liquidation_id="liq-1", page_size=2)
    page = await reads.ListLiquidationSteps(asked, None)
    rest = risk_pb2.ListLiquidationStepsRequest(
        liquidation_id="liq-1", page_size=2, page_token=page.next_page_token
    )
    following = await reads.ListLiquidationSteps(rest, None)
    assert [*page.steps, *following.steps] == steps[:4]
    with pytest.raises(NotFound):
        await reads.GetLiquidation(risk_pb2.GetLiquidationRequest(liquidation_id="liq-2"), None)


async def test_it_goes_before_fifty_entries_which_never_leave_and_the_freeze_is_released(
    postgres_url: str, redis_url: str
) -> None:
    settings = {"sweep_after_ms": "60000", **PATIENT}
    async with a_stage(postgres_url, redis_url) as stage, stage.world.executor(**settings):
        await stage.world.until_owned(for_hints=True)
        await stage.trade(30)
        entries = [order for _ in range(50) for order in await stage.world.plan([stage.follower])]
        await stage.world.penalize(stage.follower, seconds=5)
        assert await stage.world.hint(entries) == Counter(accepted=50)
        await stage.liquidate()
        assert [(each.side.value, each.qty) for each in stage.world.books()] == [(-1, 30)]
        rows = await stage.world.rows.by_tags([each.tag for each in entries])
        assert {(row.order.status, row.error_code) for row in rows.values()} == {
            (CopyStatus.FAILED, "FROZEN")
        }
        (freeze,) = await stage.liquidations.freezes(accounts=[stage.follower])
        assert (freeze.version, freeze.acknowledged, freeze.cause) == (1, 1, "liq-1")
        assert await stage.account_state() == "FROZEN"
        late = await stage.world.plan([stage.follower])
        await stage.world.hint(late)
        await stage.world.until_all(late, CopyStatus.FAILED)
        assert await stage.liquidations.release(stage.follower, "a person", "margin was paid in")
        assert not await stage.liquidations.release(stage.follower, "a person", "once more")
        assert await stage.acts("freeze.") == ["freeze.released"]
        assert await stage.account_state() == "ACTIVE"

        async def goes() -> bool:
            again = await stage.world.plan([stage.follower])
            await stage.world.hint(again)
            await until_settled(stage, again)
            return await stage.world.statuses(again) == {CopyStatus.WORKING: 1}

        await until(goes, "entries go again")


async def until_settled(stage: Stage, orders: list[CopyOrder]) -> None:
    async def look() -> bool:
        return CopyStatus.PLANNED not in await stage.world.statuses(orders)

    await until(look, "it was sent or given up")


async def test_lost_answers_and_books_that_cannot_be_read_sell_nothing_twice(
    postgres_url: str, redis_url: str
) -> None:
    async with a_stage(postgres_url, redis_url) as stage, stage.world.executor() as runtime:
        await stage.world.until_owned()
        await stage.trade(30)
        await stage.trade(-7, "NSE:TCS-EQ")
        await stage.control.fault("server_5xx", calls=["positions"])
        await stage.control.fault("drop_after_accept", calls=["place"], remaining=2)
        await stage.begin()
        await stage.until_state(LiquidationState.WAITS_BOOKS)
        with pytest.raises(FailedPrecondition, match="liq-1"):
            await stage.liquidations.release(stage.follower, "a person", "too early")
        waiting = {"state": "WAITS_BOOKS"}
        await until(lambda: runtime.metrics.value(LIQUIDATIONS_RUNNING, **waiting) == 1, "it is counted")
        assert stage.ours() == []
        (fault,) = (each for each in stage.world.sim.face.faults.rules.values() if "positions" in each.calls)
        await stage.control.delete(f"/faults/{fault.id}")
        await stage.until_state(LiquidationState.DONE)
        assert stage.net() == {}
        assert stage.sold() == {"NSE:SBIN-EQ": -30, "NSE:TCS-EQ": 7}
        assert stage.world.sim.face.faults.hits[FaultKind.DROP_AFTER_ACCEPT] == 2


async def test_copies_of_one_subscription_are_sold_and_what_is_his_own_stays(
    postgres_url: str, redis_url: str
) -> None:
    async with a_stage(postgres_url, redis_url) as stage, stage.world.executor():
        await stage.world.until_owned()
        await stage.trade(15)
        await stage.holds(10)
        hand = await stage.rest(-5, 900.0)
        (entry,) = await stage.world.working([stage.follower])
        await stage.begin(subscription_id=stage.name)
        await until(lambda: stage.net() == {"NSE:SBIN-EQ": 5}, "the copies are sold")
        late = await stage.world.plan([stage.follower])
        await until_settled(stage, late)
        assert stage.world.placed(late) == {}
        await stage.tell_fills()
        await stage.until_state(LiquidationState.DONE)
        assert stage.sold() == {"NSE:SBIN-EQ": -10}
        assert [each.id for each in stage.open()] == [hand]
        assert await stage.world.statuses([entry]) == {CopyStatus.CANCELLED: 1}
        ledger = await stage.ledger()
        assert (ledger.position, ledger.ideal, ledger.exit_filled) == (d(0), d(0), d(-10))
        assert await stage.liquidations.freezes(accounts=[stage.follower]) == []


async def test_killed_between_its_steps_it_goes_on_and_sells_once(postgres_url: str, redis_url: str) -> None:
    async with a_stage(postgres_url, redis_url) as stage:
        first = await stage.world.process("a")
        await stage.world.until_owned()
        await stage.trade(30)
        await stage.trade(-7, "NSE:TCS-EQ")
        await stage.rest(-5, 900.0)
        await stage.control.fault("drop_after_accept", calls=["place"], remaining=1)
        await stage.begin()

        async def placed() -> bool:
            return "liquidation.place" in await stage.acts()

        await until(placed, "an order was written ahead")
        first.kill()
        async with stage.world.executor("b"):
            await stage.until_state(LiquidationState.DONE)
        assert stage.net() == {}
        assert stage.sold() == {"NSE:SBIN-EQ": -30, "NSE:TCS-EQ": 7}


async def test_whatever_breaks_between_a_step_and_its_deed_is_taken_up_and_nothing_is_done_twice(
    postgres_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each step is written, and then the task is lost with all it had in memory, once."""
    written: set[str] = set()
    act = PostgresLiquidations.act

    async def dies(self: PostgresLiquidations, epochs: Mapping[Partition, Epoch], acts: Sequence[Act]) -> Any:
        done = await act(self, epochs, acts)
        steps = [step for each in acts for step in each.steps]
        news = {each.identity for each in steps if not each.identity.startswith("state:")} - written
        written.update(news)
        if news:
            broken = RuntimeError if written == news else NotOwner
            raise broken("lost between the step and its deed")
        return done

    monkeypatch.setattr(PostgresLiquidations, "act", dies)
    monkeypatch.setattr(liquidate, "_LOOK_S", 0.05)
    async with a_stage(postgres_url, redis_url) as stage, stage.world.executor():
        await stage.world.until_owned()
        await stage.trade(30)
        await stage.trade(-7, "NSE:TCS-EQ")
        await stage.rest(-5, 900.0)
        await stage.begin()
        await stage.until_state(LiquidationState.DONE)
        assert len(written) >= 3, "the cancellation and both orders"
        assert (stage.net(), stage.open()) == ({}, [])
        assert stage.sold() == {"NSE:SBIN-EQ": -30, "NSE:TCS-EQ": 7}
        assert len(stage.ours()) == 2


async def test_short_of_flattening_entries_are_cancelled_and_positions_and_stops_stay(
    postgres_url: str, redis_url: str
) -> None:
    async with a_stage(postgres_url, redis_url) as stage, stage.world.executor():
        await stage.world.until_owned()
        await stage.trade(30)
        stop = await stage.rest(-5, 900.0)
        entries = await stage.world.working([stage.follower])
        await stage.liquidate(level=subscription_pb2.KILL_LEVEL_CANCEL_WORKING)
        assert stage.net() == {"NSE:SBIN-EQ": 30}
        assert [each.id for each in stage.open()] == [stop]
        await stage.world.until_all(entries, CopyStatus.CANCELLED)
        more = await stage.world.plan([stage.follower])
        await stage.world.until_all(more, CopyStatus.FAILED)
        await stage.liquidate("liq-2")
        assert (stage.net(), stage.open()) == ({}, [])


async def test_what_only_others_can_help_waits_by_name_and_goes_on(postgres_url: str, redis_url: str) -> None:
    """First nobody is logged in, then the share is locked at its lower band."""
    async with a_stage(postgres_url, redis_url) as stage:
        (quote,) = (await stage.control.get("/quotes", symbols=SHARE.instrument_id))["quotes"]
        await stage.banded(quote["lower_band"], quote["upper_band"])
        async with stage.world.executor():
            await stage.world.until_owned()
            await stage.trade(30)
            await stage.control.post("/tokens/expire")
            await stage.begin()
            await stage.until_state(LiquidationState.WAITS_LOGIN)
            await stage.control.post("/lock", symbol=SHARE.instrument_id, lock="lower")
            await stage.world.log_in(stage.follower)
            await stage.until_state(LiquidationState.WAITS_CIRCUIT)
            assert (stage.net(), stage.sold()) == ({"NSE:SBIN-EQ": 30}, {})
            await stage.control.post("/lock", symbol=SHARE.instrument_id, lock="none")
            await stage.control.post("/prices", prices={SHARE.instrument_id: quote["ltp"]})
            await stage.until_state(LiquidationState.DONE)
            assert (stage.net(), stage.sold()) == ({}, {"NSE:SBIN-EQ": -30})


async def test_what_rests_behind_the_market_follows_it(postgres_url: str, redis_url: str) -> None:
    async with a_stage(postgres_url, redis_url) as stage, stage.world.executor():
        await stage.world.until_owned()
        await stage.trade(30)
        symbols = ["NSE:SBIN-EQ"]
        await stage.control.post("/liquidity", symbols=symbols, lots_per_level=1, refill="hand")
        await stage.begin()
        await until(lambda: stage.ours() and stage.ours()[0].filled, "some of it is sold")
        (order,) = stage.ours()
        was = order.limit
        await stage.control.post("/prices", prices={"NSE:SBIN-EQ": (was - was % 500 - 2500) / 100})
        await until(lambda: order.limit < was, "it follows the market down")
        await stage.control.post("/liquidity", symbols=symbols, lots_per_level=1000, refill="order")
        await stage.until_state(LiquidationState.DONE)
        assert stage.net() == {}
        assert stage.sold() == {"NSE:SBIN-EQ": -30}
