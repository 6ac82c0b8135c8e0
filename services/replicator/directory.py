"""Who follows whom, and who of them can trade now: in memory, made sure of before a plan stands on it.

A notice says that something changed, but it says so a moment late; `confirm` does not depend on it.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

import structlog

from paceline.domain.account import Account, AccountState, SessionState
from paceline.domain.errors import Unavailable
from paceline.domain.ids import AccountId, Partition, SubscriptionId
from paceline.domain.partitioning import partition_of
from paceline.domain.subscription import CopyMode, Subscription, SubscriptionState
from paceline.ports.accounts import Accounts
from paceline.ports.clock import Clock
from paceline.ports.news import NewsSource, Touch
from paceline.ports.sessions import Session, Sessions
from paceline.ports.subscriptions import Subscriptions

_log = structlog.get_logger(__name__)

_LOOK_S = 0.05
_AGAIN_S = 0.5
USABLE = frozenset({SessionState.LIVE, SessionState.RECOVERING})


class Directory:
    """Subscriptions of the leaders in held partitions, and rows of the accounts they name."""

    def __init__(
        self,
        news: NewsSource,
        subscriptions: Subscriptions,
        accounts: Accounts,
        sessions: Sessions,
        clock: Clock,
    ) -> None:
        self._news = news
        self._subscriptions = subscriptions
        self._accounts = accounts
        self._sessions = sessions
        self._clock = clock
        self._held: set[Partition] = set()
        self._horizon: int | None = None
        self._touched: frozenset[Touch] = frozenset()
        self._change: int | None = None
        self._by_id: dict[SubscriptionId, Subscription] = {}
        self._by_leader: dict[AccountId, tuple[Subscription, ...]] = {}
        self._mirrors: dict[AccountId, tuple[Subscription, ...]] = {}
        self._changing: dict[SubscriptionId, Subscription] = {}
        self._account_rows: dict[AccountId, Account] = {}
        self._session_rows: dict[AccountId, Session] = {}
        self._heard = asyncio.Event()
        self._reading = asyncio.Lock()
        self._begun = 0
        self._confirmed = 0

    async def gain(self, partitions: Iterable[Partition]) -> None:
        """Serve these; returns when everything about them is in memory."""
        gained = set(partitions)
        async with self._reading:
            if self._horizon is None:
                self._horizon = (await self._news.since(None)).horizon
            loaded = await self._subscriptions.load(gained)
            self._held |= gained
            await self._take(loaded.subscriptions)
            self._change = loaded.change if self._change is None else min(self._change, loaded.change)

    def lose(self, partitions: Iterable[Partition]) -> None:
        self._held -= set(partitions)
        gone = [leader for leader in self._by_leader if partition_of(leader) not in self._held]
        for leader in gone:
            self._mirrors.pop(leader, None)
            self._by_leader.pop(leader)
        self._by_id = {
            name: each for name, each in self._by_id.items() if partition_of(each.leader) in self._held
        }
        self._changing = {name: each for name, each in self._changing.items() if name in self._by_id}

    def of_leader(self, leader: AccountId) -> Sequence[Subscription]:
        """Those that copy what he does, be it by a skip; always in the same order."""
        return self._by_leader.get(leader, ())

    def mirrors_of(self, leader: AccountId) -> Sequence[Subscription]:
        """Those of them that copy his orders, not his fills."""
        return self._mirrors.get(leader, ())

    def changing(self) -> Sequence[Subscription]:
        """Those that are to begin, or on their way to their end."""
        return list(self._changing.values())

    def living(self, subscription_id: SubscriptionId) -> Subscription | None:
        return self._by_id.get(subscription_id)

    def followed(self) -> Mapping[AccountId, Sequence[Subscription]]:
        """By leader."""
        return self._by_leader

    def account(self, account_id: AccountId) -> Account | None:
        return self._account_rows.get(account_id)

    def session_usable(self, account_id: AccountId) -> bool:
        row = self._session_rows.get(account_id)
        return row is not None and row.state in USABLE

    def frozen(self, account_id: AccountId) -> bool:
        account = self._account_rows.get(account_id)
        return account is None or account.state is not AccountState.ACTIVE

    def hear(self) -> None:
        """Something changed."""
        self._heard.set()

    async def run(self) -> None:
        """Read what was heard of before anyone asks for it, until cancelled."""
        while True:
            await self._heard.wait()
            await self._clock.sleep(_LOOK_S)
            self._heard.clear()
            try:
                await self.confirm()
            except Unavailable as problem:
                _log.warning("directory.unreachable", problem=str(problem))
                await self._clock.sleep(_AGAIN_S)
                self._heard.set()

    async def confirm(self) -> None:
        """What was committed before this was called is in memory when it returns; who waits shares a read."""
        asked = self._begun
        async with self._reading:
            if self._confirmed > asked:
                return
            self._begun += 1
            number = self._begun
            await self._catch_up()
            self._confirmed = number

    async def _catch_up(self) -> None:
        """A failure leaves the horizon where it was: what was not read is told again."""
        news = await self._news.since(self._horizon)
        known = self._change or 0
        if news.subscriptions > known:
            changes = await self._subscriptions.changes_since(known, self._held)
            await self._take(changes.subscriptions)
            self._change = changes.change
        new = {account_id for account_id, _ in news.touched - self._touched}
        await self._read_accounts(new & self._account_rows.keys())
        self._horizon, self._touched = news.horizon, news.touched

    async def _take(self, subscriptions: Sequence[Subscription]) -> None:
        unknown = {each.follower for each in subscriptions} | {each.leader for each in subscriptions}
        await self._read_accounts(unknown - self._account_rows.keys())
        ours = [each for each in subscriptions if partition_of(each.leader) in self._held]
        for subscription in ours:
            self._put(subscription)
        self._regroup({each.leader for each in ours})

    def _put(self, subscription: Subscription) -> None:
        """An older reading that comes later changes nothing."""
        name = subscription.subscription_id
        known = self._by_id.get(name)
        ended = subscription.state is SubscriptionState.ENDED
        if not ended and known is not None and known.version > subscription.version:
            return
        self._changing.pop(name, None)
        self._by_id.pop(name, None)
        if not ended:
            self._by_id[name] = subscription
        if _changes(subscription):
            self._changing[name] = subscription

    def _regroup(self, leaders: set[AccountId]) -> None:
        groups: dict[AccountId, list[Subscription]] = {leader: [] for leader in leaders}
        for subscription_id in sorted(self._by_id):
            subscription = self._by_id[subscription_id]
            if subscription.leader in groups and subscription.follows:
                groups[subscription.leader].append(subscription)
        for leader, group in groups.items():
            self._by_leader[leader] = tuple(group)
            self._mirrors[leader] = tuple(each for each in group if each.mode is CopyMode.ON_ORDER)

    async def _read_accounts(self, account_ids: Iterable[AccountId]) -> None:
        wanted = set(account_ids)
        if not wanted:
            return
        accounts: Mapping[AccountId, Account] = await self._accounts.get_many(wanted)
        sessions = await self._sessions.of_accounts(wanted)
        self._account_rows.update(accounts)
        self._session_rows.update(sessions)


def _changes(subscription: Subscription) -> bool:
    begins = subscription.opens and subscription.state is SubscriptionState.APPROVED
    return begins or subscription.state is SubscriptionState.ENDING
