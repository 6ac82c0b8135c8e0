"""Tokens as sending needs them; another one is got by whoever is first, here or where sessions are kept."""

from paceline.domain.errors import BrokerAuthFailed
from paceline.domain.ids import AccountId
from paceline.ports.broker import Credentials
from paceline.runtime.credentials import CredentialStore
from paceline.runtime.relogin import Relogin


class Logins:
    def __init__(self, credentials: CredentialStore, relogin: Relogin) -> None:
        self._credentials = credentials
        self._relogin = relogin
        self._refused: dict[AccountId, tuple[Credentials, str]] = {}

    def of(self, account_id: AccountId) -> Credentials:
        """From memory; `BrokerLoginNeeded` without a token."""
        return self._credentials.get(account_id)

    def refused(self, credentials: Credentials, words: str) -> None:
        """The broker does not know this token (any more): it is not sent again."""
        self._credentials.refuse(credentials)
        self._refused[credentials.account_id] = credentials, words

    async def relogin(self, account_id: AccountId) -> bool:
        """Whether there is a good token now; one login for all who ask. Raises `Unavailable`."""
        if self._has_token(account_id):
            return True
        credentials, words = self._refused.pop(account_id, (None, ""))
        try:
            if credentials is not None:
                await self._relogin.refused(credentials, words)
            await self._relogin.renewed(account_id, self._credentials.version(account_id), words)
        except BrokerAuthFailed:
            return False
        return self._has_token(account_id)

    def _has_token(self, account_id: AccountId) -> bool:
        try:
            self._credentials.get(account_id)
        except BrokerAuthFailed:
            return False
        return True
