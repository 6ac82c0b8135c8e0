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


def order_identity(report: OrderReport, revision: int) -> EventIdentity:
    """The order's name, which revision of it this is, and a hash of what the broker said of it.

    An order may come back to an earlier state within one second of the broker's clock: that is news again.
    """
    said = "\x1f".join(map(_word, (*material(report), report.broker_time_ns)))
    return EventIdentity(f"{_order_name(report)}:state:{revision}:{_digest(said)}")


def standing_identity(report: OrderReport) -> EventIdentity:
    """What a baseline remembers of an order: whenever it is told again, it says nothing new."""
    said = "\x1f".join(_word(value) for value in material(report))
    return EventIdentity(f"{_order_name(report)}:stood:{_digest(said)}")


def baseline_identity(position: PositionReport, at_ns: int) -> EventIdentity:
    """One per key and day: a baseline is taken once."""
    return EventIdentity(_position_name(position, at_ns))


def difference_identity(position: PositionReport, at_ns: int) -> EventIdentity:
    """A position that its fills do not explain, by when it was read: whoever journals it knows it then."""
    return EventIdentity(f"{_position_name(position, at_ns)}:{at_ns}")


def _order_name(report: OrderReport) -> str:
    day = trading_day(report.exchange, report.broker_time_ns)
    return f"{report.account_id}:{day:%Y%m%d}:{report.exchange}:{report.segment}:{report.order_id}"


def _position_name(position: PositionReport, at_ns: int) -> str:
    day, key = trading_day(position.exchange, at_ns), position.key
    place = f"{position.account_id}:{day:%Y%m%d}:{position.exchange}:{position.segment}"
    return f"{place}:position:{key.instrument_id}:{key.product}"


def _digest(said: str) -> str:
    return blake2b(said.encode(), digest_size=12).hexdigest()


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
