"""A trade: what an account did in one instrument key from flat to flat."""

from dataclasses import dataclass, replace
from decimal import Decimal

from paceline.domain.ids import AccountId, EventIdentity
from paceline.domain.instrument import InstrumentKey
from paceline.domain.money import EXACT, ZERO
from paceline.domain.order import Fill, Side
from paceline.domain.position import PositionReport


@dataclass(frozen=True, slots=True)
class Trade:
    """Values are exact sums of quantity x price, without the multiplier."""

    trade_id: EventIdentity
    """Of the fact that opened it."""
    account_id: AccountId
    key: InstrumentKey
    side: Side
    opened_ns: int
    entry_order_id: str = ""
    """Empty where it was held before anything was copied."""
    tag: str = ""
    """Of the order that opened it: by it a copy is known."""
    quantity: Decimal = ZERO
    entry_value: Decimal = ZERO
    exited: Decimal = ZERO
    exit_value: Decimal = ZERO
    exit_order_id: str = ""
    """The last one that brought it down."""
    closed_ns: int = 0
    because: str = ""
    """Why it is closed, where no fill of it says so."""

    @property
    def held(self) -> Decimal:
        """Signed."""
        return (self.quantity - self.exited) * int(self.side)

    @property
    def is_open(self) -> bool:
        return not self.closed_ns

    def profit(self, multiplier: Decimal) -> Decimal | None:
        """None while it is open, and where nobody knows at what price it ended."""
        if self.is_open or self.exited != self.quantity:
            return None
        return EXACT.multiply(self.exit_value - self.entry_value, multiplier) * int(self.side)


def after_fill(trade: Trade | None, identity: EventIdentity, fill: Fill) -> tuple[Trade, ...]:
    """The trades that one fill changes, the one that is left last: a flip closes one and opens another."""
    if trade is None or not trade.is_open:
        return (_opened(identity, fill, fill.quantity),)
    if trade.side is fill.side:
        more = EXACT.add(trade.entry_value, EXACT.multiply(fill.quantity, fill.price))
        return (replace(trade, quantity=trade.quantity + fill.quantity, entry_value=more),)
    closing = min(fill.quantity, trade.quantity - trade.exited)
    exited = replace(
        trade,
        exited=trade.exited + closing,
        exit_value=EXACT.add(trade.exit_value, EXACT.multiply(closing, fill.price)),
        exit_order_id=str(fill.order_id),
    )
    if exited.held:
        return (exited,)
    closed = replace(exited, closed_ns=fill.broker_time_ns)
    rest = fill.quantity - closing
    return (closed, _opened(identity, fill, rest)) if rest else (closed,)


def after_baseline(
    trade: Trade | None, identity: EventIdentity, report: PositionReport, at_ns: int
) -> tuple[Trade, ...]:
    """What the broker shows is held, whatever was thought before."""
    if trade is not None and trade.is_open:
        if trade.held == report.quantity:
            return ()
        before: tuple[Trade, ...] = (ended(trade, at_ns, "the position book shows another position"),)
    else:
        before = ()
    if not report.quantity:
        return before
    quantity = abs(report.quantity)
    opened = Trade(
        identity,
        report.account_id,
        report.key,
        Side.BUY if report.quantity > 0 else Side.SELL,
        at_ns,
        quantity=quantity,
        entry_value=EXACT.multiply(quantity, report.average_price),
    )
    return (*before, opened)


def ended(trade: Trade, at_ns: int, because: str) -> Trade:
    """Without a fill: at what price, nobody told."""
    return replace(trade, closed_ns=at_ns, because=because)


def _opened(identity: EventIdentity, fill: Fill, quantity: Decimal) -> Trade:
    return Trade(
        identity,
        fill.account_id,
        fill.key,
        fill.side,
        fill.broker_time_ns,
        str(fill.order_id),
        fill.tag,
        quantity,
        EXACT.multiply(quantity, fill.price),
    )
