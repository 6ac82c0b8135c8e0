"""The gRPC edge of account groups."""

from collections.abc import Sequence
from typing import Any

from paceline.adapters.wire.accounts import account_group_from_wire, account_group_to_wire
from paceline.adapters.wire.fields import within
from paceline.adapters.wire.masks import masked
from paceline.api.v1 import account_pb2
from paceline.domain.ids import AccountId
from paceline.ports.accounts import AccountGroup, GroupId
from paceline.ports.changes import Change
from paceline.ports.views import GroupView, Views
from paceline.runtime.paging import paged
from paceline.runtime.sound import sound_name
from services.gateway.catalogue import Catalogue
from services.gateway.encode import group_view_to_wire
from services.gateway.once import Deed, Done, Once, taken_as

_FIXED = frozenset({"account_group_id", "version", "create_time", "update_time"})


class GroupMethods:
    """The part of AccountService that concerns account groups."""

    def __init__(self, once: Once, views: Views, catalogue: Catalogue) -> None:
        self._group_once = once
        self._group_views = views
        self._groups = catalogue

    async def CreateAccountGroup(
        self, request: account_pb2.CreateAccountGroupRequest, context: Any
    ) -> account_pb2.CreateAccountGroupResponse:
        group = within("account_group", account_group_from_wire, request.account_group)

        async def work(change: Change) -> Done[account_pb2.CreateAccountGroupResponse]:
            view = await self._groups.create_group(change, group)
            answer = account_pb2.CreateAccountGroupResponse(account_group=group_view_to_wire(view))
            return Done(answer, _deed("create", group.group_id))

        kind = account_pb2.CreateAccountGroupResponse
        with taken_as("account group", group.group_id):
            return await self._group_once.change(request, context, kind, work)

    async def GetAccountGroup(
        self, request: account_pb2.GetAccountGroupRequest, context: Any
    ) -> account_pb2.GetAccountGroupResponse:
        view = await self._group_views.group(_named(request.account_group_id))
        return account_pb2.GetAccountGroupResponse(account_group=group_view_to_wire(view))

    async def ListAccountGroups(
        self, request: account_pb2.ListAccountGroupsRequest, context: Any
    ) -> account_pb2.ListAccountGroupsResponse:
        async def fetch(after: str, limit: int) -> Sequence[GroupView]:
            return await self._group_views.groups(after, limit)

        views, token = await paged(request, fetch, lambda view: view.group.group_id)
        return account_pb2.ListAccountGroupsResponse(
            account_groups=[group_view_to_wire(view) for view in views], next_page_token=token
        )

    async def UpdateAccountGroup(
        self, request: account_pb2.UpdateAccountGroupRequest, context: Any
    ) -> account_pb2.UpdateAccountGroupResponse:
        group_id = _named(request.account_group.account_group_id, "account_group.account_group_id")

        def edit(current: AccountGroup) -> AccountGroup:
            wire = masked(
                account_group_to_wire(current), request.account_group, request.update_mask, fixed=_FIXED
            )
            return within("account_group", account_group_from_wire, wire)

        async def work(change: Change) -> Done[account_pb2.UpdateAccountGroupResponse]:
            version = request.account_group.version
            view = await self._groups.update_group(change, group_id, version, edit)
            answer = account_pb2.UpdateAccountGroupResponse(account_group=group_view_to_wire(view))
            return Done(answer, _deed("update", group_id, fields=list(request.update_mask.paths)))

        kind = account_pb2.UpdateAccountGroupResponse
        return await self._group_once.change(request, context, kind, work)

    async def SetAccountGroupMembers(
        self, request: account_pb2.SetAccountGroupMembersRequest, context: Any
    ) -> account_pb2.SetAccountGroupMembersResponse:
        group_id = _named(request.account_group_id)

        async def work(change: Change) -> Done[account_pb2.SetAccountGroupMembersResponse]:
            members = [AccountId(each) for each in request.account_ids]
            view = await self._groups.set_members(change, group_id, members)
            answer = account_pb2.SetAccountGroupMembersResponse(account_group=group_view_to_wire(view))
            return Done(answer, _deed("set_members", group_id, members=len(set(members))))

        kind = account_pb2.SetAccountGroupMembersResponse
        return await self._group_once.change(request, context, kind, work)

    async def ListAccountGroupMembers(
        self, request: account_pb2.ListAccountGroupMembersRequest, context: Any
    ) -> account_pb2.ListAccountGroupMembersResponse:
        group_id = _named(request.account_group_id)
        await self._group_views.group(group_id)

        async def fetch(after: str, limit: int) -> Sequence[AccountId]:
            return await self._group_views.members(group_id, after, limit)

        members, token = await paged(request, fetch, str)
        return account_pb2.ListAccountGroupMembersResponse(account_ids=members, next_page_token=token)


def _named(group_id: str, field: str = "account_group_id") -> GroupId:
    return GroupId(sound_name(group_id, field))


def _deed(action: str, group_id: GroupId, **details: object) -> Deed:
    return Deed(f"account_group.{action}", "account_group", group_id, details=details)
