"""Guards of accounts and subscriptions, and what tripped, on the wire."""

from decimal import Decimal

from paceline.adapters.wire.decimals import decimal_at, decimal_or_none, text_of
from paceline.adapters.wire.enums import EnumMap
from paceline.adapters.wire.fields import within
from paceline.adapters.wire.liquidations import LIQUIDATION_LEVEL
from paceline.adapters.wire.times import timestamp_of
from paceline.api.v1 import common_pb2, risk_pb2, subscription_pb2
from paceline.domain.errors import Invalid
from paceline.domain.guards import AccountGuards, GuardKind, RearmPolicy, problems_of
from paceline.domain.subscription import SubscriptionGuards
from paceline.ports.guards import GuardTrip

GUARD_KIND = EnumMap(GuardKind, risk_pb2.GuardKind)
REARM_POLICY = EnumMap(RearmPolicy, risk_pb2.RearmPolicy)


def account_guards_from_wire(wire: risk_pb2.RiskLimits) -> AccountGuards:
    """`Invalid` names field and rule."""
    loss, exposure = wire.max_daily_loss, wire.max_exposure
    given = {
        name: money
        for name, money in (("max_daily_loss", loss), ("max_exposure", exposure))
        if wire.HasField(name)  # type: ignore[arg-type]  # one of its fields
    }
    guards = AccountGuards(
        max_daily_loss=_amount(loss, "max_daily_loss") if "max_daily_loss" in given else None,
        max_drawdown_percent=decimal_or_none(wire, "max_drawdown_percent"),
        max_exposure=_amount(exposure, "max_exposure") if "max_exposure" in given else None,
        max_open_positions=wire.max_open_positions if wire.HasField("max_open_positions") else None,
        currency=_one_currency(given),
        level=LIQUIDATION_LEVEL.read(wire.guard_level, "guard_level") if wire.guard_level else None,
        rearm=REARM_POLICY.read_or(wire.rearm_policy, "rearm_policy", RearmPolicy.BY_PERSON),
    )
    if problems := problems_of(guards):
        raise Invalid.of(problems)
    return guards


def account_guards_to_wire(guards: AccountGuards, wire: risk_pb2.RiskLimits) -> None:
    if guards.max_daily_loss is not None:
        _money(guards.max_daily_loss, guards.currency, wire.max_daily_loss)
    if guards.max_drawdown_percent is not None:
        wire.max_drawdown_percent.value = text_of(guards.max_drawdown_percent)
    if guards.max_exposure is not None:
        _money(guards.max_exposure, guards.currency, wire.max_exposure)
    if guards.max_open_positions is not None:
        wire.max_open_positions = guards.max_open_positions
    if guards.level is not None:
        wire.guard_level = LIQUIDATION_LEVEL.wire[guards.level]
    wire.rearm_policy = REARM_POLICY.wire[guards.rearm]


def subscription_guards_from_wire(wire: subscription_pb2.SubscriptionGuards) -> SubscriptionGuards:
    loss, profit = wire.HasField("stop_loss"), wire.HasField("take_profit")
    given = ({"stop_loss": wire.stop_loss} if loss else {}) | (
        {"take_profit": wire.take_profit} if profit else {}
    )
    return SubscriptionGuards(
        stop_loss=_amount(wire.stop_loss, "stop_loss") if loss else None,
        take_profit=_amount(wire.take_profit, "take_profit") if profit else None,
        trailing=wire.trailing,
        currency=_one_currency(given),
    )


def subscription_guards_to_wire(
    guards: SubscriptionGuards, wire: subscription_pb2.SubscriptionGuards
) -> None:
    if guards.stop_loss is not None:
        _money(guards.stop_loss, guards.currency, wire.stop_loss)
    if guards.take_profit is not None:
        _money(guards.take_profit, guards.currency, wire.take_profit)
    wire.trailing = guards.trailing


def guard_trip_to_wire(trip: GuardTrip) -> risk_pb2.GuardTrip:
    wire = risk_pb2.GuardTrip(
        guard_trip_id=trip.guard_trip_id,
        kind=GUARD_KIND.wire[trip.kind],
        account_id=trip.account_id,
        subscription_id=trip.subscription_id or "",
    )
    wire.threshold.value = text_of(trip.threshold)
    wire.observed.value = text_of(trip.observed)
    wire.trip_time.CopyFrom(timestamp_of(trip.tripped))
    if trip.rearmed is not None:
        wire.rearm_time.CopyFrom(timestamp_of(trip.rearmed))
    return wire


def _amount(wire: common_pb2.Money, field: str) -> Decimal:
    return within(field, lambda money: decimal_at(money, "amount"), wire)


def _one_currency(given: dict[str, common_pb2.Money]) -> str:
    """Amounts of one account are in one currency."""
    first = ""
    for name, money in given.items():
        if first and money.currency != first:
            raise Invalid(f"{name}.currency", "must be that of the other amount")
        first = money.currency
    return first


def _money(amount: Decimal, currency: str, wire: common_pb2.Money) -> None:
    wire.amount.value = text_of(amount)
    wire.currency = currency
