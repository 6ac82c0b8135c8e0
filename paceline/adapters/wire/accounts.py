"""Accounts, the apps they log in through, and their groups."""

from paceline.adapters.wire.decimals import decimal_or_none, text_of
from paceline.adapters.wire.enums import ACCOUNT_STATE, ACCOUNT_TYPE, BROKER, SEGMENT
from paceline.adapters.wire.fields import only, required
from paceline.api.v1 import account_pb2
from paceline.domain.account import Account, AccountState
from paceline.domain.errors import Invalid
from paceline.domain.ids import AccountId, BrokerAppId
from paceline.ports.accounts import AccountGroup, BrokerApp, GroupId

FIXED = frozenset(
    {
        *("account_id", "broker", "client_id", "type", "state", "account_group_ids", "has_credentials"),
        *("freeze_version", "version", "create_time", "update_time"),
    }
)
"""What an update must not name."""
_HEEDED = FIXED | {"segments", "broker_app_id", "egress", "display_name"}


def account_to_wire(account: Account, into: account_pb2.Account | None = None) -> account_pb2.Account:
    wire = account_pb2.Account() if into is None else into
    wire.account_id = account.account_id
    wire.broker = BROKER.wire[account.broker]
    wire.client_id = account.client_id
    wire.type = ACCOUNT_TYPE.wire[account.type]
    wire.state = ACCOUNT_STATE.wire[account.state]
    wire.segments.extend(sorted(SEGMENT.wire[each] for each in account.segments))
    wire.broker_app_id = account.app_id or ""
    wire.egress = account.egress
    wire.display_name = account.display_name
    wire.version = account.version
    return wire


def account_from_wire(wire: account_pb2.Account) -> Account:
    """A whole one, as a server tells it."""
    return _account(
        wire,
        AccountId(required(wire.account_id, "account_id")),
        ACCOUNT_STATE.read(wire.state, "state"),
        wire.version,
    )


def new_account_from_wire(wire: account_pb2.Account) -> Account:
    """An active one that a client asks for; its name is made of broker and client."""
    broker = BROKER.read(wire.broker, "broker")
    account_id = AccountId(f"{broker.value}:{required(wire.client_id, 'client_id')}")
    if wire.account_id not in ("", account_id):
        raise Invalid("account_id", f"must be empty or {account_id}")
    if wire.state:
        raise Invalid("state", "must not be set: it is the server's")
    return _account(wire, account_id, AccountState.ACTIVE, version=1)


def _account(wire: account_pb2.Account, account_id: AccountId, state: AccountState, version: int) -> Account:
    only(wire, _HEEDED)
    return Account(
        account_id=account_id,
        broker=BROKER.read(wire.broker, "broker"),
        client_id=required(wire.client_id, "client_id"),
        type=ACCOUNT_TYPE.read(wire.type, "type"),
        state=state,
        segments=SEGMENT.read_some(wire.segments, "segments"),
        app_id=BrokerAppId(wire.broker_app_id) if wire.broker_app_id else None,
        egress=wire.egress,
        display_name=wire.display_name,
        version=version,
    )


def broker_app_to_wire(app: BrokerApp, into: account_pb2.BrokerApp | None = None) -> account_pb2.BrokerApp:
    """Without its secret, which nobody reads."""
    wire = account_pb2.BrokerApp() if into is None else into
    wire.broker_app_id = app.app_id
    wire.broker = BROKER.wire[app.broker]
    wire.app_id = app.client_key
    wire.redirect_uri = app.redirect_url
    wire.display_name = app.display_name
    wire.version = app.version
    return wire


def broker_app_from_wire(wire: account_pb2.BrokerApp) -> BrokerApp:
    """Without its secret, which the caller seals straight from the message."""
    return BrokerApp(
        app_id=BrokerAppId(required(wire.broker_app_id, "broker_app_id")),
        broker=BROKER.read(wire.broker, "broker"),
        client_key=required(wire.app_id, "app_id"),
        redirect_url=wire.redirect_uri,
        display_name=wire.display_name,
        version=wire.version,
    )


def account_group_to_wire(
    group: AccountGroup, into: account_pb2.AccountGroup | None = None
) -> account_pb2.AccountGroup:
    wire = account_pb2.AccountGroup() if into is None else into
    wire.account_group_id = group.group_id
    wire.display_name = group.display_name
    wire.version = group.version
    if group.min_lots is not None:
        wire.min_lots.value = text_of(group.min_lots)
    if group.max_lots is not None:
        wire.max_lots.value = text_of(group.max_lots)
    if group.lot_step is not None:
        wire.lot_step.value = text_of(group.lot_step)
    return wire


def account_group_from_wire(wire: account_pb2.AccountGroup) -> AccountGroup:
    return AccountGroup(
        group_id=GroupId(required(wire.account_group_id, "account_group_id")),
        display_name=wire.display_name,
        min_lots=decimal_or_none(wire, "min_lots"),
        max_lots=decimal_or_none(wire, "max_lots"),
        lot_step=decimal_or_none(wire, "lot_step"),
        version=wire.version,
    )
