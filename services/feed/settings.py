"""Settings of the feed."""

from dataclasses import dataclass
from datetime import time
from pathlib import Path
from typing import ClassVar

from paceline.domain.account import Broker
from paceline.runtime.broker_settings import BrokerSettings
from paceline.runtime.market_hours import MarketHours
from paceline.runtime.settings import CrossRule, setting


def _forgetful(names_days: int, events_days: int) -> str | None:
    fine = names_days >= events_days
    return None if fine else "disagree: a fact whose name is forgotten before its event would be news again"


def _broken_time(text: str) -> str | None:
    try:
        time.fromisoformat(text)
    except ValueError:
        return "is not a time like 18:00"
    return None


def _broken_account(name: str) -> str | None:
    broker, _, client = name.partition(":")
    known = broker in {each.value for each in Broker}
    return None if known and client else "must name a known broker and a client, like fyers:XV20986"


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings(BrokerSettings):
    RULES: ClassVar[tuple[CrossRule, ...]] = (
        CrossRule(("event_names_kept_days", "events_kept_days"), _forgetful),
    )

    pinned_accounts: tuple[str, ...] = setting(
        default=(),
        check=_broken_account,
        about="accounts (broker:client) whose sessions this replica holds, instead of a share of all",
    )
    pong_timeout_ms: int = setting(
        default=5_000, minimum=100, maximum=60_000, about="without a pong for so long a socket is dead"
    )
    dials_max: int = setting(
        default=50, minimum=1, maximum=1_000, about="sessions that connect and recover at the same time"
    )
    reconnect_first_ms: int = setting(
        default=250, minimum=10, maximum=60_000, about="first pause before a broken session dials again"
    )
    reconnect_longest_ms: int = setting(
        default=30_000, minimum=100, maximum=600_000, about="longest pause between two dials of a session"
    )
    journal_group_max: int = setting(
        default=1_000, minimum=1, maximum=10_000, about="most events in one commit of the journal"
    )
    journal_queue_max: int = setting(
        default=20_000, minimum=100, maximum=1_000_000, about="events that may wait before sessions slow down"
    )
    stream_ring_events: int = setting(
        default=1_024,
        minimum=16,
        maximum=100_000,
        about="newest events of a partition served from memory; older ones come from the journal",
    )
    trades_settle_ms: int = setting(
        default=1_000,
        minimum=10,
        maximum=60_000,
        about="how long a trade may be behind its order before the trade book is read",
    )
    positions_settle_ms: int = setting(
        default=5_000,
        minimum=10,
        maximum=600_000,
        about="how long a position that no trade explains must stand in the broker's book to be believed",
    )
    backstop_interval_s: int = setting(
        default=60,
        minimum=1,
        maximum=3_600,
        about="how often the books of a live session are read, in case its stream loses frames",
    )
    market_hours: MarketHours = setting(
        default=MarketHours.INDIA, about="which days have openings and ends: the exchanges', or always-open"
    )
    token_ahead_min: int = setting(
        default=30, minimum=1, maximum=1_440, about="how long before its end a token is renewed"
    )
    login_ahead_min: int = setting(
        default=60, minimum=1, maximum=1_440, about="how long before an opening sessions log in for its day"
    )
    login_spread_min: int = setting(
        default=15, minimum=0, maximum=1_440, about="accounts log in spread over so long before that"
    )
    logins_at_once: int = setting(
        default=5, minimum=1, maximum=1_000, about="logins ahead that run side by side"
    )
    roll_call_min: int = setting(
        default=20, minimum=1, maximum=1_440, about="how long before an opening it is said who is not ready"
    )
    master_read_at: str = setting(
        default="08:30",
        check=_broken_time,
        about="when the day's instrument masters are read, in India's time, beside the start",
    )
    master_lost_max_percent: int = setting(
        default=50,
        minimum=1,
        maximum=100,
        about="a master with so much fewer instruments in one of its files than before is refused whole",
    )
    ticks_silent_ms: int = setting(
        default=20_000,
        minimum=100,
        maximum=3_600_000,
        about="a data socket that says nothing for so long while a market is open: quotes stand in for it",
    )
    ticks_stale_ms: int = setting(
        default=15_000,
        minimum=100,
        maximum=3_600_000,
        about="a price that nothing confirmed for so long while its market is open is marked stale",
    )
    quotes_interval_ms: int = setting(
        default=2_000,
        minimum=100,
        maximum=3_600_000,
        about="while quotes stand in, one call of up to 50 symbols in so long",
    )
    ticks_symbols_max: int = setting(
        default=5_000,
        minimum=1,
        maximum=5_000,
        about="instruments on a data socket; the broker takes no more than 5,000",
    )
    ticks_interval_ms: int = setting(
        default=10, minimum=1, maximum=10_000, about="prices are coalesced to the newest for so long"
    )
    journal_archive_dir: Path | None = setting(
        default=None,
        about="where weeks of the journal are kept before they are dropped, seen by all replicas; unset keeps"
        " them in the database",
    )
    journal_drop_unarchived: bool = setting(
        default=False, about="whether old weeks are dropped where no archive is set: what they held is lost"
    )
    events_kept_days: int = setting(
        default=400, minimum=21, maximum=36_500, about="how long events stay in the database"
    )
    event_names_kept_days: int = setting(
        default=460,
        minimum=21,
        maximum=36_500,
        about="how long a fact is known by its name, so that a broker who tells it again tells nothing new",
    )
    dead_letters_kept_days: int = setting(
        default=90, minimum=1, maximum=36_500, about="how long frames that nobody could use are kept"
    )
    trades_interval_s: int = setting(
        default=30, minimum=1, maximum=3_600, about="how often fills are folded into the rows of trades"
    )
    day_end_at: str = setting(
        default="18:00",
        check=_broken_time,
        about="when the trading day ends, in India's time: what brokers no longer show is closed then",
    )
    day_end_settle_s: int = setting(
        default=60,
        minimum=1,
        maximum=3_600,
        about="how far apart two position books are read before what both lack counts as gone",
    )
