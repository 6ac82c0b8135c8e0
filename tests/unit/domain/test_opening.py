"""What is taken over of a leader's open positions when a subscription begins."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given as hypothesis_given
from hypothesis import settings
from hypothesis import strategies as st

from paceline.domain.copy_order import Intent, OrderSpec
from paceline.domain.copying.decision import Decision, Outcome, SkipReason
from paceline.domain.copying.opening import Holding, beside, identity_of, opening_event, take_over
from paceline.domain.copying.plan import plan
from paceline.domain.copying.tags import decision_id_of
from paceline.domain.copying.view import Copier, LeaderPosition, LeaderState, Market
from paceline.domain.event import Event, EventKind, Fact
from paceline.domain.ids import BrokerOrderId, EventIdentity, InstrumentId, Offset, Partition
from paceline.domain.instrument import Exchange, Instrument, InstrumentKey, Product, Segment
from paceline.domain.ledger import fold
from paceline.domain.money import lots_toward_zero
from paceline.domain.order import Fill, OrderType, Side, Validity
from paceline.domain.subscription import (
    Caps,
    ExecutionStyle,
    Filters,
    ProductMapping,
    Protection,
    ProtectionKind,
    Sizing,
    SizingMode,
    Subscription,
    SubscriptionState,
    TakeOverPolicy,
)
from tests.unit.domain.given import KEY, LEADER, NOW, SHARE, d, event, fill, instrument, market, subscription

BEGINS = replace(subscription(), take_over=TakeOverPolicy.NOW)
AT_HIS_PRICE = replace(BEGINS, take_over=TakeOverPolicy.AT_LEADER_PRICE)


def opened(
    begins: Subscription,
    held: int,
    *,
    paid: str | None = "90",
    last: str | None = "100",
    traded: Instrument = SHARE,
    copier: Copier | None = None,
) -> Decision:
    at = market(traded, last=last)
    price = paid if begins.take_over is TakeOverPolicy.AT_LEADER_PRICE else last
    holding = Holding(KEY, d(held), None if price is None else d(price))
    begun = opening_event(begins, holding, traded, Partition(1), NOW)
    return take_over(begun, copier or Copier(begins), LeaderState(LEADER), at)


def test_now_is_an_entry_near_the_last_price() -> None:
    decision = opened(BEGINS, 10)
    (order,) = decision.orders
    assert (order.spec.side, order.spec.quantity, order.spec.limit_price) == (Side.BUY, d(10), d(101))
    assert (order.intent, order.cause.identity) == (Intent.ENTRY, identity_of(BEGINS.subscription_id, KEY))
    assert fold(decision.entries).ideal == 10


@pytest.mark.parametrize(
    ("held", "paid", "limit"), [(10, "90.03", "90.00"), (-10, "90.03", "90.05"), (10, "120", "120")]
)
def test_at_the_leaders_price_or_better_rests_for_the_day(held: int, paid: str, limit: str) -> None:
    (order,) = opened(AT_HIS_PRICE, held, paid=paid).orders
    assert (order.spec.limit_price, order.spec.type) == (d(limit), OrderType.LIMIT)
    assert order.spec.validity is Validity.DAY
    assert not order.spec.protected, "no chase moves it away from his price"


def test_a_holding_is_told_as_a_fill_of_this_moment() -> None:
    delivered = InstrumentKey(KEY.instrument_id, Product.CNC)
    traded = replace(SHARE, exchange=Exchange.BSE, segment=Segment.EQUITY_DERIVATIVES)
    name = "opening:s1:NSE:SBIN-EQ:CNC"
    body = Fill(
        LEADER,
        BrokerOrderId(name),
        "1",
        delivered,
        Exchange.BSE,
        Segment.EQUITY_DERIVATIVES,
        Side.SELL,
        d(7),
        d(90),
        NOW,
    )
    fact = Fact(EventIdentity(name), LEADER, EventKind.FILL, body, NOW, NOW, recovered=False, raw=b"")
    begun = opening_event(BEGINS, Holding(delivered, d(-7), d(90)), traded, Partition(3), NOW)
    assert begun == Event(Partition(3), Offset(0), 0, NOW, fact)


def test_a_holding_of_which_little_is_known_is_told_all_the_same() -> None:
    body = opening_event(BEGINS, Holding(KEY, d(7)), None, Partition(3), NOW).fact.body
    assert isinstance(body, Fill)
    assert (body.exchange, body.segment, body.side, body.price) == (
        Exchange.NSE,
        Segment.CAPITAL_MARKET,
        Side.BUY,
        d(0),
    )


def test_a_fraction_is_told_on_its_side() -> None:
    for quantity, side in (("0.5", Side.BUY), ("-0.5", Side.SELL)):
        body = opening_event(BEGINS, Holding(KEY, d(quantity)), SHARE, Partition(3), NOW).fact.body
        assert isinstance(body, Fill)
        assert (body.side, body.quantity) == (side, d("0.5"))


def test_at_his_price_rests_also_where_market_orders_stand() -> None:
    at_market = replace(AT_HIS_PRICE, style=ExecutionStyle.MARKET)
    (order,) = opened(at_market, 10, paid="90", traded=instrument(exchange=Exchange.CRYPTO)).orders
    assert (order.spec.type, order.spec.limit_price) == (OrderType.LIMIT, d(90))


def test_what_he_holds_is_taken_over_from_flat() -> None:
    begun = opening_event(BEGINS, Holding(KEY, d(10), d(100)), SHARE, Partition(1), NOW)
    held = LeaderState(LEADER, {KEY: LeaderPosition(d(10))})
    short = LeaderState(LEADER, {KEY: LeaderPosition(d(-10))})
    for leader in (held, short):
        decision = take_over(begun, Copier(BEGINS), leader, market(last="100"))
        assert (decision.intent, decision.quantity) == (Intent.ENTRY, d(10))


def test_at_his_price_is_at_his_price_whatever_protects_other_entries() -> None:
    by_ticks = replace(AT_HIS_PRICE, protection=Protection(ProtectionKind.TICKS, 4))
    (order,) = opened(replace(by_ticks, style=ExecutionStyle.MARKET), 10, paid="90").orders
    assert order.spec == OrderSpec(KEY, Side.BUY, OrderType.LIMIT, d(10), d(90))
    name = BrokerOrderId(identity_of(BEGINS.subscription_id, KEY))
    assert order.leader_order_id == name, "it rests for his holding"


def test_what_has_no_price_is_withheld_in_whole() -> None:
    mapped = replace(
        AT_HIS_PRICE, reverse=True, product_mappings=(ProductMapping(KEY.product, Product.MARGIN),)
    )
    assert opened(mapped, 10, paid=None) == Decision(
        decision_id=decision_id_of(identity_of(mapped.subscription_id, KEY), mapped.subscription_id),
        subscription_id=mapped.subscription_id,
        follower=mapped.follower,
        key=InstrumentKey(KEY.instrument_id, Product.MARGIN),
        side=Side.SELL,
        intent=Intent.ENTRY,
        outcome=Outcome.SKIPPED,
        quantity=d(0),
        sizing=None,
        reason=SkipReason.PRICE_UNKNOWN,
        detail=KEY.instrument_id,
    )
    assert opened(AT_HIS_PRICE, 10, paid=None).side is Side.BUY


def test_a_fraction_is_rounded_and_the_ideal_keeps_what_later_exits_go_by() -> None:
    begins = replace(BEGINS, sizing=Sizing(SizingMode.FIXED_RATIO, d("0.25")))
    decision = opened(begins, 50)
    assert decision.quantity == 12
    ledger = fold(decision.entries)
    assert ledger.ideal == d("12.5")
    exits = plan(
        event(fill(-25)),
        LeaderState(LEADER, {KEY: LeaderPosition(d(50))}),
        [Copier(begins, replace(ledger, entry_filled=d(12)))],
        market(),
    )
    assert exits.decisions[0].quantity == 6


def test_reversed_it_sells_what_the_leader_holds() -> None:
    (order,) = opened(replace(BEGINS, reverse=True), 10).orders
    assert order.spec.side is Side.SELL


REASONS = [
    ("no fresh price", BEGINS, {"last": None}, SkipReason.PRICE_UNKNOWN),
    ("nobody knows what he paid", AT_HIS_PRICE, {"paid": None}, SkipReason.PRICE_UNKNOWN),
    (
        "blocked",
        replace(BEGINS, filters=Filters(blocked=frozenset({KEY.instrument_id}))),
        {},
        SkipReason.INSTRUMENT_BLOCKED,
    ),
    (
        "below one lot",
        replace(BEGINS, sizing=Sizing(SizingMode.FIXED_RATIO, d("0.01"))),
        {},
        SkipReason.BELOW_ONE_LOT,
    ),
    ("paused", replace(BEGINS, state=SubscriptionState.PAUSED), {}, SkipReason.NOT_APPROVED),
]


@pytest.mark.parametrize(
    ("begins", "given", "reason"), [each[1:] for each in REASONS], ids=[each[0] for each in REASONS]
)
def test_what_is_not_taken_over_says_why(
    begins: Subscription, given: dict[str, Any], reason: SkipReason
) -> None:
    decision = opened(begins, 10, **given)
    assert (decision.outcome, decision.reason, decision.orders) == (Outcome.SKIPPED, reason, ())


def test_a_closed_market_withholds_it() -> None:
    decision = opened(BEGINS, 10, last=None, copier=Copier(BEGINS, market_open=False))
    assert decision.reason is SkipReason.MARKET_CLOSED


def test_his_price_may_be_far_from_the_last_one() -> None:
    assert opened(AT_HIS_PRICE, 10, paid="50", last="100").outcome is Outcome.PLANNED


def test_a_fixed_size_and_a_cap_are_for_the_whole_position() -> None:
    fixed = replace(BEGINS, sizing=Sizing(SizingMode.FIXED_QUANTITY, d(7)))
    assert opened(fixed, 50).quantity == 7
    capped = opened(replace(BEGINS, caps=Caps(max_lots_per_order=d(3))), 50)
    assert (capped.quantity, capped.reason) == (d(3), SkipReason.CAPPED_LOTS)


def test_caps_hold_for_all_that_is_taken_over_in_one_go() -> None:
    begins = replace(BEGINS, caps=Caps(max_open_positions=1))
    first = opened(begins, 10)
    other = beside(Copier(begins), [first], market())
    assert opened(begins, 10, copier=other).reason is SkipReason.CAPPED_POSITIONS
    rich = replace(Copier(begins), exposure=d(50))
    assert beside(rich, [first], market()).exposure == 50 + 10 * d(101)
    five = market(replace(SHARE, multiplier=d(5)))
    assert beside(rich, [first, first], five).exposure == 50 + 2 * 5 * 10 * d(101)
    assert beside(rich, [first, first], five).other_positions == 2
    skipped = opened(replace(begins, state=SubscriptionState.PAUSED), 10)
    assert beside(rich, [skipped], market()) is rich
    assert beside(Copier(begins), [first], market()).exposure is None
    assert beside(rich, [first], Market({}, NOW)).exposure == 50 + 10 * d(101)


def test_it_is_one_decision_for_each_position_for_ever() -> None:
    assert opened(BEGINS, 10).decision_id == opened(BEGINS, 99, last="7").decision_id
    delivered = InstrumentKey(KEY.instrument_id, Product.CNC)
    assert identity_of(BEGINS.subscription_id, KEY) != identity_of(BEGINS.subscription_id, delivered)


def test_an_instrument_that_nobody_knows_is_named() -> None:
    begun = opening_event(BEGINS, Holding(KEY, d(5)), None, Partition(1), NOW)
    unknown: dict[InstrumentId, Instrument] = {}
    decision = take_over(begun, Copier(BEGINS), LeaderState(LEADER), Market(unknown, NOW))
    assert decision.reason is SkipReason.INSTRUMENT_UNKNOWN


@settings(deadline=None)
@hypothesis_given(
    held=st.integers(-5_000, 5_000).filter(bool),
    ratio=st.decimals("0.001", "3", places=3),
    lot=st.integers(1, 75),
)
def test_no_drift_from_the_first_moment(held: int, ratio: Decimal, lot: int) -> None:
    """Less than one lot lies between what is planned and what is wanted, and the freeze quantity is kept."""
    begins = replace(BEGINS, sizing=Sizing(SizingMode.FIXED_RATIO, ratio))
    traded = instrument(lot=lot, freeze=lot * 10)
    decision = opened(begins, held, traded=traded)
    ledger = fold(decision.entries)
    assert ledger.ideal == ratio * held
    assert ledger.entry_planned == lots_toward_zero(ratio * held, d(lot))
    assert sum(order.spec.quantity for order in decision.orders) == abs(ledger.entry_planned)
    assert all(order.spec.quantity <= lot * 10 for order in decision.orders)
