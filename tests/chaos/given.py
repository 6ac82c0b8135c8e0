"""A broker's book and the journal that tells it, right to the last word."""

from dataclasses import replace
from decimal import Decimal

from chaos.feed.judge import BookedOrder, BookedTrade, Evidence, FillName, OrderState, Received
from paceline.domain.event import Event, EventKind, Fact
from paceline.domain.ids import AccountId, BrokerOrderId, EventIdentity, InstrumentId, Offset, Partition
from paceline.domain.instrument import Exchange, InstrumentKey, Product, Segment
from paceline.domain.order import BrokerStatus, Fill, OrderReport, OrderType, Side, Validity

ACCOUNT = AccountId("fyers:XL1")
ORDER = BrokerOrderId("77")
PLACE = Partition(9)
KEY = InstrumentKey(InstrumentId("NSE:SBIN-EQ"), Product.INTRADAY)
AT_NS = 1_700_000_000_000_000_000
PRICE = Decimal("812.4")


def report(status: BrokerStatus, filled: int) -> OrderReport:
    return OrderReport(
        account_id=ACCOUNT,
        order_id=ORDER,
        key=KEY,
        exchange=Exchange.NSE,
        segment=Segment.CAPITAL_MARKET,
        side=Side.BUY,
        type=OrderType.MARKET,
        status=status,
        quantity=Decimal(2),
        filled=Decimal(filled),
        limit_price=Decimal(0),
        trigger_price=Decimal(0),
        average_price=PRICE if filled else Decimal(0),
        validity=Validity.DAY,
        disclosed=Decimal(0),
        offline=False,
        tag="",
        broker_time_ns=AT_NS,
    )


def fill(trade: str) -> Fill:
    return Fill(
        account_id=ACCOUNT,
        order_id=ORDER,
        trade_id=trade,
        key=KEY,
        exchange=Exchange.NSE,
        segment=Segment.CAPITAL_MARKET,
        side=Side.BUY,
        quantity=Decimal(1),
        price=PRICE,
        broker_time_ns=AT_NS,
    )


def event(number: int, body: OrderReport | Fill, revision: int = 0) -> Event:
    kind = EventKind.FILL if isinstance(body, Fill) else EventKind.ORDER
    identity = EventIdentity(f"event {number}")
    fact = Fact(identity, ACCOUNT, kind, body, AT_NS, AT_NS, recovered=False, raw=b"", revision=revision)
    return Event(PLACE, Offset(number), number, AT_NS, fact)


def numbered(events: list[Event]) -> Evidence:
    """The evidence of exactly these events, streamed as they were journaled."""
    streamed = [Received(each.offset, each.fact.identity) for each in events]
    done = OrderState(BrokerStatus.TRADED, OrderType.MARKET, Decimal(2), Decimal(2), Decimal(0), Decimal(0))
    return Evidence(
        trades=[
            BookedTrade(FillName("XL1", ORDER, trade), KEY.instrument_id, 1, Decimal(1), PRICE, AT_NS)
            for trade in ("1", "2")
        ],
        orders=[BookedOrder("XL1", ORDER, done, AT_NS)],
        events={PLACE: events},
        heads={PLACE: len(events)},
        received={PLACE: streamed},
    )


def whole() -> list[Event]:
    return [
        event(1, report(BrokerStatus.PENDING, 0), 1),
        event(2, fill("1")),
        event(3, report(BrokerStatus.PENDING, 1), 2),
        event(4, fill("2")),
        event(5, report(BrokerStatus.TRADED, 2), 3),
    ]


def renumbered(events: list[Event]) -> list[Event]:
    """As the journal would have counted them."""
    return [replace(each, offset=Offset(n), sequence=n) for n, each in enumerate(events, start=1)]
