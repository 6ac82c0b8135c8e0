"""A person's daily login: a link out, a code back, tokens sealed."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from paceline.domain.account import Account, Broker
from paceline.domain.errors import FailedPrecondition, Invalid, NotFound, PacelineError
from paceline.domain.ids import AccountId
from paceline.domain.secret import Secret
from paceline.ports.accounts import Accounts
from paceline.ports.broker import Tokens
from paceline.ports.clock import Clock
from paceline.ports.logins import LoginBook
from paceline.ports.seal import Seal, Sealed
from paceline.ports.sessions import Session, SessionId, Sessions
from paceline.runtime.credentials import CredentialStore, sealed_tokens
from services.feed.shared import Door

_log = structlog.get_logger(__name__)

_NS_PER_S = 1_000_000_000
_STATE_LIVES_S = 15 * 60
_ANNOUNCED_LIVES_S = 24 * 60 * 60
"""A link that waits for a person; each morning brings another."""
_STATE_CONTEXT = "login-state"


@dataclass(frozen=True, slots=True)
class LoginLink:
    url: str
    state: str
    expires_ns: int


class LoginDesk:
    """Any replica can answer what another began: the state is sealed, not remembered."""

    def __init__(
        self,
        accounts: Accounts,
        sessions: Sessions,
        book: LoginBook,
        credentials: CredentialStore,
        doors: Mapping[Broker, Door],
        seal: Seal,
        clock: Clock,
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._book = book
        self._credentials = credentials
        self._doors = doors
        self._seal = seal
        self._clock = clock

    async def start(self, account_id: AccountId, lives_s: int = _STATE_LIVES_S) -> LoginLink:
        account = await self._accounts.get(account_id)
        app = await self._credentials.app_of(account)
        expires_ns = self._clock.now_ns() + lives_s * _NS_PER_S
        state = self._state(account_id, expires_ns)
        return LoginLink(self._door(account).logins.login_link(app, state), state, expires_ns)

    async def announce(self, account_id: AccountId) -> None:
        """A link beside the session, for whoever looks. Without one the session waits all the same."""
        try:
            link = await self.start(account_id, _ANNOUNCED_LIVES_S)
            session = (await self._sessions.of_accounts([account_id])).get(account_id)
            if session is None:
                raise NotFound("session", account_id)
            await self._book.link(session.session_id, link.url)
        except PacelineError as problem:
            _log.info("login.no_link", account=account_id, problem=str(problem))

    async def complete_with_code(self, account_id: AccountId, state: str, code: Secret) -> Session:
        """What the broker gave the person for the link of this state becomes the account's tokens."""
        self._require_state(account_id, state)
        account = await self._accounts.get(account_id)
        app = await self._credentials.app_of(account)
        tokens = await self._door(account).logins.exchange_code(app, code)
        return await self._keep(account, tokens)

    async def complete_with_token(self, account_id: AccountId, token: Secret) -> Session:
        """A token that was got elsewhere; the broker says whether it is good when the session connects."""
        account = await self._accounts.get(account_id)
        return await self._keep(account, self._door(account).logins.described(token))

    async def _keep(self, account: Account, tokens: Tokens) -> Session:
        if tokens.client_id and tokens.client_id != account.client_id:
            raise FailedPrecondition(
                f"the broker logged {tokens.client_id} in, and not {account.client_id} of this account"
            )
        session = (await self._sessions.of_accounts([account.account_id]))[account.account_id]
        session_id = SessionId(session.session_id)
        await self._sessions.set_tokens(session_id, sealed_tokens(self._seal, session_id, tokens))
        _log.info("login.completed", account=account.account_id)
        return (await self._sessions.of_accounts([account.account_id]))[account.account_id]

    def _door(self, account: Account) -> Door:
        try:
            return self._doors[account.broker]
        except KeyError:
            raise FailedPrecondition(f"broker {account.broker} cannot be logged in to yet") from None

    def _state(self, account_id: AccountId, expires_ns: int) -> str:
        sealed = self._seal.seal(f"{expires_ns}|{account_id}".encode(), _STATE_CONTEXT)
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def _require_state(self, account_id: AccountId, state: str) -> None:
        try:
            sealed = Sealed(base64.urlsafe_b64decode(state + "=" * (-len(state) % 4)))
            expires, _, named = self._seal.unseal(sealed, _STATE_CONTEXT).decode().partition("|")
        except (Invalid, ValueError, binascii.Error):
            raise Invalid("state", "must be the one that StartLogin gave") from None
        if named != account_id:
            raise Invalid("state", "was given for another account")
        if int(expires) < self._clock.now_ns():
            raise Invalid("state", "has expired; start the login again")
