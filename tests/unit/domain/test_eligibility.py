"""Each filter withholds entries under its own name."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from paceline.domain.copying.decision import SkipReason
from paceline.domain.copying.eligibility import opposite_held
from paceline.domain.copying.plan import plan
from paceline.domain.copying.view import Copier, Market
from paceline.domain.instrument import InstrumentKey, Product, Segment
from paceline.domain.subscription import Filters, SubscriptionState
from tests.unit.domain.given import KEY, NOW, SBIN, S, copier, d, event, fill, leader, market

DERIVATIVES = frozenset({Segment.EQUITY_DERIVATIVES})


def _filtered(filters: Filters) -> Copier:
    return replace(copier(), subscription=replace(copier().subscription, filters=filters))


def _state(state: SubscriptionState) -> Copier:
    return replace(copier(), subscription=replace(copier().subscription, state=state))


RULES: list[tuple[SkipReason, Copier, Market]] = [
    (SkipReason.NOT_APPROVED, _state(SubscriptionState.PENDING), market()),
    (SkipReason.NOT_APPROVED, _state(SubscriptionState.PAUSED), market()),
    (
        SkipReason.AUTO_COPY_OFF,
        replace(copier(), subscription=replace(copier().subscription, auto_copy=False)),
        market(),
    ),
    (SkipReason.LIQUIDATING, replace(copier(), liquidating=True), market()),
    (SkipReason.ACCOUNT_FROZEN, replace(copier(), account_frozen=True), market()),
    (SkipReason.CLOSE_ONLY, replace(copier(), close_only=True), market()),
    (SkipReason.SESSION_UNUSABLE, replace(copier(), session_usable=False), market()),
    (SkipReason.SEGMENT_NOT_ACCEPTED, replace(copier(), segments=DERIVATIVES), market()),
    (SkipReason.SEGMENT_NOT_ACCEPTED, _filtered(Filters(segments=DERIVATIVES)), market()),
    (SkipReason.INSTRUMENT_NOT_ALLOWED, _filtered(Filters(allowed=frozenset())), market()),
    (SkipReason.INSTRUMENT_BLOCKED, _filtered(Filters(blocked=frozenset({SBIN}))), market()),
    (SkipReason.BANNED_FOR_ENTRIES, copier(), replace(market(), banned=frozenset({SBIN}))),
    (SkipReason.MARKET_CLOSED, replace(copier(), market_open=False), market()),
    (SkipReason.EVENT_TOO_OLD, copier(), market(now=NOW + 30 * S + 1)),
    (SkipReason.PRICE_TOO_FAR, copier(), market(last="101.01")),
    (SkipReason.PRICE_TOO_FAR, copier(), market(last="98.99")),
]


@pytest.mark.parametrize(("reason", "follower", "world"), RULES, ids=lambda value: str(value)[:20])
def test_an_entry_is_withheld_by_name(reason: SkipReason, follower: Copier, world: Market) -> None:
    (decision,) = plan(event(fill(10)), leader(), [follower], world).decisions
    assert decision.reason is reason
    assert decision.entries == ()


@pytest.mark.parametrize("world", [market(last=101), market(last=99), market(now=NOW + 30 * S)])
def test_what_is_just_within_its_limit_enters(world: Market) -> None:
    (decision,) = plan(event(fill(10)), leader(), [copier()], world).decisions
    assert decision.reason is None


def test_lists_that_name_the_instrument_let_it_in() -> None:
    listed = _filtered(Filters(segments=frozenset({Segment.CAPITAL_MARKET}), allowed=frozenset({SBIN})))
    (decision,) = plan(event(fill(10)), leader(), [listed], market()).decisions
    assert decision.reason is None


@pytest.mark.parametrize("product", [Product.COVER, Product.BRACKET])
def test_products_without_a_tag_are_refused(product: Product) -> None:
    traded = fill(10, key=InstrumentKey(SBIN, product))
    (decision,) = plan(event(traded), leader(), [copier()], market()).decisions
    assert decision.reason is SkipReason.PRODUCT_NOT_COPYABLE


def test_an_entry_against_another_subscriptions_copy_is_skipped() -> None:
    (decision,) = plan(event(fill(10)), leader(), [replace(copier(), others_held=d(-1))], market()).decisions
    assert decision.reason is SkipReason.OPPOSITE_HELD


def _allowing(product: Product, others: int) -> bool:
    sub = replace(copier().subscription, allow_opposite=True)
    return opposite_held(replace(copier(), subscription=sub, others_held=Decimal(others)), d(1), product)


@pytest.mark.parametrize(
    ("judge", "opposed"),
    [
        (lambda: _allowing(KEY.product, -1), False),
        (lambda: _allowing(Product.CNC, -1), True),
        (lambda: _allowing(Product.CNC, 1), False),
        (lambda: opposite_held(copier(), d(1), KEY.product), False),
    ],
)
def test_opposite_holdings_may_be_allowed_but_never_for_delivery(
    judge: Callable[[], bool], opposed: bool
) -> None:
    assert judge() is opposed
