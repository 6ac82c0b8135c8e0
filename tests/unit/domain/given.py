"""What tests start from: short words for leaders, followers, fills and markets."""

from dataclasses import replace
from decimal import Decimal

from paceline.domain.copying.view import Copier, Equity, LeaderPosition, LeaderState, Market
from paceline.domain.event import Event, EventKind, Fact
from paceline.domain.facts import fill_identity, order_identity
from paceline.domain.ids import AccountId, BrokerOrderId, InstrumentId, Offset, Partition, SubscriptionId
from paceline.domain.instrument import (
    Exchange,
    Instrument,
    InstrumentKey,
    InstrumentKind,
    Product,
    Segment,
)
from paceline.domain.order import BrokerStatus, Fill, OrderReport, OrderType, Side, Validity
from paceline.domain.subscription import CopyMode, Sizing, SizingMode, Subscription, SubscriptionState

S = 1_000_000_000
NOW = 1_700_000_000 * S
LEADER = AccountId("fyers:LEADER")
FOLLOWER = AccountId("fyers:FOLLOWER")
SBIN = InstrumentId("NSE:SBIN-EQ")
SHARE = Instrument(
    SBIN,
    Exchange.NSE,
    Segment.CAPITAL_MARKET,
    InstrumentKind.EQUITY,
    lot=Decimal(1),
    tick=Decimal("0.05"),
)
KEY = InstrumentKey(SBIN, Product.INTRADAY)


def d(value: int | str) -> Decimal:
    return Decimal(value)


def instrument(
    *,
    lot: int | str = 1,
    freeze: int | None = None,
    exchange: Exchange = Exchange.NSE,
    band: tuple[int, int] | None = None,
) -> Instrument:
    return replace(
        SHARE,
        lot=d(lot),
        freeze=None if freeze is None else d(freeze),
        exchange=exchange,
        lower_band=d(band[0]) if band else None,
        upper_band=d(band[1]) if band else None,
    )


def fill(
    signed: int | str | Decimal,
    *,
    trade: str = "t1",
    order: str = "1",
    price: int | str = 100,
    at: int = NOW,
    account: AccountId = LEADER,
    tag: str = "",
    key: InstrumentKey = KEY,
) -> Fill:
    """A trade, bought when positive and sold when negative."""
    quantity = Decimal(signed)
    return Fill(
        account,
        BrokerOrderId(order),
        trade,
        key,
        Exchange.NSE,
        Segment.CAPITAL_MARKET,
        Side.BUY if quantity > 0 else Side.SELL,
        abs(quantity),
        d(price),
        at,
        tag=tag,
    )


def report(
    status: BrokerStatus = BrokerStatus.PENDING,
    *,
    order: str = "1",
    side: Side = Side.BUY,
    quantity: int = 100,
    filled: int = 0,
    limit: int | str = 100,
    at: int = NOW,
    account: AccountId = LEADER,
    tag: str = "",
) -> OrderReport:
    return OrderReport(
        account_id=account,
        order_id=BrokerOrderId(order),
        key=KEY,
        exchange=Exchange.NSE,
        segment=Segment.CAPITAL_MARKET,
        side=side,
        type=OrderType.LIMIT,
        status=status,
        quantity=d(quantity),
        filled=d(filled),
        limit_price=d(limit),
        trigger_price=d(0),
        average_price=d(0),
        validity=Validity.DAY,
        disclosed=d(0),
        offline=False,
        tag=tag,
        broker_time_ns=at,
    )


def event(body: Fill | OrderReport, *, offset: int = 1) -> Event:
    is_fill = isinstance(body, Fill)
    identity = fill_identity(body) if isinstance(body, Fill) else order_identity(body, 1)
    kind = EventKind.FILL if is_fill else EventKind.ORDER
    fact = Fact(identity, body.account_id, kind, body, body.broker_time_ns, body.broker_time_ns, False, b"")
    return Event(Partition(1), Offset(offset), offset, body.broker_time_ns, fact, f"trace-{offset}")


def subscription(
    *,
    name: str = "s1",
    ratio: int | str = 1,
    mode: SizingMode = SizingMode.FIXED_RATIO,
    leader: AccountId = LEADER,
    follower: AccountId = FOLLOWER,
) -> Subscription:
    return Subscription(
        SubscriptionId(name),
        leader,
        follower,
        SubscriptionState.APPROVED,
        auto_copy=True,
        mode=CopyMode.ON_FILL,
        sizing=Sizing(mode, d(ratio)),
    )


def copier(ratio: int | str = 1, *, name: str = "s1") -> Copier:
    return Copier(subscription(name=name, ratio=ratio))


def leader(position: int | str = 0, *, equity: int | None = None) -> LeaderState:
    positions = {KEY: LeaderPosition(d(position))} if position else {}
    return LeaderState(LEADER, positions, Equity(d(equity), 0) if equity is not None else None)


def market(traded: Instrument = SHARE, *, last: int | str | None = None, now: int = NOW) -> Market:
    prices = {} if last is None else {SBIN: d(last)}
    return Market({SBIN: traded}, now, prices)
