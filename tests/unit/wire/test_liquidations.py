"""Liquidations on the wire: what is asked for is read strictly, what is told is what is stored."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from paceline.adapters.wire.liquidations import (
    LIQUIDATION_CAUSE,
    LIQUIDATION_LEVEL,
    LIQUIDATION_STATE,
    liquidation_from_wire,
    liquidation_to_wire,
    step_to_wire,
)
from paceline.api.v1 import common_pb2, executor_pb2, subscription_pb2
from paceline.domain.errors import Invalid
from paceline.domain.ids import AccountId, LiquidationId, SubscriptionId
from paceline.domain.liquidation import Liquidation, LiquidationCause, LiquidationLevel, LiquidationState
from paceline.ports.liquidations import Step
from tests.unit.domain.given import KEY, SBIN, d

NOW = datetime(2026, 11, 20, 10, tzinfo=UTC)
KEY_WIRE = common_pb2.InstrumentKey(instrument_id=SBIN, product=common_pb2.PRODUCT_INTRADAY)


def asked(**changes: object) -> executor_pb2.LiquidateRequest:
    fields: dict[str, object] = {
        "liquidation_id": "fyers:XA:7",
        "account_id": "fyers:XA",
        "whole_account": True,
        "cause": executor_pb2.LIQUIDATION_CAUSE_MARGIN,
        "reason": "8 %",
    }
    return executor_pb2.LiquidateRequest(**{**fields, **changes})  # type: ignore[arg-type]


def test_names_agree_on_both_sides() -> None:
    for each in (LIQUIDATION_CAUSE, LIQUIDATION_LEVEL, LIQUIDATION_STATE):
        assert each.missing == frozenset()


def test_what_is_asked_for_is_what_is_told() -> None:
    wire = asked(
        level=subscription_pb2.KILL_LEVEL_CANCEL_WORKING,
        cause_id="turn 7",
        equity={"amount": {"value": "812.5"}, "currency": "INR"},
        margin_level_percent={"value": "8"},
        prices={SBIN: common_pb2.Decimal(value="99.95")},
    )
    wanted = liquidation_from_wire(wire)
    assert wanted == Liquidation(
        LiquidationId("fyers:XA:7"),
        AccountId("fyers:XA"),
        LiquidationLevel.CANCEL_WORKING,
        LiquidationCause.MARGIN,
        cause_id="turn 7",
        reason="8 %",
        equity=d("812.5"),
        margin_level=d(8),
        prices={SBIN: d("99.95")},
    )
    told = liquidation_to_wire(replace(wanted, created=NOW, updated=NOW))
    assert (told.liquidation_id, told.cause_id, told.equity.amount.value) == ("fyers:XA:7", "turn 7", "812.5")
    assert (told.prices[SBIN].value, told.margin_level_percent.value) == ("99.95", "8")
    assert told.state == executor_pb2.LIQUIDATION_STATE_STORED
    assert told.create_time.ToDatetime(UTC) == NOW


def test_copies_may_be_of_one_key() -> None:
    wire = asked(subscription_id="s", key=KEY_WIRE)
    wanted = liquidation_from_wire(wire)
    assert (wanted.subscription_id, wanted.key, wanted.level) == (
        SubscriptionId("s"),
        KEY,
        LiquidationLevel.FLATTEN,
    )


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"liquidation_id": ""}, "liquidation_id"),
        ({"liquidation_id": "a|b"}, "liquidation_id"),
        ({"account_id": ""}, "account_id"),
        ({"whole_account": False}, "scope"),
        ({"subscription_id": ""}, "subscription_id"),
        ({"key": KEY_WIRE}, "key"),
        ({"subscription_id": "s", "level": subscription_pb2.KILL_LEVEL_STOP_ENTRIES}, "level"),
        ({"cause": 0}, "cause"),
        ({"level": 9}, "level"),
        ({"reason": ""}, "reason"),
        ({"prices": {"X": common_pb2.Decimal(value="NaN")}}, "prices[X]"),
        ({"equity": {"currency": "INR"}}, "equity.amount"),
    ],
)
def test_what_breaks_a_rule_is_refused_by_its_field(changes: dict[str, object], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        liquidation_from_wire(asked(**changes))
    assert [problem.field for problem in refused.value.problems] == [field]


def test_a_step_tells_key_order_and_what_is_left() -> None:
    step = Step("place:x", LiquidationState.FLATTENING, "SELL 10", KEY, "c-1", d(10), 4, NOW)
    wire = step_to_wire(LiquidationId("l"), step)
    assert (wire.number, wire.detail, wire.order_id, wire.remaining.value) == (4, "SELL 10", "c-1", "10")
    assert wire.key == KEY_WIRE
    assert wire.state == executor_pb2.LIQUIDATION_STATE_FLATTENING
