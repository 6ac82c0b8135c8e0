"""The accounts that are served here: their types, their tokens, and warm connections to their broker."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from paceline.domain.account import Account, AccountType
from paceline.domain.ids import AccountId, Partition
from paceline.domain.partitioning import partition_of
from paceline.ports.accounts import Accounts
from paceline.runtime.credentials import CredentialStore
from paceline.runtime.partitions import Partitions


class Roster:
    def __init__(self, accounts: Accounts, credentials: CredentialStore, partitions: Partitions) -> None:
        self._accounts = accounts
        self._credentials = credentials
        self._partitions = partitions
        self._rows: dict[AccountId, Account] = {}

    async def gain(self, partitions: Sequence[Partition]) -> Sequence[AccountId]:
        """All accounts of these, with their tokens."""
        rows = await self._accounts.in_partitions(partitions)
        self._rows.update((row.account_id, row) for row in rows)
        accounts = [row.account_id for row in rows]
        await self._credentials.load(accounts)
        return accounts

    async def prepare(self, accounts: Iterable[AccountId]) -> None:
        """Those of ours that came after their partition was gained."""
        new = {each for each in accounts if self.is_ours(each)} - self._rows.keys()
        if new:
            self._rows.update(await self._accounts.get_many(new))
            await self._credentials.load(new)

    async def changed(self, names: Iterable[str]) -> Sequence[AccountId]:
        """Read the tokens of those that are ours again, and say which they are."""
        accounts = [AccountId(name) for name in names if self.is_ours(AccountId(name))]
        await self._credentials.reload(accounts)
        return accounts

    def lose(self, partitions: Iterable[Partition]) -> None:
        gone = set(partitions)
        for account_id in [each for each in self._rows if partition_of(each) in gone]:
            del self._rows[account_id]
            self._credentials.forget(account_id)

    def accounts(self) -> Sequence[AccountId]:
        return list(self._rows)

    def type_of(self, account_id: AccountId) -> AccountType:
        row = self._rows.get(account_id)
        return row.type if row else AccountType.COPY_FOLLOWER

    def egresses(self) -> Mapping[str, int]:
        """How many accounts go out through each."""
        return Counter(row.egress for row in self._rows.values())

    def is_ours(self, account_id: AccountId) -> bool:
        return self._partitions.usable(partition_of(account_id))
