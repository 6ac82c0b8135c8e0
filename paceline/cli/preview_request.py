"""From what a person writes to what is asked: settings to try, a range, and what is taken for granted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum
from typing import TypeVar

from google.protobuf.message import Message

from paceline.adapters.wire.times import timestamp_of
from paceline.api.v1 import common_pb2, subscription_pb2
from paceline.domain.calendar import IST
from paceline.domain.errors import Invalid
from paceline.domain.money import decimal_of

T = TypeVar("T")


class SizingName(Enum):
    EQUITY_RATIO = "equity-ratio"
    FIXED_RATIO = "fixed-ratio"
    FIXED_QUANTITY = "fixed-quantity"
    FIXED_NOTIONAL = "fixed-notional"
    RISK_PERCENT = "risk-percent"


@dataclass(frozen=True, kw_only=True, slots=True)
class Written:
    """As it stands on the command line; empty is not given."""

    leader: str
    follower: str = ""
    day: str = ""
    since: str = ""
    until: str = ""
    sizing: SizingName = SizingName.FIXED_RATIO
    value: str = "1"
    round_up: bool = False
    reverse: bool = False
    blocked: Sequence[str] = ()
    max_lots: str = ""
    max_notional: str = ""
    leader_equity: str = ""
    follower_equity: str = ""
    cost_per_order: str = ""
    cost_bps: str = ""


def request_of(written: Written, today: date) -> subscription_pb2.PreviewSubscriptionRequest:
    """`Invalid` with the option that cannot be read."""
    request = subscription_pb2.PreviewSubscriptionRequest(
        subscription=subscription_pb2.Subscription(
            leader_id=written.leader,
            follower_id=written.follower,
            mode=subscription_pb2.COPY_MODE_ON_FILL,
            style=subscription_pb2.EXECUTION_STYLE_PROTECTED_LIMIT,
            reverse=written.reverse,
        ),
        range=_range(written, today),
    )
    tried = request.subscription
    tried.sizing.mode = subscription_pb2.SizingMode.Value(f"SIZING_MODE_{written.sizing.name}")
    tried.sizing.round_up_to_one_lot = written.round_up
    tried.filters.blocked_instrument_ids.extend(written.blocked)
    _put(tried.sizing, {"value": ("value", written.value)})
    _put(
        tried.caps,
        {
            "max_lots_per_order": ("max-lots", written.max_lots),
            "max_notional_per_order": ("max-notional", written.max_notional),
        },
    )
    _put(
        request.assumptions,
        {
            "leader_equity": ("leader-equity", written.leader_equity),
            "follower_equity": ("follower-equity", written.follower_equity),
            "cost_per_order": ("cost-per-order", written.cost_per_order),
            "cost_bps": ("cost-bps", written.cost_bps),
        },
    )
    return request


def _put(wire: Message, texts: Mapping[str, tuple[str, str]]) -> None:
    """Decimals that were given, by field and option."""
    for name, (option, text) in texts.items():
        if text:
            getattr(wire, name).value = f"{decimal_of(text, option):f}"


def _range(written: Written, today: date) -> common_pb2.TimeRange:
    if written.day and (written.since or written.until):
        raise Invalid("day", "must not be given beside --from or --to")
    if written.until and not written.since:
        raise Invalid("from", "must be given where --to is")
    end: datetime | None = None
    if written.since:
        start = _read(written.since, "from", _moment)
        end = _read(written.until, "to", _moment) if written.until else None
    else:
        day = _read(written.day, "day", date.fromisoformat) if written.day else today
        start = datetime.combine(day, time.min, IST)
        end = start + timedelta(days=1)
    return common_pb2.TimeRange(
        start_time=timestamp_of(start), end_time=None if end is None else timestamp_of(end)
    )


def _moment(text: str) -> datetime:
    """In India unless it says where."""
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=IST)


def _read(text: str, option: str, read: Callable[[str], T]) -> T:
    try:
        return read(text)
    except ValueError:
        raise Invalid(option, "must be a date or moment, as 2026-11-20 or 2026-11-20T09:15") from None
