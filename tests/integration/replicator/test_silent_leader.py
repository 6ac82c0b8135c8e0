"""A leader whose socket freezes and whose books cannot be read: what he does meanwhile, and afterwards."""

from dataclasses import replace
from random import Random

from paceline.adapters.clock import SystemClock
from paceline.adapters.postgres.ledgers import append_lines
from paceline.adapters.postgres.subscriptions import PostgresSubscriptions
from paceline.domain.copy_order import Intent
from paceline.domain.ids import AccountId, InstrumentId, SubscriptionId
from paceline.domain.instrument import InstrumentKey, Product
from paceline.domain.ledger import EntryKind, LedgerEntry
from paceline.domain.subscription import Filters
from paceline.runtime.lifecycle import Runtime
from paceline.runtime.metric_names import SILENT_LEADERS
from paceline.runtime.metrics import Metrics
from paceline.runtime.settings import load
from paceline.runtime.telemetry import start_telemetry
from services.replicator.__main__ import compose
from services.replicator.settings import Settings
from tests.integration.feed.world import SBIN, World, until, world
from tests.unit.domain.given import d, subscription

NAME = SubscriptionId("s1")
BOOKS = ["orders", "tradebook", "positions"]


async def test_entries_of_a_silent_leader_wait_and_exits_go_on(postgres_url: str, redis_url: str) -> None:
    async with world(postgres_url, redis_url) as stage:
        leader, follower = await stage.account("XL1"), await stage.account("XF1")
        patient = Filters(max_age_ms=3_600_000, allowance_bps=d(9_000))
        follows = replace(subscription(follower=follower), leader=leader, filters=patient)
        await PostgresSubscriptions(stage.database).create(follows)
        await stage.trade(leader, 4)
        await _copied(stage, 4)
        replicator = a_replicator(stage)
        try:
            async with stage.feed(pong_timeout_ms="500", backstop_interval_s="1"):
                await compose(replicator)
                await stage.until_state(leader, "LIVE")
                await stage.until_state(follower, "LIVE")
                await _while_silent(stage, replicator, leader)
        finally:
            await replicator.stop_all()


async def _while_silent(stage: World, replicator: Runtime[Settings], leader: AccountId) -> None:
    async def silent(count: int) -> bool:
        return replicator.metrics.value(SILENT_LEADERS) == count

    await until(lambda: silent(0), "he is heard")
    await stage.control.fault("ws_freeze", accounts=["XL1"])
    await stage.control.fault("server_5xx", accounts=["XL1"], calls=BOOKS)
    await until(lambda: silent(1), "he is silent")
    await stage.trade(leader, 2)
    await stage.trade(leader, -3)
    await stage.control.delete("/faults")
    await _until_decided(stage, 2)
    assert await _decisions(stage) == [("ENTRY", "SKIPPED", "CLOSE_ONLY"), ("EXIT", "PLANNED", None)]
    await until(lambda: silent(0), "he is heard again")


def a_replicator(stage: World) -> Runtime[Settings]:
    own = {
        "PACELINE_REPLICA_ID": "r",
        "PACELINE_MARKET_HOURS": "always-open",
        "PACELINE_LEADER_SILENCE_MS": "3000",
    }
    return Runtime(
        "replicator",
        load(Settings, stage.environ | own),
        clock=SystemClock(),
        random=Random(7),
        metrics=Metrics(),
        telemetry=start_telemetry(service="replicator", replica_id="r"),
    )


async def _copied(stage: World, quantity: int) -> None:
    """Before any of this began."""
    key = InstrumentKey(InstrumentId(SBIN), Product.INTRADAY)
    lines = [
        LedgerEntry(NAME, key, kind, Intent.ENTRY, d(quantity), "before")
        for kind in (EntryKind.IDEAL, EntryKind.PLANNED, EntryKind.FILLED)
    ]
    async with stage.database.transaction() as transaction:
        await append_lines(transaction, lines)


async def _decisions(stage: World) -> list[tuple[str, str, str | None]]:
    rows = await stage.database.fetch(
        "SELECT d.intent, d.outcome, d.reason FROM decisions d JOIN plans p USING (event_identity)"
        " ORDER BY p.event_offset"
    )
    return [(row["intent"], row["outcome"], row["reason"]) for row in rows]


async def _until_decided(stage: World, count: int) -> None:
    async def look() -> bool:
        return len(await _decisions(stage)) >= count

    await until(look, f"{count} are decided")
