"""Accounts: created, changed, frozen, closed; what they log in with goes in sealed and never comes out."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from paceline.domain.account import Account, AccountState
from paceline.domain.errors import Conflict, FailedPrecondition, Invalid, NotFound
from paceline.domain.ids import AccountId
from paceline.ports.broker import Tokens
from paceline.ports.changes import Change
from paceline.ports.portfolios import Portfolios
from paceline.ports.seal import Seal
from paceline.ports.sessions import SessionId
from paceline.ports.sessions import Tokens as SealedTokens
from paceline.ports.views import AccountView
from paceline.runtime.account_secrets import AccountSecrets, seal_secrets
from paceline.runtime.credentials import sealed_tokens
from services.gateway.account_rules import check_account


@dataclass(frozen=True, slots=True)
class NewCredentials:
    """What somebody brought for an account; parts that are absent stay as they are."""

    tokens: Tokens | None
    secrets: AccountSecrets

    def __bool__(self) -> bool:
        return self.tokens is not None or bool(self.secrets)


class AccountDesk:
    """Each method works inside a change that somebody else began."""

    def __init__(self, seal: Seal, portfolios: Portfolios) -> None:
        self._seal = seal
        self._portfolios = portfolios

    async def create(self, change: Change, account: Account, credentials: NewCredentials) -> AccountView:
        check_account(account)
        await _check_app_of(change, account)
        await change.accounts.create(account)
        await self._store(change, account.account_id, SessionId(account.account_id), credentials)
        await self._portfolios.create_empty(account.account_id, account.type)
        return await change.views.account(account.account_id)

    async def update(
        self, change: Change, account_id: AccountId, version: int, edit: Callable[[Account], Account]
    ) -> AccountView:
        """`version` 0 overwrites whatever is there."""
        current = await _open_account(change, account_id)
        require_version("account", account_id, current.version, version)
        wanted = replace(edit(current), version=current.version)
        check_account(wanted)
        await _check_app_of(change, wanted)
        await change.accounts.update(wanted)
        return await change.views.account(account_id)

    async def set_credentials(
        self, change: Change, account_id: AccountId, credentials: NewCredentials
    ) -> AccountView:
        if not credentials:
            raise Invalid("credentials", "must hold at least one")
        await _open_account(change, account_id)
        serving = await change.sessions.of_accounts([account_id])
        await self._store(change, account_id, serving[account_id].session_id, credentials)
        return await change.views.account(account_id)

    async def set_state(
        self, change: Change, account_id: AccountId, state: AccountState, reason: str = ""
    ) -> AccountView:
        """Freeze or unfreeze, with all that a liquidation froze; what is so already stays as it is."""
        current = await _open_account(change, account_id)
        if current.state is not state:
            await change.accounts.update(replace(current, state=state))
            if state is AccountState.FROZEN:
                await change.freezes.freeze(account_id, "gateway", reason)
        if state is AccountState.ACTIVE:
            await change.freezes.release(account_id, "gateway", reason)
        return await change.views.account(account_id)

    async def close(self, change: Change, account_id: AccountId, version: int) -> AccountView:
        """For ever, with its tokens gone; `FailedPrecondition` while a subscription of it lives."""
        current = await _open_account(change, account_id)
        require_version("account", account_id, current.version, version)
        if await change.holds.living_subscription(account_id):
            raise FailedPrecondition(f"account {account_id!r} leads or follows: end its subscriptions first")
        await change.accounts.update(replace(current, state=AccountState.CLOSED))
        serving = (await change.sessions.of_accounts([account_id])).get(account_id)
        if serving is not None and serving.accounts == (account_id,):
            await change.sessions.set_tokens(serving.session_id, SealedTokens(token=None))
        return await change.views.account(account_id)

    async def _store(
        self, change: Change, account_id: AccountId, session_id: SessionId, credentials: NewCredentials
    ) -> None:
        if credentials.tokens is not None:
            sealed = sealed_tokens(self._seal, session_id, credentials.tokens)
            await change.sessions.set_tokens(session_id, sealed)
        if credentials.secrets:
            secrets = seal_secrets(self._seal, account_id, credentials.secrets)
            await change.accounts.set_credentials(account_id, secrets)


def require_version(what: str, name: str, current: int, asked: int) -> None:
    if asked not in (0, current):
        raise Conflict(f"{what} {name!r} is no longer at version {asked}")


async def _open_account(change: Change, account_id: AccountId) -> Account:
    account = await change.holds.account(account_id)
    if account.state is AccountState.CLOSED:
        raise FailedPrecondition(f"account {account_id!r} is closed")
    return account


async def _check_app_of(change: Change, account: Account) -> None:
    if account.app_id is None:
        return
    try:
        app = await change.apps.get(account.app_id)
    except NotFound:
        raise Invalid("account.broker_app_id", "names no broker app") from None
    if app.broker is not account.broker:
        raise Invalid("account.broker_app_id", f"names an app of {app.broker}, not of {account.broker}")
