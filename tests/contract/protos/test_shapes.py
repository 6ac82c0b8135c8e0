"""The shapes that brokers and services to come need: there from the first release, so that none breaks it."""

import pytest
from google.protobuf.descriptor import Descriptor

from paceline.api.v1 import (
    account_pb2,
    common_pb2,
    copy_order_pb2,
    event_pb2,
    executor_pb2,
    feed_pb2,
    order_pb2,
    query_pb2,
    risk_pb2,
    session_pb2,
)


def kind_of(message: Descriptor, field: str) -> str:
    descriptor = message.fields_by_name[field]
    name = descriptor.message_type.name if descriptor.message_type else ""
    return f"repeated {name}".strip() if descriptor.is_repeated else name


@pytest.mark.parametrize(
    ("message", "field", "kind"),
    [
        (common_pb2.Money.DESCRIPTOR, "amount", "Decimal"),
        (copy_order_pb2.OrderSpec.DESCRIPTOR, "quantity", "Decimal"),
        (order_pb2.Fill.DESCRIPTOR, "fees", "repeated Fee"),
        (order_pb2.Fee.DESCRIPTOR, "amount", "Money"),
        (order_pb2.PositionReport.DESCRIPTOR, "leverage", "Decimal"),
        (session_pb2.Session.DESCRIPTOR, "account_ids", "repeated"),
        (session_pb2.Session.DESCRIPTOR, "sealed_state", "SealedBlob"),
        (common_pb2.Instrument.DESCRIPTOR, "broker_ids", "repeated BrokerInstrumentId"),
        (executor_pb2.Limits.DESCRIPTOR, "costs", "repeated LimitCost"),
        (executor_pb2.ExecuteRequest.DESCRIPTOR, "commands", "repeated CopyCommand"),
        (query_pb2.ListMarketDaysResponse.DESCRIPTOR, "market_days", "repeated MarketDay"),
        (account_pb2.Account.DESCRIPTOR, "account_group_ids", "repeated"),
        (feed_pb2.StreamEventsRequest.DESCRIPTOR, "cursors", "repeated PartitionCursor"),
        (risk_pb2.Portfolio.DESCRIPTOR, "margin_level_percent", "Decimal"),
    ],
)
def test_shape(message: Descriptor, field: str, kind: str) -> None:
    assert kind_of(message, field) == kind


def test_the_cause_of_a_copy_order_is_one_of_six() -> None:
    (cause,) = copy_order_pb2.Cause.DESCRIPTOR.oneofs
    assert [field.name for field in cause.fields] == [
        "event",
        "signal",
        "strategy_leg",
        "liquidation",
        "guard",
        "manual",
    ]


def test_limits_are_counted_for_accounts_orders_addresses_and_apps() -> None:
    scopes = [name.removeprefix("LIMIT_SCOPE_") for name, _ in executor_pb2.LimitScope.items()]
    assert scopes == ["UNSPECIFIED", "ACCOUNT", "ORDER", "ADDRESS", "APP"]


@pytest.mark.parametrize("report", [order_pb2.OrderReport, order_pb2.Fill])
def test_the_brokers_own_words_stand_beside_ours(
    report: type[order_pb2.OrderReport | order_pb2.Fill],
) -> None:
    assert {"raw_status", "raw_product"} <= set(report.DESCRIPTOR.fields_by_name)


def test_an_event_says_what_kind_it_is_by_its_body() -> None:
    (body,) = event_pb2.Event.DESCRIPTOR.oneofs
    assert [field.name for field in body.fields] == ["order", "fill", "position"]


def test_a_market_may_never_close() -> None:
    assert "always_open" in query_pb2.MarketDay.DESCRIPTOR.fields_by_name
