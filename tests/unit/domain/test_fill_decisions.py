"""What a decision about a fill says of itself; of one event each follower is planned by his own settings."""

from dataclasses import replace
from decimal import Decimal

import pytest

from paceline.domain.copy_order import Intent
from paceline.domain.copying.decision import Outcome, SkipReason
from paceline.domain.copying.movement import Movement, movement
from paceline.domain.copying.plan import plan, plan_chunk
from paceline.domain.copying.tags import decision_id_of
from paceline.domain.copying.view import Copier, Equity, LeaderPosition, LeaderState, Market
from paceline.domain.ledger import EntryKind, Ledger
from paceline.domain.order import Side
from paceline.domain.subscription import (
    EquityFallback,
    ExecutionStyle,
    Protection,
    ProtectionKind,
    SizingMode,
)
from tests.unit.domain.given import KEY, LEADER, copier, d, event, fill, leader, market, subscription

HELD = Ledger(ideal=d("10.5"), entry_planned=d(10), entry_filled=d(10))


@pytest.mark.parametrize(
    ("position", "traded", "moved"),
    [
        ("0", "5", Movement(d(0), d(0), d(5))),
        ("5", "5", Movement(d(5), d(5), d(5))),
        ("5", "-2", Movement(d(5), d(3), d(0))),
        ("5", "-5", Movement(d(5), d(0), d(0))),
        ("5", "-8", Movement(d(5), d(0), d(-3))),
        ("-5", "8", Movement(d(5), d(0), d(3))),
        ("0.5", "0.5", Movement(d("0.5"), d("0.5"), d("0.5"))),
        ("0.5", "-0.25", Movement(d("0.5"), d("0.25"), d(0))),
    ],
)
def test_a_trade_opens_adds_closes_or_turns_round(position: str, traded: str, moved: Movement) -> None:
    assert movement(Decimal(position), Decimal(traded)) == moved


def test_followers_of_one_event_are_planned_each_by_his_own_settings() -> None:
    first = subscription()
    copiers = [
        Copier(first),
        Copier(replace(first, reverse=True)),
        Copier(replace(first, protection=Protection(ProtectionKind.TICKS, 4))),
        Copier(replace(first, filters=replace(first.filters, allowance_bps=d(50)))),
        Copier(replace(first, style=ExecutionStyle.MARKET)),
    ]
    decisions = plan_chunk(event(fill(10)), leader(), copiers, market()).decisions
    assert [(each.orders[0].spec.side, each.orders[0].spec.limit_price) for each in decisions] == [
        (Side.BUY, d(101)),
        (Side.SELL, d(99)),
        (Side.BUY, d("100.20")),
        (Side.BUY, d("100.50")),
        (Side.BUY, d(101)),
    ]
    assert [(each.side, each.intent) for each in decisions] == [
        (each.orders[0].spec.side, Intent.ENTRY) for each in decisions
    ]


def test_a_flip_sells_and_enters_by_shapes_of_their_own() -> None:
    held = Ledger(ideal=d(10), entry_planned=d(10), entry_filled=d(10))
    (decision,) = plan(event(fill(-30)), leader(10), [replace(copier(), ledger=held)], market()).decisions
    assert [(each.intent, each.leg, each.spec.quantity) for each in decision.orders] == [
        (Intent.EXIT, 0, d(10)),
        (Intent.ENTRY, 1, d(20)),
    ]
    assert (decision.intent, decision.side, decision.quantity) == (Intent.EXIT, Side.SELL, d(30))


def test_both_legs_say_what_there_is_to_say() -> None:
    settings = subscription(mode=SizingMode.EQUITY_RATIO)
    old = replace(settings.sizing, equity_fallback=EquityFallback.LAST_KNOWN)
    held = Ledger(ideal=d(10), entry_planned=d(10), entry_filled=d(10))
    flips = Copier(replace(settings, sizing=old), held, equity=Equity(d(100), 70_000, stale=True))
    state = LeaderState(LEADER, {KEY: LeaderPosition(d(10))}, Equity(d(100), 0))
    (decision,) = plan(event(fill(-30)), state, [flips], market()).decisions
    assert decision.detail == (
        "the leader kept 0 of 10; sized with the last known equity of the follower, 70000 ms old"
    )


def test_an_exit_that_comes_to_no_lot_is_held_back_by_nothing() -> None:
    waiting = replace(copier(), ledger=HELD, session_usable=False)
    (decision,) = plan(event(fill(-1)), leader(105), [waiting], market()).decisions
    assert (decision.outcome, decision.reason) == (Outcome.SKIPPED, SkipReason.BELOW_ONE_LOT)
    assert [(line.kind, line.quantity) for line in decision.entries] == [(EntryKind.IDEAL, d("-0.1"))]


def test_a_decision_has_the_name_of_its_event_and_its_subscription() -> None:
    happened = event(fill(10))
    name = decision_id_of(happened.fact.identity, subscription().subscription_id)
    (planned,) = plan(happened, leader(), [copier()], market()).decisions
    (skipped,) = plan(happened, leader(), [copier()], Market({}, 0)).decisions
    assert (planned.decision_id, skipped.decision_id) == (name, name)
    assert planned.orders[0].decision_id == name


def test_an_exit_that_waits_says_why() -> None:
    waiting = replace(copier(), ledger=HELD, session_usable=False)
    (decision,) = plan(event(fill(-105)), leader(105), [waiting], market()).decisions
    assert (decision.outcome, decision.reason) == (Outcome.PLANNED, SkipReason.SESSION_UNUSABLE)
    assert (decision.quantity, decision.detail) == (d(10), "the leader kept 0 of 105")
