"""Connections to the broker, opened before the first order needs one."""

from collections.abc import Awaitable, Callable, Mapping

import structlog

from paceline.ports.clock import Clock

_log = structlog.get_logger(__name__)

_LOOK_S = 1.0


class Warmer:
    """Opens the connections of every egress once; what idles too long is opened again by orders."""

    def __init__(
        self,
        warm: Callable[[Mapping[str, int]], Awaitable[int]],
        egresses: Callable[[], Mapping[str, int]],
        clock: Clock,
        per_egress_max: int,
    ) -> None:
        self._warm = warm
        self._egresses = egresses
        self._clock = clock
        self._per_egress_max = per_egress_max
        self._warmed: set[str] = set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(_LOOK_S)
            new = {each: count for each, count in self._egresses().items() if each not in self._warmed}
            wanted = {each: min(count, self._per_egress_max) for each, count in new.items()}
            if self._per_egress_max and wanted:
                stand = await self._warm(wanted)
                self._warmed |= wanted.keys()
                _log.info("broker.warmed", egresses=len(wanted), connections=stand)
