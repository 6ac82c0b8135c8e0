"""Settings of the replicator."""

from dataclasses import dataclass

from paceline.runtime.broker_settings import PartitionSettings
from paceline.runtime.market_hours import MarketHours
from paceline.runtime.settings import setting


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings(PartitionSettings):
    chunk_followers: int = setting(
        default=100, minimum=1, maximum=5_000, about="followers decided and committed in one transaction"
    )
    chunks_at_once: int = setting(
        default=2, minimum=1, maximum=64, about="chunks that are decided and committed side by side"
    )
    stream_batch_events: int = setting(
        default=500, minimum=1, maximum=2_000, about="most events taken from a feed at once"
    )
    market_hours: MarketHours = setting(
        default=MarketHours.INDIA, about="when entries are copied: the exchanges' hours, or always-open"
    )
    equity_age_max_ms: int = setting(
        default=60_000, minimum=100, maximum=86_400_000, about="older equities are not sized with"
    )
    leader_silence_ms: int = setting(
        default=30_000,
        minimum=1_000,
        maximum=3_600_000,
        about="entries wait once nothing was heard of a leader for so long, unless a subscription says",
    )
    dispatch_queue_chunks: int = setting(
        default=256,
        minimum=1,
        maximum=100_000,
        about="chunks that may wait for one executor; what is dropped its sweep finds",
    )
    preview_days_max: int = setting(
        default=31, minimum=1, maximum=366, about="longest stretch of the journal in one dry run"
    )
    preview_events_max: int = setting(
        default=100_000, minimum=1, maximum=10_000_000, about="most events of the leader in one dry run"
    )
    previews_at_once: int = setting(
        default=2, minimum=1, maximum=64, about="dry runs that are planned for side by side; others wait"
    )
