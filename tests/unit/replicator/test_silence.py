"""Signs of life, looked at by a clock of the test's own."""

from dataclasses import dataclass, field, replace

import pytest

from paceline.domain.errors import Unavailable
from paceline.domain.ids import AccountId
from paceline.domain.subscription import Subscription
from paceline.runtime.metric_names import SILENT_LEADERS
from paceline.runtime.metrics import Metrics
from services.replicator.silence import Silence
from tests.fakes.clock import FakeClock
from tests.unit.domain.given import LEADER, subscription
from tests.unit.replicator.given import Signs

USUAL = subscription()
PATIENT = replace(subscription(name="s2"), leader_silence_ms=60_000)


@dataclass
class Room:
    clock: FakeClock = field(default_factory=FakeClock)
    signs: Signs = field(default_factory=Signs)
    metrics: Metrics = field(default_factory=Metrics)
    silence: Silence = field(init=False)

    def __post_init__(self) -> None:
        self.silence = Silence(self.signs, self.followed, self.clock, self.metrics, 30_000)  # type: ignore[arg-type]

    def followed(self) -> dict[AccountId, tuple[Subscription, ...]]:
        return {LEADER: (USUAL, PATIENT), AccountId("fyers:NOBODYS"): ()}

    def speaks(self) -> None:
        self.signs.heard[LEADER] = self.clock.now_ns()

    async def passes(self, seconds: int) -> None:
        for _ in range(seconds):
            self.clock.advance(1)
            await self.silence.look()

    def closed(self, follows: Subscription = USUAL, *, ago_s: int = 0) -> bool:
        return self.silence.close_only(follows, self.clock.now_ns() - ago_s * 1_000_000_000)


async def test_a_leader_who_is_not_heard_closes_each_subscription_in_its_own_time() -> None:
    room = Room()
    room.speaks()
    await room.passes(29)
    assert not room.closed()
    await room.passes(3)
    assert (room.closed(), room.closed(PATIENT)) == (True, False)
    assert room.metrics.value(SILENT_LEADERS) == 1
    await room.passes(30)
    assert room.closed(PATIENT)
    room.speaks()
    await room.passes(1)
    assert (room.closed(), room.closed(PATIENT)) == (False, False)
    assert (room.closed(ago_s=20), room.closed(PATIENT, ago_s=20)) == (True, True), "what happened meanwhile"
    assert room.metrics.value(SILENT_LEADERS) == 0


async def test_a_feed_that_died_is_a_leader_not_heard() -> None:
    room = Room()
    room.speaks()
    await room.passes(1)
    room.signs.heard.clear()
    await room.passes(31)
    assert room.closed()


async def test_nobody_is_judged_of_whom_no_feed_ever_spoke() -> None:
    room = Room()
    await room.passes(100)
    assert not room.closed()


async def test_a_store_that_is_away_silences_nobody() -> None:
    room = Room()
    room.speaks()
    await room.passes(1)
    room.signs.away = True
    room.clock.advance(300)
    with pytest.raises(Unavailable):
        await room.silence.look()
    assert not room.closed()
    room.signs.away = False
    room.signs.heard.clear()
    await room.passes(1)
    assert not room.closed(), "a store that forgot is told again in a moment"
    await room.passes(31)
    assert room.closed()
