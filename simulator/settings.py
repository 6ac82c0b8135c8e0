"""How one simulated broker is set up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from simulator.limits import Quota
from simulator.market import Liquidity

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from simulator.instruments import Universe


@dataclass(slots=True)
class Settings:
    """Port 0 lets the system choose."""

    host: str = "127.0.0.1"
    port: int = 0
    control_port: int = 0
    seed: int = 1
    universe: Universe | None = None
    """The instruments; a default of about fifty unless given."""
    universe_date: date | None = None
    """The day from which the default instruments take their expiries; today unless given."""
    quota: Quota = field(default_factory=Quota)
    liquidity: Liquidity = field(default_factory=Liquidity)
    real_hours: bool = False
    token_ttl_s: int = 24 * 3600
    refresh_ttl_s: int = 15 * 24 * 3600
    refresh_supported: bool = True
    binary_frames: bool = False
    slow_reader_limit_bytes: int = 8 * 1024 * 1024
    """An order socket whose client reads no faster than this is cut."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tick_interval_ms: int = 100
    """How often market hours and scripted prices are looked at."""

    @property
    def is_tls(self) -> bool:
        return self.tls_cert is not None
