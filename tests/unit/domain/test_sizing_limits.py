"""What a size was reckoned from, and what is told of it: whole values, and caps at exactly their limit."""

from dataclasses import replace
from decimal import Decimal

import pytest

from paceline.domain.copying.decision import SizingInputs, SkipReason
from paceline.domain.copying.sizing import share
from paceline.domain.copying.view import Copier, Equity, LeaderState, LotRule, Market
from paceline.domain.ledger import Ledger
from paceline.domain.subscription import Caps, EquityFallback, SizingMode
from tests.unit.domain.given import LEADER, SBIN, d, event, fill, instrument, report, subscription
from tests.unit.domain.test_sizing_rules import Life, bought, known, sized, stop

MINE, HIS = Equity(d(2_500), 7_000), Equity(d(10_000), 9_000)


def capped(caps: Caps, *, exposure: int | None = 0) -> Life:
    rich = Copier(replace(subscription(), caps=caps), exposure=None if exposure is None else d(exposure))
    return Life(rich, lot=10)


def inputs_of(mode: str, value: str) -> SizingInputs | None:
    life = Life(Copier(sized(mode, value), equity=MINE))
    life.leader = replace(life.leader, equity=HIS, orders=known(report(), stop("95")))
    return life.fills(50).sizing


def test_a_decision_keeps_what_its_size_was_reckoned_from() -> None:
    assert inputs_of("FIXED_RATIO", "0.4") == SizingInputs(SizingMode.FIXED_RATIO, d("0.4"), d("0.4"), d(20))
    assert inputs_of("EQUITY_RATIO", "2") == SizingInputs(
        SizingMode.EQUITY_RATIO, d(2), d("0.5"), d(25), d(10_000), 9_000, d(2_500), 7_000
    )
    assert inputs_of("RISK_PERCENT", "2") == SizingInputs(
        SizingMode.RISK_PERCENT,
        d(2),
        d("0.1"),
        d(5),
        follower_equity=d(2_500),
        follower_equity_age_ms=7_000,
        ordered=d(100),
        granted=d(10),
    )
    assert inputs_of("FIXED_QUANTITY", "30") == SizingInputs(
        SizingMode.FIXED_QUANTITY, d(30), d("0.3"), d(15), ordered=d(100), granted=d(30)
    )


def test_a_position_too_many_keeps_that_nothing_is_granted_and_says_how_many_there_are() -> None:
    settings = replace(sized("FIXED_RATIO", "0.4"), caps=Caps(max_open_positions=2))
    decision = Life(Copier(settings, other_positions=2)).fills(50)
    assert decision.sizing == SizingInputs(
        SizingMode.FIXED_RATIO,
        d("0.4"),
        d(0),
        d(0),
        ordered=d(50),
        granted=d(0),
        limited_by=SkipReason.CAPPED_POSITIONS,
    )
    assert (decision.reason, decision.detail) == (SkipReason.CAPPED_POSITIONS, "2 positions are open")
    assert Life(Copier(settings, other_positions=1)).fills(50).orders


@pytest.mark.parametrize(
    ("caps", "whole", "reason"),
    [
        (Caps(max_lots_per_order=d(10)), 100, None),
        (Caps(max_lots_per_order=d(9)), 90, SkipReason.CAPPED_LOTS),
        (Caps(max_notional_per_order=d(10_000)), 100, None),
        (Caps(max_notional_per_order=d(9_999)), 90, SkipReason.CAPPED_NOTIONAL),
        (Caps(max_notional_per_order=d(1_000)), 10, SkipReason.CAPPED_NOTIONAL),
        (Caps(max_notional_per_order=d(999)), 0, SkipReason.CAPPED_NOTIONAL),
        (Caps(max_exposure=d(11_000)), 100, None),
        (Caps(max_exposure=d(10_999)), 90, SkipReason.CAPPED_EXPOSURE),
        (Caps(max_exposure=d(500)), 0, SkipReason.CAPPED_EXPOSURE),
    ],
)
def test_a_cap_cuts_only_what_is_beyond_it(caps: Caps, whole: int, reason: SkipReason | None) -> None:
    decision = capped(caps, exposure=1_000).fills(100)
    assert (int(bought(decision)), decision.reason) == (whole, reason)


def test_of_two_caps_that_are_as_strict_the_one_of_the_order_is_named() -> None:
    both = Caps(max_notional_per_order=d(3_000), max_exposure=d(3_000))
    assert capped(both).fills(100).reason is SkipReason.CAPPED_NOTIONAL


def test_an_exposure_that_nobody_knows_is_said() -> None:
    decision = capped(Caps(max_exposure=d(5)), exposure=None).fills(10)
    assert (decision.reason, decision.detail) == (SkipReason.PRICE_UNKNOWN, "of what is held already")


def test_a_multiplier_counts_in_caps_too() -> None:
    life = capped(Caps(max_notional_per_order=d(10_000)))
    life.market = Market({SBIN: replace(instrument(lot=10), multiplier=d(5))}, 0)
    assert bought(life.fills(100)) == 20


@pytest.mark.parametrize(
    ("rule", "whole", "reason", "detail"),
    [
        (LotRule(least=d(10)), 100, None, ""),
        (LotRule(least=d("10.1")), 0, SkipReason.BELOW_MINIMUM, "100 of 101"),
        (LotRule(most=d(10)), 100, None, ""),
        (LotRule(most=d(9)), 90, SkipReason.CAPPED_LOTS, ""),
        (LotRule(step=d(5)), 100, None, ""),
        (LotRule(step=d(3)), 90, SkipReason.LOT_STEP, ""),
        (LotRule(most=d(8), step=d(3)), 60, SkipReason.CAPPED_LOTS, ""),
        (LotRule(least=d(5), most=d(4)), 0, SkipReason.CAPPED_LOTS, ""),
        (LotRule(least=d(4), most=d(4)), 40, SkipReason.CAPPED_LOTS, ""),
    ],
)
def test_rules_of_groups_hold_to_the_lot(
    rule: LotRule, whole: int, reason: SkipReason | None, detail: str
) -> None:
    decision = Life(Copier(subscription(), lot_rule=rule), lot=10).fills(100)
    assert (int(bought(decision)), decision.reason, decision.detail) == (whole, reason, detail)


def test_fresh_equity_is_nothing_to_tell_and_an_old_one_is_told_whatever_caps_it() -> None:
    fresh = Life(Copier(sized("EQUITY_RATIO", "1"), equity=Equity(d(5_000), 0)))
    assert fresh.fills(100).detail == ""
    settings = replace(
        sized("EQUITY_RATIO", "1", equity_fallback=EquityFallback.LAST_KNOWN),
        caps=Caps(max_lots_per_order=d(30)),
    )
    life = Life(Copier(settings, equity=Equity(d(5_000), 70_000, stale=True)))
    first, second = life.fills(50), life.fills(50)
    words = "sized with the last known equity of the follower, 70000 ms old"
    assert (first.reason, first.detail) == (SkipReason.CAPPED_LOTS, words)
    assert (second.reason, second.detail) == (SkipReason.CAPPED_LOTS, ""), "reckoned before"


@pytest.mark.parametrize(
    ("equity", "detail"),
    [(None, "of the follower"), (Equity(d(9), 70_000, True), "of the follower, 70000 ms old")],
)
def test_at_risk_the_followers_equity_is_named(equity: Equity | None, detail: str) -> None:
    decision = Life(Copier(sized("RISK_PERCENT", "2"), equity=equity)).fills(10)
    assert (decision.reason, decision.detail) == (SkipReason.EQUITY_UNKNOWN, detail)


def test_what_money_cannot_buy_without_a_price_is_named() -> None:
    decision = Life(Copier(sized("FIXED_NOTIONAL", "500"))).fills(10, price=0)
    assert (decision.reason, decision.detail) == (SkipReason.PRICE_UNKNOWN, SBIN)


def test_what_costs_one_is_capped_by_money_like_anything_else() -> None:
    life = capped(Caps(max_notional_per_order=d(50)))
    assert bought(life.fills(100, price=1)) == 50


def test_an_equity_of_one_sizes() -> None:
    assert bought(Life(Copier(sized("EQUITY_RATIO", "10000"), equity=Equity(d(1), 0))).fills(100)) == 100


def test_a_stop_below_one_is_a_stop() -> None:
    life = Life(Copier(sized("RISK_PERCENT", "2"), equity=MINE))
    life.leader = replace(life.leader, orders=known(report(), stop("0.50")))
    assert bought(life.fills(100, price=1)) == 100


def test_a_position_that_is_only_on_its_way_is_open() -> None:
    one = replace(subscription(), caps=Caps(max_open_positions=1))
    coming = Ledger(ideal=d(5), entry_planned=d(5))
    life = Life(Copier(one, coming, other_positions=1), leader=LeaderState(LEADER).after(event(fill(5))))
    assert life.fills(5).orders


def test_what_is_rounded_up_says_how_old_the_equity_was() -> None:
    settings = sized(
        "EQUITY_RATIO", "0.01", equity_fallback=EquityFallback.LAST_KNOWN, round_up_to_one_lot=True
    )
    decision = Life(Copier(settings, equity=Equity(d(100), 70_000, stale=True)), lot=10).fills(100)
    assert (bought(decision), decision.detail) == (
        d(10),
        "sized with the last known equity of the follower, 70000 ms old",
    )


def test_a_stop_without_a_trigger_is_no_stop() -> None:
    life = Life(Copier(sized("RISK_PERCENT", "2"), equity=MINE))
    life.leader = replace(life.leader, orders=known(report(), stop("0")))
    assert life.fills(10).reason is SkipReason.NO_STOP
    life.leader = replace(life.leader, orders=known(report(), stop("100")))
    assert life.fills(10).reason is SkipReason.NO_STOP, "at his price it costs nothing"


def test_what_is_granted_keeps_its_fraction_where_no_step_is_asked_for() -> None:
    decision = Life(Copier(sized("FIXED_QUANTITY", "12.5"))).fills(100)
    assert decision.sizing is not None
    assert (decision.sizing.granted, decision.reason) == (d("12.5"), None)


def test_a_least_of_one_lot_is_for_his_whole_order_too() -> None:
    life = Life(Copier(subscription(), lot_rule=LotRule(least=d(1))))
    life.leader = replace(life.leader, orders={})
    assert life.fills(10).reason is SkipReason.LEADER_ORDER_UNKNOWN


def test_a_cap_in_money_without_a_price_names_what_has_none() -> None:
    decision = capped(Caps(max_notional_per_order=d(5))).fills(10, price=0)
    assert (decision.reason, decision.detail) == (SkipReason.PRICE_UNKNOWN, SBIN)


GRANTED = SizingInputs(SizingMode.FIXED_RATIO, d(1), d(1), d(0), ordered=d(100), granted=d(30))


@pytest.mark.parametrize(
    ("inputs", "wanted", "first", "part"),
    [
        (GRANTED, "10", True, "10"),
        (replace(GRANTED, limited_by=SkipReason.CAPPED_LOTS), "10", True, "3"),
        (replace(GRANTED, limited_by=SkipReason.CAPPED_LOTS), "-50", False, "-15"),
        (replace(GRANTED, rounded_up=True), "10", True, "30"),
        (replace(GRANTED, rounded_up=True), "-10", True, "-30"),
        (replace(GRANTED, rounded_up=True), "0.5", True, "30"),
        (replace(GRANTED, rounded_up=True), "10", False, "0"),
        (SizingInputs(SizingMode.FIXED_RATIO, d(2), d(2), d(0)), "-10", False, "-20"),
    ],
)
def test_a_part_of_his_order_brings_its_part(
    inputs: SizingInputs, wanted: str, first: bool, part: str
) -> None:
    assert share(inputs, Decimal(wanted), first=first) == Decimal(part)
