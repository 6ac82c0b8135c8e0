"""Impossible and not yet possible settings are refused when they are asked for."""

from dataclasses import replace
from typing import Any

import pytest

from paceline.domain.errors import Invalid
from paceline.domain.ids import InstrumentId
from paceline.domain.instrument import InstrumentKind, Product
from paceline.domain.order import Side
from paceline.domain.subscription import (
    Caps,
    CopyMode,
    Filters,
    InstrumentMapping,
    OptionsFilter,
    ProductMapping,
    Protection,
    ProtectionKind,
    Sizing,
    SizingMode,
    Subscription,
    require_supported,
)
from tests.unit.domain.given import LEADER, SBIN, d, subscription

OTHER, THIRD = InstrumentId("BSE:SBIN-A"), InstrumentId("NSE:IDEA-EQ")


def _capped(**caps: Any) -> Subscription:
    return replace(subscription(), caps=Caps(**caps))


def _options(**options: Any) -> Subscription:
    return replace(subscription(), filters=Filters(options=OptionsFilter(**options)))


def _mapping(*pairs: tuple[InstrumentId, InstrumentId]) -> Subscription:
    return replace(subscription(), instrument_mappings=tuple(InstrumentMapping(*pair) for pair in pairs))


@pytest.mark.parametrize("mode", SizingMode)
def test_every_kind_of_size_can_be_copied(mode: SizingMode) -> None:
    require_supported(subscription(mode=mode))


def test_everything_else_that_can_be_copied_is_taken() -> None:
    require_supported(replace(subscription(), sizing=Sizing(SizingMode.FIXED_RATIO, d(1), True)))
    require_supported(_capped(max_open_positions=3, max_exposure=d(1)))
    require_supported(_options(index_options=False, max_days_to_expiry=2))
    require_supported(_mapping((SBIN, OTHER), (OTHER, THIRD)))
    require_supported(replace(subscription(), protection=Protection(ProtectionKind.TICKS, 4)))


def test_what_can_be_copied_is_taken() -> None:
    require_supported(subscription())
    require_supported(subscription(mode=SizingMode.EQUITY_RATIO))
    require_supported(replace(subscription(), mode=CopyMode.ON_ORDER))


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
        (subscription(ratio=101, mode=SizingMode.RISK_PERCENT), "sizing.value"),
        (_capped(max_lots_per_order=d("0.9")), "caps.max_lots_per_order"),
        (_capped(max_notional_per_order=d(0)), "caps.max_notional_per_order"),
        (_capped(max_exposure=d("Infinity")), "caps.max_exposure"),
        (_capped(max_open_positions=0), "caps.max_open_positions"),
        (_options(kinds=frozenset({InstrumentKind.FUTURE})), "filters.options.kinds"),
        (_options(min_days_to_expiry=-1), "filters.options.min_days_to_expiry"),
        (_options(min_days_to_expiry=3, max_days_to_expiry=2), "filters.options.max_days_to_expiry"),
        (_options(max_moneyness_bps=d(-1)), "filters.options.max_moneyness_bps"),
        (_options(index_options=False, stock_options=False), "filters.options.stock_options"),
        (replace(subscription(), protection=Protection(ticks=3)), "protection.ticks"),
        (replace(subscription(), protection=Protection(ProtectionKind.TICKS, -1)), "protection.ticks"),
        (_mapping((SBIN, SBIN)), "instrument_mappings"),
        (_mapping((SBIN, OTHER), (SBIN, THIRD)), "instrument_mappings"),
        (_mapping((SBIN, THIRD), (OTHER, THIRD)), "instrument_mappings"),
        (
            replace(subscription(), product_mappings=(ProductMapping(Product.CNC, Product.CNC),)),
            "product_mappings",
        ),
        (replace(subscription(), mode=CopyMode.ON_ORDER, reverse=True), "reverse"),
        (replace(_mapping((SBIN, OTHER)), mode=CopyMode.ON_ORDER), "instrument_mappings"),
    ],
)
def test_what_can_never_work_is_refused_by_field(wrong: Subscription, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        require_supported(wrong)
    assert [problem.field for problem in refused.value.problems] == [field]


def test_sides_are_each_others_opposite() -> None:
    assert (Side.BUY.opposite, Side.SELL.opposite) == (Side.SELL, Side.BUY)
