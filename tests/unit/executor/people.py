"""Accounts with tokens in memory."""

import asyncio
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
    dead: set[AccountId] = field(default_factory=set)

    def version(self, account_id: AccountId) -> int:
        return self.kept[account_id].version if account_id in self.kept else 0

    def refuse(self, credentials: Credentials) -> None:
        if self.version(credentials.account_id) == credentials.version:
            self.dead.add(credentials.account_id)

    def get(self, account_id: AccountId) -> Credentials:
        if account_id not in self.kept or account_id in self.dead:
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
                token = Secret(self.stored[each])
                before = self.kept.get(each)
                version = 1 if before is None else before.version + (before.token != token)
                if before is None or before.version != version:
                    self.dead.discard(each)
                self.kept[each] = Credentials(each, "client", "app", token, version=version)


@dataclass
class FakeRelogin:
    """Another token is what stands in the sessions table, if it is another."""

    credentials: FakeCredentials
    told: list[tuple[str, str]] = field(default_factory=list)

    async def refused(self, credentials: Credentials, words: str) -> None:
        self.told.append((credentials.token.reveal(), words))

    async def renewed(self, account_id: AccountId, after: int, _why: str) -> Credentials:
        await asyncio.sleep(0)
        self.credentials._read([account_id])
        found = self.credentials.get(account_id)
        assert found.version > after
        return found
