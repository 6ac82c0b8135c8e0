"""Plans in memory with the rules of the tables, and everything else a replicator reads."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from paceline.domain.account import Account, AccountState, AccountType, Broker, SessionState
from paceline.domain.copy_order import CopyOrder
from paceline.domain.copying.changes import OpenRow
from paceline.domain.copying.decision import Decision, SizingInputs
from paceline.domain.copying.view import LeaderOrder, LeaderPosition, LeaderState, fold_orders
from paceline.domain.errors import NotOwner, Unavailable
from paceline.domain.event import Event, EventKind, Fact
from paceline.domain.ids import (
    AccountId,
    BrokerOrderId,
    Epoch,
    EventIdentity,
    InstrumentId,
    Offset,
    Partition,
    SubscriptionId,
)
from paceline.domain.instrument import Instrument, InstrumentKey, Segment
from paceline.domain.ledger import Ledger
from paceline.domain.order import Fill, OrderReport
from paceline.domain.partitioning import partition_of
from paceline.domain.position import PositionReport
from paceline.domain.subscription import Subscription, SubscriptionState
from paceline.ports.accounts import AccountGroup
from paceline.ports.news import News, Touch
from paceline.ports.plans import Chunk, Committed, LedgerKey, Passage
from paceline.ports.portfolios import Portfolio
from paceline.ports.presence import SessionPresence
from paceline.ports.prices import Price
from paceline.ports.sessions import Session, SessionId
from paceline.ports.subscriptions import SubscriptionChanges
from tests.unit.domain.given import LEADER, SHARE, event

HOME = partition_of(LEADER)


def an_event(body: Fill | OrderReport | PositionReport, offset: int) -> Event:
    if isinstance(body, PositionReport):
        fact = Fact(
            EventIdentity(f"baseline-{offset}"), body.account_id, EventKind.POSITION, body, 1, 1, False, b""
        )
        return Event(partition_of(body.account_id), Offset(offset), offset, 1, fact)
    made = event(body, offset=offset)
    return replace(made, partition=partition_of(body.account_id))


@dataclass
class FakePlans:
    """One transaction is one call. `outdate` names subscriptions whose ledger moves under the decision."""

    ledgers: dict[LedgerKey, Ledger] = field(default_factory=dict)
    decided: dict[tuple[EventIdentity, SubscriptionId], Decision] = field(default_factory=dict)
    others: dict[SubscriptionId, Decimal] = field(default_factory=dict)
    positions: dict[AccountId, dict[InstrumentKey, LeaderPosition]] = field(default_factory=dict)
    sizings: dict[tuple[BrokerOrderId, SubscriptionId], SizingInputs] = field(default_factory=dict)
    offsets: dict[Partition, Offset] = field(default_factory=dict)
    epoch: Epoch = Epoch(1)  # noqa: RUF009 - an int by another name
    log: list[str] = field(default_factory=list)
    fail_at: int = 0
    """The write of this number fails, counted from 1."""
    lose_answer_at: int = 0
    """The write of this number is carried out, and its answer lost."""
    outdate: dict[SubscriptionId, Ledger] = field(default_factory=dict)
    never_still: bool = False
    writes: int = 0
    reads: int = 0

    async def load(self, consumer: str, partitions: Iterable[Partition]) -> Mapping[Partition, Offset]:
        assert consumer == "replicator"
        self.reads += 1
        return {each: self.offsets.get(each, Offset(0)) for each in partitions}

    async def commit_chunk(self, chunk: Chunk) -> Committed:
        self._begin(chunk.epoch)
        outdated = frozenset(
            each.subscription_id for each in chunk.decisions if each.subscription_id in self.outdate
        )
        for each in outdated:
            self.ledgers[each, chunk.event.fact.body.key] = self.outdate[each]
        if not self.never_still:
            self.outdate = {}
        identity = chunk.event.fact.identity
        inserted = tuple(
            each
            for each in chunk.decisions
            if each.subscription_id not in outdated and (identity, each.subscription_id) not in self.decided
        )
        for decision in inserted:
            self._insert(identity, decision)
            self._freeze(chunk.event, decision)
        if chunk.move_offset:
            self._finish(chunk)
        self.log.append(f"commit {len(inserted)}" + (" done" if chunk.move_offset else ""))
        self._end()
        standing = tuple(
            self.decided[identity, each.subscription_id]
            for each in chunk.decisions
            if each not in inserted and each.subscription_id not in outdated
        )
        return Committed(inserted, standing, outdated, dict(self.ledgers))

    async def pass_over(self, passages: Sequence[Passage]) -> frozenset[Partition]:
        for passage in passages:
            self._begin(passage.epoch)
            for moved in passage.positions:
                self.positions.setdefault(moved.account_id, {})[moved.key] = moved.position
            self.offsets[passage.partition] = passage.offset
            self.log.append(f"pass {passage.offset}")
            self._end()
        return frozenset()

    async def ledgers_for(
        self, subscriptions: Iterable[SubscriptionId], key: InstrumentKey | None = None
    ) -> Mapping[LedgerKey, Ledger]:
        return dict(self.ledgers)

    async def others_held(
        self, subscriptions: Iterable[SubscriptionId], key: InstrumentKey
    ) -> Mapping[SubscriptionId, Decimal]:
        return dict(self.others)

    async def leader_states(self, accounts: Iterable[AccountId]) -> Mapping[AccountId, LeaderState]:
        return {each: LeaderState(each, dict(self.positions.get(each, {}))) for each in accounts}

    async def frozen_sizings(
        self, account_id: AccountId, order_id: BrokerOrderId, subscriptions: Iterable[SubscriptionId]
    ) -> Mapping[SubscriptionId, SizingInputs]:
        self.reads += 1
        return {
            each: self.sizings[order_id, each] for each in subscriptions if (order_id, each) in self.sizings
        }

    async def sizings_of_orders(
        self,
        account_id: AccountId,
        orders: Iterable[BrokerOrderId],
        subscriptions: Iterable[SubscriptionId],
    ) -> Mapping[SubscriptionId, Mapping[BrokerOrderId, SizingInputs]]:
        self.reads += 1
        wanted = list(orders)
        return {
            each: {order: self.sizings[order, each] for order in wanted if (order, each) in self.sizings}
            for each in subscriptions
        }

    @property
    def orders(self) -> list[CopyOrder]:
        return [order for decision in self.decided.values() for order in decision.orders]

    def _begin(self, epoch: Epoch) -> None:
        self.writes += 1
        if epoch != self.epoch:
            raise NotOwner("the lease is somebody else's")
        if self.writes == self.fail_at:
            raise Unavailable("the database is away")

    def _end(self) -> None:
        if self.writes == self.lose_answer_at:
            raise Unavailable("the answer was lost")

    def _insert(self, identity: EventIdentity, decision: Decision) -> None:
        self.decided[identity, decision.subscription_id] = decision
        key = (decision.subscription_id, decision.key)
        self.ledgers[key] = self.ledgers.get(key, Ledger()).with_lines(decision.entries)

    def _freeze(self, happened: Event, decision: Decision) -> None:
        body = happened.fact.body
        if decision.sizing is not None and not isinstance(body, PositionReport):
            self.sizings.setdefault((body.order_id, decision.subscription_id), decision.sizing)

    def _finish(self, chunk: Chunk) -> None:
        assert chunk.leader_state is not None
        for moved in chunk.passed:
            self.positions.setdefault(moved.account_id, {})[moved.key] = moved.position
        key, account = chunk.event.fact.body.key, chunk.leader_state.account_id
        self.positions.setdefault(account, {})[key] = chunk.leader_state.position(key)
        self.offsets[chunk.partition] = chunk.event.offset


@dataclass
class FakeSubscriptions:
    rows: dict[SubscriptionId, tuple[int, Subscription]] = field(default_factory=dict)
    change: int = 0
    away: int = 0

    def put(self, *subscriptions: Subscription) -> None:
        for each in subscriptions:
            self.change += 1
            self.rows[each.subscription_id] = (self.change, each)

    async def load(self, leader_partitions: Iterable[Partition]) -> SubscriptionChanges:
        return self._since(0, leader_partitions, ended=False)

    async def changes_since(self, change: int, leader_partitions: Iterable[Partition]) -> SubscriptionChanges:
        return self._since(change, leader_partitions, ended=True)

    def _since(self, change: int, partitions: Iterable[Partition], *, ended: bool) -> SubscriptionChanges:
        if self.away:
            self.away -= 1
            raise Unavailable("the database is away")
        wanted = set(partitions)
        found = [
            each
            for at, each in sorted(self.rows.values(), key=lambda row: row[0])
            if at > change
            and partition_of(each.leader) in wanted
            and (ended or each.state is not SubscriptionState.ENDED)
        ]
        return SubscriptionChanges(tuple(found), self.change)


@dataclass
class FakePeople:
    """Accounts and their sessions; whoever was never put is there and live."""

    accounts: dict[AccountId, Account] = field(default_factory=dict)
    states: dict[AccountId, SessionState] = field(default_factory=dict)
    away: int = 0
    touched: set[Touch] = field(default_factory=set)
    writers: int = 0
    reads: int = 0

    def put(self, row: Account) -> None:
        self.accounts[row.account_id] = row
        self._touch(row.account_id)

    def move(self, account_id: AccountId, state: SessionState) -> None:
        self.states[account_id] = state
        self._touch(account_id)

    def _touch(self, account_id: AccountId) -> None:
        self.writers += 1
        self.touched.add((account_id, self.writers))

    async def get_many(self, wanted: Iterable[AccountId]) -> Mapping[AccountId, Account]:
        if self.away:
            self.away -= 1
            raise Unavailable("the database is away")
        self.reads += 1
        return {each: self.accounts.get(each, account(each)) for each in wanted}

    async def of_accounts(self, wanted: Iterable[AccountId]) -> Mapping[AccountId, Session]:
        return {
            each: Session(
                SessionId(each), Broker.FYERS, "", (each,), self.states.get(each, SessionState.LIVE)
            )
            for each in wanted
        }


@dataclass
class FakeNews:
    """`old` transactions have not ended: what was written after them is told again and again."""

    subscriptions: FakeSubscriptions
    people: FakePeople
    old: int = 0
    asked: int = 0

    async def since(self, horizon: int | None) -> News:
        self.asked += 1
        await asyncio.sleep(0)
        begin = self.people.writers + 1 if horizon is None else horizon
        touched = frozenset(each for each in self.people.touched if each[1] >= begin)
        return News(self.people.writers + 1 - self.old, self.subscriptions.change, touched)


def account(name: AccountId, state: AccountState = AccountState.ACTIVE) -> Account:
    return Account(
        name, Broker.FYERS, name, AccountType.COPY_FOLLOWER, state, frozenset({Segment.CAPITAL_MARKET})
    )


@dataclass
class FakeMarket:
    """Instruments, prices and portfolios in one."""

    instruments: dict[InstrumentId, Instrument] = field(default_factory=lambda: {SHARE.instrument_id: SHARE})
    prices: dict[InstrumentId, Price] = field(default_factory=dict)
    portfolios: dict[AccountId, Portfolio] = field(default_factory=dict)
    reads: int = 0

    async def get_many(self, ids: Iterable[InstrumentId]) -> Mapping[InstrumentId, Instrument]:
        self.reads += 1
        return {each: self.instruments[each] for each in ids if each in self.instruments}


class PriceShelf:
    def __init__(self, market: FakeMarket) -> None:
        self.market = market

    async def get(self, ids: Iterable[InstrumentId]) -> Mapping[InstrumentId, Price]:
        return {each: self.market.prices[each] for each in ids if each in self.market.prices}


class PortfolioShelf:
    def __init__(self, market: FakeMarket) -> None:
        self.market = market

    async def get(self, types: Mapping[AccountId, AccountType]) -> Mapping[AccountId, Portfolio]:
        return {each: self.market.portfolios[each] for each in types if each in self.market.portfolios}


@dataclass
class FakeCommands:
    """Rows on their way, by subscription and key."""

    rows: dict[LedgerKey, Sequence[OpenRow]] = field(default_factory=dict)
    asked: list[LedgerKey] = field(default_factory=list)
    plans: FakePlans | None = None
    """All that was planned is open as well."""

    async def open_rows(self, keys: Iterable[LedgerKey]) -> Mapping[LedgerKey, Sequence[OpenRow]]:
        wanted = list(keys)
        self.asked += wanted
        return {each: [*self.rows.get(each, ()), *self._planned(each)] for each in wanted}

    def _planned(self, wanted: LedgerKey) -> Sequence[OpenRow]:
        orders = self.plans.orders if self.plans else ()
        return [OpenRow(each) for each in orders if (each.subscription_id, each.spec.key) == wanted]


@dataclass
class FakeLeaderOrders:
    orders: list[OrderReport] = field(default_factory=list)
    journal: list[Event] = field(default_factory=list)
    asked: list[tuple[AccountId, InstrumentKey, Offset]] = field(default_factory=list)
    reads: int = 0

    async def newest(self, account_id: AccountId, key: InstrumentKey, since: date) -> Sequence[OrderReport]:
        self.reads += 1
        return [each for each in self.orders if each.account_id == account_id and each.key == key]

    async def before(
        self, account_id: AccountId, key: InstrumentKey, since: date, offset: Offset
    ) -> Mapping[BrokerOrderId, LeaderOrder]:
        self.reads += 1
        self.asked.append((account_id, key, offset))
        found: Mapping[BrokerOrderId, LeaderOrder] = {}
        for each in self.journal:
            body = each.fact.body
            mine = each.fact.account_id == account_id and body.key == key
            if mine and each.offset < offset and not isinstance(body, PositionReport):
                found = fold_orders(found, each)
        return found


@dataclass
class FakeGroups:
    groups: dict[AccountId, Sequence[AccountGroup]] = field(default_factory=dict)
    reads: int = 0

    async def of_accounts(
        self, account_ids: Iterable[AccountId]
    ) -> Mapping[AccountId, Sequence[AccountGroup]]:
        self.reads += 1
        return {each: self.groups[each] for each in account_ids if each in self.groups}


class Signs:
    """What feeds say of sessions."""

    def __init__(self) -> None:
        self.heard: dict[AccountId, int] = {}
        self.away = False

    async def sessions(self, accounts: Iterable[AccountId]) -> Mapping[AccountId, SessionPresence]:
        if self.away:
            raise Unavailable("the store is away")
        return {
            each: SessionPresence(each, SessionState.LIVE, "", 0, self.heard[each])
            for each in accounts
            if each in self.heard
        }
