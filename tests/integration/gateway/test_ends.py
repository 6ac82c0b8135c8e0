"""How subscriptions are asked to begin and to end."""

import grpc
from google.protobuf.field_mask_pb2 import FieldMask

from paceline.api.v1 import subscription_pb2
from tests.integration.gateway.house import House, fields_of, refusal_of, subscription
from tests.integration.gateway.test_subscriptions import ENDING, create, step, walked


async def test_what_becomes_of_the_copies_is_as_asked_or_as_set(house: House) -> None:
    settings = {
        "take_over": subscription_pb2.TAKE_OVER_POLICY_NOW,
        "at_end": subscription_pb2.END_POLICY_FLATTEN,
    }
    leader, follower = await house.an_account(), await house.an_account()
    made = await create(house, subscription(leader, follower, **settings))
    assert (made.take_over, made.at_end, made.opened) == (*settings.values(), False)
    await step(house, made.subscription_id, "Approve")
    as_set = await step(house, made.subscription_id, "End")
    assert (as_set.state, as_set.ending) == (ENDING, subscription_pb2.END_POLICY_FLATTEN)
    asked = await step(house, made.subscription_id, "End", policy=subscription_pb2.END_POLICY_LEAVE)
    assert (asked.state, asked.ending) == (ENDING, subscription_pb2.END_POLICY_LEAVE)
    unknown = step(house, made.subscription_id, "End", policy=77)
    assert fields_of(await refusal_of(unknown)) == {"policy"}


async def test_copies_are_handed_to_a_living_subscription_of_the_same_follower(house: House) -> None:
    follower = await house.an_account()
    ends, takes, waits = [await house.a_subscription("", follower) for _ in range(3)]
    stranger = await house.a_subscription()
    for name in (ends, takes, stranger):
        await step(house, name, "Approve")
    hand_over = {"policy": subscription_pb2.END_POLICY_HAND_OVER}
    for wrong in ("", "nobody", ends, stranger):
        refused = await refusal_of(step(house, ends, "End", successor_id=wrong, **hand_over))
        assert fields_of(refused) == {"successor_id"}, wrong
    without = await refusal_of(step(house, ends, "End", successor_id=takes))
    assert fields_of(without) == {"successor_id"}
    pending = await refusal_of(step(house, ends, "End", successor_id=waits, **hand_over))
    assert pending.code is grpc.StatusCode.FAILED_PRECONDITION
    handed = await step(house, ends, "End", successor_id=takes, **hand_over)
    assert (handed.state, handed.successor_id) == (ENDING, takes)


async def test_what_is_taken_over_is_settled_by_the_approval(house: House) -> None:
    name = await walked(house, "Approve")
    patch = subscription_pb2.Subscription(
        subscription_id=name, take_over=subscription_pb2.TAKE_OVER_POLICY_NOW
    )
    late = house.subscriptions.UpdateSubscription(
        subscription_pb2.UpdateSubscriptionRequest(
            subscription=patch, update_mask=FieldMask(paths=["take_over"])
        )
    )
    assert fields_of(await refusal_of(late)) == {"subscription.take_over"}
