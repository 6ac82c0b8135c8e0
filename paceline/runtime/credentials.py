"""What a request to a broker needs, opened from its seals and kept in memory while it is good."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog

from paceline.domain.account import Account
from paceline.domain.errors import BrokerLoginNeeded, Invalid, NotFound
from paceline.domain.ids import AccountId, BrokerAppId
from paceline.domain.login import Lifetime
from paceline.domain.secret import Secret
from paceline.ports import sessions as session_ports
from paceline.ports.accounts import Accounts, BrokerApp, BrokerApps
from paceline.ports.broker import NO_SECRET, AppCredentials, Credentials, Tokens
from paceline.ports.clock import Clock
from paceline.ports.seal import Seal, Sealed
from paceline.ports.sessions import SessionId, Sessions

_log = structlog.get_logger(__name__)

_NS_PER_S = 1_000_000_000


def token_context(session_id: SessionId, part: str) -> str:
    """Where a sealed part of a session may be opened: nowhere else."""
    return f"session:{session_id}:{part}"


def app_context(app_id: BrokerAppId) -> str:
    return f"app:{app_id}"


def sealed_tokens(seal: Seal, session_id: SessionId, tokens: Tokens) -> session_ports.Tokens:
    """What a login gave, as it may be stored."""
    refresh = tokens.refresh.reveal()
    return session_ports.Tokens(
        token=seal.seal(tokens.access.reveal().encode(), token_context(session_id, "token")),
        refresh=seal.seal(refresh.encode(), token_context(session_id, "refresh")) if refresh else None,
        expires_at=datetime.fromtimestamp(tokens.expires_at_ns / _NS_PER_S, UTC),
    )


@dataclass(frozen=True, slots=True)
class _Kept:
    credentials: Credentials
    lifetime: Lifetime
    """Until 0 is without an end."""
    refused: bool


@dataclass(slots=True)
class CredentialStore:
    """Loads in batches; whoever hears that a session changed forgets it here.

    What cannot be unsealed (its key is gone, it was altered) is as good as no token, of that account alone.
    """

    accounts: Accounts
    apps: BrokerApps
    sessions: Sessions
    seal: Seal
    clock: Clock
    _kept: dict[AccountId, _Kept] = field(default_factory=dict)

    def get(self, account_id: AccountId) -> Credentials:
        """From memory; `BrokerLoginNeeded` when there is no token that is still good."""
        kept = self._kept.get(account_id)
        if kept is None:
            raise BrokerLoginNeeded(f"{account_id} must log in")
        if kept.refused:
            raise BrokerLoginNeeded(f"the broker did not take the token of {account_id}")
        until_ns = kept.lifetime.until_ns
        if until_ns and until_ns <= self.clock.now_ns():
            raise BrokerLoginNeeded(f"the token of {account_id} ended at {_moment(until_ns)}")
        return kept.credentials

    def version(self, account_id: AccountId) -> int:
        """Of the newest token that is known, good or not; 0 is none."""
        kept = self._kept.get(account_id)
        return kept.credentials.version if kept else 0

    def lifetime(self, account_id: AccountId) -> Lifetime | None:
        """Of the newest token that is known, good or not."""
        kept = self._kept.get(account_id)
        return kept.lifetime if kept else None

    def refuse(self, credentials: Credentials) -> None:
        """The broker did not take it: nobody here uses it any more."""
        kept = self._kept.get(credentials.account_id)
        if kept is not None and kept.credentials.version == credentials.version:
            self._kept[credentials.account_id] = replace(kept, refused=True)

    def forget(self, account_id: AccountId) -> None:
        self._kept.pop(account_id, None)

    async def load(self, account_ids: Iterable[AccountId]) -> None:
        """Read those that are not in memory; an account without a token stays out."""
        missing = [account_id for account_id in account_ids if account_id not in self._kept]
        if missing:
            self._kept.update(await self._read(missing))

    async def reload(self, account_ids: Iterable[AccountId]) -> None:
        """Read these again; whoever asks meanwhile gets what is known."""
        wanted = list(account_ids)
        kept = await self._read(wanted)
        for account_id in wanted:
            self._kept.pop(account_id, None)
        self._kept.update(kept)

    async def fresh(self, account_id: AccountId) -> Credentials:
        """Read again what may have changed since; raises as `get`."""
        await self.reload([account_id])
        return self.get(account_id)

    async def app_of(self, account: Account) -> AppCredentials:
        """The app an account logs in through; `NotFound` when it has none."""
        if account.app_id is None:
            raise NotFound("broker app of account", account.account_id)
        app = await self.apps.get(account.app_id)
        sealed = (await self.apps.secrets([account.app_id])).get(account.app_id)
        secret = self.seal.unseal(sealed, app_context(account.app_id)).decode() if sealed else ""
        return AppCredentials(app.app_id, app.client_key, Secret(secret), app.redirect_url, account.egress)

    async def _read(self, wanted: Sequence[AccountId]) -> dict[AccountId, _Kept]:
        accounts = await self.accounts.get_many(wanted)
        sessions = await self.sessions.of_accounts(accounts)
        tokens = await self.sessions.tokens({session.session_id for session in sessions.values()})
        keys = await self._client_keys({each.app_id for each in accounts.values() if each.app_id})
        kept = {}
        for account_id, account in accounts.items():
            session = sessions.get(account_id)
            found = tokens.get(session.session_id) if session else None
            if session is not None and found is not None and found.token is not None:
                try:
                    kept[account_id] = self._opened(account, session.session_id, found, keys)
                except Invalid as problem:
                    _log.error("credentials.sealed", account=account_id, problem=str(problem))
        return kept

    async def _client_keys(self, app_ids: Iterable[BrokerAppId]) -> dict[BrokerAppId, str]:
        apps: list[BrokerApp] = [await self.apps.get(app_id) for app_id in app_ids]
        return {app.app_id: app.client_key for app in apps}

    def _opened(
        self,
        account: Account,
        session_id: SessionId,
        tokens: session_ports.Tokens,
        keys: dict[BrokerAppId, str],
    ) -> _Kept:
        def opened(sealed: bytes | None, part: str) -> Secret:
            if sealed is None:
                return NO_SECRET
            return Secret(self.seal.unseal(Sealed(sealed), token_context(session_id, part)).decode())

        credentials = Credentials(
            account_id=account.account_id,
            client_id=account.client_id,
            app_id=keys.get(account.app_id, "") if account.app_id else "",
            token=opened(tokens.token, "token"),
            egress=account.egress,
            session=opened(tokens.blob, "blob"),
            version=tokens.version,
        )
        lifetime = Lifetime(_ns(tokens.obtained_at), _ns(tokens.expires_at))
        return _Kept(credentials, lifetime, tokens.refused)


def _ns(at: datetime | None) -> int:
    return 0 if at is None else int(at.timestamp()) * _NS_PER_S + at.microsecond * 1_000


def _moment(at_ns: int) -> str:
    return datetime.fromtimestamp(at_ns // _NS_PER_S, UTC).isoformat(" ")
