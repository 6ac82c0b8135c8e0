"""Settings of the executor."""

from dataclasses import dataclass
from typing import ClassVar

from paceline.runtime.broker_settings import BrokerSettings
from paceline.runtime.market_hours import MarketHours
from paceline.runtime.settings import CrossRule, setting


def _outlives_lease(request_max_ms: int, ttl_ms: int, beat_ms: int) -> str | None:
    if request_max_ms + beat_ms < ttl_ms:
        return None
    return "disagree: a request must end before a lease that was renewed one beat ago"


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings(BrokerSettings):
    RULES: ClassVar[tuple[CrossRule, ...]] = (
        CrossRule(("broker_request_max_ms", "lease_ttl_ms", "lease_beat_ms"), _outlives_lease),
    )

    attempts_max: int = setting(
        default=3, minimum=1, maximum=20, about="how often a command is tried that surely did not happen"
    )
    retry_first_ms: int = setting(
        default=100, minimum=1, maximum=10_000, about="first pause before such a command is tried again"
    )
    retry_longest_ms: int = setting(
        default=2_000, minimum=1, maximum=60_000, about="longest pause between two tries"
    )
    breaker_failures_max: int = setting(
        default=20,
        minimum=1,
        maximum=1_000,
        about="failures in a row to reach a broker through one egress, after which entries fail at once",
    )
    breaker_open_ms: int = setting(
        default=1_000,
        minimum=10,
        maximum=600_000,
        about="how long they do before one is tried; doubled with each that fails",
    )
    settle_ms: int = setting(
        default=2_000,
        minimum=10,
        maximum=120_000,
        about="how long a broker's order book may lag; absence needs two reads so far apart",
    )
    sweep_after_ms: int = setting(
        default=750, minimum=10, maximum=60_000, about="planned rows older than this are taken in unasked"
    )
    sends_max: int = setting(
        default=2_000, minimum=1, maximum=20_000, about="orders on their way to brokers at the same time"
    )
    reads_at_once: int = setting(
        default=16, minimum=1, maximum=500, about="order books read at the same time"
    )
    held_exit_retry_ms: int = setting(
        default=5_000, minimum=100, maximum=600_000, about="how often an exit that cannot be sent is tried"
    )
    stream_batch_events: int = setting(
        default=500, minimum=1, maximum=2_000, about="most events taken from a feed at once"
    )
    stream_gather_ms: int = setting(
        default=50, minimum=0, maximum=1_000, about="how long events gather at a feed behind those just sent"
    )
    warm_connections: int = setting(
        default=0, minimum=0, maximum=5_000, about="connections to the broker opened ahead, per egress"
    )
    chase_rest_ms: int = setting(
        default=2_000,
        minimum=50,
        maximum=600_000,
        about="how long a protected limit rests unfilled before it follows the price; doubled with each step",
    )
    chase_rest_longest_ms: int = setting(
        default=30_000, minimum=50, maximum=3_600_000, about="longest pause between two such steps"
    )
    chase_price_age_max_ms: int = setting(
        default=5_000, minimum=100, maximum=600_000, about="an older price moves no order"
    )
    chase_entry_steps_max: int = setting(
        default=5, minimum=0, maximum=100, about="how often an entry follows before it is given up"
    )
    chase_entry_max_ms: int = setting(
        default=30_000,
        minimum=100,
        maximum=86_400_000,
        about="how long an entry may rest before it is given up",
    )
    chase_exit_step_bps: int = setting(
        default=100,
        minimum=1,
        maximum=5_000,
        about="how far beyond the last price an exit goes with each step",
    )
    chase_exit_reach_bps: int = setting(
        default=1_000, minimum=1, maximum=9_000, about="how far beyond the last price an exit may ever be"
    )
    exit_retry_first_ms: int = setting(
        default=2_000,
        minimum=10,
        maximum=600_000,
        about="how long after an exit was refused it is tried again; doubled with each refusal",
    )
    exit_retry_longest_ms: int = setting(
        default=60_000, minimum=10, maximum=3_600_000, about="longest pause between two such tries"
    )
    exit_retries_max: int = setting(
        default=30,
        minimum=0,
        maximum=1_000,
        about="how often a refused exit is tried before a person must look",
    )
    market_hours: MarketHours = setting(
        default=MarketHours.INDIA, about="when a liquidation can sell: the exchanges' hours, or always-open"
    )
    drift_every_ms: int = setting(
        default=60_000,
        minimum=100,
        maximum=86_400_000,
        about="how often the ledgers of an account are compared with its position book",
    )
    drift_quiet_ms: int = setting(
        default=30_000,
        minimum=0,
        maximum=3_600_000,
        about="how long a position must not have moved before a position book is believed about it",
    )
