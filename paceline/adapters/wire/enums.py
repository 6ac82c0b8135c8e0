"""Enumerations of the domain and of the wire, matched by name."""

from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING, Generic, TypeVar

from paceline.api.v1 import (
    account_pb2,
    common_pb2,
    copy_order_pb2,
    event_pb2,
    operations_pb2,
    order_pb2,
    query_pb2,
    session_pb2,
    subscription_pb2,
)
from paceline.domain import account, copy_order, event, instrument, ledger, order, position, subscription
from paceline.domain.copying import decision, ordered
from paceline.domain.errors import Invalid
from paceline.ports.broker import MalformedKind
from paceline.ports.history import TradeState

if TYPE_CHECKING:
    from google.protobuf.internal.enum_type_wrapper import _EnumTypeWrapper

D = TypeVar("D", bound=Enum)
W = TypeVar("W", bound=int)


class EnumMap(Generic[D, W]):
    """Both directions of one enumeration. The wire's zero means not given and is no value."""

    __slots__ = ("_by_number", "missing", "rule", "wire")

    def __init__(self, domain: type[D], wire: "_EnumTypeWrapper[W]") -> None:
        prefix = wire.Name(wire.values()[0]).removesuffix("UNSPECIFIED")
        numbers = {name.removeprefix(prefix): number for name, number in wire.items()}
        self.wire: dict[D, W] = {each: numbers[each.name] for each in domain if each.name in numbers}
        self.missing: frozenset[str] = frozenset(numbers) ^ {each.name for each in domain} ^ {"UNSPECIFIED"}
        """Names that only one side has; a test keeps this empty."""
        self.rule = f"must be one of {', '.join(prefix + each.name for each in self.wire)}"
        self._by_number: dict[int, D] = {number: each for each, number in self.wire.items()}

    def read(self, number: int, field: str) -> D:
        """`Invalid` for zero and for numbers of a newer release."""
        try:
            return self._by_number[number]
        except KeyError:
            raise Invalid(field, self.rule) from None

    def read_or(self, number: int, field: str, unspecified: D) -> D:
        """The same, where not given has a meaning."""
        return self.read(number, field) if number else unspecified

    def read_some(self, numbers: Iterable[int], field: str) -> frozenset[D]:
        """A filter's values; none is none."""
        return frozenset(self.read(number, field) for number in numbers)


BROKER = EnumMap(account.Broker, common_pb2.Broker)
ACCOUNT_TYPE = EnumMap(account.AccountType, common_pb2.AccountType)
ACCOUNT_STATE = EnumMap(account.AccountState, account_pb2.AccountState)
SESSION_STATE = EnumMap(account.SessionState, session_pb2.SessionState)

EXCHANGE = EnumMap(instrument.Exchange, common_pb2.Exchange)
SEGMENT = EnumMap(instrument.Segment, common_pb2.Segment)
INSTRUMENT_KIND = EnumMap(instrument.InstrumentKind, common_pb2.InstrumentKind)
PRODUCT = EnumMap(instrument.Product, common_pb2.Product)

SIDE = EnumMap(order.Side, common_pb2.Side)
ORDER_TYPE = EnumMap(order.OrderType, common_pb2.OrderType)
VALIDITY = EnumMap(order.Validity, common_pb2.Validity)
BROKER_STATUS = EnumMap(order.BrokerStatus, order_pb2.BrokerStatus)
POSITION_MODE = EnumMap(position.PositionMode, order_pb2.PositionMode)
EVENT_KIND = EnumMap(event.EventKind, event_pb2.EventKind)

INTENT = EnumMap(copy_order.Intent, common_pb2.Intent)
LANE = EnumMap(copy_order.Lane, copy_order_pb2.Lane)
COMMAND_KIND = EnumMap(copy_order.CommandKind, copy_order_pb2.CommandKind)
COMMAND_STATUS = EnumMap(copy_order.CommandStatus, copy_order_pb2.CommandStatus)
COPY_STATUS = EnumMap(copy_order.CopyStatus, copy_order_pb2.CopyStatus)
OUTCOME = EnumMap(decision.Outcome, copy_order_pb2.Outcome)
SKIP_REASON = EnumMap(decision.SkipReason, subscription_pb2.SkipReason)
LEDGER_ENTRY_KIND = EnumMap(ledger.EntryKind, query_pb2.LedgerEntryKind)

SUBSCRIPTION_STATE = EnumMap(subscription.SubscriptionState, subscription_pb2.SubscriptionState)
COPY_MODE = EnumMap(subscription.CopyMode, subscription_pb2.CopyMode)
SIZING_MODE = EnumMap(subscription.SizingMode, subscription_pb2.SizingMode)
EXECUTION_STYLE = EnumMap(subscription.ExecutionStyle, subscription_pb2.ExecutionStyle)
EQUITY_FALLBACK = EnumMap(subscription.EquityFallback, subscription_pb2.EquityFallback)
ATTRIBUTION_POLICY = EnumMap(subscription.AttributionPolicy, subscription_pb2.AttributionPolicy)
DRIFT_POLICY = EnumMap(subscription.DriftPolicy, subscription_pb2.DriftPolicy)
SHORTFALL_POLICY = EnumMap(subscription.ShortfallPolicy, subscription_pb2.ShortfallPolicy)
TAKE_OVER_POLICY = EnumMap(subscription.TakeOverPolicy, subscription_pb2.TakeOverPolicy)
END_POLICY = EnumMap(subscription.EndPolicy, subscription_pb2.EndPolicy)
PROTECTION_KIND = EnumMap(subscription.ProtectionKind, subscription_pb2.ProtectionKind)

LEDGER_ADJUSTMENT_KIND = EnumMap(ordered.OrderedKind, operations_pb2.LedgerAdjustmentKind)
LEDGER_ADJUSTMENT_STATE = EnumMap(ordered.OrderedState, operations_pb2.LedgerAdjustmentState)
CORPORATE_ACTION_KIND = EnumMap(ordered.ActionKind, operations_pb2.CorporateActionKind)

DEAD_LETTER_KIND = EnumMap(MalformedKind, query_pb2.DeadLetterKind)
TRADE_STATE = EnumMap(TradeState, query_pb2.TradeState)
