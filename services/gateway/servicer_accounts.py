"""The gRPC edge of accounts: decode, call, encode."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from paceline.adapters.wire.accounts import FIXED, account_from_wire, account_to_wire, new_account_from_wire
from paceline.adapters.wire.enums import ACCOUNT_STATE, ACCOUNT_TYPE, BROKER
from paceline.adapters.wire.fields import only, within
from paceline.adapters.wire.masks import masked
from paceline.api.v1 import account_pb2, account_pb2_grpc
from paceline.domain.account import Account, AccountState
from paceline.domain.ids import AccountId
from paceline.ports.accounts import GroupId
from paceline.ports.changes import Change
from paceline.ports.clock import Clock
from paceline.ports.views import AccountFilter, AccountView, Views
from paceline.runtime.paging import only_order, paged
from paceline.runtime.sound import sound_name
from services.gateway.accounts import AccountDesk, NewCredentials
from services.gateway.catalogue import Catalogue
from services.gateway.decode import credentials_from_wire
from services.gateway.encode import account_view_to_wire
from services.gateway.once import Deed, Done, Once, taken_as
from services.gateway.servicer_apps import AppMethods
from services.gateway.servicer_groups import GroupMethods
from services.gateway.servicer_targets import TargetMethods, TargetParts

A = TypeVar(
    "A",
    account_pb2.CreateAccountResponse,
    account_pb2.UpdateAccountResponse,
    account_pb2.DeleteAccountResponse,
    account_pb2.SetCredentialsResponse,
    account_pb2.FreezeAccountResponse,
    account_pb2.UnfreezeAccountResponse,
)
Step = Callable[[Change, AccountId], Awaitable[AccountView]]

_FILTERS = frozenset({"broker", "type", "states", "account_group_id"})


class AccountServicer(AppMethods, GroupMethods, TargetMethods, account_pb2_grpc.AccountServiceServicer):
    def __init__(
        self,
        once: Once,
        views: Views,
        desk: AccountDesk,
        catalogue: Catalogue,
        clock: Clock,
        targets: TargetParts,
    ) -> None:
        AppMethods.__init__(self, once, views, catalogue)
        GroupMethods.__init__(self, once, views, catalogue)
        TargetMethods.__init__(self, once, targets)
        self._once = once
        self._views = views
        self._desk = desk
        self._clock = clock

    async def CreateAccount(
        self, request: account_pb2.CreateAccountRequest, context: Any
    ) -> account_pb2.CreateAccountResponse:
        account = within("account", new_account_from_wire, request.account)
        credentials = self._credentials(request.credentials)

        async def create(change: Change, _account_id: AccountId) -> AccountView:
            return await self._desk.create(change, account, credentials)

        details = {"type": account.type.value, "with_credentials": bool(credentials)}
        kind = account_pb2.CreateAccountResponse
        with taken_as("account", account.account_id):
            return await self._change(request, context, kind, account.account_id, "create", create, details)

    async def GetAccount(
        self, request: account_pb2.GetAccountRequest, context: Any
    ) -> account_pb2.GetAccountResponse:
        view = await self._views.account(_named(request.account_id))
        return account_pb2.GetAccountResponse(account=account_view_to_wire(view))

    async def ListAccounts(
        self, request: account_pb2.ListAccountsRequest, context: Any
    ) -> account_pb2.ListAccountsResponse:
        only_order(request.order_by, "account_id")
        which = within("filter", _filter_of, request.filter)

        async def fetch(after: str, limit: int) -> Sequence[AccountView]:
            return await self._views.accounts(which, after, limit)

        views, token = await paged(request, fetch, lambda view: view.account.account_id)
        return account_pb2.ListAccountsResponse(
            accounts=[account_view_to_wire(view) for view in views], next_page_token=token
        )

    async def UpdateAccount(
        self, request: account_pb2.UpdateAccountRequest, context: Any
    ) -> account_pb2.UpdateAccountResponse:
        def edit(current: Account) -> Account:
            wire = masked(account_to_wire(current), request.account, request.update_mask, fixed=FIXED)
            return within("account", account_from_wire, wire)

        async def update(change: Change, account_id: AccountId) -> AccountView:
            return await self._desk.update(change, account_id, request.account.version, edit)

        account_id = _named(request.account.account_id, "account.account_id")
        details = {"fields": list(request.update_mask.paths)}
        kind = account_pb2.UpdateAccountResponse
        return await self._change(request, context, kind, account_id, "update", update, details)

    async def DeleteAccount(
        self, request: account_pb2.DeleteAccountRequest, context: Any
    ) -> account_pb2.DeleteAccountResponse:
        async def close(change: Change, account_id: AccountId) -> AccountView:
            return await self._desk.close(change, account_id, request.version)

        kind = account_pb2.DeleteAccountResponse
        return await self._change(request, context, kind, _named(request.account_id), "close", close)

    async def SetCredentials(
        self, request: account_pb2.SetCredentialsRequest, context: Any
    ) -> account_pb2.SetCredentialsResponse:
        credentials = self._credentials(request.credentials)

        async def store(change: Change, account_id: AccountId) -> AccountView:
            return await self._desk.set_credentials(change, account_id, credentials)

        kind = account_pb2.SetCredentialsResponse
        account_id = _named(request.account_id)
        return await self._change(request, context, kind, account_id, "set_credentials", store)

    async def FreezeAccount(
        self, request: account_pb2.FreezeAccountRequest, context: Any
    ) -> account_pb2.FreezeAccountResponse:
        kind, account_id = account_pb2.FreezeAccountResponse, _named(request.account_id)
        freeze = self._to(AccountState.FROZEN, request.reason)
        return await self._change(request, context, kind, account_id, "freeze", freeze, cause=request.reason)

    async def UnfreezeAccount(
        self, request: account_pb2.UnfreezeAccountRequest, context: Any
    ) -> account_pb2.UnfreezeAccountResponse:
        kind, account_id = account_pb2.UnfreezeAccountResponse, _named(request.account_id)
        unfreeze = self._to(AccountState.ACTIVE, request.reason)
        return await self._change(
            request, context, kind, account_id, "unfreeze", unfreeze, cause=request.reason
        )

    def _to(self, state: AccountState, reason: str) -> Step:
        async def step(change: Change, account_id: AccountId) -> AccountView:
            return await self._desk.set_state(change, account_id, state, reason)

        return step

    def _credentials(self, wire: account_pb2.Credentials) -> NewCredentials:
        now_ns = self._clock.now_ns()
        return within("credentials", lambda part: credentials_from_wire(part, now_ns), wire)

    async def _change(
        self,
        request: Any,
        context: Any,
        kind: type[A],
        account_id: AccountId,
        action: str,
        step: Step,
        details: Mapping[str, object] | None = None,
        cause: str = "",
    ) -> A:
        deed = Deed(f"account.{action}", "account", account_id, cause, details or {})

        async def work(change: Change) -> Done[A]:
            return Done(kind(account=account_view_to_wire(await step(change, account_id))), deed)

        return await self._once.change(request, context, kind, work)


def _named(account_id: str, field: str = "account_id") -> AccountId:
    return AccountId(sound_name(account_id, field))


def _filter_of(wire: account_pb2.AccountFilter) -> AccountFilter:
    only(wire, _FILTERS)
    return AccountFilter(
        broker=BROKER.read(wire.broker, "broker") if wire.broker else None,
        type=ACCOUNT_TYPE.read(wire.type, "type") if wire.type else None,
        states=ACCOUNT_STATE.read_some(wire.states, "states"),
        group=GroupId(wire.account_group_id) if wire.account_group_id else None,
    )
