"""Updates change what their mask names, and nothing else."""

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from paceline.adapters.wire.masks import masked
from paceline.adapters.wire.subscriptions import FIXED
from paceline.api.v1 import common_pb2, subscription_pb2
from paceline.domain.errors import Invalid


def current() -> subscription_pb2.Subscription:
    return subscription_pb2.Subscription(
        subscription_id="s1",
        auto_copy=True,
        sizing=subscription_pb2.Sizing(value=common_pb2.Decimal(value="1"), round_up_to_one_lot=True),
        filters=subscription_pb2.Filters(blocked_instrument_ids=["A", "B"]),
    )


def changed(patch: subscription_pb2.Subscription, *paths: str) -> subscription_pb2.Subscription:
    before = current()
    after = masked(before, patch, FieldMask(paths=paths), fixed=FIXED)
    assert before == current()
    return after


def test_only_what_is_named_changes() -> None:
    patch = subscription_pb2.Subscription(auto_copy=False, reverse=True)
    after = changed(patch, "auto_copy")
    assert (after.auto_copy, after.reverse) == (False, False)


def test_a_part_of_a_part_can_be_named() -> None:
    patch = subscription_pb2.Subscription(sizing=subscription_pb2.Sizing(value=common_pb2.Decimal(value="2")))
    after = changed(patch, "sizing.value")
    assert (after.sizing.value.value, after.sizing.round_up_to_one_lot) == ("2", True)


def test_a_whole_part_is_replaced() -> None:
    patch = subscription_pb2.Subscription(sizing=subscription_pb2.Sizing(value=common_pb2.Decimal(value="2")))
    assert not changed(patch, "sizing").sizing.round_up_to_one_lot


def test_a_repeated_field_is_replaced() -> None:
    patch = subscription_pb2.Subscription(filters=subscription_pb2.Filters(blocked_instrument_ids=["C"]))
    assert list(changed(patch, "filters.blocked_instrument_ids").filters.blocked_instrument_ids) == ["C"]


def test_what_the_patch_lacks_is_cleared() -> None:
    assert not changed(subscription_pb2.Subscription(), "filters").HasField("filters")


@pytest.mark.parametrize(
    ("paths", "rule"),
    [
        ((), "must name at least one field"),
        (("subscription_id",), "must not name subscription_id, which cannot be changed"),
        (("leader_id",), "must not name leader_id, which cannot be changed"),
        (("auto_copy", "colour"), "names colour, which is no field"),
        (("sizing.colour",), "names sizing.colour, which is no field"),
    ],
)
def test_a_mask_that_breaks_a_rule(paths: tuple[str, ...], rule: str) -> None:
    with pytest.raises(Invalid) as caught:
        changed(subscription_pb2.Subscription(), *paths)
    assert [(problem.field, problem.rule) for problem in caught.value.problems] == [("update_mask", rule)]
