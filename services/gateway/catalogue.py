"""Broker apps and account groups: what accounts refer to."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from paceline.domain.errors import Invalid, Problems
from paceline.domain.ids import AccountId, BrokerAppId
from paceline.domain.secret import Secret
from paceline.ports.accounts import AccountGroup, BrokerApp, GroupId
from paceline.ports.changes import Change
from paceline.ports.seal import Seal
from paceline.ports.views import AppView, GroupView
from paceline.runtime.credentials import app_context
from services.gateway.account_rules import check_app, check_group
from services.gateway.accounts import require_version

MEMBERS_MAX = 10_000


class Catalogue:
    """Each method works inside a change that somebody else began; a secret goes in and never comes out."""

    def __init__(self, seal: Seal) -> None:
        self._seal = seal

    async def create_app(self, change: Change, app: BrokerApp, secret: Secret) -> AppView:
        check_app(app)
        await change.apps.create(app, self._seal.seal(secret.reveal().encode(), app_context(app.app_id)))
        return await change.views.app(app.app_id)

    async def update_app(
        self,
        change: Change,
        app_id: BrokerAppId,
        version: int,
        edit: Callable[[BrokerApp], tuple[BrokerApp, Secret | None]],
    ) -> AppView:
        """The secret stays where `edit` gives none; `version` 0 overwrites whatever is there."""
        current = (await change.views.app(app_id)).app
        require_version("broker app", app_id, current.version, version)
        wanted, secret = edit(current)
        check_app(wanted)
        sealed = self._seal.seal(secret.reveal().encode(), app_context(app_id)) if secret else None
        await change.apps.update(replace(wanted, version=current.version), sealed)
        return await change.views.app(app_id)

    async def create_group(self, change: Change, group: AccountGroup) -> GroupView:
        check_group(group)
        await change.groups.create(group)
        return await change.views.group(group.group_id)

    async def update_group(
        self,
        change: Change,
        group_id: GroupId,
        version: int,
        edit: Callable[[AccountGroup], AccountGroup],
    ) -> GroupView:
        current = (await change.views.group(group_id)).group
        require_version("account group", group_id, current.version, version)
        wanted = edit(current)
        check_group(wanted)
        await change.groups.update(replace(wanted, version=current.version))
        return await change.views.group(group_id)

    async def set_members(self, change: Change, group_id: GroupId, members: Iterable[AccountId]) -> GroupView:
        """Exactly these; each must be an account."""
        wanted = sorted(set(members))
        if len(wanted) > MEMBERS_MAX:
            raise Invalid("account_ids", f"must not be more than {MEMBERS_MAX}")
        view = await change.views.group(group_id)
        standing = await change.holds.accounts(wanted)
        problems = Problems()
        for account_id in wanted:
            problems.require(account_id in standing, "account_ids", f"{account_id!r} names no account")
        problems.raise_any()
        await change.groups.set_members(group_id, wanted)
        return view
