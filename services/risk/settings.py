"""Settings of risk."""

from dataclasses import dataclass
from typing import ClassVar

from paceline.runtime.broker_settings import BrokerSettings
from paceline.runtime.market_hours import MarketHours
from paceline.runtime.settings import CrossRule, setting


def _always_stale(funds_age_ms: int, interval_ms: int) -> str | None:
    return None if funds_age_ms >= 2 * interval_ms else "disagree: funds must live for two readings at least"


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings(BrokerSettings):
    RULES: ClassVar[tuple[CrossRule, ...]] = (
        CrossRule(("funds_age_max_ms", "funds_interval_ms"), _always_stale),
    )

    market_hours: MarketHours = setting(
        default=MarketHours.INDIA, about="whether old prices alarm by the exchanges' calendar or at any time"
    )
    pass_ms: int = setting(
        default=200, minimum=10, maximum=10_000, about="how often every account is reckoned anew"
    )
    price_age_max_ms: int = setting(
        default=60_000, minimum=100, maximum=86_400_000, about="older prices mark a portfolio stale"
    )
    funds_age_max_ms: int = setting(
        default=180_000, minimum=1_000, maximum=86_400_000, about="older funds mark a portfolio stale"
    )
    funds_interval_ms: int = setting(
        default=60_000,
        minimum=500,
        maximum=3_600_000,
        about="how often the broker is asked for the funds of an account",
    )
    funds_again_ms: int = setting(
        default=3_000, minimum=100, maximum=600_000, about="how soon again when a fill crossed the answer"
    )
    funds_at_once: int = setting(
        default=16, minimum=1, maximum=1_000, about="accounts whose funds are asked for side by side"
    )
    ticks_interval_ms: int = setting(
        default=10, minimum=1, maximum=10_000, about="least time between two batches of prices from a feed"
    )
    checkpoint_interval_s: int = setting(
        default=900,
        minimum=1,
        maximum=86_400,
        about="how often positions are kept with their place in the journal: a restart reads on from there",
    )
    stream_batch_events: int = setting(
        default=500, minimum=1, maximum=2_000, about="most events taken from a feed at once"
    )
    stream_gather_ms: int = setting(
        default=20, minimum=0, maximum=1_000, about="how long events gather at a feed behind those just sent"
    )
    material_change_bps: int = setting(
        default=10,
        minimum=0,
        maximum=10_000,
        about="equity that moved by more is written to the account's own key, in basis points",
    )
    refresh_ms: int = setting(
        default=20_000,
        minimum=200,
        maximum=3_600_000,
        about="how old an account's own key becomes before it is written again unchanged",
    )
    puts_max: int = setting(
        default=1_000, minimum=1, maximum=100_000, about="most accounts' own keys written after one pass"
    )
    summons_at_once: int = setting(
        default=100, minimum=1, maximum=1_000, about="liquidations that an executor is asked for in one call"
    )
    alerts_at_once: int = setting(
        default=4, minimum=1, maximum=100, about="alerts told side by side, each on a thread of its own"
    )
    alert_timeout_s: int = setting(
        default=30, minimum=1, maximum=300, about="how long one target may take to take an alert"
    )
    alert_attempts_max: int = setting(
        default=12, minimum=1, maximum=100, about="after so many attempts an alert is given up for its target"
    )
    watch_batch: int = setting(
        default=500, minimum=1, maximum=10_000, about="most portfolios in one response of a watch"
    )
