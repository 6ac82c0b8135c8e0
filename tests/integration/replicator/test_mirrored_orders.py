"""A leader's orders and their copies, through a real replicator and executor to a broker's books and back."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal

from paceline.adapters.postgres.subscriptions import PostgresSubscriptions
from paceline.domain.copy_order import CommandKind, CommandStatus, CopyOrder, CopyStatus, Intent
from paceline.domain.event import EventKind, Fact
from paceline.domain.facts import fill_identity, order_identity
from paceline.domain.ids import BrokerOrderId, Tag
from paceline.domain.ledger import Ledger
from paceline.domain.order import BrokerStatus, Fill, OrderReport, OrderType, Side
from paceline.domain.partitioning import partition_of
from paceline.domain.subscription import CopyMode
from simulator.orders import OrderType as SimType
from simulator.orders import Status
from tests.integration.executor.world import LEADER, SHARE, until
from tests.integration.replicator.test_from_event_to_order import Copying, a_replicator, copying
from tests.unit.domain.given import d, fill, report

_SAID = {
    Status.PENDING: BrokerStatus.PENDING,
    Status.TRADED: BrokerStatus.TRADED,
    Status.CANCELLED: BrokerStatus.CANCELLED,
    Status.EXPIRED: BrokerStatus.EXPIRED,
}
_GONE = (CopyStatus.FILLED, CopyStatus.CANCELLED, CopyStatus.EXPIRED, CopyStatus.REJECTED)


@dataclass
class Mirrored:
    """A leader's orders by name, told as his broker would; of copies is told what the simulator shows."""

    one: Copying
    his: dict[str, OrderReport] = field(default_factory=dict)
    told: dict[Tag, int] = field(default_factory=dict)
    count: int = 0

    @property
    def below(self) -> Decimal:
        """A price at which a buyer waits, and a seller's stop."""
        return Decimal(self.one.world.sim.exchange.markets[SHARE.instrument_id].ltp - 1_000) / 100

    async def says(self, name: str, status: BrokerStatus = BrokerStatus.PENDING, **said: object) -> int:
        """His order as it is now; how far the replicator has to come to know of it."""
        known = self.his.get(name) or report(order=name, account=LEADER)
        body = replace(known, status=status, broker_time_ns=time.time_ns(), **said)  # type: ignore[arg-type]
        self.his[name] = body
        return await self._tell(body)

    async def fills(self, name: str, quantity: int) -> int:
        """The trade, then the report of it."""
        his = self.his[name]
        await self._tell(self._trade(his, quantity, ""))
        filled = his.filled + quantity
        whole = filled == his.quantity
        return await self.says(name, BrokerStatus.TRADED if whole else BrokerStatus.PENDING, filled=filled)

    async def echo(self, *orders: CopyOrder) -> None:
        """Followers' sessions tell what their broker's books show by now."""
        for order in orders:
            shown = self.one.world.at_broker(order)
            body = report(order=shown.id, account=order.account_id, tag=order.tag, side=order.spec.side)
            body = replace(
                body,
                status=_SAID[shown.status],
                quantity=d(shown.qty),
                filled=d(shown.filled),
                limit_price=Decimal(shown.limit) / 100,
                broker_time_ns=time.time_ns(),
            )
            new = shown.filled - self.told.get(order.tag, 0)
            if new:
                self.told[order.tag] = shown.filled
                await self._tell(self._trade(body, new, order.tag))
            await self._tell(body)

    def broker_fills(self, order: CopyOrder, quantity: int) -> None:
        self.one.world.sim.exchange.fill(self.one.world.at_broker(order), quantity)

    async def planned(self, offset: int) -> None:
        async def look() -> bool:
            return await self.one.offset() >= offset

        await until(look, f"the replicator came to {offset}")

    async def until_at_broker(self, order: CopyOrder, **wanted: object) -> None:
        def look() -> bool:
            shown = self.one.world.at_broker(order)
            return all(getattr(shown, name) == value for name, value in wanted.items())

        await until(look, f"the broker shows {wanted}")

    async def copies(self, count: int, intent: Intent = Intent.ENTRY) -> list[CopyOrder]:
        """All of them so far, working or over."""
        orders = await self.one.until_orders(count, intent)

        async def look() -> bool:
            statuses = await self.one.world.statuses(orders)
            return sum(statuses[each] for each in (CopyStatus.WORKING, CopyStatus.PARTIAL, *_GONE)) == count

        await until(look, f"{count} copies are at the broker")
        rows = await self.one.world.rows.by_tags([order.tag for order in orders])
        return sorted((row.order for row in rows.values()), key=lambda each: (each.planned_ns, each.tag))

    async def changes(self, order: CopyOrder) -> list[tuple[CommandKind, CommandStatus]]:
        query = "SELECT kind, status FROM copy_commands WHERE tag = $1 ORDER BY number"
        rows = await self.one.world.database.fetch(query, order.tag)
        return [(CommandKind(row["kind"]), CommandStatus(row["status"])) for row in rows]

    async def until_changed(self, order: CopyOrder, *wanted: tuple[CommandKind, CommandStatus]) -> None:
        async def look() -> bool:
            return await self.changes(order) == list(wanted)

        await until(look, f"the changes are {wanted}")

    async def until_ledger(self, order: CopyOrder, **wanted: int) -> None:
        """These columns of the ledger are so."""
        seen = Ledger()

        async def look() -> bool:
            nonlocal seen
            seen = await self.one.ledger(order)
            return all(getattr(seen, name) == value for name, value in wanted.items())

        try:
            await until(look, f"the ledger shows {wanted}")
        except AssertionError as late:
            raise AssertionError(f"{late}: {seen}") from late

    def _trade(self, order: OrderReport, quantity: int, tag: str) -> Fill:
        self.count += 1
        made = fill(
            quantity * int(order.side),
            trade=f"T{self.count}",
            order=order.order_id,
            account=order.account_id,
            tag=tag,
        )
        return replace(made, price=order.limit_price, broker_time_ns=time.time_ns())

    async def _tell(self, body: Fill | OrderReport) -> int:
        self.count += 1
        if isinstance(body, Fill):
            identity, kind = fill_identity(body), EventKind.FILL
        else:
            identity, kind = order_identity(body, self.count), EventKind.ORDER
        now_ns = body.broker_time_ns
        fact = Fact(identity, body.account_id, kind, body, now_ns, now_ns, False, b"{}", self.count)
        (event,) = await self.one.feed.tell([fact])
        return event.offset


@asynccontextmanager
async def mirrored(postgres_url: str, redis_url: str, ratios: tuple[str, ...]) -> AsyncIterator[Mirrored]:
    """One follower for each ratio, all of them mirroring the leader's orders."""
    async with copying(postgres_url, redis_url, len(ratios)) as one:
        store = PostgresSubscriptions(one.world.database)
        for known, ratio in zip(await store.page(leader=LEADER), ratios, strict=True):
            sizing = replace(known.sizing, value=Decimal(ratio))
            await store.update(replace(known, mode=CopyMode.ON_ORDER, sizing=sizing))
        yield Mirrored(one)


async def test_a_resting_order_lives_and_ends_as_its_leaders_does(postgres_url: str, redis_url: str) -> None:
    async with (
        mirrored(postgres_url, redis_url, ("1", "0.5")) as day,
        day.one.world.executor(),
        a_replicator(day.one.world),
    ):
        price = day.below
        await day.says("1", quantity=d(20), limit_price=price)
        whole, half = sorted(await day.copies(2), key=lambda each: -each.spec.quantity)
        paise = int(price * 100)
        await day.until_at_broker(whole, qty=20, limit=paise, type=SimType.LIMIT)
        await day.until_at_broker(half, qty=10, limit=paise, status=Status.PENDING)

        await day.says("1", quantity=d(24), limit_price=price - 1)
        await day.until_at_broker(whole, qty=24, limit=paise - 100, modifications=1)
        await day.until_at_broker(half, qty=12, limit=paise - 100, modifications=1)
        await day.echo(whole, half)

        await day.fills("1", 10)
        day.broker_fills(whole, 4)
        await day.echo(whole)
        await day.until_ledger(whole, ideal=10, buy_pledged=14, position=4)
        await day.until_ledger(half, ideal=5, buy_pledged=7, position=0)

        await day.says("1", BrokerStatus.CANCELLED)
        for each in (whole, half):
            await day.until_at_broker(each, status=Status.CANCELLED)
        await day.echo(whole, half)
        await day.until_ledger(whole, ideal=4, buy_pledged=0, entries_working=0, position=4)
        await day.until_ledger(half, ideal=0, buy_pledged=0, entries_working=0, position=0)

        await day.says("2", side=Side.SELL, quantity=d(10), limit_price=price + 30)
        (exit_,) = await day.copies(1, Intent.EXIT)
        await day.until_at_broker(exit_, qty=4, limit=paise + 3_000, type=SimType.LIMIT)
        day.broker_fills(exit_, 4)
        await day.echo(exit_)
        await day.planned(await day.fills("2", 10))
        for each in (whole, half):
            await day.until_ledger(each, ideal=0, position=0, sell_pledged=0, exits_working=0, idle=1)
        day.one.world.assert_each_once([whole, half, exit_])
        assert {kind for kind, _ in await day.changes(whole)} == {CommandKind.MODIFY, CommandKind.CANCEL}


async def test_a_stop_waits_with_its_trigger_and_follows_it_to_the_end(
    postgres_url: str, redis_url: str
) -> None:
    async with (
        mirrored(postgres_url, redis_url, ("1",)) as day,
        day.one.world.executor(),
        a_replicator(day.one.world),
    ):
        await day.says("1", quantity=d(10), limit_price=day.below)
        (entry,) = await day.copies(1)
        day.broker_fills(entry, 10)
        await day.echo(entry)
        await day.fills("1", 10)
        await day.until_ledger(entry, ideal=10, position=10, buy_pledged=0)

        trigger = day.below
        stop = replace(day.his["1"], order_id=BrokerOrderId("2"), filled=d(0), type=OrderType.STOP_LIMIT)
        day.his["2"] = replace(stop, side=Side.SELL)
        await day.says("2", trigger_price=trigger, limit_price=trigger - 1)
        (exit_,) = await day.copies(1, Intent.EXIT)
        paise = int(trigger * 100)
        await day.until_at_broker(exit_, qty=10, stop=paise, limit=paise - 100, type=SimType.STOP_LIMIT)
        await day.says("2", trigger_price=trigger - 2, limit_price=trigger - 3)
        await day.until_at_broker(exit_, stop=paise - 200, limit=paise - 300, modifications=1)

        await day.fills("2", 10)
        day.broker_fills(exit_, 10)
        await day.echo(exit_)
        await day.until_ledger(entry, ideal=0, position=0, exits_working=0, sell_pledged=0, idle=1)
        day.one.world.assert_each_once([entry, exit_])


async def test_orders_that_end_unfilled_take_their_copies_with_them_whoever_reads_of_it(
    postgres_url: str, redis_url: str
) -> None:
    """The exchange may refuse what the broker took; a replicator that takes over knows the orders."""
    async with mirrored(postgres_url, redis_url, ("1",)) as day, day.one.world.executor():
        async with a_replicator(day.one.world, "first"):
            await day.says("1", quantity=d(10), limit_price=day.below)
            await day.says("2", quantity=d(7), limit_price=day.below)
            entries = await day.copies(2)
        await day.says("1", BrokerStatus.REJECTED)
        await day.says("2", BrokerStatus.EXPIRED)
        async with a_replicator(day.one.world, "second"):
            for entry in entries:
                await day.until_at_broker(entry, status=Status.CANCELLED)
            await day.echo(*entries)
            await day.until_ledger(entry, ideal=0, entries_working=0, position=0, buy_pledged=0, idle=1)
        for entry in entries:
            await day.until_changed(entry, (CommandKind.CANCEL, CommandStatus.DONE))
        assert len(await day.one.orders()) == 2


async def test_a_cancel_that_loses_against_a_fill_is_recorded_and_what_it_filled_is_sold(
    postgres_url: str, redis_url: str
) -> None:
    async with (
        mirrored(postgres_url, redis_url, ("1",)) as day,
        day.one.world.executor(),
        a_replicator(day.one.world),
    ):
        await day.says("1", quantity=d(10), limit_price=day.below)
        (entry,) = await day.copies(1)
        day.broker_fills(entry, 10)
        await day.says("1", BrokerStatus.CANCELLED)
        await day.until_changed(entry, (CommandKind.CANCEL, CommandStatus.LOST))
        await day.echo(entry)
        (sale,) = await day.copies(1, Intent.EXIT)
        assert (sale.spec.side, sale.spec.quantity) == (Side.SELL, d(10))
        await day.until_at_broker(sale, filled=10)
        await day.echo(sale)
        await day.until_ledger(entry, ideal=0, position=0, exits_working=0, idle=1)
        day.one.world.assert_each_once([entry, sale])


async def test_what_is_unsent_is_folded_and_withdrawn_without_the_broker(
    postgres_url: str, redis_url: str
) -> None:
    async with (
        mirrored(postgres_url, redis_url, ("1",)) as day,
        day.one.world.executor(),
        a_replicator(day.one.world),
    ):
        (follower,) = day.one.world.followers
        await day.one.world.penalize(follower, seconds=600)
        await day.says("1", quantity=d(10), limit_price=day.below)
        (entry,) = await day.one.until_orders(1)
        await day.says("1", quantity=d(30))

        async def folded() -> bool:
            (row,) = (await day.one.world.rows.by_tags([entry.tag])).values()
            return row.order.spec.quantity == d(30)

        await until(folded, "the row has grown")
        await day.until_ledger(entry, entry_planned=30, buy_pledged=30)
        await day.planned(await day.says("1", BrokerStatus.CANCELLED))
        await day.one.world.until_all([entry], CopyStatus.CANCELLED)
        await day.until_ledger(entry, entries_working=0, buy_pledged=0, idle=1)
        await day.until_changed(
            entry,
            (CommandKind.MODIFY, CommandStatus.FOLDED),
            (CommandKind.CANCEL, CommandStatus.FOLDED),
        )
        assert day.one.world.books() == []


async def test_events_that_come_again_plan_nothing_new(postgres_url: str, redis_url: str) -> None:
    """Committed, but the offset was not moved: the next one reads the same stretch."""
    async with mirrored(postgres_url, redis_url, ("1", "2")) as day:
        async with a_replicator(day.one.world, "first"):
            await day.says("1", quantity=d(10), limit_price=day.below)
            await day.says("1", quantity=d(12))
            await day.planned(await day.fills("1", 5))
        before = await _everything(day)
        await day.one.world.database.execute(
            "DELETE FROM consumer_offsets WHERE consumer = 'replicator' AND partition = $1",
            partition_of(LEADER),
        )
        await day.one.world.database.execute("DELETE FROM leader_states")
        async with a_replicator(day.one.world, "second"):
            await day.planned(4)
        assert await _everything(day) == before


async def _everything(day: Mirrored) -> list[list[tuple[object, ...]]]:
    queries = (
        "SELECT * FROM ledgers ORDER BY subscription_id",
        "SELECT tag, quantity, status FROM copy_orders ORDER BY tag",
        "SELECT command_id, status FROM copy_commands ORDER BY command_id",
        "SELECT event_identity, subscription_id, outcome FROM decisions ORDER BY 1, 2",
    )
    return [[tuple(row.values()) for row in await day.one.world.database.fetch(each)] for each in queries]
