"""Who trades: accounts, the apps they log in through, their groups, and what is kept sealed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NewType, Protocol

from paceline.domain.account import Account, AccountType, Broker
from paceline.domain.ids import AccountId, BrokerAppId, Partition
from paceline.ports.seal import Sealed

GroupId = NewType("GroupId", str)


@dataclass(frozen=True, slots=True)
class BrokerApp:
    """An app registered at a broker; its secret is kept sealed and apart."""

    app_id: BrokerAppId
    broker: Broker
    client_key: str
    """The broker's own name of the app (`XC4EOD67IM-100`)."""
    redirect_url: str = ""
    display_name: str = ""
    version: int = 1


@dataclass(frozen=True, slots=True)
class AccountGroup:
    """Lot rules shared by accounts; the strictest of instrument, group and subscription wins."""

    group_id: GroupId
    display_name: str = ""
    min_lots: Decimal | None = None
    max_lots: Decimal | None = None
    lot_step: Decimal | None = None
    version: int = 1


class Accounts(Protocol):
    async def create(self, account: Account) -> Account:
        """With a disconnected session of the same name. `AlreadyExists` on its id or its client at the
        broker.
        """
        ...

    async def get(self, account_id: AccountId) -> Account:
        """Raises `NotFound`."""
        ...

    async def get_many(self, account_ids: Iterable[AccountId]) -> Mapping[AccountId, Account]:
        """Those that exist."""
        ...

    async def in_partitions(self, partitions: Iterable[Partition]) -> Sequence[Account]: ...

    async def page(
        self,
        *,
        after: AccountId | None = None,
        limit: int = 100,
        broker: Broker | None = None,
        type: AccountType | None = None,  # noqa: A002 - the field's own name
    ) -> Sequence[Account]:
        """By id; `after` is the last id of the page before."""
        ...

    async def update(self, account: Account) -> Account:
        """Everything but id, broker, client and type; `Conflict` unless `version` is the stored one."""
        ...

    async def set_credentials(self, account_id: AccountId, sealed: Sealed) -> None: ...

    async def credentials(self, account_ids: Iterable[AccountId]) -> Mapping[AccountId, Sealed]:
        """Those that were ever set."""
        ...


class BrokerApps(Protocol):
    async def create(self, app: BrokerApp, secret: Sealed) -> BrokerApp: ...

    async def get(self, app_id: BrokerAppId) -> BrokerApp:
        """Raises `NotFound`."""
        ...

    async def page(self, *, after: BrokerAppId | None = None, limit: int = 100) -> Sequence[BrokerApp]: ...

    async def update(self, app: BrokerApp, secret: Sealed | None = None) -> BrokerApp:
        """The secret stays when none is given; `Conflict` unless `version` is the stored one."""
        ...

    async def secrets(self, app_ids: Iterable[BrokerAppId]) -> Mapping[BrokerAppId, Sealed]: ...


class AccountGroups(Protocol):
    async def create(self, group: AccountGroup) -> AccountGroup: ...

    async def update(self, group: AccountGroup) -> AccountGroup: ...

    async def set_members(self, group_id: GroupId, members: Iterable[AccountId]) -> None:
        """Replaces them all."""
        ...

    async def of_accounts(
        self, account_ids: Iterable[AccountId]
    ) -> Mapping[AccountId, Sequence[AccountGroup]]:
        """Accounts without a group are missing in the answer."""
        ...

    async def page(self, *, after: GroupId | None = None, limit: int = 100) -> Sequence[AccountGroup]: ...
