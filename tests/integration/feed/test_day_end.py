"""The end of the day on real rows: at 18:00, the next morning, and with a broker who squared off."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pytest

from paceline.adapters.postgres.audit import PostgresAudit
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.day_ends import PostgresDayEnds
from paceline.adapters.postgres.history import PostgresHistory
from paceline.adapters.postgres.instruments import PostgresInstruments
from paceline.adapters.postgres.journal import PostgresJournal
from paceline.adapters.postgres.ledgers import append_lines, load_ledgers
from paceline.adapters.postgres.offsets import PostgresOffsets
from paceline.adapters.postgres.plans import insert_orders
from paceline.adapters.postgres.pool import PoolOptions, open_database
from paceline.adapters.postgres.position_facts import PostgresPositionFacts
from paceline.adapters.postgres.subscriptions import PostgresSubscriptions
from paceline.adapters.postgres.trades import PostgresTrades
from paceline.domain.calendar import IST
from paceline.domain.copy_order import CopyOrder, CopyStatus, Intent
from paceline.domain.day_end import BookRead
from paceline.domain.errors import BrokerNeverSent, NotOwner
from paceline.domain.event import Fact
from paceline.domain.ids import (
    AccountId,
    BrokerOrderId,
    Epoch,
    InstrumentId,
    Offset,
    Partition,
    SubscriptionId,
)
from paceline.domain.instrument import InstrumentKey, Product
from paceline.domain.ledger import EntryKind, Ledger, LedgerEntry
from paceline.domain.order import Fill, Side
from paceline.domain.partitioning import PARTITIONS, partition_of
from paceline.ports.history import OrderFilter
from paceline.ports.leases import Tenure
from paceline.runtime.partitions import Partitions
from services.feed.day_end import DayEnd, Rules
from services.feed.trades import TradeKeeper
from tests.fakes.clock import FakeClock
from tests.fakes.leases import FakeLeases
from tests.integration.feed.world import World, until, world
from tests.integration.storage.makers import (
    SBIN,
    a_decision,
    a_fill,
    a_subscription,
    accounts_of,
    an_event,
    own,
)

LEADER, FOLLOWER = "fyers:XLEADER", AccountId("fyers:XFOLLOWER")
HOME = partition_of(FOLLOWER)
NAME = SubscriptionId(f"{LEADER}>{FOLLOWER}")
FRIDAY = date(2026, 11, 20)
EPOCH = Epoch(1)


def ns(day: int, hour: int, minute: int = 0) -> int:
    """In November 2026, whose 20th is a Friday."""
    return int(datetime.combine(date(2026, 11, day), time(hour, minute), IST).timestamp()) * 1_000_000_000


@dataclass
class Books:
    """What the broker shows; `heard` is whether orders and trades are read all the time."""

    clock: FakeClock
    net: dict[InstrumentKey, Decimal] = field(default_factory=dict)
    delivered: set[InstrumentId] = field(default_factory=set)
    whole: bool = True
    heard: bool = True
    failures: list[Exception] = field(default_factory=list)
    reads: int = 0
    online: bool = True

    def live(self) -> Sequence[AccountId]:
        return [FOLLOWER] if self.online else []

    def heard_since(self, _account_id: AccountId, _at_ns: int) -> bool:
        return self.heard

    async def read(self, _account_id: AccountId, *, holdings: bool) -> BookRead:
        self.reads += 1
        if self.failures:
            raise self.failures.pop(0)
        held = frozenset(self.delivered) if holdings else None
        return BookRead(self.clock.now_ns(), self.whole, dict(self.net), held)


class Stage:
    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = FakeClock(start_ns=ns(20, 11))
        self.partitions = Partitions(FakeLeases(self.clock), self.clock, owner="me", address="me:1")
        self.books = Books(self.clock)
        self.trades = self.trades_of(self.partitions)
        self.ends = self.day_end()

    def trades_of(self, partitions: Partitions) -> TradeKeeper:
        return TradeKeeper(
            PostgresJournal(self.database),
            PostgresPositionFacts(self.database),
            PostgresTrades(self.database),
            PostgresInstruments(self.database),
            partitions,
            self.clock,
            30,
        )

    def day_end(self) -> DayEnd:
        books: Any = self.books
        return DayEnd(
            PostgresDayEnds(self.database),
            books,
            self.partitions,
            lambda account_id: Tenure(partition_of(account_id), EPOCH),
            self._settled,
            self.clock,
            Rules(time(18), lambda day: day.weekday() < 5, 60),
        )

    async def _settled(self, partitions: Any) -> None:
        await self.trades.advance(partitions)

    async def at(self, day: int, hour: int, minute: int = 0) -> None:
        """The clock is set, and the feed looks once."""
        self.clock.step_wall((ns(day, hour, minute) - self.clock.now_ns()) / 1e9)
        await self.partitions.turn()
        await self.ends.look()

    async def journaled(self, *facts: Fact) -> None:
        """Read by everybody who folds."""
        journal = PostgresJournal(self.database)
        await journal.append(HOME, EPOCH, list(facts))
        await PostgresOffsets(self.database).move(
            "executor", HOME, EPOCH, (await journal.heads([HOME]))[HOME]
        )

    async def ledger(self) -> Ledger:
        return (await load_ledgers(self.database, [NAME], SBIN))[NAME, SBIN]

    async def held(self) -> int:
        return int((await self.ledger()).position)

    async def day(self, day: date = FRIDAY) -> tuple[str, int] | None:
        row = await self.database.row(
            "SELECT positions, closed FROM day_ends WHERE account_id = $1 AND trading_day = $2", FOLLOWER, day
        )
        return (row["positions"], row["closed"]) if row else None

    async def acts(self) -> list[str]:
        return [each.action for each in reversed(await PostgresAudit(self.database).page())]


def bought(signed: int, *, price: str = "100", order: str = "1", trade: str = "", tag: str = "") -> Fact:
    made = a_fill(FOLLOWER, trade, order)
    assert isinstance(made.body, Fill)
    body = replace(
        made.body,
        quantity=Decimal(abs(signed)),
        side=Side.BUY if signed > 0 else Side.SELL,
        price=Decimal(price),
        tag=tag,
        order_id=BrokerOrderId(order),
    )
    return replace(made, body=body)


@pytest.fixture
async def stage(postgres_url: str) -> AsyncIterator[Stage]:
    """A follower who holds ten by one copy, and the leases to write with."""
    database = await open_database(postgres_url, PoolOptions(min_size=1, max_size=4))
    await accounts_of(database, LEADER, FOLLOWER)
    await PostgresSubscriptions(database).create(a_subscription(LEADER, FOLLOWER))
    await database.execute("UPDATE accounts SET created_at = '2026-11-19'")
    for service in ("feed", "executor"):
        await own(database, service, [Partition(number) for number in range(PARTITIONS)], EPOCH)
    async with database.transaction() as transaction:
        await append_lines(
            transaction,
            [
                LedgerEntry(NAME, SBIN, kind, Intent.ENTRY, Decimal(10), "e1")
                for kind in (EntryKind.IDEAL, EntryKind.PLANNED, EntryKind.FILLED)
            ],
        )
    made = Stage(database)
    await made.partitions.turn()
    await made.journaled(bought(10))
    made.books.net = {SBIN: Decimal(10)}
    yield made
    await database.close()


async def test_what_the_broker_still_shows_is_left_and_the_day_is_marked_once(stage: Stage) -> None:
    await stage.at(20, 17, 59)
    assert (await stage.day(), stage.books.reads) == (None, 0)
    assert await stage.day(date(2026, 11, 19)) == ("UNREAD", 0), "nobody was there to read on Thursday"
    await stage.at(20, 18)
    assert await stage.day() == ("COMPARED", 0)
    stage.books.net = {}
    await stage.at(20, 18, 5)
    assert (stage.books.reads, await stage.held()) == (1, 10)
    stage.ends = stage.day_end()
    await stage.at(20, 18, 10)
    assert (stage.books.reads, await stage.day()) == (1, ("COMPARED", 0)), "not again after a restart either"


async def test_what_two_readings_lack_is_closed_with_the_evidence(stage: Stage) -> None:
    stage.books.net = {}
    await stage.at(20, 18)
    assert (await stage.day(), await stage.held()) == (None, 10)
    await stage.at(20, 18, 1)
    ledger = await stage.ledger()
    assert [ledger.position, ledger.ideal, ledger.adjusted] == [0, 0, -10]
    assert ledger.idle
    assert await stage.day() == ("COMPARED", 1)
    words = "absent from the position book at 18:00:00 and 18:01:00 IST"
    rows = await stage.database.fetch(
        "SELECT kind, quantity, reason FROM ledger_entries WHERE cause LIKE 'day-end:%' ORDER BY kind"
    )
    assert [(row["kind"], row["quantity"], row["reason"]) for row in rows] == [
        ("ADJUSTED", -10, words),
        ("FORGONE", -10, words),
    ]
    trade = await stage.database.row("SELECT * FROM trades")
    assert trade is not None
    assert (trade["status"], trade["profit"], trade["closed_because"]) == ("closed", None, words)
    assert (await stage.acts())[-2:] == ["ledger.closed", "trade.closed"]
    stage.ends = stage.day_end()
    await stage.at(20, 18, 5)
    assert (await stage.ledger()).adjusted == -10


async def test_what_was_delivered_is_looked_for_among_the_holdings(stage: Stage) -> None:
    delivered = InstrumentKey(InstrumentId("NSE:IDEA-EQ"), Product.CNC)
    async with stage.database.transaction() as transaction:
        entry = [EntryKind.IDEAL, EntryKind.PLANNED, EntryKind.FILLED]
        await append_lines(
            transaction,
            [LedgerEntry(NAME, delivered, kind, Intent.ENTRY, Decimal(10), "e2") for kind in entry],
        )
    stage.books.delivered = {delivered.instrument_id}
    await stage.at(20, 18)
    assert await stage.day() == ("COMPARED", 0)
    stage.books.delivered = set()
    await stage.at(23, 18)
    await stage.at(23, 18, 1)
    assert await stage.day(date(2026, 11, 23)) == ("COMPARED", 1)
    ledger = (await load_ledgers(stage.database, [NAME], delivered))[NAME, delivered]
    assert [ledger.position, ledger.adjusted] == [0, -10]
    assert await stage.held() == 10
    told = await stage.database.value("SELECT reason FROM ledger_entries WHERE kind = 'ADJUSTED'")
    words = "absent from the position book, and the holdings read beside it, at 18:00:00 and 18:01:00 IST"
    assert told == words


async def test_what_shows_again_meanwhile_is_left(stage: Stage) -> None:
    stage.books.net = {}
    await stage.at(20, 18)
    stage.books.net = {SBIN: Decimal(10)}
    await stage.at(20, 18, 1)
    assert (await stage.day(), await stage.held()) == (("COMPARED", 0), 10)


async def test_a_fill_on_its_way_is_not_fought(stage: Stage) -> None:
    """An order that works, a journal not read to its end, books not read, rows that could not be read."""
    stage.books.net = {}
    await stage.at(20, 18)
    stage.books.failures = [BrokerNeverSent("refused")]
    await stage.at(20, 18, 1)
    stage.books.whole = False
    await stage.at(20, 18, 2)
    stage.books.whole, stage.books.heard = True, False
    await stage.at(20, 18, 3)
    stage.books.heard = True
    await PostgresJournal(stage.database).append(HOME, EPOCH, [a_fill(FOLLOWER, order="9")])
    await stage.at(20, 18, 4)
    assert (await stage.day(), await stage.held()) == (None, 10)
    await stage.journaled()
    exit_ = await planned(stage, CopyStatus.WORKING)
    await stage.at(20, 18, 5)
    assert (await stage.day(), await stage.held()) == (None, 10)
    await stage.database.execute("UPDATE copy_orders SET status = 'CANCELLED' WHERE tag = $1", exit_.tag)
    await stage.at(20, 18, 6)
    assert (await stage.day(), await stage.held()) == (("COMPARED", 1), 0)


async def planned(stage: Stage, status: CopyStatus, *, at_ns: int = 0, name: str = "o") -> CopyOrder:
    decision = a_decision(an_event(a_fill(trade=name)), NAME, FOLLOWER, intent=Intent.EXIT)
    order = replace(decision.orders[0], status=status, planned_ns=at_ns, account_id=FOLLOWER)
    async with stage.database.transaction() as transaction:
        assert await insert_orders(transaction, [order]) == {order.tag}
    return order


async def test_whoever_lost_the_account_closes_nothing(stage: Stage) -> None:
    stage.books.net = {}
    await stage.at(20, 18)
    await own(stage.database, "feed", [HOME], 2)
    await stage.at(20, 18, 1)
    assert (await stage.day(), await stage.held()) == (None, 10)


async def test_a_missed_end_is_caught_up_on_the_same_day_and_marked_unread_after_it(stage: Stage) -> None:
    stage.books.online = False
    await stage.at(20, 18)
    assert await stage.day() is None
    stage.books.online, stage.books.net = True, {}
    await stage.at(20, 23, 50)
    await stage.at(21, 0, 1)
    assert (await stage.day(), await stage.held()) == (("UNREAD", 0), 10)
    assert await stage.acts() == ["day_end.unread"] * 2, "the leader's too"
    await stage.at(22, 19)
    assert await stage.day(date(2026, 11, 22)) is None, "a Sunday has no end"
    await stage.at(23, 18)
    await stage.at(23, 18, 1)
    assert (await stage.day(date(2026, 11, 23)), await stage.held()) == (("COMPARED", 1), 0)


async def test_failed_orders_go_at_the_opening_and_stay_in_the_history(stage: Stage) -> None:
    failed = {
        "timeless": await planned(stage, CopyStatus.FAILED, at_ns=0, name="a"),
        "thursday": await planned(stage, CopyStatus.REJECTED, at_ns=ns(19, 15), name="b"),
        "friday": await planned(stage, CopyStatus.SKIPPED, at_ns=ns(20, 10), name="c"),
        "filled": await planned(stage, CopyStatus.FILLED, at_ns=ns(19, 15), name="d"),
    }
    names = {order.tag: name for name, order in failed.items()}
    history = PostgresHistory(stage.database)

    async def shown(which: OrderFilter | None = None) -> set[str]:
        rows = await history.copy_orders(which or OrderFilter(account_id=FOLLOWER), None, 10)
        return {names[row.order.tag] for row in rows}

    await stage.at(20, 9, 14)
    assert await shown() == {"thursday", "friday", "filled"}
    await stage.at(20, 9, 16)
    assert await shown() == {"friday", "filled"}
    await stage.at(20, 18)
    assert await shown() == {"friday", "filled"}
    await stage.at(23, 9, 14)
    assert await shown() == {"friday", "filled"}
    await stage.at(23, 9, 16)
    assert await shown() == {"filled"}
    assert await shown(OrderFilter(statuses=frozenset({CopyStatus.SKIPPED, CopyStatus.FAILED}))) == {
        "timeless",
        "friday",
    }
    assert await shown(OrderFilter(tag=failed["thursday"].tag)) == {"thursday"}
    assert [each for each in await stage.acts() if each == "failed_orders.swept"] == [
        "failed_orders.swept"
    ] * 3


async def test_trades_follow_the_journal_whoever_folds_and_whatever_is_lost(stage: Stage) -> None:
    copy = await planned(stage, CopyStatus.FILLED)
    await stage.journaled(
        bought(-4, price="110", order="2"),
        bought(-6, price="90", order="3"),
        bought(-5, price="80", order="4", trade="flip", tag=copy.tag),
        bought(8, price="70", order="5"),
    )
    await stage.trades.advance([HOME])
    await stage.trades.advance([HOME])
    rows = await stage.database.fetch("SELECT * FROM trades ORDER BY entry_order_id")
    assert [
        (row["entry_order_id"], row["exit_order_id"], row["exit_price"], row["profit"], row["status"])
        for row in rows
    ] == [
        ("1", "3", Decimal(98), Decimal(-20), "closed"),
        ("4", "5", Decimal(70), Decimal(50), "closed"),
        ("5", None, None, None, "open"),
    ]
    assert [row["subscription_id"] for row in rows] == [None, NAME, None]
    assert [row["quantity"] for row in rows] == [10, 5, 3]
    assert await PostgresOffsets(stage.database).load("trades", [HOME]) == {HOME: 5}
    with pytest.raises(NotOwner):
        await PostgresTrades(stage.database).advance(HOME, Epoch(0), Offset(9), [])


async def test_trades_are_folded_once_page_by_page(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.feed.trades._PAGE", 2)
    await stage.journaled(*(bought(signed, order=f"{signed}{n}") for n in range(4) for signed in (3, -3)))
    await asyncio.gather(*(stage.trades.advance([HOME]) for _ in range(3)))
    row = await stage.database.row("SELECT quantity, exited FROM trades WHERE status = 'open'")
    assert row is not None
    assert (row["quantity"], row["exited"]) == (22, 12)


async def test_a_position_closed_by_hand_at_the_broker_is_closed_here(
    postgres_url: str, redis_url: str
) -> None:
    """The feed as it runs, a broker's books, and every day a trading day that ends at midnight."""
    settings: Mapping[str, str] = {
        "market_hours": "always-open",
        "day_end_at": "00:00",
        "day_end_settle_s": "1",
        "trades_interval_s": "1",
        "backstop_interval_s": "1",
    }
    async with world(postgres_url, redis_url, **settings) as made:
        await _closed_by_hand(made)


async def _closed_by_hand(made: World) -> None:
    follower = await made.account("XFOLLOWER")
    await accounts_of(made.database, LEADER)
    await PostgresSubscriptions(made.database).create(a_subscription(LEADER, follower))
    await made.database.execute(
        "INSERT INTO day_ends (account_id, trading_day, positions, closed)"
        " SELECT $1, (now() AT TIME ZONE 'Asia/Kolkata')::date + n, 'COMPARED', 0"
        " FROM generate_series(-1, 1) n",
        follower,
    )
    async with made.feed():
        await made.until_state(follower, "LIVE")
        await made.trade(follower, 10)
        await made.trade(follower, -10)
        await made.until_agreed(follower)
        async with made.database.transaction() as transaction:
            entry = [EntryKind.IDEAL, EntryKind.PLANNED, EntryKind.FILLED]
            await append_lines(
                transaction,
                [LedgerEntry(NAME, SBIN, kind, Intent.ENTRY, Decimal(10), "e1") for kind in entry],
            )
        await made.database.execute(
            "INSERT INTO consumer_offsets"
            " SELECT 'executor', partition, last_offset + 100 FROM partition_heads"
        )
        await made.database.execute("DELETE FROM day_ends WHERE account_id = $1", follower)

        async def closed() -> bool:
            ledgers = await load_ledgers(made.database, [NAME], SBIN)
            return ledgers[NAME, SBIN].idle

        await until(closed, "the ledger is closed")
        trade = await made.database.row("SELECT * FROM trades WHERE account_id = $1", follower)
        assert trade is not None
        assert (trade["status"], trade["quantity"], bool(trade["exit_order_id"])) == ("closed", 10, True)
        assert trade["profit"] is not None
