"""Impossible and not yet possible settings are refused when they are asked for."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from paceline.domain.errors import Invalid, Problem
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
    SubscriptionGuards,
    TakeOverPolicy,
    problems_of,
    require_supported,
)
from tests.unit.domain.given import LEADER, SBIN, d, subscription

OTHER, THIRD = InstrumentId("BSE:SBIN-A"), InstrumentId("NSE:IDEA-EQ")


def _capped(**caps: Any) -> Subscription:
    return replace(subscription(), caps=Caps(**caps))


def _allowing(bps: Decimal) -> Subscription:
    return replace(subscription(), filters=Filters(allowance_bps=bps))


def _options(**options: Any) -> Subscription:
    return replace(subscription(), filters=Filters(options=OptionsFilter(**options)))


def _guarded(**guards: Any) -> Subscription:
    return replace(subscription(), guards=SubscriptionGuards(**guards))


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


IN_LOTS, IN_MONEY = "must not be below one lot", "must be positive"
ALLOWANCE = "must be from 0 to below 10000"


@pytest.mark.parametrize(
    ("wrong", "field", "rule"),
    [
        (subscription(ratio=0), "sizing.value", "must be a positive number"),
        (subscription(ratio="NaN"), "sizing.value", "must be a positive number"),
        (subscription(follower=LEADER), "follower", "must not be the leader himself"),
        (
            replace(subscription(), leader_silence_ms=14_999),
            "leader_silence",
            "must not be below 15 seconds",
        ),
        (replace(subscription(), filters=Filters(max_age_ms=0)), "filters.max_age_ms", "must be positive"),
        (_allowing(d(-1)), "filters.allowance_bps", ALLOWANCE),
        (_allowing(d("NaN")), "filters.allowance_bps", ALLOWANCE),
        (_allowing(d(10_000)), "filters.allowance_bps", ALLOWANCE),
        (
            replace(subscription(), filters=Filters(allowed=frozenset({SBIN}), blocked=frozenset({SBIN}))),
            "filters.blocked",
            "must not name what filters.allowed names",
        ),
        (
            subscription(ratio="100.01", mode=SizingMode.RISK_PERCENT),
            "sizing.value",
            "must not be above 100 percent",
        ),
        (_capped(max_lots_per_order=d("0.9")), "caps.max_lots_per_order", IN_LOTS),
        (_capped(max_lots_per_order=d("Infinity")), "caps.max_lots_per_order", IN_LOTS),
        (_capped(max_notional_per_order=d(0)), "caps.max_notional_per_order", IN_MONEY),
        (_capped(max_exposure=d("Infinity")), "caps.max_exposure", IN_MONEY),
        (_capped(max_open_positions=0), "caps.max_open_positions", "must be positive"),
        (
            _options(kinds=frozenset({InstrumentKind.FUTURE})),
            "filters.options.kinds",
            "must be calls and puts only",
        ),
        (_options(min_days_to_expiry=-1), "filters.options.min_days_to_expiry", "must not be negative"),
        (_options(max_days_to_expiry=-1), "filters.options.max_days_to_expiry", "must not be negative"),
        (
            _options(min_days_to_expiry=3, max_days_to_expiry=2),
            "filters.options.max_days_to_expiry",
            "must not be below min_days_to_expiry",
        ),
        (_options(max_moneyness_bps=d(-1)), "filters.options.max_moneyness_bps", "must not be negative"),
        (_options(max_moneyness_bps=d("NaN")), "filters.options.max_moneyness_bps", "must not be negative"),
        (
            _options(index_options=False, stock_options=False),
            "filters.options.stock_options",
            "must not be off together with index_options: block the segment instead",
        ),
        (
            replace(subscription(), protection=Protection(ticks=3)),
            "protection.ticks",
            "must be 0 unless protection is by ticks",
        ),
        (
            replace(subscription(), protection=Protection(ProtectionKind.TICKS, -1)),
            "protection.ticks",
            "must not be negative",
        ),
        (_guarded(stop_loss=d(0), currency="INR"), "guards.stop_loss", "must be positive"),
        (_guarded(take_profit=d("NaN"), currency="INR"), "guards.take_profit", "must be positive"),
        (_guarded(stop_loss=d(1)), "guards.stop_loss", "must have a currency"),
        (_guarded(take_profit=d(1)), "guards.take_profit", "must have a currency"),
        (
            _guarded(trailing=True, take_profit=d(1), currency="INR"),
            "guards.trailing",
            "must be off without guards.stop_loss: nothing would trail",
        ),
        (_mapping((SBIN, SBIN)), "instrument_mappings", "must change what it names"),
        (
            _mapping((SBIN, OTHER), (SBIN, THIRD)),
            "instrument_mappings",
            "must name each of the leader's only once",
        ),
        (
            _mapping((SBIN, THIRD), (OTHER, THIRD)),
            "instrument_mappings",
            "must not bring two of the leader's under one name",
        ),
        (
            replace(subscription(), product_mappings=(ProductMapping(Product.CNC, Product.CNC),)),
            "product_mappings",
            "must change what it names",
        ),
        (
            replace(subscription(), mode=CopyMode.ON_ORDER, reverse=True),
            "reverse",
            "must be off where orders are mirrored: a limit order turned round is another kind of order",
        ),
        (
            replace(_mapping((SBIN, OTHER)), mode=CopyMode.ON_ORDER),
            "instrument_mappings",
            "must be empty where orders are mirrored: their prices are those of one instrument",
        ),
        (
            replace(_mapping((SBIN, OTHER)), take_over=TakeOverPolicy.AT_LEADER_PRICE),
            "take_over",
            "must not be at the leader's price where instruments are mapped: his price is that of another",
        ),
    ],
)
def test_what_can_never_work_is_refused_by_field_and_rule(wrong: Subscription, field: str, rule: str) -> None:
    with pytest.raises(Invalid) as refused:
        require_supported(wrong)
    assert refused.value.problems == (Problem(field, rule),)


@pytest.mark.parametrize(
    "edge",
    [
        subscription(ratio=100, mode=SizingMode.RISK_PERCENT),
        subscription(ratio="0.000001"),
        subscription(ratio=101),
        _guarded(stop_loss=d("0.01"), take_profit=d("0.01"), trailing=True, currency="INR"),
        replace(subscription(), leader_silence_ms=15_000),
        replace(subscription(), filters=Filters(max_age_ms=1)),
        _allowing(d(0)),
        _allowing(d("9999.99")),
        replace(subscription(), filters=Filters(allowed=frozenset({SBIN}), blocked=frozenset({OTHER}))),
        _capped(max_lots_per_order=d(1)),
        _capped(max_notional_per_order=d("0.01")),
        _capped(max_exposure=d("0.01")),
        _capped(max_open_positions=1),
        _options(kinds=frozenset({InstrumentKind.CALL, InstrumentKind.PUT})),
        _options(min_days_to_expiry=0, max_days_to_expiry=0),
        _options(max_moneyness_bps=d(0)),
        replace(subscription(), protection=Protection(ProtectionKind.TICKS, 0)),
    ],
)
def test_what_is_just_within_a_limit_is_taken(edge: Subscription) -> None:
    assert problems_of(edge) == ()


def test_every_broken_rule_is_told_at_once() -> None:
    wrong = replace(_capped(max_open_positions=0), filters=Filters(max_age_ms=0))
    fields = [problem.field for problem in problems_of(wrong)]
    assert fields == ["filters.max_age_ms", "caps.max_open_positions"]


def test_sides_are_each_others_opposite() -> None:
    assert (Side.BUY.opposite, Side.SELL.opposite) == (Side.SELL, Side.BUY)
