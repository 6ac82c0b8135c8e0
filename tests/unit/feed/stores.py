"""Stores of accounts, sessions and logins that do as a test says, on its clock."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from paceline.adapters.seal import KeyringSeal
from paceline.domain.account import Account, Broker, SessionState
from paceline.domain.errors import NotFound, Unavailable
from paceline.domain.ids import AccountId, BrokerAppId, Epoch, Partition
from paceline.domain.login import Standing
from paceline.domain.partitioning import partition_of
from paceline.domain.secret import Secret
from paceline.ports import sessions as session_ports
from paceline.ports.accounts import BrokerApp
from paceline.ports.seal import Sealed
from paceline.ports.sessions import SessionId, StateChange
from paceline.runtime.account_secrets import AccountSecrets, seal_secrets
from tests.fakes.clock import FakeClock

SEAL = KeyringSeal.from_text(base64.b64encode(b"k" * 32).decode())


class FakeAccounts:
    def __init__(self, *accounts: Account) -> None:
        self.rows = {each.account_id: each for each in accounts}
        self.away = False

    async def get(self, account_id: AccountId) -> Account:
        if account_id not in self.rows:
            raise NotFound("account", account_id)
        return self.rows[account_id]

    async def credentials(self, account_ids: Iterable[AccountId]) -> Mapping[AccountId, Sealed]:
        secrets = AccountSecrets(pin=Secret("4711"))
        return {each: seal_secrets(SEAL, each, secrets) for each in account_ids}

    async def get_many(self, account_ids: Iterable[AccountId]) -> Mapping[AccountId, Account]:
        if self.away:
            raise Unavailable("no accounts today")
        return {each: self.rows[each] for each in account_ids if each in self.rows}

    async def in_partitions(self, partitions: Iterable[Partition]) -> Sequence[Account]:
        if self.away:
            raise Unavailable("no accounts today")
        wanted = set(partitions)
        return [each for each in self.rows.values() if partition_of(each.account_id) in wanted]


class FakeApps:
    async def get(self, app_id: BrokerAppId) -> BrokerApp:
        return BrokerApp(app_id, Broker.FYERS, "KEY-100", "http://back")

    async def secrets(self, app_ids: Iterable[BrokerAppId]) -> Mapping[BrokerAppId, Sealed]:
        return {each: SEAL.seal(b"app-secret", f"app:{each}") for each in app_ids}


class FakeSessions:
    def __init__(self) -> None:
        self.rows: dict[AccountId, session_ports.Session] = {}
        self.sealed: dict[SessionId, session_ports.Tokens] = {}
        self.states: list[StateChange] = []
        self.frames: dict[SessionId, datetime] = {}
        self.lived_versions: dict[SessionId, int] = {}
        self.failed_logins: dict[SessionId, int] = {}
        self.away = False
        self.epoch: Epoch | None = None

    async def of_accounts(self, accounts: Iterable[AccountId]) -> Mapping[AccountId, session_ports.Session]:
        return {each: self.rows[each] for each in accounts if each in self.rows}

    async def in_partitions(self, partitions: Iterable[Partition]) -> Sequence[session_ports.Session]:
        return list(self.rows.values())

    async def set_states(self, changes: Sequence[StateChange]) -> Sequence[SessionId]:
        if self.away:
            raise Unavailable("no sessions today")
        taken = [each for each in changes if self.epoch is None or each.epoch == self.epoch]
        for each in taken:
            name = AccountId(each.session_id)
            self.rows[name] = replace(self.rows[name], state=each.state, reason=each.reason)
            if each.state is SessionState.LIVE:
                self.lived(each.session_id)
        self.states += taken
        return [each.session_id for each in taken]

    def lived(self, session_id: SessionId) -> None:
        """With the newest token: what failed before it is over."""
        version = self.sealed[session_id].version
        if version > self.lived_versions.get(session_id, 0):
            self.failed_logins[session_id] = 0
            self.lived_versions[session_id] = version

    async def frames_seen(self, last: Mapping[SessionId, datetime]) -> None:
        self.frames |= last

    async def set_tokens(self, session_id: SessionId, tokens: session_ports.Tokens) -> None:
        before = self.sealed.get(session_id)
        self.sealed[session_id] = replace(tokens, version=before.version + 1 if before else 1)

    async def tokens(self, sessions: Iterable[SessionId]) -> Mapping[SessionId, session_ports.Tokens]:
        return {each: self.sealed[each] for each in sessions if each in self.sealed}


class FakeLoginBook:
    """As the database keeps it, on the clock of the test."""

    def __init__(self, sessions: FakeSessions, clock: FakeClock) -> None:
        self._sessions = sessions
        self._clock = clock
        self.failures: dict[SessionId, str] = {}
        self.turned_down: set[SessionId] = set()
        self.after_ns: dict[SessionId, int] = {}
        self.claims: dict[SessionId, tuple[str, int]] = {}
        self.links: dict[SessionId, str] = {}

    async def standing(self, session_id: SessionId) -> Standing:
        tokens, now_ns = self._sessions.sealed.get(session_id), self._clock.now_ns()
        usable = tokens is not None and not tokens.refused and tokens.token is not None
        if tokens is not None and tokens.expires_at is not None:
            usable = usable and tokens.expires_at.timestamp() * 1e9 > now_ns
        return Standing(
            token_version=tokens.version if tokens else 0,
            is_usable=usable,
            can_renew=tokens is not None
            and tokens.refresh is not None
            and session_id not in self.turned_down,
            failed=self._sessions.failed_logins.get(session_id, 0),
            retry_in_ms=max(0, self.after_ns.get(session_id, 0) - now_ns) // 1_000_000,
            is_claimed=self.claims.get(session_id, ("", 0))[1] > now_ns,
            failure=self.failures.get(session_id, ""),
        )

    async def refuse(self, session_id: SessionId, token_version: int, words: str) -> None:
        tokens = self._sessions.sealed[session_id]
        if tokens.version != token_version or tokens.refused:
            return
        self._sessions.sealed[session_id] = replace(tokens, refused=True)
        self.failures[session_id] = words
        if self._sessions.lived_versions.get(session_id, 0) < token_version:
            self._fail(session_id)

    async def claim(
        self, session_id: SessionId, token_version: int, claim: str, lives_ms: int
    ) -> Sealed | None:
        standing = await self.standing(session_id)
        if standing.token_version != token_version or not standing.can_renew or standing.is_claimed:
            return None
        self.claims[session_id] = claim, self._clock.now_ns() + lives_ms * 1_000_000
        return self._sessions.sealed[session_id].refresh

    async def renewed(self, session_id: SessionId, claim: str, tokens: session_ports.Tokens) -> bool:
        if self.claims.pop(session_id, ("", 0))[0] != claim:
            return False
        self.failures.pop(session_id, None)
        await self._sessions.set_tokens(session_id, tokens)
        return True

    async def failed(
        self, session_id: SessionId, claim: str, words: str, *, refused: bool, retry_after_ms: int
    ) -> None:
        await self.release(session_id, claim, words, retry_after_ms)
        self._fail(session_id)
        if refused:
            self.turned_down.add(session_id)

    async def release(self, session_id: SessionId, claim: str, words: str, retry_after_ms: int) -> None:
        assert self.claims.pop(session_id)[0] == claim
        self.failures[session_id] = words
        self.after_ns[session_id] = self._clock.now_ns() + retry_after_ms * 1_000_000

    async def pardon(self, session_id: SessionId) -> None:
        self._sessions.failed_logins[session_id] = 0
        self.turned_down.discard(session_id)
        self.after_ns.pop(session_id, None)

    async def link(self, session_id: SessionId, url: str) -> None:
        self.links[session_id] = url

    def _fail(self, session_id: SessionId) -> None:
        self._sessions.failed_logins[session_id] = self._sessions.failed_logins.get(session_id, 0) + 1
