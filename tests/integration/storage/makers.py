"""Facts, accounts and decisions with everything that a test does not speak of filled in."""

from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from itertools import count

from paceline.adapters.postgres.accounts import PostgresAccounts
from paceline.adapters.postgres.database import Database
from paceline.domain.account import Account, AccountState, AccountType, Broker
from paceline.domain.copy_order import Cause, CauseKind, CopyOrder, Intent, Lane, OrderSpec
from paceline.domain.copying.decision import Decision, Outcome, SizingInputs, SkipReason
from paceline.domain.copying.tags import copy_order_id_of, decision_id_of, tag_of
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
from paceline.domain.instrument import Exchange, InstrumentKey, Product, Segment
from paceline.domain.ledger import EntryKind, LedgerEntry
from paceline.domain.order import BrokerStatus, Fee, Fill, OrderReport, OrderType, Side, Validity
from paceline.domain.partitioning import partition_of
from paceline.domain.position import PositionReport
from paceline.domain.subscription import CopyMode, Sizing, SizingMode, Subscription, SubscriptionState

LEADER = AccountId("fyers:XLEADER")
SBIN = InstrumentKey(InstrumentId("NSE:SBIN-EQ"), Product.INTRADAY)
HOME = partition_of(LEADER)
"""The leader's partition."""
NOON_NS = 1_767_248_400_000_000_000

_numbers = count(1)


def a_fill(account: AccountId = LEADER, trade: str = "", order: str = "O1", quantity: int = 10) -> Fact:
    name = trade or f"T{next(_numbers)}"
    body = Fill(
        account_id=account,
        order_id=BrokerOrderId(order),
        trade_id=name,
        key=SBIN,
        exchange=Exchange.NSE,
        segment=Segment.CAPITAL_MARKET,
        side=Side.BUY,
        quantity=Decimal(quantity),
        price=Decimal("812.35"),
        broker_time_ns=NOON_NS,
        fees=(Fee("brokerage", Decimal("0.05"), "INR"),),
    )
    return _fact(f"{account}:2026-01-01:{order}:{name}", EventKind.FILL, body)


def an_order(account: AccountId = LEADER, order: str = "O1", revision: int = 1) -> Fact:
    body = OrderReport(
        account_id=account,
        order_id=BrokerOrderId(order),
        key=SBIN,
        exchange=Exchange.NSE,
        segment=Segment.CAPITAL_MARKET,
        side=Side.BUY,
        type=OrderType.LIMIT,
        status=BrokerStatus.PENDING,
        quantity=Decimal(10),
        filled=Decimal(revision - 1),
        limit_price=Decimal("812.35"),
        trigger_price=Decimal(0),
        average_price=Decimal(0),
        validity=Validity.DAY,
        disclosed=Decimal(0),
        offline=False,
        tag="",
        broker_time_ns=NOON_NS,
    )
    return replace(_fact(f"{account}:{order}:{revision}", EventKind.ORDER, body), revision=revision)


def a_position(account: AccountId = LEADER, quantity: int = 5) -> Fact:
    body = PositionReport(
        account, SBIN, Exchange.NSE, Segment.CAPITAL_MARKET, Decimal(quantity), Decimal("800.00")
    )
    return _fact(f"{account}:position:{next(_numbers)}", EventKind.POSITION, body)


def _fact(identity: str, kind: EventKind, body: OrderReport | Fill | PositionReport) -> Fact:
    return Fact(
        identity=EventIdentity(identity),
        account_id=body.account_id,
        kind=kind,
        body=body,
        broker_time_ns=NOON_NS,
        seen_ns=NOON_NS + 1_000_000,
        recovered=False,
        raw=b'{"s":"ok"}\x00\xff',
    )


def an_event(fact: Fact, offset: int = 1) -> Event:
    return Event(partition_of(fact.account_id), Offset(offset), offset, NOON_NS, fact)


async def own(database: Database, service: str, partitions: Iterable[Partition], epoch: int = 1) -> Epoch:
    """As a lease won with that epoch."""
    await database.execute(
        "INSERT INTO leases (service, partition, epoch, owner) SELECT $1, p, $3, 'tests'"
        " FROM unnest($2::smallint[]) AS p"
        " ON CONFLICT (service, partition) DO UPDATE SET epoch = excluded.epoch",
        service,
        list(partitions),
        epoch,
    )
    return Epoch(epoch)


def an_account(name: str, type_: AccountType = AccountType.LIVE) -> Account:
    broker, _, client = name.partition(":")
    return Account(
        account_id=AccountId(name),
        broker=Broker(broker),
        client_id=client,
        type=type_,
        state=AccountState.ACTIVE,
        segments=frozenset({Segment.CAPITAL_MARKET, Segment.EQUITY_DERIVATIVES}),
    )


async def accounts_of(database: Database, *names: str) -> None:
    store = PostgresAccounts(database)
    for name in names:
        await store.create(an_account(name))


def a_subscription(leader: str, follower: str, name: str = "") -> Subscription:
    return Subscription(
        subscription_id=SubscriptionId(name or f"{leader}>{follower}"),
        leader=AccountId(leader),
        follower=AccountId(follower),
        state=SubscriptionState.APPROVED,
        auto_copy=True,
        mode=CopyMode.ON_FILL,
        sizing=Sizing(SizingMode.FIXED_RATIO, Decimal("0.5")),
    )


def a_decision(
    event: Event, subscription: str, follower: str = "", slices: int = 1, intent: Intent = Intent.ENTRY
) -> Decision:
    """To buy ten for one follower, in slices."""
    name = SubscriptionId(subscription)
    account = AccountId(follower or f"fyers:F-{subscription}")
    identity = event.fact.identity
    decision_id = decision_id_of(identity, name)
    cause = Cause(CauseKind.EVENT, identity)
    orders = tuple(
        CopyOrder(
            copy_order_id=copy_order_id_of(decision_id, 0, n, 0),
            decision_id=decision_id,
            cause=cause,
            subscription_id=name,
            account_id=account,
            spec=OrderSpec(SBIN, Side.BUY, OrderType.LIMIT, Decimal(10), Decimal("820.00")),
            intent=intent,
            lane=Lane.ENTRY if intent is Intent.ENTRY else Lane.EXIT,
            leg=0,
            slice=n,
            step=0,
            tag=tag_of(cause, name, leg=0, slice_=n),
            leader_price=Decimal("812.35"),
            leader_time_ns=NOON_NS,
            seen_ns=NOON_NS + 1,
            planned_ns=NOON_NS + 2,
        )
        for n in range(slices)
    )
    sizing = SizingInputs(SizingMode.FIXED_RATIO, Decimal("0.5"), Decimal("0.5"), Decimal("10.25"))
    quantity = Decimal(10 * slices)
    lines = (
        LedgerEntry(name, SBIN, EntryKind.IDEAL, intent, Decimal("10.25"), identity),
        LedgerEntry(name, SBIN, EntryKind.PLANNED, intent, quantity, identity),
    )
    return Decision(
        decision_id, name, account, SBIN, Side.BUY, intent, Outcome.PLANNED, quantity, sizing,
        orders=orders, entries=lines,
    )  # fmt: skip


def a_skip(event: Event, subscription: str) -> Decision:
    planned = a_decision(event, subscription, slices=0)
    return replace(
        planned, outcome=Outcome.SKIPPED, quantity=Decimal(0), reason=SkipReason.MARKET_CLOSED, entries=()
    )
