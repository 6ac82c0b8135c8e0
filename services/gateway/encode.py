"""What people look at, as messages."""

from paceline.adapters.wire.accounts import account_group_to_wire, account_to_wire, broker_app_to_wire
from paceline.adapters.wire.answers import latency_to_wire, session_to_wire
from paceline.adapters.wire.copy_orders import copy_order_to_wire
from paceline.adapters.wire.subscriptions import subscription_to_wire
from paceline.adapters.wire.times import timestamp_of
from paceline.api.v1 import account_pb2, copy_order_pb2, query_pb2, subscription_pb2
from paceline.domain.account import AccountState
from paceline.domain.copy_order import CopyStatus
from paceline.ports.audit import AuditEntry
from paceline.ports.copy_orders import CopyRow
from paceline.ports.views import AccountView, AppView, GroupView, Readiness, SubscriptionView

_FAILURES = {
    CopyStatus.PLANNED: copy_order_pb2.FAILURE_CLASS_RETRYABLE,
    CopyStatus.UNKNOWN: copy_order_pb2.FAILURE_CLASS_UNKNOWN,
    CopyStatus.REJECTED: copy_order_pb2.FAILURE_CLASS_TERMINAL,
    CopyStatus.FAILED: copy_order_pb2.FAILURE_CLASS_TERMINAL,
}


def account_view_to_wire(view: AccountView) -> account_pb2.Account:
    wire = account_to_wire(view.account)
    wire.has_credentials = view.has_credentials
    wire.account_group_ids.extend(view.groups)
    wire.create_time.CopyFrom(timestamp_of(view.kept.created_at))
    wire.update_time.CopyFrom(timestamp_of(view.kept.updated_at))
    return wire


def app_view_to_wire(view: AppView) -> account_pb2.BrokerApp:
    wire = broker_app_to_wire(view.app)
    wire.create_time.CopyFrom(timestamp_of(view.kept.created_at))
    wire.update_time.CopyFrom(timestamp_of(view.kept.updated_at))
    return wire


def group_view_to_wire(view: GroupView) -> account_pb2.AccountGroup:
    wire = account_group_to_wire(view.group)
    wire.create_time.CopyFrom(timestamp_of(view.kept.created_at))
    wire.update_time.CopyFrom(timestamp_of(view.kept.updated_at))
    return wire


def subscription_view_to_wire(view: SubscriptionView) -> subscription_pb2.Subscription:
    wire = subscription_to_wire(view.subscription)
    wire.waits_for = view.waits_for
    wire.create_time.CopyFrom(timestamp_of(view.kept.created_at))
    wire.update_time.CopyFrom(timestamp_of(view.kept.updated_at))
    return wire


def copy_row_to_wire(row: CopyRow) -> query_pb2.GetCopyOrderResponse:
    """With its last failure, classed by what became of the order."""
    wire = query_pb2.GetCopyOrderResponse()
    copy_order_to_wire(row.order, wire.order)
    latency_to_wire(row, wire.latency)
    if row.error_code or row.error_text:
        wire.failure.failure_class = _FAILURES.get(row.order.status, copy_order_pb2.FAILURE_CLASS_UNSPECIFIED)
        wire.failure.broker_code = row.error_code
        wire.failure.message = row.error_text
    return wire


def readiness_to_wire(readiness: Readiness) -> query_pb2.Readiness:
    wire = query_pb2.Readiness(account_id=readiness.account.account_id, ready=readiness.ready)
    if readiness.session is not None:
        session_to_wire(readiness.session, wire.session)
    if not readiness.ready:
        wire.detail = _missing(readiness)
    return wire


def audit_entry_to_wire(entry: AuditEntry) -> query_pb2.AuditEntry:
    details = "; ".join(f"{name}: {value}" for name, value in entry.details.items())
    wire = query_pb2.AuditEntry(
        audit_entry_id=str(entry.audit_id),
        actor=entry.actor,
        action=entry.action,
        subject=entry.subject,
        detail="; ".join(filter(None, (entry.cause, details))),
    )
    if entry.at is not None:
        wire.create_time.CopyFrom(timestamp_of(entry.at))
    return wire


def _missing(readiness: Readiness) -> str:
    if readiness.account.state is not AccountState.ACTIVE:
        return f"the account is {readiness.account.state}"
    if readiness.session is None:
        return "no session serves the account"
    session = readiness.session
    return f"the session is {session.state}" + (f": {session.reason}" if session.reason else "")
