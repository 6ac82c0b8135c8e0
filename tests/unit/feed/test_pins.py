"""A pin is a lease of one account: held, lost, stood in for and taken back, at the usual times of leases."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import cast

import pytest

from paceline.domain.errors import NotOwner, Unavailable
from paceline.domain.ids import AccountId, Epoch, Partition
from paceline.runtime.credentials import CredentialStore
from paceline.runtime.partitions import LeaseTimes, Partitions
from paceline.runtime.readiness import Readiness
from services.feed.pins import PinHolder, PinWatch
from services.feed.roster import Roster
from services.feed.tenure import Tenures
from tests.fakes.clock import FakeClock
from tests.fakes.leases import FakeLeases
from tests.fakes.pins import FakePins
from tests.unit.domain.given import LEADER
from tests.unit.feed.house import HOME

TIMES = LeaseTimes()
TTL_S = TIMES.ttl_ms / 1000


@dataclass
class Noting:
    """What a roster and a credential store would have been told."""

    left: list[AccountId] = field(default_factory=list)
    heard: list[AccountId] = field(default_factory=list)
    read: list[AccountId] = field(default_factory=list)

    async def leave(self, accounts: Iterable[AccountId]) -> None:
        self.left.extend(accounts)

    def hear(self, account: AccountId) -> None:
        self.heard.append(account)

    async def reload(self, accounts: Iterable[AccountId]) -> None:
        self.read.extend(accounts)


class Scene:
    """One sharing replica that holds every partition, and pods as a test makes them."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.leases, self.table = FakeLeases(self.clock), FakePins()
        self.partitions = Partitions(self.leases, self.clock, owner="sharing", address="sharing:1")
        self.told = Noting()
        self.tenures = Tenures(self.partitions, self.clock)
        self.watch = PinWatch(
            self.table,
            self.tenures,
            cast(Roster, self.told),
            cast(CredentialStore, self.told),
            self.clock,
            TIMES.beat_ms,
        )
        self.drained: list[frozenset[Partition]] = []

    def pod(self, name: str, told: Noting, *accounts: AccountId) -> PinHolder:
        partitions = Partitions(self.leases, self.clock, owner=name, address="")
        return PinHolder(
            self.table,
            self.leases,
            Tenures(partitions, self.clock),
            cast(Roster, told),
            self._drain,
            Readiness(),
            self.clock,
            name,
            lambda: f"{name}:1",
            accounts or [LEADER],
            TIMES,
            lambda _count: None,
        )

    async def _drain(self, partitions: frozenset[Partition]) -> None:
        self.drained.append(partitions)

    async def turns(self, seconds: int, *pods: PinHolder) -> None:
        for _ in range(seconds):
            self.clock.advance(1)
            await self.partitions.turn()
            await self.watch.look()
            for pod in pods:
                await pod.turn()

    def may_write(self, *pods: PinHolder) -> Sequence[str]:
        """Who believes that he may journal the leader just now."""
        found = []
        for name, tenures in (("sharing", self.tenures), *((pod.owner, pod.tenures) for pod in pods)):
            try:
                tenures.of(LEADER)
            except NotOwner:
                continue
            found.append(name)
        return found


@pytest.fixture
async def scene() -> Scene:
    made = Scene()
    await made.turns(1)
    return made


async def test_a_pod_takes_its_account_from_whoever_shares_and_only_that(scene: Scene) -> None:
    told = Noting()
    pod = scene.pod("pod", told)
    await scene.turns(2, pod)
    assert scene.may_write(pod) == ["pod"]
    assert (told.heard, scene.told.left) == ([LEADER], [LEADER])
    assert (pod.tenures.of(LEADER).epoch, pod.tenures.of(LEADER).pin) == (None, 1)
    assert not scene.tenures.usable(LEADER)
    assert scene.tenures.pinned_elsewhere() == {LEADER}
    assert scene.told.read == [LEADER]
    assert len(scene.partitions.held()) == 256
    with pytest.raises(NotOwner):
        pod.tenures.of(AccountId("fyers:XOTHER"))


async def test_a_dead_pod_is_stood_in_for_after_its_ttl_and_within_ten_seconds(scene: Scene) -> None:
    pod = scene.pod("pod", Noting())
    await scene.turns(3, pod)
    scene.told.heard.clear()
    await scene.turns(int(TTL_S) - 1)
    assert scene.may_write() == []
    await scene.turns(2)
    assert scene.may_write(pod) == ["sharing"]
    assert scene.told.heard == [LEADER]
    assert scene.tenures.of(LEADER).pin == 2


async def test_a_pod_that_comes_back_gets_its_account_at_once_and_its_successor_waits(scene: Scene) -> None:
    first, second = scene.pod("first", Noting()), scene.pod("second", Noting())
    await scene.turns(3, first, second)
    assert scene.may_write(first, second) == ["first"]
    await scene.turns(int(TTL_S) + 1)
    assert scene.may_write() == ["sharing"]
    await scene.turns(1, second)
    await scene.turns(1, second)
    assert scene.may_write(first, second) == ["second"]


async def test_a_paused_pod_knows_at_once_that_its_time_ran_out(scene: Scene) -> None:
    told = Noting()
    pod = scene.pod("pod", told)
    await scene.turns(2, pod)
    scene.clock.suspend(TTL_S)
    assert not pod.tenures.usable(LEADER)
    assert scene.may_write(pod) == []
    await scene.turns(1)
    await scene.turns(int(TTL_S))
    await pod.turn()
    assert told.left == [LEADER]
    assert pod.tenures.of(LEADER).pin == 3


async def test_a_pod_without_a_database_gives_its_sessions_up_when_the_time_is_over(scene: Scene) -> None:
    told = Noting()
    pod = scene.pod("pod", told)
    await scene.turns(2, pod)
    scene.table.away = True
    scene.clock.advance(TTL_S + 1)
    with pytest.raises(Unavailable):
        await pod.turn()
    await pod.expire()
    assert told.left == [LEADER]


async def test_who_leaves_closes_first_and_frees_after_what_waits_is_written(scene: Scene) -> None:
    told = Noting()
    pod = scene.pod("pod", told)
    await scene.turns(2, pod)
    await pod.stop()
    assert (told.left, scene.drained) == ([LEADER], [frozenset({HOME})])
    await scene.watch.look()
    assert scene.may_write(pod) == ["sharing"]


async def test_what_came_and_went_between_two_looks_begins_the_session_anew(scene: Scene) -> None:
    """What it knows may lack what the pod journaled, and its right is another now."""
    await scene.table.prepare([LEADER])
    await scene.turns(1)
    before, known = scene.tenures.of(LEADER), len(scene.told.left)
    epoch = (await scene.table.acquire("pod", "", [(LEADER, 0)]))[LEADER]
    await scene.table.release("pod", [(LEADER, epoch)])
    await scene.watch.look()
    assert scene.tenures.of(LEADER) != before
    assert scene.told.left[known:] == [LEADER]
    assert scene.told.heard[-1] == LEADER


async def test_who_does_not_hold_the_partition_takes_nothing_from_the_silent(scene: Scene) -> None:
    pod = scene.pod("pod", Noting())
    await scene.turns(2, pod)
    await scene.partitions.stop()
    for _ in range(2 * int(TTL_S)):
        scene.clock.advance(1)
        await scene.watch.look()
    assert scene.table.table[LEADER].owner == "pod"


async def test_a_new_token_of_a_pinned_account_is_read_where_prices_are_asked_for(scene: Scene) -> None:
    pod = scene.pod("pod", Noting())
    await scene.turns(2, pod)
    scene.told.read.clear()
    scene.watch.hear(LEADER)
    scene.watch.hear(AccountId("fyers:XOTHER"))
    await scene.watch.look()
    assert scene.told.read == [LEADER]


async def test_a_pod_is_not_ready_while_nobody_shows_its_account_to_readers(scene: Scene) -> None:
    pod = scene.pod("pod", Noting())
    await scene.turns(2, pod)
    assert pod.readiness.ready
    for _ in range(int(TTL_S) + 1):
        scene.clock.advance(1)
        await pod.turn()
    assert pod.readiness.waiting_for() == (f"a sharing feed that shows {LEADER} to readers",)
    await scene.turns(1, pod)
    assert pod.readiness.ready
    await scene.partitions.stop()
    await pod.turn()
    assert not pod.readiness.ready


async def test_epochs_of_held_pins_are_those_it_writes_under(scene: Scene) -> None:
    other = AccountId("fyers:XOTHER")
    pod = scene.pod("pod", Noting(), LEADER, other)
    await scene.turns(2, pod)
    assert pod.tenures.epochs() == {LEADER: Epoch(1), other: Epoch(1)}
