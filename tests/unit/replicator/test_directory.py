"""Who follows whom, kept true by notices, also when a store is away while they come."""

import asyncio
from dataclasses import dataclass, replace

import pytest

from paceline.domain.account import AccountState, SessionState
from paceline.domain.errors import Unavailable
from paceline.domain.ids import AccountId, Partition
from paceline.domain.subscription import SubscriptionState
from services.replicator.directory import Directory
from tests.fakes.clock import FakeClock
from tests.unit.domain.given import FOLLOWER, LEADER, subscription
from tests.unit.replicator.given import HOME, FakeNews, FakePeople, FakeSubscriptions, account

ONE = subscription(name="s1")
ELSEWHERE = Partition((HOME + 1) % 256)


@dataclass
class World:
    clock: FakeClock
    subscriptions: FakeSubscriptions
    people: FakePeople
    news: FakeNews
    directory: Directory

    def names(self) -> list[str]:
        return [each.subscription_id for each in self.directory.of_leader(LEADER)]


async def a_world(*, gained: bool = True) -> World:
    clock, subscriptions, people = FakeClock(auto_jump=True), FakeSubscriptions(), FakePeople()
    subscriptions.put(ONE)
    news = FakeNews(subscriptions, people)
    directory = Directory(news, subscriptions, people, people, clock)  # type: ignore[arg-type]  # as much as this needs
    if gained:
        await directory.gain([HOME])
    return World(clock, subscriptions, people, news, directory)


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
    world.directory.hear()
    await world.clock.sleep(1)
    assert world.names() == ["s1", "s2"]
    assert not world.directory.of_leader(LEADER)[0].auto_copy
    world.subscriptions.put(replace(ONE, state=SubscriptionState.ENDED, version=3))
    world.directory.hear()
    await world.clock.sleep(1)
    assert world.names() == ["s2"]
    running.cancel()


async def test_what_was_never_heard_of_is_known_once_confirmed() -> None:
    world = await a_world()
    world.subscriptions.put(replace(ONE, auto_copy=False, version=2))
    world.people.put(account(FOLLOWER, AccountState.FROZEN))
    world.people.move(FOLLOWER, SessionState.LOGIN_NEEDED)
    world.people.put(account(AccountId("fyers:NOBODY")))
    await world.directory.confirm()
    assert not world.directory.of_leader(LEADER)[0].auto_copy
    assert world.directory.frozen(FOLLOWER)
    assert not world.directory.session_usable(FOLLOWER)
    assert world.directory.account(AccountId("fyers:NOBODY")) is None


async def test_the_first_subscription_of_all_is_not_missed_when_another_partition_is_gained() -> None:
    world = await a_world(gained=False)
    world.subscriptions.rows.clear()
    world.subscriptions.change = 0
    await world.directory.gain([HOME])
    world.subscriptions.put(ONE)
    await world.directory.gain([ELSEWHERE])
    await world.directory.confirm()
    assert world.names() == ["s1"]


async def test_who_asks_while_a_read_is_under_way_shares_the_next_one() -> None:
    world = await a_world()
    before = world.news.asked
    first = asyncio.create_task(world.directory.confirm())
    await asyncio.sleep(0)
    world.people.put(account(FOLLOWER, AccountState.FROZEN))
    await asyncio.gather(*(world.directory.confirm() for _ in range(5)))
    assert world.directory.frozen(FOLLOWER)
    await first
    assert world.news.asked == before + 3, "the first, the next, and one that the other four share"


async def test_what_is_told_again_while_an_old_transaction_lasts_is_read_once() -> None:
    world = await a_world()
    world.news.old = 10
    world.people.put(account(FOLLOWER, AccountState.FROZEN))
    await world.directory.confirm()
    before = world.people.reads
    await world.directory.confirm()
    assert world.people.reads == before
    world.people.put(account(FOLLOWER))
    await world.directory.confirm()
    assert not world.directory.frozen(FOLLOWER)


async def test_what_cannot_be_read_now_is_read_later() -> None:
    world = await a_world()
    world.people.put(account(FOLLOWER, AccountState.FROZEN))
    world.subscriptions.put(subscription(name="s2", follower=AccountId("fyers:NEW")))
    world.people.away = world.subscriptions.away = 1
    for _ in range(2):
        with pytest.raises(Unavailable):
            await world.directory.confirm()
    await world.directory.confirm()
    assert world.directory.frozen(FOLLOWER)
    assert world.names() == ["s1", "s2"]


async def test_the_loop_outlives_a_store_that_is_away() -> None:
    world = await a_world()
    world.subscriptions.away = 3
    world.subscriptions.put(subscription(name="s2"))
    running = asyncio.create_task(world.directory.run())
    world.directory.hear()
    await world.clock.sleep(5)
    running.cancel()
    assert world.names() == ["s1", "s2"]


async def test_a_partition_that_leaves_takes_its_subscriptions_along() -> None:
    world = await a_world()
    world.directory.lose([HOME])
    assert world.names() == []
    world.subscriptions.put(subscription(name="s2"))
    await world.directory.confirm()
    assert world.names() == []
    await world.directory.gain([HOME])
    assert world.names() == ["s1", "s2"]


async def test_an_older_reading_changes_nothing() -> None:
    world = await a_world()
    newer = replace(ONE, auto_copy=False, version=5)
    await world.directory._take([newer])
    await world.directory._take([ONE])
    assert world.directory.of_leader(LEADER) == (newer,)
