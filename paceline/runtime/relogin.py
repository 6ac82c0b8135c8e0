"""Another token for an account whose token is missing, refused or about to end: one login for all who ask.

Whoever asks first in a process asks for all; whoever claims the turn in the login book asks the broker.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from random import Random

import structlog

from paceline.domain.account import Account, Broker
from paceline.domain.errors import BrokerAuthFailed, BrokerError, BrokerLoginNeeded, Invalid, NotFound
from paceline.domain.ids import AccountId
from paceline.domain.login import LoginFailed, LoginSuspended, Standing, Step, Verdict, next_step, verdict
from paceline.domain.secret import Secret
from paceline.ports.accounts import Accounts
from paceline.ports.broker import AppCredentials, Credentials, Logins, Tokens
from paceline.ports.clock import Clock
from paceline.ports.logins import LoginBook
from paceline.ports.seal import Seal, Sealed
from paceline.ports.sessions import SessionId, Sessions
from paceline.runtime.account_secrets import unseal_secrets
from paceline.runtime.broker_settings import BrokerSettings
from paceline.runtime.credentials import CredentialStore, sealed_tokens, token_context
from paceline.runtime.metric_names import LOGINS
from paceline.runtime.metrics import Metrics

_log = structlog.get_logger(__name__)

_LOOK_S = 0.05
_LOOK_LONGEST_S = 1.0
_NS_PER_S = 1_000_000_000
_JITTER = 0.5
_CLAIM_SPARE_MS = 5_000
"""For what a login needs beside its request."""


@dataclass(frozen=True, slots=True)
class LoginTimes:
    claim_ms: int
    """A login that takes longer is somebody else's turn again."""
    retry_ms: int
    """After one that failed; drawn from half of it to all of it."""
    wait_s: float = 30.0
    """So long a caller waits for a login that somebody else is at."""


def login_times(settings: BrokerSettings) -> LoginTimes:
    return LoginTimes(settings.broker_request_max_ms + _CLAIM_SPARE_MS, settings.login_retry_ms)


@dataclass(frozen=True, slots=True)
class LoginStores:
    accounts: Accounts
    sessions: Sessions
    book: LoginBook
    credentials: CredentialStore
    seal: Seal


@dataclass(frozen=True, slots=True)
class _Means:
    """What an account logs in with by itself."""

    account: Account
    session_id: SessionId
    app: AppCredentials
    pin: Secret


class Relogin:
    def __init__(
        self,
        stores: LoginStores,
        logins: Mapping[Broker, Logins],
        clock: Clock,
        random: Random,
        metrics: Metrics,
        times: LoginTimes,
        owner: str,
    ) -> None:
        self._stores = stores
        self._logins = logins
        self._clock = clock
        self._random = random
        self._logged_in = metrics.counter(LOGINS)
        self._times = times
        self._claims = (f"{owner}/{number}" for number in count(1))
        self._running: dict[AccountId, asyncio.Task[Credentials]] = {}

    async def refused(self, credentials: Credentials, words: str) -> None:
        """The broker does not know this token (any more): nobody uses it again, here or elsewhere."""
        self._stores.credentials.refuse(credentials)
        session_id = await self._session_of(credentials.account_id)
        await self._stores.book.refuse(session_id, credentials.version, words)

    async def renewed(self, account_id: AccountId, after: int = 0, why: str = "") -> Credentials:
        """Credentials with a token newer than number `after`, or any good one; `why` is told before one.

        Raises `LoginFailed` where it will be tried again, `LoginSuspended`, or `BrokerLoginNeeded` where a
        person must log in; `Unavailable` when a store cannot be asked.
        """
        while True:
            running = self._running.get(account_id)
            if running is None:
                running = asyncio.create_task(self._renew(account_id, after, why), name=f"login {account_id}")
                self._running[account_id] = running
                running.add_done_callback(lambda done: self._ended(account_id, done))
            credentials = await asyncio.shield(running)
            if credentials.version > after:
                return credentials

    def _ended(self, account_id: AccountId, task: "asyncio.Task[Credentials]") -> None:
        """Those who asked may all be gone: what it failed by is taken note of here."""
        del self._running[account_id]
        if not task.cancelled():
            task.exception()

    async def _renew(self, account_id: AccountId, after: int, why: str) -> Credentials:
        session_id = await self._session_of(account_id)
        give_up_ns = self._clock.monotonic_ns() + round(self._times.wait_s * _NS_PER_S)
        pause_s = _LOOK_S
        while self._clock.monotonic_ns() < give_up_ns:
            standing = await self._stores.book.standing(session_id)
            match next_step(standing, after):
                case Step.USE:
                    return await self._stores.credentials.fresh(account_id)
                case Step.SUSPENDED:
                    raise LoginSuspended(standing.failure or why or f"{account_id} is suspended")
                case Step.PERSON:
                    raise BrokerLoginNeeded(standing.failure or why or f"{account_id} must log in")
                case Step.LATER:
                    raise LoginFailed(standing.failure, retry_after_ms=standing.retry_in_ms)
                case Step.LOG_IN:
                    await self._take_turn(account_id, session_id, standing)
                    pause_s = _LOOK_S
                case Step.WAIT:
                    await self._clock.sleep(pause_s)
                    pause_s = min(2 * pause_s, _LOOK_LONGEST_S)
        raise LoginFailed(f"{account_id}: another login does not end", retry_after_ms=self._times.retry_ms)

    async def _take_turn(self, account_id: AccountId, session_id: SessionId, standing: Standing) -> None:
        """Afterwards the book says what came of it, or that somebody else was faster."""
        means = await self._means(account_id, session_id)
        claim = next(self._claims)
        sealed = await self._stores.book.claim(
            session_id, standing.token_version, claim, self._times.claim_ms
        )
        if sealed is None:
            return
        try:
            tokens = await self._asked(means, sealed)
        except BrokerError as problem:
            await self._note_failure(means, claim, problem)
            return
        self._count(means.account.broker, "renewed")
        stored = sealed_tokens(self._stores.seal, session_id, tokens)
        if await self._stores.book.renewed(session_id, claim, stored):
            _log.info("login.renewed", account=account_id, until_ns=tokens.expires_at_ns)

    async def _asked(self, means: _Means, sealed: Sealed) -> Tokens:
        context = token_context(means.session_id, "refresh")
        try:
            refresh = Secret(self._stores.seal.unseal(sealed, context).decode())
        except Invalid as problem:
            raise BrokerLoginNeeded(f"the refresh token cannot be opened: {problem}") from problem
        tokens = await self._logins[means.account.broker].refresh(means.app, refresh, means.pin)
        if tokens.client_id and tokens.client_id != means.account.client_id:
            raise BrokerLoginNeeded(
                f"the broker logged {tokens.client_id} in, and not {means.account.client_id} of this account"
            )
        return tokens

    async def _note_failure(self, means: _Means, claim: str, problem: BrokerError) -> None:
        meant = verdict(problem)
        self._count(means.account.broker, meant.value.lower())
        retry_ms = round(self._times.retry_ms * (1 - _JITTER * self._random.random()))
        _log.warning(
            "login.failed", account=means.account.account_id, problem=str(problem), verdict=meant.value
        )
        book, session_id = self._stores.book, means.session_id
        if meant is Verdict.UNTRIED:
            await book.release(session_id, claim, str(problem), retry_ms)
        else:
            await book.failed(
                session_id, claim, str(problem), refused=meant is Verdict.REFUSED, retry_after_ms=retry_ms
            )

    async def _means(self, account_id: AccountId, session_id: SessionId) -> _Means:
        """Raises `BrokerLoginNeeded` where something of it is missing."""
        account = await self._stores.accounts.get(account_id)
        if account.broker not in self._logins:
            raise BrokerLoginNeeded(f"broker {account.broker} cannot be logged in to yet")
        sealed = (await self._stores.accounts.credentials([account_id])).get(account_id)
        try:
            app = await self._stores.credentials.app_of(account)
            pin = unseal_secrets(self._stores.seal, account_id, sealed).pin if sealed else Secret("")
        except (NotFound, Invalid) as problem:
            raise BrokerLoginNeeded(f"{account_id} cannot log in by itself: {problem}") from problem
        if not pin:
            raise BrokerLoginNeeded(f"{account_id} must log in: it has no PIN to do so by itself")
        return _Means(account, session_id, app, pin)

    async def _session_of(self, account_id: AccountId) -> SessionId:
        session = (await self._stores.sessions.of_accounts([account_id])).get(account_id)
        if session is None:
            raise BrokerAuthFailed(f"no session serves {account_id}")
        return session.session_id

    def _count(self, broker: Broker, outcome: str) -> None:
        self._logged_in.labels(broker, outcome).inc()
