"""A trade at the broker becomes equity in Redis: real stores, a real feed, the simulated broker."""

import asyncio
from decimal import Decimal

import pytest

from paceline.adapters.wire.packed_portfolios import unpack
from paceline.api.v1 import risk_pb2
from paceline.domain.account import AccountType
from paceline.domain.ids import AccountId
from paceline.domain.partitioning import partition_of
from tests.integration.risk.world import IDEA, SBIN, World, until, world

pytestmark = pytest.mark.e2e
CASH = Decimal(10_000_000)


async def test_a_fill_and_a_price_become_equity(postgres_url: str, redis_url: str) -> None:
    async with world(postgres_url, redis_url) as here:
        leader = await here.account("XLEADER", AccountType.STRATEGY_PROVIDER)
        idle = await here.account("XIDLE", AccountType.COPY_FOLLOWER, token=False)
        here.sim.exchange.move(SBIN, 80_000)
        await here.start("feed")
        await here.start("risk", funds_interval_ms="600", funds_age_max_ms="5000", material_change_bps="0")
        empty = await here.portfolio(leader, lambda each: each.HasField("funds_time"), "its funds are read")
        assert (empty.equity.value, empty.stale) == (f"{CASH}.0000", False)

        await here.trade(leader, SBIN, 10, 800.0)
        bought = await here.portfolio(leader, lambda each: each.positions, "the position is there")
        assert bought.positions[0].report.quantity.value == "10"
        here.sim.exchange.move(SBIN, 81_500)
        risen = await here.portfolio(leader, lambda each: each.unrealised.value == "150.0000", "it rose")
        assert Decimal(risen.equity.value) == CASH + 150

        await here.trade(leader, SBIN, -10, 815.0)
        flat = await here.portfolio(
            leader, lambda each: not each.positions and each.realised.value == "150.0000", "it is flat"
        )
        assert Decimal(flat.equity.value) == CASH + 150
        await _is_published(here, leader, idle)


async def _is_published(here: World, leader: AccountId, idle: AccountId) -> None:
    """In the account's own key, in the packed value of its partition, and to a watcher."""

    async def in_redis() -> bool:
        types = {leader: AccountType.STRATEGY_PROVIDER}
        found = (await here.portfolios.get(types)).get(leader)
        return found is not None and found.equity == CASH + 150 and not found.stale

    assert await until(in_redis, "its own key tells the equity")
    partition = partition_of(leader)
    packed = unpack((await here.portfolios.packed([partition]))[partition])
    assert [(each.account_id, each.equity) for each in packed.known] == [(leader, CASH + 150)]
    async with here.risk(idle) as stub:
        answer = await stub.GetCopyEquities(risk_pb2.GetCopyEquitiesRequest(account_ids=[leader, idle]))
        equities = {each.account_id: each for each in answer.equities}
        assert Decimal(equities[leader].equity.amount.value) == CASH + 150
        assert not equities[idle].HasField("equity")
        watching = stub.WatchPortfolios(risk_pb2.WatchPortfoliosRequest())
        async with asyncio.timeout(10):
            first = await watching.read()
        assert {each.account_id for each in first.portfolios} == {leader, idle}
        watching.cancel()


async def test_another_replica_takes_over_what_is_held_without_gap_or_double(
    postgres_url: str, redis_url: str
) -> None:
    async with world(postgres_url, redis_url) as here:
        leader = await here.account("XLEADER", AccountType.STRATEGY_PROVIDER)
        await here.start("feed")
        first = await here.start("risk")
        await here.portfolio(leader, lambda each: each.HasField("funds_time"), "its funds are read")
        await here.trade(leader, SBIN, 10, 800.0)
        await here.portfolio(leader, lambda each: each.positions, "the first replica holds it")

        first.kill()
        await first.wait()
        await here.trade(leader, IDEA, 100, 10.0)
        await here.trade(leader, SBIN, -4, 805.0)
        await here.start("risk", "second")
        taken = await here.portfolio(leader, lambda each: len(each.positions) == 2, "the second holds both")
        held = {each.report.key.instrument_id: each.report.quantity.value for each in taken.positions}
        assert held == {SBIN: "6", IDEA: "100"}

        await here.log_in(await here.account("XNEW", AccountType.LIVE, token=False))
        newcomer = AccountId("fyers:XNEW")
        await here.portfolio(newcomer, lambda each: each.HasField("funds_time"), "a newcomer is read too")
        await here.trade(leader, SBIN, 1, 806.0)
        await here.portfolio(
            leader,
            lambda each: {"7", "100"} == {held.report.quantity.value for held in each.positions},
            "what comes later is followed",
        )
