"""Ledgers and the broker's books, which part: closed by hand, unreadable, in motion, held and not wanted."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import aiohttp

from paceline.adapters.clock import SystemClock
from paceline.adapters.postgres.accounts import PostgresAccounts
from paceline.adapters.postgres.audit import PostgresAudit
from paceline.adapters.postgres.drift_looks import PostgresDriftLooks
from paceline.adapters.postgres.drifts import PostgresDrifts
from paceline.adapters.postgres.ledgers import append_lines, load_ledgers
from paceline.adapters.postgres.subscriptions import PostgresSubscriptions
from paceline.adapters.redis.connection import open_redis
from paceline.adapters.redis.prices import RedisPrices
from paceline.domain.copy_order import CopyOrder, Intent
from paceline.domain.drift import NOT_COMPARED, DriftKind, LookOutcome
from paceline.domain.ids import AccountId, SubscriptionId
from paceline.domain.ledger import EntryKind, Ledger, LedgerEntry
from paceline.domain.subscription import DriftPolicy
from paceline.ports.drift_looks import AskedLook
from paceline.ports.prices import Price
from paceline.runtime.metric_names import DRIFT_LOOKS, DRIFTS
from services.replicator.compare import Compared, Comparisons
from tests.contract.brokers.venue import Control
from tests.integration.executor.world import LEADER, SHARE, World, a_world, until
from tests.unit.domain.given import KEY, d, subscription

OFTEN = {"drift_every_ms": "100", "drift_quiet_ms": "0"}


@dataclass
class Stage:
    world: World
    control: Control
    follower: AccountId
    name: SubscriptionId

    async def trade(self, signed: int) -> None:
        """By hand at the broker."""
        await self.control.post(
            "/trades",
            client_id=self.follower.partition(":")[2],
            symbol=SHARE.instrument_id,
            side=1 if signed > 0 else -1,
            qty=abs(signed),
            product="INTRADAY",
        )

    async def write(self, *moves: tuple[EntryKind, int]) -> None:
        lines = [
            LedgerEntry(self.name, KEY, kind, Intent.ENTRY, d(quantity), "before") for kind, quantity in moves
        ]
        async with self.world.database.transaction() as transaction:
            await append_lines(transaction, lines)

    async def journaled(self, net: int) -> None:
        """What trades say is open, as the feed folds them."""
        await self.world.database.execute("DELETE FROM trades")
        await self.world.database.execute(
            "INSERT INTO trades (trade_id, account_id, instrument_id, product, side, quantity,"
            " entry_order_id, entry_price) VALUES ('t', $1, $2, $3, 1, $4, 'o', 1)",
            self.follower,
            KEY.instrument_id,
            KEY.product.value,
            d(net),
        )

    async def ledger(self) -> Ledger:
        return (await load_ledgers(self.world.database, [self.name], KEY))[self.name, KEY]

    async def drifts(self, *, ended: bool = False) -> list[tuple[DriftKind, int, int]]:
        found = await PostgresDrifts(self.world.database).page(account_id=self.follower, ended=ended)
        return [
            (each.difference.kind, int(each.difference.copied), int(each.difference.net)) for each in found
        ]

    async def until_drifts(self, *expected: tuple[DriftKind, int, int]) -> None:
        async def look() -> bool:
            return await self.drifts() == list(expected)

        await until(look, f"what stands is {expected}")

    async def acts(self) -> list[str]:
        return [each.action for each in reversed(await PostgresAudit(self.world.database).page())]


@asynccontextmanager
async def a_stage(postgres_url: str, redis_url: str) -> AsyncIterator[Stage]:
    """A follower who heals, and holds ten by one copy."""
    async with a_world(postgres_url, redis_url, 1) as world, aiohttp.ClientSession() as http:
        (follower,) = world.followers
        name = SubscriptionId(f"s-{follower}")
        await world.account(LEADER)
        follows = replace(subscription(name=name, follower=follower), leader=LEADER, drift=DriftPolicy.HEAL)
        await PostgresSubscriptions(world.database).create(follows)
        stage = Stage(world, Control(world.sim.urls.control_url, http), follower, name)
        await stage.trade(10)
        yield stage


async def test_what_was_closed_by_hand_is_shown_and_taken_down_once_the_journal_tells_it(
    postgres_url: str, redis_url: str
) -> None:
    async with a_stage(postgres_url, redis_url) as stage:
        await stage.write((EntryKind.IDEAL, 10), (EntryKind.PLANNED, 10), (EntryKind.FILLED, 10))
        await stage.journaled(10)
        await stage.trade(-4)
        await stage.control.fault("server_5xx", calls=["positions"])
        async with stage.world.executor(**OFTEN) as runtime:
            unread = {"outcome": "unread"}
            await until(lambda: runtime.metrics.value(DRIFT_LOOKS, **unread) > 0, "the book was asked for")
            assert await stage.drifts(ended=True) == []
            await stage.control.delete("/faults")
            await stage.until_drifts((DriftKind.MISSING, 10, 6))
            assert (await stage.ledger()).adjusted == 0
            assert await stage.acts() == ["drift.began"]
            await until(lambda: runtime.metrics.value(DRIFTS) == 1, "it is counted")
            await stage.journaled(6)
            await stage.until_drifts()
        ledger = await stage.ledger()
        assert (ledger.position, ledger.ideal, ledger.adjusted) == (d(6), d(6), d(-4))
        assert await stage.acts() == ["drift.began", "drift.healed", "drift.ended"]
        assert await stage.drifts(ended=True) == [(DriftKind.MISSING, 10, 6)]
        assert stage.world.books() == [], "nothing was sent"


async def test_a_surplus_is_sold_once_nothing_is_on_its_way_and_only_once(
    postgres_url: str, redis_url: str
) -> None:
    async with a_stage(postgres_url, redis_url) as stage:
        (entry,) = await stage.world.plan([stage.follower])
        await stage.write((EntryKind.FILLED, 10), (EntryKind.FORGONE, -6))
        await stage.journaled(10)
        await stage.world.database.execute("UPDATE copy_orders SET status = 'PARTIAL'")
        await _priced(redis_url, entry)
        async with stage.world.executor(**OFTEN) as runtime:
            put_off = {"outcome": "put_off"}
            await until(lambda: runtime.metrics.value(DRIFT_LOOKS, **put_off) > 0, "it was looked at")
            assert await stage.drifts() == [], "an order that works may be the answer"
            await stage.world.database.execute("UPDATE copy_orders SET status = 'FILLED'")
            await until(lambda: len(stage.world.books()) == 1, "the surplus is sold")
            looks = runtime.metrics.value(DRIFT_LOOKS, **put_off)
            await until(
                lambda: runtime.metrics.value(DRIFT_LOOKS, **put_off) > looks + 1, "it was left alone"
            )
        (sale,) = stage.world.books()
        assert (sale.side.value, sale.qty) == (-1, 6)
        assert await stage.drifts() == [(DriftKind.SURPLUS, 10, 10)]
        assert await stage.acts() == ["drift.began", "drift.healed"]


async def _priced(redis_url: str, entry: CopyOrder) -> None:
    """As newest for as long as the test takes."""
    redis = open_redis(redis_url)
    later_ns = time.time_ns() + 600_000_000_000
    await RedisPrices(redis).put({SHARE.instrument_id: Price(entry.leader_price, later_ns, later_ns, "test")})
    await redis.aclose()


async def test_who_asks_has_the_books_compared_now_and_healed_as_he_says(
    postgres_url: str, redis_url: str
) -> None:
    """Its turn would come in an hour; `heal_time` is set once a later look agrees."""
    async with a_stage(postgres_url, redis_url) as stage:
        await stage.write((EntryKind.IDEAL, 10), (EntryKind.PLANNED, 10), (EntryKind.FILLED, 10))
        await stage.journaled(6)
        await stage.trade(-4)
        database = stage.world.database
        comparisons = Comparisons(
            PostgresDriftLooks(database), PostgresDrifts(database), PostgresAccounts(database), SystemClock()
        )
        async with stage.world.executor(drift_every_ms="3600000", drift_quiet_ms="0"):
            shown = await comparisons.make(AskedLook("r1", stage.follower, DriftPolicy.REPORT))
            assert [each.difference.kind for each in shown.drifts] == [DriftKind.MISSING]
            assert (shown.not_because, (await stage.ledger()).adjusted) == ("", d(0))
            await comparisons.make(AskedLook("r2", stage.follower))
            assert (await stage.ledger()).adjusted == -4
            assert await comparisons.make(AskedLook("r3", stage.follower)) == Compared([])
            await stage.control.fault("server_5xx", calls=["positions"])
            unread = await comparisons.make(AskedLook("r4", stage.follower))
            assert unread.not_because == NOT_COMPARED[LookOutcome.UNREAD]
