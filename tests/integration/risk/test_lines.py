"""A leader whose margin melts is warned once, whoever watches, and his liquidation is wanted once."""

import pytest

from paceline.adapters.postgres.alerts import PostgresTargets
from paceline.adapters.seal import KeyringSeal
from paceline.api.v1 import risk_pb2
from paceline.domain.account import AccountType
from paceline.domain.ids import AccountId
from paceline.domain.secret import Secret
from paceline.ports.alerts import Target
from paceline.runtime.alert_targets import seal_target
from tests.integration.risk.mailbox import Mailbox, a_mailbox
from tests.integration.risk.world import KEY, SBIN, World, until, world

pytestmark = pytest.mark.e2e
CASH_PAISE = 1_650_000
WATCHFUL = {"funds_interval_ms": "500", "market_hours": "always-open", "price_age_max_ms": "3600000"}


async def kinds(here: World, account_id: AccountId) -> list[str]:
    rows = await here.database.fetch(
        "SELECT kind FROM alerts WHERE account_id = $1 ORDER BY created_at, kind DESC", account_id
    )
    return [row["kind"] for row in rows]


async def mailed(box: Mailbox, subject: str) -> bool:
    return subject in box.subjects


async def stands(here: World, account_id: AccountId, state: risk_pb2.RiskState.ValueType, what: str) -> None:
    await here.portfolio(account_id, lambda each: each.state == state and each.positions, what)


async def test_a_line_is_crossed_once_over_a_restart_and_a_take_over(
    postgres_url: str, redis_url: str
) -> None:
    async with a_mailbox() as box, world(postgres_url, redis_url) as here:
        leader = await here.account("XLEADER", AccountType.STRATEGY_PROVIDER)
        at_broker = here.sim.face.clients["XLEADER"].account
        at_broker.cash = at_broker.opening_cash = CASH_PAISE
        sealed = seal_target(KeyringSeal.from_text(KEY), "desk", Secret(box.url))
        await PostgresTargets(here.database).create(Target("desk", leader, "", sealed))
        here.sim.exchange.move(SBIN, 80_000)
        await here.start("feed", market_hours="always-open")
        first = await here.start("risk", **WATCHFUL)
        await here.trade(leader, SBIN, 100, 800.0)
        await stands(here, leader, risk_pb2.RISK_STATE_NORMAL, "it is judged and calm")

        here.sim.exchange.move(SBIN, 70_000)
        await stands(here, leader, risk_pb2.RISK_STATE_WARNED, "it is warned")
        await until(lambda: mailed(box, f"Margin warning: {leader}"), "that is told by mail")
        first.kill()
        await first.wait()
        await here.start("risk", "second", **WATCHFUL)
        await stands(here, leader, risk_pb2.RISK_STATE_WARNED, "the second knows that it was warned")
        assert await kinds(here, leader) == ["WARNING"]

        here.sim.exchange.move(SBIN, 64_500)
        await stands(here, leader, risk_pb2.RISK_STATE_LIQUIDATING, "its liquidation is wanted")
        assert await kinds(here, leader) == ["WARNING", "LIQUIDATION_BEGUN"]

        async def requested() -> list[str]:
            rows = await here.database.fetch("SELECT liquidation_id FROM liquidation_requests")
            return [row["liquidation_id"] for row in rows]

        assert await until(requested, "it is stored") == [f"margin:{leader}:2"]
        await until(lambda: mailed(box, f"Liquidation begun: {leader}"), "and that is told by mail too")
