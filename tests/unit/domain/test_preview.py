"""A dry run plans what really was planned: the same orders, skips and positions, from the same history."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.domain.calendar import Calendar, always_open
from paceline.domain.copy_order import CopyOrder
from paceline.domain.copying.decision import Decision, Outcome, SkipReason
from paceline.domain.copying.preview import (
    Assumed,
    Costs,
    Holding,
    Preview,
    Step,
    assumptions,
    equities_missing,
    without_bands,
)
from paceline.domain.copying.view import Copier, Equity, LeaderPosition, LeaderState, LotRule
from paceline.domain.errors import FailedPrecondition
from paceline.domain.event import Event
from paceline.domain.ids import InstrumentId
from paceline.domain.instrument import Instrument, InstrumentKey, Product, Segment
from paceline.domain.order import BrokerStatus, Fill, OrderReport, Side
from paceline.domain.subscription import (
    Caps,
    CopyMode,
    Filters,
    InstrumentMapping,
    Sizing,
    SizingMode,
    Subscription,
    SubscriptionState,
)
from tests.unit.domain.given import (
    FOLLOWER,
    KEY,
    LEADER,
    NOW,
    SBIN,
    SHARE,
    d,
    event,
    fill,
    instrument,
    report,
    subscription,
)
from tests.unit.domain.histories import histories
from tests.unit.domain.trading_world import World

MASTER: Mapping[InstrumentId, Instrument] = {SBIN: SHARE}


def dry(
    events: Sequence[Event],
    wanted: Subscription | None = None,
    assumed: Assumed | None = None,
    master: Mapping[InstrumentId, Instrument] = MASTER,
    start: LeaderState | None = None,
) -> tuple[Preview, list[Step]]:
    preview = Preview(
        wanted or subscription(), start or LeaderState(LEADER), assumed or Assumed(), always_open()
    )
    return preview, [step for each in events if (step := preview.take(each, master)) is not None]


def told(*bodies: Fill | OrderReport) -> list[Event]:
    return [event(body, offset=number) for number, body in enumerate(bodies, start=1)]


@dataclass
class Real:
    """The same history really replicated: planned, committed, and filled at once at the broker."""

    world: World
    decisions: list[Decision] = field(default_factory=list)

    def take(self, happened: Event) -> None:
        self.world.counter = happened.offset - 1
        body = happened.fact.body
        assert isinstance(body, Fill | OrderReport)
        self.decisions += self.world.leader_tells(body)
        for books in self.world.books.values():
            for order in books.open:
                self.world.broker_fills(books, order.tag, order.spec.quantity)


def placed(decision: Decision) -> list[tuple[object, ...]]:
    return [shape_of(order) for order in decision.orders]


def shape_of(order: CopyOrder) -> tuple[object, ...]:
    return (order.tag, order.spec, order.intent, order.leg, order.slice)


@st.composite
def days(draw: st.DrawFn) -> list[Event]:
    """Orders of the leader with their reports and fills, in parts; long, short, flips."""
    bodies: list[Fill | OrderReport] = []
    for number in range(draw(st.integers(1, 12))):
        name = f"o{number}"
        side = draw(st.sampled_from(Side))
        whole = draw(st.integers(1, 60))
        bodies.append(report(order=name, side=side, quantity=whole))
        left = whole
        for part in range(draw(st.integers(0, 3))):
            quantity = draw(st.integers(1, left)) if left else 0
            if quantity:
                left -= quantity
                signed = quantity * int(side)
                bodies.append(fill(signed, trade=f"{name}t{part}", order=name))
        if not left:
            done = report(BrokerStatus.TRADED, order=name, side=side, quantity=whole, filled=whole)
            bodies.append(done)
    return told(*bodies)


SETTINGS = st.builds(
    lambda mode_value, reverse, up, lots, notional: replace(
        subscription(),
        sizing=Sizing(mode_value[0], d(mode_value[1]), round_up_to_one_lot=up),
        reverse=reverse,
        caps=Caps(max_lots_per_order=lots, max_notional_per_order=notional),
    ),
    st.sampled_from(
        [
            (SizingMode.FIXED_RATIO, "0.3"),
            (SizingMode.FIXED_RATIO, "2.5"),
            (SizingMode.FIXED_QUANTITY, "25"),
            (SizingMode.FIXED_NOTIONAL, "4000"),
            (SizingMode.EQUITY_RATIO, "1"),
        ]
    ),
    st.booleans(),
    st.booleans(),
    st.sampled_from([None, Decimal(3)]),
    st.sampled_from([None, Decimal(2_000)]),
)


@given(days(), SETTINGS, st.sampled_from([1, 5, 10]), st.sampled_from([None, 20]))
@histories(120)
def test_a_dry_run_gives_the_orders_and_skips_of_the_real_thing(
    day: list[Event], wanted: Subscription, lot: int, freeze: int | None
) -> None:
    traded = instrument(lot=lot, freeze=freeze)
    mine, his = Equity(d(70_000), 0), Equity(d(100_000), 0)
    world = World(traded, [wanted])
    world.leaders[LEADER] = LeaderState(LEADER, equity=his)
    books = world.books[wanted.subscription_id]
    books.copier = Copier(wanted, equity=mine)
    real = Real(world)
    for each in day:
        real.take(each)
    preview, steps = dry(day, wanted, Assumed(his, mine), {SBIN: traded})
    found = [step.decision for step in steps]
    assert [placed(each) for each in found] == [placed(each) for each in real.decisions]
    assert [(each.outcome, each.reason, each.quantity, each.detail) for each in found] == [
        (each.outcome, each.reason, each.quantity, each.detail) for each in real.decisions
    ]
    held = preview.summary.holdings[KEY].quantity if KEY in preview.summary.holdings else 0
    assert held == books.ledger.position == books.traded
    skipped = [each for each in real.decisions if each.outcome is Outcome.SKIPPED]
    assert preview.summary.skips == len(skipped) == sum(preview.summary.skips_by_reason.values())
    assert preview.summary.orders == len(books.orders)


def test_entry_addition_and_partial_exit_are_followed_and_counted() -> None:
    day = told(
        fill(100, trade="1", order="1", price=100),
        fill(50, trade="2", order="2", price=110),
        fill(-75, trade="3", order="3", price=120),
    )
    preview, steps = dry(day, subscription(ratio="0.5"), Assumed(costs=Costs(d(20), d(10))))
    assert [(step.decision.quantity, step.price, step.held) for step in steps] == [
        (d(50), d(100), d(50)),
        (d(25), d(110), d(75)),
        (d(38), d(120), d(37)),
    ]
    holding = preview.summary.holdings[KEY]
    assert (holding.quantity, holding.orders) == (d(37), 3)
    assert preview.summary.turnover == {"INR": 50 * 100 + 25 * 110 + 38 * 120}
    assert preview.summary.costs == {"INR": 3 * 20 + Decimal(50 * 100 + 25 * 110 + 38 * 120) / 1000}
    assert sum(step.cost for step in steps) == preview.summary.costs["INR"]
    assert round(holding.realised, 6) == round(38 * (120 - Decimal(7_750) / 75), 6)
    assert holding.average_price == round(Decimal(7_750) / 75, 6)


def test_charges_are_for_orders_and_for_money() -> None:
    assert Costs(d(20), d(10)).of(3, d(1_000)) == 61
    assert Costs(d(20), d(10)).of(0, d(0)) == 0
    assert Costs().of(3, d(1_000)) == 0


def test_fractions_are_closed_like_wholes() -> None:
    added = Holding("USDT")
    for price in (100, 200):
        added.trade(d("0.5"), d(price), d(1))
    assert (added.quantity, added.cost, added.realised) == (d(1), d(150), d(0))
    holding = Holding("USDT")
    for signed, price in (("0.5", 100), ("-0.25", 120), ("-0.5", 80)):
        holding.trade(d(signed), d(price), d(2))
    assert (holding.quantity, holding.cost) == (d("-0.25"), d(-20))
    assert (holding.realised, holding.turnover) == (d(0), d("240"))


def test_a_position_that_was_flat_begins_anew() -> None:
    holding = Holding("INR")
    for signed, price in ((3, 100), (-3, 110), (2, 120)):
        holding.trade(d(signed), d(price), d(1))
    assert (holding.quantity, holding.cost, holding.realised) == (d(2), d(240), d(30))
    assert (holding.turnover, holding.average_price) == (d(870), d(120))


def test_a_step_says_what_came_of_an_event() -> None:
    coin = replace(SHARE, currency="USDT", multiplier=d(2))
    happened = event(fill(10, price=50))
    preview, (step,) = dry([happened], None, Assumed(costs=Costs(d(1), d(100))), {SBIN: coin})
    assert isinstance(happened.fact.body, Fill)
    assert step == Step(happened, step.decision, happened.fact.body, d(50), d(10), d(11), "USDT")
    summary = preview.summary
    assert (summary.events, summary.turnover, summary.costs) == (1, {"USDT": d(1_000)}, {"USDT": d(11)})
    assert (summary.realised, summary.orders, summary.skips) == ({"USDT": d(0)}, 1, 0)


def test_slices_of_one_order_fill_one_after_the_other_and_nothing_is_forgone() -> None:
    day = told(
        fill(100, trade="1", order="1"), fill(-50, trade="2", order="2"), fill(-50, trade="3", order="3")
    )
    _, steps = dry(day, master={SBIN: instrument(freeze=40)})
    assert [(len(step.decision.orders), step.decision.quantity, step.held) for step in steps] == [
        (3, d(100), d(100)),
        (2, d(50), d(50)),
        (2, d(50), d(0)),
    ]


def test_every_event_is_counted_whatever_it_leads_to() -> None:
    preview, steps = dry(told(report(), fill(10), report(BrokerStatus.TRADED, filled=10)))
    assert (preview.summary.events, len(steps)) == (3, 1)


def test_a_subscription_that_waits_is_tried_as_if_it_were_approved() -> None:
    _, (step,) = dry([event(fill(10))], replace(subscription(), state=SubscriptionState.PENDING))
    assert step.decision.quantity == 10


def test_what_the_account_may_trade_and_when_is_kept() -> None:
    _, (step,) = dry([event(fill(10))], assumed=Assumed(segments=frozenset({Segment.EQUITY_DERIVATIVES})))
    assert step.decision.reason is SkipReason.SEGMENT_NOT_ACCEPTED
    for master, reason in ((MASTER, SkipReason.MARKET_CLOSED), ({}, SkipReason.INSTRUMENT_UNKNOWN)):
        preview = Preview(subscription(), LeaderState(LEADER), Assumed(), Calendar({}))
        closed = preview.take(event(fill(10)), master)
        assert closed is not None
        assert closed.decision.reason is reason


def test_what_is_mapped_goes_by_the_last_price_that_the_leader_traded_it_at() -> None:
    other = InstrumentId("BSE:SBIN-A")
    mapped = replace(subscription(), instrument_mappings=(InstrumentMapping(SBIN, other),))
    master = {SBIN: SHARE, other: replace(SHARE, instrument_id=other)}
    day = told(
        fill(5, trade="1", order="1", price=200, key=InstrumentKey(other, Product.INTRADAY)),
        fill(10, trade="2", order="2"),
    )
    _, (elsewhere, step) = dry(day, mapped, master=master)
    assert elsewhere.decision.reason is SkipReason.MAPPED_ELSEWHERE
    assert (step.decision.quantity, step.price) == (d(10), d(200))


def test_positions_in_other_keys_count_as_long_as_they_are_open() -> None:
    margin = InstrumentKey(SBIN, Product.MARGIN)
    one = replace(subscription(), caps=Caps(max_open_positions=1))
    day = told(
        fill(10, trade="1", order="1"),
        fill(5, trade="2", order="2", key=margin),
        fill(5, trade="3", order="3"),
        fill(-15, trade="4", order="4"),
        fill(5, trade="5", order="5", key=margin),
    )
    _, steps = dry(day, one)
    assert [step.decision.quantity for step in steps] == [d(10), d(0), d(5), d(15), d(5)]
    assert steps[1].decision.reason is SkipReason.CAPPED_POSITIONS


@pytest.mark.parametrize(
    ("mode", "his", "mine", "missing"),
    [
        (SizingMode.FIXED_RATIO, None, None, set()),
        (SizingMode.EQUITY_RATIO, None, None, {LEADER, FOLLOWER}),
        (SizingMode.EQUITY_RATIO, Equity(d(1), 0), None, {FOLLOWER}),
        (SizingMode.EQUITY_RATIO, None, Equity(d(1), 0), {LEADER}),
        (SizingMode.EQUITY_RATIO, Equity(d(1), 0), Equity(d(1), 0), set()),
        (SizingMode.RISK_PERCENT, None, None, {FOLLOWER}),
        (SizingMode.RISK_PERCENT, None, Equity(d(1), 0), set()),
    ],
)
def test_only_the_equities_that_sizing_needs_can_be_missing(
    mode: SizingMode, his: Equity | None, mine: Equity | None, missing: set[str]
) -> None:
    assert equities_missing(subscription(mode=mode), his, mine) == missing


def test_bands_of_today_say_nothing_about_another_day() -> None:
    assert without_bands(instrument(lot=5, band=(90, 110))) == instrument(lot=5)


def test_a_flip_is_two_orders_and_takes_its_profit() -> None:
    preview, steps = dry(
        told(fill(10, trade="1", order="1", price=100), fill(-30, trade="2", order="2", price=110))
    )
    assert [len(step.decision.orders) for step in steps] == [1, 2]
    holding = preview.summary.holdings[KEY]
    assert (holding.quantity, holding.average_price, holding.realised) == (d(-20), d(110), d(100))


def test_a_short_that_is_bought_back_lower_has_gained() -> None:
    holding = Holding("INR")
    holding.trade(d(-10), d(100), d(5))
    holding.trade(d(4), d(90), d(5))
    assert (holding.quantity, holding.average_price, holding.realised) == (d(-6), d(100), d(200))
    holding.trade(d(6), d(101), d(5))
    assert (holding.quantity, holding.average_price, holding.realised) == (d(0), d(0), d(170))


def test_what_the_leader_held_before_is_not_taken_over_and_its_exit_is_named() -> None:
    start = LeaderState(LEADER, {KEY: LeaderPosition(d(100))})
    preview, steps = dry(told(fill(-40, trade="1", order="1"), fill(-60, trade="2", order="2")), start=start)
    assert [step.decision.reason for step in steps] == [SkipReason.NOTHING_HELD] * 2
    assert preview.summary.skips_by_reason == {SkipReason.NOTHING_HELD: 2}
    assert not preview.summary.holdings


def test_settings_are_tried_as_if_approved_and_the_journals_time_counts() -> None:
    paused = replace(subscription(), auto_copy=False, filters=Filters(max_age_ms=1_000))
    happened = event(fill(10))
    late = replace(happened, journaled_ns=NOW + 2_000_000_000)
    _, (fresh,) = dry([happened], paused)
    _, (old,) = dry([late], paused)
    assert fresh.decision.quantity == 10
    assert old.decision.reason is SkipReason.EVENT_TOO_OLD


def test_caps_of_exposure_and_positions_see_what_the_dry_run_holds() -> None:
    capped = replace(subscription(), caps=Caps(max_exposure=d(1_500)))
    day = told(
        report(order="1", quantity=10),
        fill(10, trade="1", order="1"),
        report(order="2", quantity=10),
        fill(10, trade="2", order="2"),
    )
    _, steps = dry(day, capped)
    assert [step.decision.quantity for step in steps] == [10, 5]
    assert steps[1].decision.reason is SkipReason.CAPPED_EXPOSURE


def test_rules_of_the_followers_groups_are_kept() -> None:
    day = told(report(order="1", quantity=4), fill(4, trade="1", order="1"))
    _, (step,) = dry(day, assumed=Assumed(lot_rule=LotRule(least=d(5))))
    assert step.decision.reason is SkipReason.BELOW_MINIMUM


def test_an_unknown_instrument_is_a_skip_and_no_failure() -> None:
    preview, (step,) = dry([event(fill(10))], master={})
    assert step.decision.reason is SkipReason.INSTRUMENT_UNKNOWN
    assert (step.cost, step.currency, preview.summary.orders) == (d(0), "", 0)


def test_mirrored_orders_are_refused_by_name() -> None:
    with pytest.raises(FailedPrecondition) as refused:
        dry([], replace(subscription(), mode=CopyMode.ON_ORDER))
    assert str(refused.value) == (
        "copy mode ON_ORDER cannot be previewed: which part of a resting copy would have been filled"
        " is not in the leader's journal"
    )


def test_what_is_counted_is_said_in_words() -> None:
    *_, none = assumptions(subscription(), Assumed())
    assert none.startswith("No charges were given")
    by_equity = subscription(mode=SizingMode.EQUITY_RATIO)
    *_, equity, costs = assumptions(by_equity, Assumed(Equity(d(5000), 0), costs=Costs(d(20), d("2.50"))))
    assert equity.endswith("leader 5000 and follower unknown.")
    assert equity.startswith("Sizes go by equities as they are known now, not as they were then: ")
    given_ = Assumed(Equity(d(5000), 0), Equity(d(70), 0), equities_given=True)
    *_, equity, _ = assumptions(by_equity, given_)
    words = "Sizes go by these equities, as given, all the time: leader 5000 and follower 70."
    assert equity == words
    words = "Charges are 20 for each order and 2.5 basis points of the money traded, as given; "
    assert costs == words + "nothing else is counted."


def test_nothing_of_the_caller_is_touched() -> None:
    wanted, start = subscription(), LeaderState(LEADER, {KEY: LeaderPosition(d(10))})
    dry(told(fill(5)), wanted, start=start)
    assert wanted == subscription()
    assert start.positions == {KEY: LeaderPosition(d(10))}
    assert wanted.follower == FOLLOWER
