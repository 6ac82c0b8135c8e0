"""What goes onto the wire comes back as it was: every field, every value."""

import dataclasses
from typing import TypeVar

from google.protobuf.message import Message
from hypothesis import given, settings

from paceline.adapters.wire.accounts import (
    account_from_wire,
    account_group_from_wire,
    account_group_to_wire,
    account_to_wire,
    broker_app_from_wire,
    broker_app_to_wire,
)
from paceline.adapters.wire.copy_orders import (
    cause_from_wire,
    copy_order_from_wire,
    copy_order_to_wire,
)
from paceline.adapters.wire.decisions import decision_from_wire, decision_to_wire
from paceline.adapters.wire.events import event_from_wire, event_to_wire
from paceline.adapters.wire.subscriptions import subscription_from_wire, subscription_to_wire
from paceline.api.v1 import executor_pb2, feed_pb2
from paceline.domain.account import Account
from paceline.domain.copy_order import Cause, CopyOrder
from paceline.domain.copying.decision import Decision
from paceline.domain.event import Event
from paceline.domain.subscription import Subscription
from paceline.ports.accounts import AccountGroup, BrokerApp
from tests.unit.wire import strategies

M = TypeVar("M", bound=Message)
HISTORIES = settings(max_examples=150, deadline=None)


def sent(message: M) -> M:
    """The message as a peer reads it."""
    return type(message).FromString(message.SerializeToString())


@HISTORIES
@given(strategies.events)
def test_events(event: Event) -> None:
    assert event_from_wire(sent(event_to_wire(event, with_raw=True))) == event


@HISTORIES
@given(strategies.events)
def test_events_leave_their_frame_behind_unless_asked(event: Event) -> None:
    without = dataclasses.replace(event, fact=dataclasses.replace(event.fact, raw=b""))
    assert event_from_wire(sent(event_to_wire(event))) == without


@HISTORIES
@given(strategies.copy_orders)
def test_copy_orders(order: CopyOrder) -> None:
    assert copy_order_from_wire(sent(copy_order_to_wire(order))) == order


@HISTORIES
@given(strategies.decisions, strategies.causes)
def test_decisions(decision: Decision, cause: Cause) -> None:
    wire = sent(decision_to_wire(decision, cause))
    assert decision_from_wire(wire) == decision
    assert cause_from_wire(wire.cause) == cause


@HISTORIES
@given(strategies.subscriptions)
def test_subscriptions(subscription: Subscription) -> None:
    assert subscription_from_wire(sent(subscription_to_wire(subscription))) == subscription


@HISTORIES
@given(strategies.accounts)
def test_accounts(account: Account) -> None:
    assert account_from_wire(sent(account_to_wire(account))) == account


@HISTORIES
@given(strategies.broker_apps)
def test_broker_apps(app: BrokerApp) -> None:
    assert broker_app_from_wire(sent(broker_app_to_wire(app))) == app


@HISTORIES
@given(strategies.account_groups)
def test_account_groups(group: AccountGroup) -> None:
    assert account_group_from_wire(sent(account_group_to_wire(group))) == group


@given(strategies.events, strategies.copy_orders)
@settings(max_examples=20, deadline=None)
def test_batches_are_filled_in_place(event: Event, order: CopyOrder) -> None:
    response, request = feed_pb2.StreamEventsResponse(), executor_pb2.ExecuteRequest()
    event_to_wire(event, response.events.add(), with_raw=True)
    copy_order_to_wire(order, request.orders.add())
    assert [event_from_wire(each) for each in response.events] == [event]
    assert [copy_order_from_wire(each) for each in request.orders] == [order]
