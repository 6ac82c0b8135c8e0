"""One look for a new token, shared by everyone whose token was refused."""

import asyncio
from collections import defaultdict

from paceline.domain.errors import BrokerAuthFailed, BrokerLoginNeeded
from paceline.domain.ids import AccountId
from paceline.domain.secret import Secret
from paceline.ports.broker import Credentials
from paceline.runtime.credentials import CredentialStore


class Logins:
    """Tokens are got elsewhere, where sessions are kept; here is only found out whether there is another."""

    def __init__(self, credentials: CredentialStore) -> None:
        self._credentials = credentials
        self._refused: dict[AccountId, Secret] = {}
        self._looks: defaultdict[AccountId, asyncio.Lock] = defaultdict(asyncio.Lock)

    def of(self, account_id: AccountId) -> Credentials:
        """From memory; `BrokerLoginNeeded` without a token."""
        return self._credentials.get(account_id)

    def refused(self, credentials: Credentials) -> None:
        """The broker does not know this token (any more)."""
        self._refused[credentials.account_id] = credentials.token

    async def relogin(self, account_id: AccountId) -> bool:
        """Whether there is another token than the one refused last, found by whoever looks first."""
        if self._has_another(account_id):
            return True
        async with self._looks[account_id]:
            if self._has_another(account_id):
                return True
            try:
                await self._credentials.fresh(account_id)
            except BrokerAuthFailed:
                return False
            return self._has_another(account_id)

    def _has_another(self, account_id: AccountId) -> bool:
        try:
            return self._credentials.get(account_id).token != self._refused.get(account_id)
        except BrokerLoginNeeded:
            return False
