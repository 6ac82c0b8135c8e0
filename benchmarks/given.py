"""What the measured parts are given: one share, its leader, his fills and his followers."""

from decimal import Decimal

from paceline.domain.copying.view import Copier, LeaderPosition, LeaderState, Market
from paceline.domain.event import Event, EventKind, Fact
from paceline.domain.facts import fill_identity
from paceline.domain.ids import AccountId, BrokerOrderId, InstrumentId, Offset, SubscriptionId
from paceline.domain.instrument import (
    Exchange,
    Instrument,
    InstrumentKey,
    InstrumentKind,
    Product,
    Segment,
)
from paceline.domain.order import Fee, Fill, Side
from paceline.domain.partitioning import partition_of
from paceline.domain.subscription import CopyMode, Sizing, SizingMode, Subscription, SubscriptionState

LEADER = AccountId("fyers:XL00001")
KEY = InstrumentKey(InstrumentId("NSE:SBIN-EQ"), Product.INTRADAY)
NOON_NS = 1_767_248_400_000_000_000
_PRICE = Decimal("812.35")
_SHARE = Instrument(
    KEY.instrument_id,
    Exchange.NSE,
    Segment.CAPITAL_MARKET,
    InstrumentKind.EQUITY,
    lot=Decimal(1),
    tick=Decimal("0.05"),
)
_RAW = b'{"trades":{"id":"26010100000001","id_fill":"26010100000001-1"},"s":"ok"}'


def fill(account: AccountId, order: str, trade: str, quantity: int = 10, at_ns: int = NOON_NS) -> Fact:
    body = Fill(
        account_id=account,
        order_id=BrokerOrderId(order),
        trade_id=trade,
        key=KEY,
        exchange=Exchange.NSE,
        segment=Segment.CAPITAL_MARKET,
        side=Side.BUY,
        quantity=Decimal(quantity),
        price=_PRICE,
        broker_time_ns=at_ns,
        fees=(Fee("brokerage", Decimal("0.05"), "INR"),),
    )
    return Fact(
        identity=fill_identity(body),
        account_id=account,
        kind=EventKind.FILL,
        body=body,
        broker_time_ns=at_ns,
        seen_ns=at_ns + 1_000_000,
        recovered=False,
        raw=_RAW,
    )


def event(quantity: int) -> Event:
    """A fill of the leader, journaled."""
    return Event(partition_of(LEADER), Offset(1), 1, NOON_NS, fill(LEADER, "O1", "T1", quantity))


def copier(number: int, ratio: Decimal) -> Copier:
    subscription = Subscription(
        SubscriptionId(f"s{number}"),
        LEADER,
        AccountId(f"fyers:XF{number:05d}"),
        SubscriptionState.APPROVED,
        auto_copy=True,
        mode=CopyMode.ON_FILL,
        sizing=Sizing(SizingMode.FIXED_RATIO, ratio),
    )
    return Copier(subscription)


def leader() -> LeaderState:
    return LeaderState(LEADER, dict[InstrumentKey, LeaderPosition](), None)


def market() -> Market:
    return Market({KEY.instrument_id: _SHARE}, NOON_NS, {})
