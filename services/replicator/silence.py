"""Which leaders are silent, as the feeds' signs of life tell: looked at every second, judged in memory."""

from collections.abc import Callable, Iterable, Mapping

import structlog

from paceline.domain.errors import Unavailable
from paceline.domain.ids import AccountId
from paceline.domain.silence import Voice
from paceline.domain.subscription import Subscription
from paceline.ports.clock import Clock
from paceline.ports.presence import Presence, SessionPresence
from paceline.runtime.metric_names import SILENT_LEADERS
from paceline.runtime.metrics import Metrics

_log = structlog.get_logger(__name__)

_LOOK_S = 1.0
_BLIND_NS = 2_000_000_000
"""Longer between two looks, and the leaders are not to blame for it."""

Leaders = Callable[[], Mapping[AccountId, Iterable[Subscription]]]
"""Those of held partitions, with who follows them."""


class Silence:
    """A leader whom no feed ever spoke of is not judged: nobody can say since when he is silent."""

    def __init__(
        self, presence: Presence, leaders: Leaders, clock: Clock, metrics: Metrics, usual_ms: int
    ) -> None:
        """`usual_ms` is what a subscription allows that does not say."""
        self._presence = presence
        self._leaders = leaders
        self._clock = clock
        self._gauge = metrics.gauge(SILENT_LEADERS)
        self._usual_ms = usual_ms
        self._voices: dict[AccountId, Voice] = {}
        self._silent: frozenset[AccountId] = frozenset()
        self._looked_ns = 0

    def close_only(self, subscription: Subscription, happened_ns: int) -> bool:
        """As of the last look: while nobody can look, nobody becomes silent."""
        voice = self._voices.get(subscription.leader)
        allowed_ms = self._allowed_ms(subscription)
        return voice is not None and voice.close_only(happened_ns, self._looked_ns, allowed_ms)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.look()
            except Unavailable as problem:
                _log.warning("silence.unread", problem=str(problem))
            await self._clock.sleep(_LOOK_S)

    async def look(self) -> None:
        least = {
            leader: min(self._allowed_ms(each) for each in followed)
            for leader, followed in self._leaders().items()
            if followed
        }
        told = await self._presence.sessions(least) if least else {}
        now_ns = self._clock.now_ns()
        blind_ns = max(now_ns - self._looked_ns - _BLIND_NS, 0) if self._looked_ns else 0
        voices = {
            leader: self._voice(leader, told.get(leader), allowed_ms, blind_ns)
            for leader, allowed_ms in least.items()
        }
        self._voices = {leader: voice for leader, voice in voices.items() if voice is not None}
        self._looked_ns = now_ns
        self._tell(least, now_ns)

    def _voice(
        self, leader: AccountId, told: SessionPresence | None, allowed_ms: int, blind_ns: int
    ) -> Voice | None:
        known = self._voices.get(leader)
        heard_ns = _heard_ns(told)
        if known is None:
            return Voice(heard_ns) if heard_ns else None
        return known.excused(blind_ns).after(heard_ns, allowed_ms)

    def _tell(self, least: Mapping[AccountId, int], now_ns: int) -> None:
        """Once when it begins, once when it ends."""
        silent = frozenset(
            leader for leader, voice in self._voices.items() if voice.silent_ms(now_ns) > least[leader]
        )
        for leader in sorted(silent - self._silent):
            for_ms = self._voices[leader].silent_ms(now_ns)
            _log.warning("leader.silent", leader=leader, for_ms=for_ms, follows="exits only")
        for leader in sorted(self._silent - silent):
            _log.info("leader.heard_again", leader=leader)
        self._silent = silent
        self._gauge.set(len(silent))

    def _allowed_ms(self, subscription: Subscription) -> int:
        return self._usual_ms if subscription.leader_silence_ms is None else subscription.leader_silence_ms


def _heard_ns(told: SessionPresence | None) -> int:
    return told.last_frame_ns if told is not None else 0
