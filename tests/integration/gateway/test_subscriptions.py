"""Subscriptions: who may follow whom, under which settings, and the one way through their states."""

import asyncio
from dataclasses import replace
from datetime import date
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from paceline.adapters.postgres.changes import PostgresChanges
from paceline.adapters.postgres.instruments import PostgresInstruments
from paceline.adapters.redis.presence import RedisRelations
from paceline.api.v1 import account_pb2, common_pb2, subscription_pb2
from paceline.domain.account import Broker
from paceline.domain.ids import AccountId, InstrumentId
from paceline.ports.broker import Listing
from services.gateway import upkeep
from tests.integration.gateway.house import ALICE, House, fields_of, refusal_of, subscription
from tests.unit.domain.given import SHARE

PENDING = subscription_pb2.SUBSCRIPTION_STATE_PENDING
APPROVED = subscription_pb2.SUBSCRIPTION_STATE_APPROVED
PAUSED = subscription_pb2.SUBSCRIPTION_STATE_PAUSED
ENDING = subscription_pb2.SUBSCRIPTION_STATE_ENDING
ENDED = subscription_pb2.SUBSCRIPTION_STATE_ENDED
REQUESTS: dict[str, Any] = {
    "Approve": subscription_pb2.ApproveSubscriptionRequest,
    "Pause": subscription_pb2.PauseSubscriptionRequest,
    "Resume": subscription_pb2.ResumeSubscriptionRequest,
    "End": subscription_pb2.EndSubscriptionRequest,
}


def decimal(value: str) -> common_pb2.Decimal:
    return common_pb2.Decimal(value=value)


def sizing(mode: str, value: str, *, round_up: bool = False) -> subscription_pb2.Sizing:
    number = subscription_pb2.SizingMode.Value(f"SIZING_MODE_{mode}")
    return subscription_pb2.Sizing(mode=number, value=decimal(value), round_up_to_one_lot=round_up)


async def listed(house: House, *names: str) -> None:
    """The broker's master knows these."""
    listings = [Listing(replace(SHARE, instrument_id=InstrumentId(name)), name) for name in names]
    await PostgresInstruments(house.database).save(Broker.FYERS, listings, date(2026, 1, 1))


async def create(house: House, wire: subscription_pb2.Subscription) -> subscription_pb2.Subscription:
    asked = subscription_pb2.CreateSubscriptionRequest(subscription=wire)
    return (await house.subscriptions.CreateSubscription(asked)).subscription


async def step(house: House, name: str, verb: str, **fields: Any) -> subscription_pb2.Subscription:
    call = getattr(house.subscriptions, f"{verb}Subscription")
    answer = await call(REQUESTS[verb](subscription_id=name, **fields), metadata=ALICE)
    changed: subscription_pb2.Subscription = answer.subscription
    return changed


async def walked(house: House, verbs: str) -> str:
    """A subscription after these steps."""
    name = await house.a_subscription()
    for verb in verbs.split():
        await step(house, name, verb)
    return name


async def test_a_subscription_begins_pending_with_its_settings(house: House) -> None:
    leader, follower = await house.an_account("L"), await house.an_account("F")
    await listed(house, "NSE:IDEA-EQ")
    asked = subscription(leader, follower, reverse=True)
    asked.filters.max_age.FromSeconds(5)
    asked.filters.blocked_instrument_ids.append("NSE:IDEA-EQ")
    made = await create(house, asked)
    assert (made.state, made.version, made.reverse) == (PENDING, 1, True)
    assert (made.leader_id, made.follower_id) == ("fyers:L", "fyers:F")
    assert list(made.filters.blocked_instrument_ids) == ["NSE:IDEA-EQ"]
    assert made.HasField("create_time")
    got = await house.subscriptions.GetSubscription(
        subscription_pb2.GetSubscriptionRequest(subscription_id=made.subscription_id)
    )
    assert got.subscription == made


def _settings(**fields: Any) -> dict[str, Any]:
    return fields


IMPOSSIBLE = [
    (_settings(sizing=sizing("FIXED_RATIO", "0")), "sizing.value"),
    (_settings(sizing=sizing("FIXED_RATIO", "-1")), "sizing.value"),
    (_settings(sizing=sizing("FIXED_RATIO", "1e3")), "sizing.value"),
    (_settings(sizing=sizing("UNSPECIFIED", "1")), "sizing.mode"),
    (_settings(sizing=None), "sizing.mode"),
    (_settings(mode=0), "mode"),
    (_settings(style=0), "style"),
    (
        _settings(caps=subscription_pb2.Caps(max_lots_per_order=decimal("0.5"))),
        "caps.max_lots_per_order",
    ),
    (_settings(caps=subscription_pb2.Caps(max_exposure=decimal("0"))), "caps.max_exposure"),
    (_settings(caps=subscription_pb2.Caps(max_open_positions=0)), "caps.max_open_positions"),
    (_settings(filters=subscription_pb2.Filters(max_age=Duration(seconds=0))), "filters.max_age"),
    (_settings(filters=subscription_pb2.Filters(max_age=Duration(seconds=-1))), "filters.max_age"),
    (_settings(filters=subscription_pb2.Filters(max_age=Duration(seconds=2**40))), "filters.max_age"),
    (
        _settings(filters=subscription_pb2.Filters(allowance_bps=decimal("10000"))),
        "filters.allowance_bps",
    ),
    (
        _settings(
            filters=subscription_pb2.Filters(
                allowed=subscription_pb2.InstrumentSet(instrument_ids=["A"]), blocked_instrument_ids=["A"]
            )
        ),
        "filters.blocked_instrument_ids",
    ),
    (_settings(state=APPROVED), "state"),
    (_settings(subscription_id="mine"), "subscription_id"),
    (_settings(opened=True), "opened"),
    (
        _settings(
            take_over=subscription_pb2.TAKE_OVER_POLICY_AT_LEADER_PRICE,
            instrument_mappings=[
                subscription_pb2.InstrumentMapping(leader_instrument_id="A", follower_instrument_id="B")
            ],
        ),
        "take_over",
    ),
    (_settings(leader_id=""), "leader_id"),
    (_settings(leader_id="fyers:nobody"), "leader_id"),
    (_settings(follower_id="fyers:nobody"), "follower_id"),
]


async def test_settings_that_can_never_work_are_refused_by_field(house: House) -> None:
    leader, follower = await house.an_account("L"), await house.an_account("F")
    for wrong, field in IMPOSSIBLE:
        refused = await refusal_of(create(house, subscription(leader, follower, **wrong)))
        assert fields_of(refused) == {f"subscription.{field}"}, wrong
    listed = await house.subscriptions.ListSubscriptions(subscription_pb2.ListSubscriptionsRequest())
    assert list(listed.subscriptions) == []


async def test_nobody_follows_himself(house: House) -> None:
    alone = await house.an_account()
    asked = subscription(alone, alone)
    assert fields_of(await refusal_of(create(house, asked))) == {"subscription.follower_id"}


async def test_every_broken_rule_is_told_at_once(house: House) -> None:
    alone = await house.an_account()
    asked = subscription(alone, alone, sizing=sizing("FIXED_RATIO", "0"))
    asked.caps.max_lots_per_order.value = "0"
    assert fields_of(await refusal_of(create(house, asked))) == {
        "subscription.follower_id",
        "subscription.sizing.value",
        "subscription.caps.max_lots_per_order",
    }


OF_ALL_KINDS = [
    _settings(sizing=sizing("FIXED_QUANTITY", "5")),
    _settings(sizing=sizing("FIXED_NOTIONAL", "5000.5")),
    _settings(sizing=sizing("RISK_PERCENT", "1.5")),
    _settings(sizing=sizing("FIXED_RATIO", "1", round_up=True)),
    _settings(
        caps=subscription_pb2.Caps(
            max_lots_per_order=decimal("3"), max_exposure=decimal("9000"), max_open_positions=2
        )
    ),
    _settings(
        filters=subscription_pb2.Filters(
            options=subscription_pb2.OptionsFilter(
                kinds=[common_pb2.INSTRUMENT_KIND_CALL],
                index_options=True,
                max_days_to_expiry=7,
                max_moneyness_bps=decimal("300"),
            )
        )
    ),
    _settings(protection=subscription_pb2.Protection(kind=subscription_pb2.PROTECTION_KIND_TICKS, ticks=4)),
    _settings(
        product_mappings=[
            subscription_pb2.ProductMapping(
                leader_product=common_pb2.PRODUCT_MARGIN, follower_product=common_pb2.PRODUCT_INTRADAY
            )
        ]
    ),
]


async def test_every_kind_of_setting_comes_back_as_it_was_asked_for(house: House) -> None:
    for settings in OF_ALL_KINDS:
        asked = subscription(await house.an_account(), await house.an_account(), **settings)
        made = await create(house, asked)
        for name, value in settings.items():
            told = getattr(made, name)
            if isinstance(value, list):
                assert list(told) == value
                continue
            for field, part in value.ListFields():
                assert getattr(told, field.name) == part, (name, field.name)


async def test_what_is_no_instrument_is_refused_by_the_field_that_names_it(house: House) -> None:
    leader, follower = await house.an_account(), await house.an_account()
    await listed(house, "NSE:SBIN-EQ")
    asked = subscription(leader, follower)
    asked.filters.allowed.instrument_ids.append("NSE:SBIN-EQ")
    asked.filters.blocked_instrument_ids.append("NSE:NOTHING-EQ")
    asked.instrument_mappings.add(leader_instrument_id="NSE:SBIN-EQ", follower_instrument_id="BSE:NOTHING-A")
    assert fields_of(await refusal_of(create(house, asked))) == {
        "subscription.filters.blocked_instrument_ids",
        "subscription.instrument_mappings[0].follower_instrument_id",
    }


async def test_what_is_held_under_one_name_is_not_renamed(house: House) -> None:
    name = await walked(house, "Approve")
    patch = subscription_pb2.Subscription(subscription_id=name, reverse=True)
    asked = subscription_pb2.UpdateSubscriptionRequest(
        subscription=patch, update_mask=FieldMask(paths=["reverse"])
    )
    refused = await refusal_of(house.subscriptions.UpdateSubscription(asked))
    assert fields_of(refused) == {"subscription.reverse"}


async def test_orders_may_be_mirrored_as_well(house: House) -> None:
    leader, follower = await house.an_account(), await house.an_account()
    mirrored = subscription(leader, follower, mode=subscription_pb2.COPY_MODE_ON_ORDER)
    assert (await create(house, mirrored)).mode == subscription_pb2.COPY_MODE_ON_ORDER


async def test_a_circle_of_any_length_has_a_reason_of_its_own(house: House) -> None:
    a, b, c = [await house.an_account(name) for name in "ABC"]
    await create(house, subscription(a, b))
    await create(house, subscription(b, c))
    status = await refusal_of(create(house, subscription(c, a)))
    assert (status.code, status.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "CIRCLE")


async def test_a_pair_follows_once(house: House) -> None:
    leader, follower = await house.an_account("L"), await house.an_account("F")
    first = await create(house, subscription(leader, follower))
    status = await refusal_of(create(house, subscription(leader, follower)))
    assert (status.code, status.metadata["name"]) == (grpc.StatusCode.ALREADY_EXISTS, "fyers:F to fyers:L")
    await step(house, first.subscription_id, "End")
    assert (await create(house, subscription(leader, follower))).state == PENDING


async def test_a_closed_account_neither_leads_nor_follows(house: House) -> None:
    leader, closed = await house.an_account(), await house.an_account()
    await house.accounts.DeleteAccount(account_pb2.DeleteAccountRequest(account_id=closed))
    status = await refusal_of(create(house, subscription(leader, closed)))
    assert (status.code, "closed" in status.message) == (grpc.StatusCode.FAILED_PRECONDITION, True)


async def test_an_account_that_closes_while_it_begins_to_follow_does_one_of_both(house: House) -> None:
    leader, follower = await house.an_account(), await house.an_account()
    closing = house.accounts.DeleteAccount(account_pb2.DeleteAccountRequest(account_id=follower))
    done = await asyncio.gather(
        closing, create(house, subscription(leader, follower)), return_exceptions=True
    )
    assert sum(isinstance(each, grpc.aio.AioRpcError) for each in done) == 1


STEPS = {
    ("", "Approve"): APPROVED,
    ("", "End"): ENDED,
    ("Approve", "Pause"): PAUSED,
    ("Approve", "End"): ENDING,
    ("Approve Pause", "Resume"): APPROVED,
    ("Approve Pause", "End"): ENDING,
    ("Approve End", "End"): ENDING,
}


@pytest.mark.parametrize("before", ["", "Approve", "Approve Pause", "End", "Approve End"])
async def test_the_steps_of_a_subscription_and_no_others(house: House, before: str) -> None:
    for verb in REQUESTS:
        name = await walked(house, before)
        after = STEPS.get((before, verb))
        if after is None:
            status = await refusal_of(step(house, name, verb))
            assert (status.code, status.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "WRONG_STATE"), verb
            continue
        changed = await step(house, name, verb)
        assert (changed.state, changed.version) == (after, len(before.split()) + 2), verb
        entry = (await house.audit(name))[-1]
        assert (entry.actor, entry.action) == ("alice", f"subscription.{verb.lower()}")


async def test_relations_stand_from_the_approval_to_the_end(house: House) -> None:
    leader, follower = AccountId(await house.an_account()), AccountId(await house.an_account())
    relations = RedisRelations(house.redis)
    name = await house.a_subscription(leader, follower)
    assert await relations.followers(leader) == frozenset()
    for verb in ("Approve", "Pause"):
        await step(house, name, verb)
        assert await relations.followers(leader) == {follower}
    await step(house, name, "End")
    assert await relations.followers(leader) == frozenset()


async def test_relations_that_redis_lost_are_laid_again_page_by_page(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "_PAGE", 2)
    leader, relations = AccountId(await house.an_account()), RedisRelations(house.redis)
    names = [await house.a_subscription(leader) for _ in range(5)]
    for name in names[:4]:
        await step(house, name, "Approve")
    await step(house, names[0], "End")
    await step(house, names[1], "Pause")
    before = await relations.followers(leader)
    await house.redis.flushall()
    relate = upkeep.relating(PostgresChanges(house.database), relations)
    assert await relate() == len(before) == 3
    assert await relations.followers(leader) == before


async def test_a_step_from_an_older_version_is_refused(house: House) -> None:
    name = await house.a_subscription()
    await step(house, name, "Approve", version=1)
    assert (await refusal_of(step(house, name, "Pause", version=1))).reason == "VERSION_CONFLICT"
    assert (await step(house, name, "Pause", version=2)).state == PAUSED


async def test_an_update_changes_what_its_mask_names(house: House) -> None:
    name = await house.a_subscription()
    patch = subscription_pb2.Subscription(subscription_id=name, version=1, auto_copy=False, reverse=True)
    patch.sizing.value.value = "0.25"
    asked = subscription_pb2.UpdateSubscriptionRequest(
        subscription=patch, update_mask=FieldMask(paths=["auto_copy", "sizing.value"])
    )
    changed = (await house.subscriptions.UpdateSubscription(asked)).subscription
    assert (changed.auto_copy, changed.reverse, changed.version) == (False, False, 2)
    assert changed.sizing.value.value == "0.25"
    assert changed.sizing.mode == subscription_pb2.SIZING_MODE_FIXED_RATIO
    assert (await refusal_of(house.subscriptions.UpdateSubscription(asked))).reason == "VERSION_CONFLICT"


async def test_an_update_obeys_the_same_rules(house: House) -> None:
    patch = subscription_pb2.Subscription(subscription_id=await house.a_subscription())
    patch.sizing.value.value = "0"
    for path, field in {
        "sizing.value": "subscription.sizing.value",
        "leader_id": "update_mask",
        "state": "update_mask",
        "sizing.nothing": "update_mask",
    }.items():
        asked = subscription_pb2.UpdateSubscriptionRequest(
            subscription=patch, update_mask=FieldMask(paths=[path])
        )
        assert fields_of(await refusal_of(house.subscriptions.UpdateSubscription(asked))) == {field}


async def test_what_has_ended_changes_no_more(house: House) -> None:
    patch = subscription_pb2.Subscription(subscription_id=await walked(house, "End"))
    asked = subscription_pb2.UpdateSubscriptionRequest(
        subscription=patch, update_mask=FieldMask(paths=["reverse"])
    )
    status = await refusal_of(house.subscriptions.UpdateSubscription(asked))
    assert status.code is grpc.StatusCode.FAILED_PRECONDITION


async def test_lists_are_of_a_leader_a_follower_and_states(house: House) -> None:
    leader = await house.an_account()
    first = await house.a_subscription(leader)
    second = await house.a_subscription(leader)
    await house.a_subscription()
    await step(house, second, "Approve")

    async def names(**which: Any) -> set[str]:
        asked = subscription_pb2.ListSubscriptionsRequest(filter=subscription_pb2.SubscriptionFilter(**which))
        page = await house.subscriptions.ListSubscriptions(asked)
        return {each.subscription_id for each in page.subscriptions}

    assert await names(leader_id=leader) == {first, second}
    assert await names(leader_id=leader, states=[APPROVED, PAUSED]) == {second}
    assert len(await names()) == 3


async def test_many_at_once_all_come_through(house: House) -> None:
    leader = await house.an_account()
    followers = await asyncio.gather(*(house.an_account() for _ in range(30)))
    names = await asyncio.gather(*(house.a_subscription(leader, each) for each in followers))
    await asyncio.gather(*(step(house, name, "Approve") for name in names))
    assert await RedisRelations(house.redis).followers(AccountId(leader)) == set(followers)


async def test_what_is_not_built_yet_says_so(house: House) -> None:
    kill = house.subscriptions.KillSubscription(subscription_pb2.KillSubscriptionRequest())
    assert (await refusal_of(kill)).code is grpc.StatusCode.UNIMPLEMENTED
