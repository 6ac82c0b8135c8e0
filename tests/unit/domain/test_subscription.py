"""Impossible and not yet possible settings are refused when they are asked for."""

from dataclasses import replace

import pytest

from paceline.domain.errors import FailedPrecondition, Invalid
from paceline.domain.order import Side
from paceline.domain.subscription import (
    Caps,
    CopyMode,
    Filters,
    Sizing,
    SizingMode,
    Subscription,
    require_supported,
)
from tests.unit.domain.given import LEADER, SBIN, d, subscription


def test_what_can_be_copied_is_taken() -> None:
    require_supported(subscription())
    require_supported(subscription(mode=SizingMode.EQUITY_RATIO))


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (subscription(ratio=0), "sizing.value"),
        (subscription(ratio="NaN"), "sizing.value"),
        (subscription(follower=LEADER), "follower"),
        (replace(subscription(), filters=Filters(max_age_ms=0)), "filters.max_age_ms"),
        (replace(subscription(), filters=Filters(allowance_bps=d(-1))), "filters.allowance_bps"),
        (replace(subscription(), filters=Filters(allowance_bps=d("NaN"))), "filters.allowance_bps"),
        (replace(subscription(), filters=Filters(allowance_bps=d(10_000))), "filters.allowance_bps"),
        (
            replace(subscription(), filters=Filters(allowed=frozenset({SBIN}), blocked=frozenset({SBIN}))),
            "filters.blocked",
        ),
    ],
)
def test_what_can_never_work_is_refused_by_field(wrong: Subscription, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        require_supported(wrong)
    assert [problem.field for problem in refused.value.problems] == [field]


@pytest.mark.parametrize(
    "early",
    [
        replace(subscription(), mode=CopyMode.ON_ORDER),
    ],
)
def test_what_cannot_be_copied_faithfully_yet_is_refused_loudly(early: Subscription) -> None:
    with pytest.raises(FailedPrecondition, match="not supported yet"):
        require_supported(early)


def test_sides_are_each_others_opposite() -> None:
    assert (Side.BUY.opposite, Side.SELL.opposite) == (Side.SELL, Side.BUY)
