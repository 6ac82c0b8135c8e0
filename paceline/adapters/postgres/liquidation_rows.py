"""Liquidations, their steps and freezes as rows, and what the audit trail says of them."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from paceline.adapters.postgres.copy_orders import CONSUMER
from paceline.adapters.postgres.copy_rows import key_columns, key_of
from paceline.adapters.postgres.database import Row
from paceline.domain.ids import AccountId, InstrumentId, LiquidationId, SubscriptionId
from paceline.domain.liquidation import Liquidation, LiquidationCause, LiquidationLevel, LiquidationState
from paceline.ports.audit import AuditEntry
from paceline.ports.liquidations import Freeze, Step


def liquidation_columns(wanted: Liquidation) -> tuple[Any, ...]:
    return (
        wanted.liquidation_id,
        wanted.account_id,
        wanted.subscription_id,
        *(key_columns(wanted.key) if wanted.key else (None, None)),
        wanted.level.value,
        wanted.cause.value,
        wanted.cause_id,
        wanted.reason,
        wanted.equity,
        wanted.currency,
        wanted.margin_level,
        {name: str(price) for name, price in wanted.prices.items()},
    )


def scope_of(of: Liquidation) -> tuple[object, ...]:
    return of.account_id, of.subscription_id, of.key, of.level


def liquidation_of(row: Row) -> Liquidation:
    return Liquidation(
        liquidation_id=LiquidationId(row["liquidation_id"]),
        account_id=AccountId(row["account_id"]),
        level=LiquidationLevel(row["level"]),
        cause=LiquidationCause(row["cause"]),
        cause_id=row["cause_id"],
        reason=row["reason"],
        subscription_id=None if row["subscription_id"] is None else SubscriptionId(row["subscription_id"]),
        key=None if row["instrument_id"] is None else key_of(row),
        equity=row["equity"],
        currency=row["currency"],
        margin_level=row["margin_level"],
        prices={InstrumentId(name): Decimal(price) for name, price in row["prices"].items()},
        state=LiquidationState(row["state"]),
        created=row["started_at"],
        updated=row["changed_at"],
    )


def step_of(row: Row) -> Step:
    return Step(
        row["identity"],
        LiquidationState(row["state"]),
        row["detail"],
        None if row["instrument_id"] is None else key_of(row),
        row["order_id"],
        row["remaining"],
        row["number"],
        row["at"],
    )


def freeze_of(row: Row) -> Freeze:
    return Freeze(
        AccountId(row["account_id"]),
        LiquidationLevel(row["level"]),
        row["cause"],
        row["reason"],
        row["version"],
        row["acknowledged_version"],
    )


def audited(of: Liquidation, step: Step, details: Mapping[str, object]) -> AuditEntry:
    told: dict[str, object] = {"state": step.state.value, "detail": step.detail, **details}
    if step.key is not None:
        told |= {"instrument_id": step.key.instrument_id, "product": step.key.product.value}
    if step.order_id:
        told["order"] = step.order_id
    if step.remaining is not None:
        told["remaining"] = str(step.remaining)
    action = f"liquidation.{step.identity.partition(':')[0]}"
    return AuditEntry(CONSUMER, action, "account", of.account_id, of.liquidation_id, told)


def why(wanted: Liquidation) -> dict[str, object]:
    return {
        "cause": wanted.cause.value,
        "cause_id": wanted.cause_id,
        "reason": wanted.reason,
        "equity": None if wanted.equity is None else f"{wanted.equity} {wanted.currency}",
        "margin_level_percent": None if wanted.margin_level is None else str(wanted.margin_level),
        "prices": {name: str(price) for name, price in wanted.prices.items()},
    }
