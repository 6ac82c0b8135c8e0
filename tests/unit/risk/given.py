"""Accounts, fills and prices with everything filled in that a test does not speak of."""

from decimal import Decimal
from itertools import count

from paceline.domain.account import Account, AccountState, AccountType, Broker
from paceline.domain.ids import AccountId, BrokerOrderId, InstrumentId
from paceline.domain.instrument import Exchange, InstrumentKey, Product, Segment
from paceline.domain.order import Fill, Side
from paceline.domain.position import Funds, PositionReport
from services.risk.assess import Ages
from services.risk.board import Board

NOW = 1_767_248_400_000_000_000
SECOND = 1_000_000_000
AGES = Ages(price_max_ms=60_000, funds_max_ms=180_000)
SBIN = InstrumentKey(InstrumentId("NSE:SBIN-EQ"), Product.INTRADAY)
NIFTY = InstrumentKey(InstrumentId("NSE:NIFTY26NOVFUT"), Product.MARGIN)

_trades = count(1)


def account(name: str, type_: AccountType = AccountType.COPY_FOLLOWER) -> Account:
    return Account(
        AccountId(f"fyers:{name}"),
        Broker.FYERS,
        name,
        type_,
        AccountState.ACTIVE,
        frozenset({Segment.CAPITAL_MARKET}),
    )


def fill(
    account_id: AccountId,
    signed: int | Decimal,
    price: str | Decimal,
    key: InstrumentKey = SBIN,
    at: int = NOW,
) -> Fill:
    return Fill(
        account_id=account_id,
        order_id=BrokerOrderId("O1"),
        trade_id=f"T{next(_trades)}",
        key=key,
        exchange=Exchange.NSE,
        segment=Segment.CAPITAL_MARKET,
        side=Side.BUY if signed > 0 else Side.SELL,
        quantity=abs(Decimal(signed)),
        price=Decimal(price),
        broker_time_ns=at,
    )


def baseline(
    account_id: AccountId, signed: int, average: str | Decimal, key: InstrumentKey = SBIN
) -> PositionReport:
    return PositionReport(
        account_id, key, Exchange.NSE, Segment.CAPITAL_MARKET, Decimal(signed), Decimal(average)
    )


def funds(account_id: AccountId, cash: str | int, used: str | int = 0, realised: str | int = 0) -> Funds:
    cash_, used_ = Decimal(cash), Decimal(used)
    return Funds(account_id, cash_, used_, cash_ - used_, realised=Decimal(realised))


def board(*names: str, multiplier: int = 1) -> Board:
    """With these accounts on it, flat and without funds."""
    made = Board(AGES)
    made.know(SBIN.instrument_id, Decimal(1))
    made.know(NIFTY.instrument_id, Decimal(multiplier))
    for name in names:
        made.admit(account(name))
    return made
