"""Liquidations and their steps on the wire."""

from decimal import Decimal
from typing import Any

from paceline.adapters.wire.decimals import decimal_at, decimal_or_none, text_of
from paceline.adapters.wire.enums import EnumMap
from paceline.adapters.wire.fields import required, within
from paceline.adapters.wire.orders import key_from_wire, key_to_wire
from paceline.adapters.wire.times import timestamp_of
from paceline.api.v1 import executor_pb2, risk_pb2, subscription_pb2
from paceline.domain.errors import Invalid
from paceline.domain.ids import AccountId, InstrumentId, LiquidationId, SubscriptionId
from paceline.domain.liquidation import (
    SEPARATOR,
    Liquidation,
    LiquidationCause,
    LiquidationLevel,
    LiquidationState,
)
from paceline.ports.liquidations import Step

LIQUIDATION_CAUSE = EnumMap(LiquidationCause, executor_pb2.LiquidationCause)
LIQUIDATION_LEVEL = EnumMap(LiquidationLevel, subscription_pb2.KillLevel)
LIQUIDATION_STATE = EnumMap(LiquidationState, executor_pb2.LiquidationState)


def liquidation_from_wire(wire: executor_pb2.LiquidateRequest) -> Liquidation:
    """What is asked for; `Invalid` names field and rule."""
    scope = wire.WhichOneof("scope")
    if scope is None or (scope == "whole_account" and not wire.whole_account):
        raise Invalid("scope", "must be whole_account or subscription_id")
    key = within("key", key_from_wire, wire.key) if wire.HasField("key") else None
    if key is not None and scope == "whole_account":
        raise Invalid("key", "goes with subscription_id only")
    name = (
        SubscriptionId(required(wire.subscription_id, "subscription_id"))
        if scope != "whole_account"
        else None
    )
    level = LIQUIDATION_LEVEL.read_or(wire.level, "level", LiquidationLevel.FLATTEN)
    if scope != "whole_account" and level is LiquidationLevel.STOP_ENTRIES:
        raise Invalid(
            "level", "must not be STOP_ENTRIES with subscription_id: a subscription is paused instead"
        )
    identity = required(wire.liquidation_id, "liquidation_id")
    if SEPARATOR in identity:
        raise Invalid("liquidation_id", f"must not hold {SEPARATOR}")
    return Liquidation(
        liquidation_id=LiquidationId(identity),
        account_id=AccountId(required(wire.account_id, "account_id")),
        level=level,
        cause=LIQUIDATION_CAUSE.read(wire.cause, "cause"),
        cause_id=wire.cause_id,
        reason=required(wire.reason, "reason"),
        subscription_id=name,
        key=key,
        equity=within("equity", lambda money: decimal_at(money, "amount"), wire.equity)
        if wire.HasField("equity")
        else None,
        currency=wire.equity.currency or "INR",
        margin_level=decimal_or_none(wire, "margin_level_percent"),
        prices={InstrumentId(each): _price(wire, each) for each in wire.prices},
    )


def step_to_wire(liquidation_id: LiquidationId, step: Step) -> executor_pb2.LiquidationStep:
    wire = executor_pb2.LiquidationStep(
        liquidation_id=liquidation_id,
        number=step.number,
        state=LIQUIDATION_STATE.wire[step.state],
        detail=step.detail,
        order_id=step.order_id,
    )
    if step.key is not None:
        key_to_wire(step.key, wire.key)
    if step.remaining is not None:
        wire.remaining.value = text_of(step.remaining)
    if step.at is not None:
        wire.step_time.CopyFrom(timestamp_of(step.at))
    return wire


def liquidation_to_wire(of: Liquidation) -> risk_pb2.Liquidation:
    wire = risk_pb2.Liquidation(
        liquidation_id=of.liquidation_id,
        account_id=of.account_id,
        subscription_id=of.subscription_id or "",
        cause=LIQUIDATION_CAUSE.wire[of.cause],
        cause_id=of.cause_id,
        state=LIQUIDATION_STATE.wire[of.state],
    )
    if of.equity is not None:
        wire.equity.amount.value = text_of(of.equity)
        wire.equity.currency = of.currency
    if of.margin_level is not None:
        wire.margin_level_percent.value = text_of(of.margin_level)
    for name, price in of.prices.items():
        wire.prices[name].value = text_of(price)
    if of.created is not None:
        wire.create_time.CopyFrom(timestamp_of(of.created))
    if of.updated is not None:
        wire.update_time.CopyFrom(timestamp_of(of.updated))
    return wire


def _price(wire: executor_pb2.LiquidateRequest, name: str) -> Decimal:
    holder: Any = wire.prices
    try:
        return Decimal(text_of(Decimal(holder[name].value)))
    except (ArithmeticError, Invalid):
        raise Invalid(f"prices[{name}]", "must be a plain decimal number") from None
