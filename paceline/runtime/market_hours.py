"""By which hours the platform goes."""

from enum import Enum


class MarketHours(Enum):
    INDIA = "india"
    ALWAYS_OPEN = "always-open"
