"""Accounts with tokens in memory."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from paceline.domain.account import Account, AccountState, AccountType, Broker
from paceline.domain.errors import BrokerLoginNeeded
from paceline.domain.ids import AccountId, Partition
from paceline.domain.partitioning import partition_of
from paceline.domain.secret import Secret
from paceline.ports.broker import Credentials


def an_account(name: AccountId, type_: AccountType = AccountType.LIVE, egress: str = "") -> Account:
    client = name.partition(":")[2]
    return Account(name, Broker.FYERS, client, type_, AccountState.ACTIVE, frozenset(), egress=egress)


@dataclass
class FakeAccounts:
    rows: dict[AccountId, Account] = field(default_factory=dict)
    reads: int = 0

    def put(self, *accounts: Account) -> None:
        self.rows.update((each.account_id, each) for each in accounts)

    async def in_partitions(self, partitions: Iterable[Partition]) -> Sequence[Account]:
        self.reads += 1
        wanted = set(partitions)
        return [each for each in self.rows.values() if partition_of(each.account_id) in wanted]

    async def get_many(self, accounts: Iterable[AccountId]) -> Mapping[AccountId, Account]:
        self.reads += 1
        return {each: self.rows[each] for each in accounts if each in self.rows}


@dataclass
class FakeCredentials:
    """`stored` are the tokens of the sessions table, `kept` those in memory."""

    stored: dict[AccountId, str] = field(default_factory=dict)
    kept: dict[AccountId, Credentials] = field(default_factory=dict)
    reads: int = 0

    def get(self, account_id: AccountId) -> Credentials:
        if account_id not in self.kept:
            raise BrokerLoginNeeded(f"{account_id} must log in")
        return self.kept[account_id]

    def forget(self, account_id: AccountId) -> None:
        self.kept.pop(account_id, None)

    async def load(self, accounts: Iterable[AccountId]) -> None:
        self._read(each for each in accounts if each not in self.kept)

    async def reload(self, accounts: Iterable[AccountId]) -> None:
        wanted = list(accounts)
        for each in wanted:
            self.forget(each)
        self._read(wanted)

    async def fresh(self, account_id: AccountId) -> Credentials:
        await self.reload([account_id])
        return self.get(account_id)

    def _read(self, accounts: Iterable[AccountId]) -> None:
        self.reads += 1
        for each in accounts:
            if each in self.stored:
                self.kept[each] = Credentials(each, "client", "app", Secret(self.stored[each]))
