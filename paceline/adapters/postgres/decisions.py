"""Decisions as rows."""

from collections.abc import Iterable, Sequence
from typing import Any

from paceline.adapters.postgres.copy_rows import key_columns, key_of
from paceline.adapters.postgres.database import Row
from paceline.domain.copy_order import CopyCommand, CopyOrder, Intent
from paceline.domain.copying.decision import Decision, Outcome, SizingInputs, SkipReason
from paceline.domain.ids import AccountId, DecisionId, EventIdentity, SubscriptionId
from paceline.domain.order import Side
from paceline.domain.subscription import SizingMode

DECISION_WIDTH = 24


def decision_columns(event: EventIdentity, decision: Decision) -> tuple[Any, ...]:
    return (
        decision.decision_id,
        event,
        decision.subscription_id,
        decision.follower,
        *key_columns(decision.key),
        int(decision.side),
        decision.intent.value,
        decision.outcome.value,
        decision.quantity,
        decision.reason.value if decision.reason else None,
        decision.detail,
        *_sizing_columns(decision.sizing),
    )


def _sizing_columns(sizing: SizingInputs | None) -> tuple[Any, ...]:
    if sizing is None:
        return (*(None,) * 10, False, None)
    return (
        sizing.mode.value,
        sizing.value,
        sizing.ratio,
        sizing.unrounded,
        sizing.leader_equity,
        sizing.leader_equity_age_ms,
        sizing.follower_equity,
        sizing.follower_equity_age_ms,
        sizing.ordered,
        sizing.granted,
        sizing.rounded_up,
        sizing.limited_by.value if sizing.limited_by else None,
    )


def decision_of(row: Row, orders: Iterable[CopyOrder], commands: Sequence[CopyCommand] = ()) -> Decision:
    return Decision(
        decision_id=DecisionId(row["decision_id"]),
        subscription_id=SubscriptionId(row["subscription_id"]),
        follower=AccountId(row["follower"]),
        key=key_of(row),
        side=Side(row["side"]),
        intent=Intent(row["intent"]),
        outcome=Outcome(row["outcome"]),
        quantity=row["quantity"],
        sizing=None if row["sizing_mode"] is None else sizing_of(row),
        reason=None if row["reason"] is None else SkipReason(row["reason"]),
        detail=row["detail"],
        orders=tuple(orders),
        commands=tuple(commands),
    )


def sizing_of(row: Row) -> SizingInputs:
    return SizingInputs(
        mode=SizingMode(row["sizing_mode"]),
        value=row["sizing_value"],
        ratio=row["ratio"],
        unrounded=row["unrounded"],
        leader_equity=row["leader_equity"],
        leader_equity_age_ms=row["leader_equity_age_ms"],
        follower_equity=row["follower_equity"],
        follower_equity_age_ms=row["follower_equity_age_ms"],
        ordered=row["ordered"],
        granted=row["granted"],
        rounded_up=row["rounded_up"],
        limited_by=None if row["limited_by"] is None else SkipReason(row["limited_by"]),
    )
