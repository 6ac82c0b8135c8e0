"""Who follows whom, kept true by notices, also when a store is away while they come."""

import asyncio
from dataclasses import dataclass, replace

import pytest

from paceline.domain.account import AccountState, SessionState
from paceline.domain.errors import Unavailable
from paceline.domain.ids import AccountId
from paceline.domain.subscription import SubscriptionState
from services.replicator.directory import Directory
from tests.fakes.clock import FakeClock
from tests.unit.domain.given import FOLLOWER, LEADER, subscription
from tests.unit.replicator.given import HOME, FakePeople, FakeSubscriptions, account

ONE = subscription(name="s1")


@dataclass
class World:
    clock: FakeClock
    subscriptions: FakeSubscriptions
    people: FakePeople
    directory: Directory

    def names(self) -> list[str]:
        return [each.subscription_id for each in self.directory.of_leader(LEADER)]


async def a_world(*, gained: bool = True) -> World:
    clock, subscriptions, people = FakeClock(auto_jump=True), FakeSubscriptions(), FakePeople()
    subscriptions.put(ONE)
    directory = Directory(subscriptions, people, people, clock)  # type: ignore[arg-type]  # as much as this needs
    if gained:
        await directory.gain([HOME])
    return World(clock, subscriptions, people, directory)


async def test_a_gain_brings_everything_about_its_leaders() -> None:
    world = await a_world()
    assert world.names() == ["s1"]
    assert world.directory.account(FOLLOWER) == account(FOLLOWER)
    assert world.directory.session_usable(FOLLOWER)
    assert not world.directory.frozen(FOLLOWER)


async def test_who_is_not_known_can_neither_trade_nor_is_he_free() -> None:
    world = await a_world()
    nobody = AccountId("fyers:NOBODY")
    assert world.directory.account(nobody) is None
    assert not world.directory.session_usable(nobody)
    assert world.directory.frozen(nobody)


async def test_notices_bring_new_changed_and_ended_subscriptions() -> None:
    world = await a_world()
    running = asyncio.create_task(world.directory.run())
    world.subscriptions.put(replace(ONE, auto_copy=False, version=2), subscription(name="s2"))
    world.directory.hear_subscription()
    await world.clock.sleep(1)
    assert world.names() == ["s1", "s2"]
    assert not world.directory.of_leader(LEADER)[0].auto_copy
    world.subscriptions.put(replace(ONE, state=SubscriptionState.ENDED, version=3))
    world.directory.hear_subscription()
    await world.clock.sleep(1)
    assert world.names() == ["s2"]
    running.cancel()


async def test_notices_of_accounts_and_sessions_are_read() -> None:
    world = await a_world()
    world.people.accounts[FOLLOWER] = account(FOLLOWER, AccountState.FROZEN)
    world.people.states[FOLLOWER] = SessionState.LOGIN_NEEDED
    world.directory.hear_account(FOLLOWER)
    world.directory.hear_account(AccountId("fyers:NOBODY"))
    await world.directory.refresh()
    assert world.directory.frozen(FOLLOWER)
    assert not world.directory.session_usable(FOLLOWER)
    assert world.directory.account(AccountId("fyers:NOBODY")) is None


async def test_a_notice_that_cannot_be_read_now_is_read_later() -> None:
    world = await a_world()
    await world.directory.refresh()
    world.people.accounts[FOLLOWER] = account(FOLLOWER, AccountState.FROZEN)
    world.subscriptions.put(subscription(name="s2", follower=AccountId("fyers:NEW")))
    world.people.away = world.subscriptions.away = 1
    world.directory.hear_account(FOLLOWER)
    world.directory.hear_subscription()
    for _ in range(2):
        with pytest.raises(Unavailable):
            await world.directory.refresh()
    await world.directory.refresh()
    assert world.directory.frozen(FOLLOWER)
    assert world.names() == ["s1", "s2"]


async def test_the_loop_outlives_a_store_that_is_away() -> None:
    world = await a_world()
    world.subscriptions.away = 3
    world.subscriptions.put(subscription(name="s2"))
    running = asyncio.create_task(world.directory.run())
    world.directory.hear_subscription()
    await world.clock.sleep(5)
    running.cancel()
    assert world.names() == ["s1", "s2"]


async def test_after_a_silence_everything_is_read_again() -> None:
    world = await a_world()
    world.people.states[FOLLOWER] = SessionState.DISCONNECTED
    await world.directory.reread()
    await world.directory.refresh()
    assert not world.directory.session_usable(FOLLOWER)


async def test_a_partition_that_leaves_takes_its_subscriptions_along() -> None:
    world = await a_world()
    world.directory.lose([HOME])
    assert world.names() == []
    world.subscriptions.put(subscription(name="s2"))
    world.directory.hear_subscription()
    await world.directory.refresh()
    assert world.names() == []
    await world.directory.gain([HOME])
    assert world.names() == ["s1", "s2"]


async def test_an_older_reading_changes_nothing() -> None:
    world = await a_world()
    newer = replace(ONE, auto_copy=False, version=5)
    await world.directory._take([newer])
    await world.directory._take([ONE])
    assert world.directory.of_leader(LEADER) == (newer,)
