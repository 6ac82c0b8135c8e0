"""Who follows whom: no circles, no lost changes."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest

from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.subscriptions import PostgresSubscriptions
from paceline.domain.errors import AlreadyExists, Conflict, FailedPrecondition, Invalid, NotFound
from paceline.domain.ids import AccountId, InstrumentId, SubscriptionId
from paceline.domain.instrument import Segment
from paceline.domain.partitioning import partition_of
from paceline.domain.subscription import Caps, ExecutionStyle, Filters, SubscriptionState
from tests.integration.storage.makers import a_subscription, accounts_of

A, B, C, D = (f"fyers:{name}" for name in "ABCD")
EVERYWHERE = [partition_of(AccountId(name)) for name in (A, B, C, D)]


@pytest.fixture
async def store(database: Database) -> PostgresSubscriptions:
    await accounts_of(database, A, B, C, D)
    return PostgresSubscriptions(database)


async def test_a_subscription_is_read_as_it_was_created(store: PostgresSubscriptions) -> None:
    whole = replace(
        a_subscription(A, B),
        filters=Filters(
            segments=frozenset({Segment.CAPITAL_MARKET}),
            blocked=frozenset({InstrumentId("NSE:IDEA-EQ"), InstrumentId("BTC/USDT")}),
            max_age_ms=5_000,
            allowance_bps=Decimal("12.5"),
        ),
        caps=Caps(max_lots_per_order=Decimal(3), max_open_positions=4),
        style=ExecutionStyle.MARKET,
        reverse=True,
        forward_copies=True,
    )
    assert await store.create(whole) == whole
    assert await store.get(whole.subscription_id) == whole


async def test_a_follower_of_a_follower_is_welcome(store: PostgresSubscriptions) -> None:
    await store.create_many([a_subscription(A, B), a_subscription(B, C), a_subscription(A, C)])
    assert len(await store.of_leaders([AccountId(A), AccountId(B)])) == 3


@pytest.mark.parametrize("chain", [(A, B), (A, B, C), (A, B, C, D)])
async def test_a_circle_of_any_length_is_refused(
    store: PostgresSubscriptions, chain: tuple[str, ...]
) -> None:
    await store.create_many([a_subscription(*pair) for pair in pairwise(chain)])
    with pytest.raises(FailedPrecondition, match="circle"):
        await store.create(a_subscription(chain[-1], chain[0]))
    assert len(await store.page()) == len(chain) - 1


async def test_nobody_follows_himself(store: PostgresSubscriptions) -> None:
    with pytest.raises(Invalid):
        await store.create(a_subscription(A, A))


async def test_two_halves_of_a_circle_at_once_do_not_both_pass(store: PostgresSubscriptions) -> None:
    done = await asyncio.gather(
        store.create(a_subscription(A, B)), store.create(a_subscription(B, A)), return_exceptions=True
    )
    assert sorted(isinstance(each, FailedPrecondition) for each in done) == [False, True]


async def test_an_ended_subscription_closes_no_circle_and_leaves_room_for_another(
    store: PostgresSubscriptions,
) -> None:
    first = await store.create(a_subscription(A, B))
    with pytest.raises(AlreadyExists):
        await store.create(a_subscription(A, B, "twin"))
    ended = await store.update(replace(first, state=SubscriptionState.ENDED))
    assert (await store.create(a_subscription(B, A))).leader == B
    with pytest.raises(FailedPrecondition, match="circle"):
        await store.update(replace(ended, state=SubscriptionState.APPROVED))


async def test_of_two_changes_of_one_version_the_second_is_refused(store: PostgresSubscriptions) -> None:
    first = await store.create(a_subscription(A, B))
    paused = await store.update(replace(first, state=SubscriptionState.PAUSED))
    assert (paused.state, paused.version) == (SubscriptionState.PAUSED, 2)
    with pytest.raises(Conflict):
        await store.update(replace(first, auto_copy=False))
    with pytest.raises(NotFound):
        await store.update(replace(first, subscription_id=SubscriptionId("nobody")))


async def test_changes_are_told_from_where_one_left_off(store: PostgresSubscriptions) -> None:
    first = await store.create(a_subscription(A, B))
    second = await store.create(a_subscription(A, C))
    loaded = await store.load(EVERYWHERE)
    assert set(loaded.subscriptions) == {first, second}
    assert await store.changes_since(loaded.change, EVERYWHERE) == replace(loaded, subscriptions=())
    ended = await store.update(replace(first, state=SubscriptionState.ENDED))
    changes = await store.changes_since(loaded.change, EVERYWHERE)
    assert changes.subscriptions == (ended,)
    assert (await store.load(EVERYWHERE)).subscriptions == (second,)
    assert (await store.changes_since(0, [])).subscriptions == ()


async def test_pages_are_of_a_leader_a_follower_or_all(store: PostgresSubscriptions) -> None:
    await store.create_many([a_subscription(A, B), a_subscription(A, C), a_subscription(B, D)])
    assert [each.follower for each in await store.page(leader=AccountId(A))] == [B, C]
    assert [each.leader for each in await store.page(follower=AccountId(D))] == [B]
    (first,) = await store.page(limit=1)
    assert len(await store.page(after=first.subscription_id)) == 2


async def test_parties_lead_or_follow_by_a_subscription_that_stands(store: PostgresSubscriptions) -> None:
    copied = a_subscription(A, B)
    pending = replace(a_subscription(C, D), state=SubscriptionState.PENDING)
    await store.create_many([copied, pending])
    everyone = [AccountId(name) for name in (A, B, C, D)]
    assert await store.parties(everyone) == {A, B}
    assert await store.parties([AccountId(B), AccountId(D)]) == {B}
    await store.update(replace(copied, state=SubscriptionState.ENDED))
    assert await store.parties(everyone) == set()
