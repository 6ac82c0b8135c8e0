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
from paceline.domain.subscription import Filters, ProductMapping
from tests.unit.domain.given import KEY, NOW, SBIN, S, copier, d, event, fill, leader, market

DERIVATIVES = frozenset({Segment.EQUITY_DERIVATIVES})


def _filtered(filters: Filters) -> Copier:
    return replace(copier(), subscription=replace(copier().subscription, filters=filters))


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


def test_what_could_not_carry_a_tag_is_not_made_copyable_by_a_mapping() -> None:
    mapped = replace(
        copier().subscription, product_mappings=(ProductMapping(Product.COVER, Product.INTRADAY),)
    )
    covered = fill(10, key=InstrumentKey(SBIN, Product.COVER))
    (decision,) = plan(event(covered), leader(), [replace(copier(), subscription=mapped)], market()).decisions
    assert decision.reason is SkipReason.PRODUCT_NOT_COPYABLE


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
