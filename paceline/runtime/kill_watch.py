"""Kill switches and tripped guards as a replica knows them: read every moment, asked in memory."""

import structlog

from paceline.domain.errors import Unavailable
from paceline.domain.ids import AccountId, SubscriptionId
from paceline.domain.kill_switch import Stops
from paceline.ports.clock import Clock
from paceline.ports.kill_switches import KillSwitches
from paceline.runtime.log import RepeatGate

_log = structlog.get_logger(__name__)

_LOOK_S = 0.25


class KillWatch:
    """`look` once before anything is planned or sent. While nobody can look, what was read last holds."""

    def __init__(self, switches: KillSwitches, service: str, replica: str, clock: Clock) -> None:
        self._switches = switches
        self._service = service
        self._replica = replica
        self._clock = clock
        self._gate = RepeatGate(clock)
        self._stops = Stops()
        self._version = -1

    def entry(self, leader: AccountId, follower: AccountId) -> bool:
        return self._stops.entry(leader, follower)

    def copy(self, subscription_id: SubscriptionId | None, follower: AccountId) -> bool:
        return self._stops.copy(subscription_id, follower)

    def tripped(self, subscription_id: SubscriptionId | None, follower: AccountId) -> bool:
        """A guard tripped, and nobody armed it again."""
        return self._stops.tripped(subscription_id, follower)

    async def look(self) -> None:
        """Acts by it before it says so. Raises `Unavailable`."""
        reading = await self._switches.read()
        self._stops = Stops.of(reading.engaged, reading.guarded)
        if reading.version != self._version:
            await self._switches.acknowledge(self._service, self._replica, reading.version)
            if self._version >= 0:
                _log.warning("kill_switches.changed", engaged=len(reading.engaged), version=reading.version)
            self._version = reading.version

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._clock.sleep(_LOOK_S)
            try:
                await self.look()
            except Unavailable as problem:
                if self._gate.held_back("unread") is not None:
                    _log.error("kill_switches.unread", problem=str(problem))
