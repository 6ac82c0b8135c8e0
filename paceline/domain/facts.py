"""What facts are called: from the broker's own words, so that every replica and restart agrees."""

from decimal import Decimal
from hashlib import blake2b

from paceline.domain.calendar import trading_day
from paceline.domain.ids import EventIdentity
from paceline.domain.order import Fill, OrderReport
from paceline.domain.position import PositionReport


def fill_identity(fill: Fill) -> EventIdentity:
    """`broker:client:trading-day:exchange:segment:order:trade`."""
    day = trading_day(fill.exchange, fill.broker_time_ns)
    return EventIdentity(
        f"{fill.account_id}:{day:%Y%m%d}:{fill.exchange}:{fill.segment}:{fill.order_id}:{fill.trade_id}"
    )


def order_identity(report: OrderReport) -> EventIdentity:
    """The order's name and a hash of what the broker said of it: the same words are the same fact."""
    day = trading_day(report.exchange, report.broker_time_ns)
    said = "\x1f".join(_word(value) for value in (*material(report), report.broker_time_ns))
    digest = blake2b(said.encode(), digest_size=12).hexdigest()
    return EventIdentity(
        f"{report.account_id}:{day:%Y%m%d}:{report.exchange}:{report.segment}:{report.order_id}:state:{digest}"
    )


def baseline_identity(position: PositionReport, at_ns: int) -> EventIdentity:
    """One per key and day: a baseline is taken once."""
    day = trading_day(position.exchange, at_ns)
    key = position.key
    return EventIdentity(
        f"{position.account_id}:{day:%Y%m%d}:{position.exchange}:{position.segment}"
        f":position:{key.instrument_id}:{key.product}"
    )


def material(report: OrderReport) -> tuple[object, ...]:
    """What must differ for a report to say something new."""
    return (
        report.status,
        report.side,
        report.type,
        report.quantity,
        report.filled,
        report.limit_price,
        report.trigger_price,
        report.validity,
        report.disclosed,
    )


def _word(value: object) -> str:
    """A price is the same whether it was written 100 or 100.00."""
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
