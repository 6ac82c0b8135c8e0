"""Prices fall, and what people allowed is kept by those who run; the broker's books judge."""

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from paceline.adapters.postgres.ledgers import append_lines
from paceline.adapters.postgres.subscriptions import PostgresSubscriptions
from paceline.api.v1 import common_pb2, risk_pb2, subscription_pb2
from paceline.domain.account import AccountType
from paceline.domain.copy_order import Intent
from paceline.domain.ids import AccountId, SubscriptionId
from paceline.domain.ledger import EntryKind, LedgerEntry
from paceline.domain.subscription import SubscriptionGuards
from tests.integration.risk.test_flattening import HANDS, KEY, has_hands, net
from tests.integration.risk.test_lines import WATCHFUL
from tests.integration.risk.world import IDEA, SBIN, World, until, world
from tests.integration.storage.makers import a_subscription
from tests.unit.domain.given import d

pytestmark = pytest.mark.e2e
STOP = SubscriptionGuards(stop_loss=d(100), currency="INR")


async def copies(
    here: World, leader: AccountId, follower: AccountId, quantity: int, guards: SubscriptionGuards
) -> SubscriptionId:
    """Handed over to it, so that they cost what they were worth when they were first seen."""
    name = SubscriptionId(f"sub-{follower.rpartition(':')[2]}")
    made = replace(a_subscription(leader, follower), subscription_id=name, guards=guards)
    await PostgresSubscriptions(here.database).create(made)
    moves = (EntryKind.IDEAL, EntryKind.ADJUSTED)
    lines = [LedgerEntry(name, KEY, kind, Intent.ENTRY, d(quantity), "before") for kind in moves]
    async with here.database.transaction() as transaction:
        await append_lines(transaction, lines)
    return name


async def limits(here: World, account_id: AccountId, **fields: Any) -> None:
    async with here.risk(account_id) as stub:
        wire = risk_pb2.RiskLimits(account_id=account_id, **fields)
        asked = risk_pb2.UpdateRiskLimitsRequest(limits=wire, update_mask=FieldMask(paths=list(fields)))
        await stub.UpdateRiskLimits(asked)


async def measured(here: World, name: str) -> bool:
    """Risk has seen it, and knows what it is measured from."""
    found = "SELECT count(*) FROM guard_days WHERE $1 IN (account_id, subscription_id) AND peak IS NOT NULL"
    return bool(await here.database.value(found, name))


async def test_guards_flatten_what_they_watch_and_nobody_else(postgres_url: str, redis_url: str) -> None:
    async with world(postgres_url, redis_url) as here:
        leader = await here.account("XLEADER", AccountType.STRATEGY_PROVIDER, token=False)
        watched = await here.account("XWATCHED", AccountType.COPY_FOLLOWER)
        stopped = await here.account("XSTOPPED", AccountType.COPY_FOLLOWER)
        other = await here.account("XOTHER", AccountType.COPY_FOLLOWER)
        here.sim.exchange.move(SBIN, 80_000)
        here.sim.exchange.move(IDEA, 1_000)
        await here.start("feed", market_hours="always-open")
        await here.start("risk", **WATCHFUL)
        await here.start("executor", **HANDS)
        for each in (watched, stopped, other):
            await here.trade(each, SBIN, 15, 800.0)
            await here.trade(each, IDEA, 7, 10.0)
            await here.portfolio(each, lambda one: len(one.positions) == 2, "it is held")
            await until(partial(has_hands, here, each), "an executor holds it")
        name = await copies(here, leader, stopped, 10, STOP)
        spared = await copies(here, leader, other, 10, SubscriptionGuards())
        await limits(
            here,
            watched,
            max_daily_loss=common_pb2.Money(amount=common_pb2.Decimal(value="200"), currency="INR"),
            guard_level=subscription_pb2.KILL_LEVEL_FLATTEN,
        )
        for subject in (watched, name):
            await until(partial(measured, here, subject), f"{subject} is measured")

        here.sim.exchange.move(SBIN, 78_500)

        async def flat() -> bool:
            return net(here, watched) == {} and net(here, stopped) == {SBIN: 5, IDEA: 7}

        await until(flat, "what was watched is sold")
        assert net(here, other) == {SBIN: 15, IDEA: 7}
        async with here.risk(watched) as stub:
            trips = (await stub.ListGuardTrips(risk_pb2.ListGuardTripsRequest())).guard_trips
        kinds = {each.kind: (each.account_id, each.subscription_id) for each in trips}
        assert kinds == {
            risk_pb2.GUARD_KIND_DAILY_LOSS: (watched, ""),
            risk_pb2.GUARD_KIND_STOP_LOSS: (stopped, name),
        }
        assert len(trips) == 2
        await _kill_switches_reach_copies(here, other, spared)


async def _kill_switches_reach_copies(here: World, other: AccountId, spared: SubscriptionId) -> None:
    """Working entries are cancelled first, then the copies are sold, by the executor that runs."""
    levels = (subscription_pb2.KILL_LEVEL_CANCEL_WORKING, subscription_pb2.KILL_LEVEL_FLATTEN)
    for level in levels:
        async with here.risk(other) as stub:
            scope = risk_pb2.KillSwitchScope(follower_id=other)
            asked = risk_pb2.EngageKillSwitchRequest(scope=scope, level=level, reason="a wild morning")
            await stub.EngageKillSwitch(asked)

        await until(partial(_done, here, spared, level), "the executor has done it")
    assert net(here, other) == {SBIN: 5, IDEA: 7}


async def _done(here: World, name: SubscriptionId, level: subscription_pb2.KillLevel.ValueType) -> bool:
    wanted = subscription_pb2.KillLevel.Name(level).removeprefix("KILL_LEVEL_")
    found = "SELECT state FROM liquidations WHERE subscription_id = $1 AND level = $2"
    return bool(await here.database.value(found, name, wanted) == "DONE")
