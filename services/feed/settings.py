"""Settings of the feed."""

from dataclasses import dataclass

from paceline.runtime.broker_settings import BrokerSettings
from paceline.runtime.settings import setting


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings(BrokerSettings):
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
    backstop_interval_s: int = setting(
        default=60,
        minimum=1,
        maximum=3_600,
        about="how often the books of a live session are read, in case its stream loses frames",
    )
    ticks_interval_ms: int = setting(
        default=50, minimum=1, maximum=10_000, about="prices are coalesced to the newest for so long"
    )
