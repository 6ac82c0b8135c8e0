"""A leader's margin melts: he is flat, his followers' copies are sold, what is their own stays."""

from dataclasses import replace

import pytest

from paceline.adapters.postgres.audit import PostgresAudit
from paceline.adapters.postgres.ledgers import append_lines
from paceline.adapters.postgres.subscriptions import PostgresSubscriptions
from paceline.api.v1 import risk_pb2
from paceline.domain.account import AccountType
from paceline.domain.copy_order import Intent
from paceline.domain.ids import AccountId, InstrumentId, SubscriptionId
from paceline.domain.instrument import InstrumentKey, Product
from paceline.domain.ledger import EntryKind, LedgerEntry
from paceline.domain.partitioning import partition_of
from tests.integration.risk.test_lines import CASH_PAISE, WATCHFUL
from tests.integration.risk.world import IDEA, SBIN, World, until, world
from tests.integration.storage.makers import a_subscription
from tests.unit.domain.given import d

pytestmark = pytest.mark.e2e
HANDS = {
    "market_hours": "always-open",
    "settle_ms": "200",
    "lease_ttl_ms": "4000",
    "broker_request_max_ms": "1500",
    "broker_read_timeout_ms": "1500",
}
KEY = InstrumentKey(InstrumentId(SBIN), Product.INTRADAY)


async def copies(here: World, leader: AccountId, follower: AccountId, quantity: int) -> SubscriptionId:
    """As the ledger has them."""
    made = replace(a_subscription(leader, follower), subscription_id=SubscriptionId("sub-1"))
    await PostgresSubscriptions(here.database).create(made)
    moves = (EntryKind.IDEAL, EntryKind.PLANNED, EntryKind.FILLED)
    lines = [
        LedgerEntry(made.subscription_id, KEY, kind, Intent.ENTRY, d(quantity), "before") for kind in moves
    ]
    async with here.database.transaction() as transaction:
        await append_lines(transaction, lines)
    return made.subscription_id


async def has_hands(here: World, account_id: AccountId) -> bool:
    held = "SELECT owner FROM leases WHERE service = 'executor' AND partition = $1"
    return await here.database.value(held, partition_of(account_id)) is not None


def net(here: World, account_id: AccountId) -> dict[str, int]:
    """By the broker's own books."""
    account = here.sim.face.clients[account_id.partition(":")[2]].account
    return {each.instrument.symbol: each.net for each in account.positions.values() if each.net}


async def test_a_leader_who_falls_is_flat_and_so_are_the_copies_of_him(
    postgres_url: str, redis_url: str
) -> None:
    async with world(postgres_url, redis_url) as here:
        leader = await here.account("XLEADER", AccountType.STRATEGY_PROVIDER)
        follower = await here.account("XFOLLOWER", AccountType.COPY_FOLLOWER)
        at_broker = here.sim.face.clients["XLEADER"].account
        at_broker.cash = at_broker.opening_cash = CASH_PAISE
        here.sim.exchange.move(SBIN, 80_000)
        await here.start("feed", market_hours="always-open")
        first = await here.start("risk", **WATCHFUL)
        await here.trade(leader, SBIN, 100, 800.0)
        await here.trade(follower, SBIN, 15, 800.0)
        await here.trade(follower, IDEA, 7, 10.0)
        await copies(here, leader, follower, 10)
        await here.portfolio(
            leader,
            lambda each: each.state == risk_pb2.RISK_STATE_NORMAL and each.positions,
            "judged and calm",
        )
        await here.portfolio(follower, lambda each: len(each.positions) == 2, "the follower holds both")

        here.sim.exchange.move(SBIN, 64_500)

        async def wanted() -> bool:
            return bool(await here.database.value("SELECT count(*) FROM liquidation_requests"))

        await until(wanted, "it is wanted")
        first.kill()
        await first.wait()
        await here.start("risk", "second", **WATCHFUL)
        await here.portfolio(
            leader, lambda each: each.state == risk_pb2.RISK_STATE_LIQUIDATING, "the second knows of it"
        )
        await here.start("executor", **HANDS)
        await until(lambda: has_hands(here, leader), "an executor holds it")

        async def flat() -> bool:
            return net(here, leader) == {} and net(here, follower) == {SBIN: 5, IDEA: 7}

        await until(flat, "the leader and the copies are sold")
        at_broker.cash = at_broker.opening_cash = 10 * CASH_PAISE
        await here.portfolio(
            leader,
            lambda each: each.state == risk_pb2.RISK_STATE_NORMAL and not each.positions,
            "it is over",
        )
        rows = await here.database.fetch(
            "SELECT liquidation_id, account_id, state FROM liquidations ORDER BY account_id DESC"
        )
        begun = rows[0]["liquidation_id"]
        assert begun.startswith(
            f"margin:{leader}:"
        )  # warned before or not: funds are read twice, prices at once
        assert [(row["liquidation_id"], row["account_id"]) for row in rows] == [
            (begun, leader),
            (f"{begun}/sub-1", follower),
        ]
        assert net(here, follower) == {SBIN: 5, IDEA: 7}
        await ruined_by(here, follower, SBIN)


async def ruined_by(here: World, follower: AccountId, symbol: str) -> None:
    """What ruined the leader is why the copies were sold."""
    told = await PostgresAudit(here.database).page(subject_kind="account", subject=follower)
    (why,) = [each.details for each in told if each.action == "liquidation.stored"]
    assert isinstance(why["prices"], dict)
    assert why["prices"].keys() == {symbol}
    assert str(why["equity"]).endswith(" INR")
    assert d(str(why["margin_level_percent"])) <= 10
