"""Request windows in Redis: one script decides the whole batch of many accounts, all of them in one pass."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

from redis.asyncio import Redis

from paceline.adapters.redis import keys
from paceline.adapters.redis.connection import map_errors
from paceline.adapters.redis.scripts import Call, Script
from paceline.adapters.redis.windows import Layout, bit_of, layout_of
from paceline.domain.ids import AccountId
from paceline.ports.broker import Window
from paceline.ports.buckets import JITTER_MS, Late, Take, Taken
from paceline.ports.clock import Clock

ACCOUNTS_PER_CALL = 50
"""How long the server is busy with one script is bounded by it: about a millisecond."""


class RedisBuckets:
    """Counts on the server's clock, which all takers share; when `driven`, on the one given, for tests."""

    def __init__(
        self,
        redis: Redis,
        clock: Clock,
        *,
        jitter_ms: int = JITTER_MS,
        accounts_per_call: int = ACCOUNTS_PER_CALL,
        driven: bool = False,
    ) -> None:
        """A cluster wants one account per call: accounts live on slots of their own."""
        self._redis = redis
        self._clock = clock
        self._jitter_ms = jitter_ms
        self._accounts_per_call = accounts_per_call
        self._driven = driven
        self._takes: dict[Layout, Script] = {}
        self._restamps: dict[Layout, Script] = {}
        self._penalize = Script(redis, "buckets_penalize.lua")
        self._rebuild = Script(redis, "buckets_rebuild.lua")

    async def take(self, takes: Sequence[Take]) -> Sequence[Taken]:
        taken: dict[int, Taken] = {}
        for windows, accounts in _by_windows(takes).items():
            layout = layout_of(windows, self._jitter_ms)
            answers = await self._ask(layout, takes, accounts)
            now_ns = self._clock.now_ns()
            order = chain.from_iterable(accounts.values())
            for n, wait_us, by, began_us in zip(order, *(answers[at::3] for at in range(3)), strict=True):
                if wait_us:
                    retry_at_ns = now_ns + wait_us * 1000
                    taken[n] = Taken(False, retry_at_ns, layout.name_of(by), began_us=began_us)
                else:
                    taken[n] = Taken(True, stamp_us=by, began_us=began_us)
        return [taken[n] for n in range(len(takes))]

    async def _ask(
        self, layout: Layout, takes: Sequence[Take], accounts: Mapping[AccountId, Sequence[int]]
    ) -> list[int]:
        """Three numbers of each take, account by account, as the script tells them."""
        script = self._takes.get(layout)
        if script is None:
            script = self._takes[layout] = Script(self._redis, "buckets_take.lua", layout.constants)
        everyone = list(accounts.items())
        size = self._accounts_per_call
        calls = [
            self._take_call(layout, takes, everyone[at : at + size]) for at in range(0, len(everyone), size)
        ]
        return list(chain.from_iterable(await script.run(calls)))

    def _take_call(
        self, layout: Layout, takes: Sequence[Take], accounts: Sequence[tuple[AccountId, Sequence[int]]]
    ) -> Call:
        names: list[str] = []
        arguments: list[object] = [self._now_us()]
        for account, mine in accounts:
            names += layout.take_keys(account)
            arguments.append(len(mine))
            for n in mine:
                take = takes[n]
                arguments += (bit_of(take.call), int(take.entry), take.cost)
        return names, arguments

    async def restamp(self, lates: Sequence[Late]) -> Sequence[int]:
        stamps: dict[int, int] = {}
        for windows, accounts in _by_windows([late.take for late in lates]).items():
            layout = layout_of(windows, self._jitter_ms)
            script = self._restamps.get(layout)
            if script is None:
                script = self._restamps[layout] = Script(self._redis, "buckets_restamp.lua", layout.constants)
            everyone, size = list(accounts.items()), self._accounts_per_call
            calls = [
                _restamp_call(layout, lates, everyone[at : at + size]) for at in range(0, len(everyone), size)
            ]
            answers = chain.from_iterable(await script.run(calls))
            stamps.update(zip(chain.from_iterable(accounts.values()), answers, strict=True))
        return [stamps[n] for n in range(len(lates))]

    async def penalize(self, account_id: AccountId, until_ns: int) -> None:
        span_us = (until_ns - self._clock.now_ns()) // 1000
        if span_us > 0:
            await self._penalize.run([([keys.bucket(account_id, "penalty")], [self._now_us(), span_us])])

    async def penalties(self, accounts: Iterable[AccountId]) -> Mapping[AccountId, int]:
        wanted = list(accounts)
        found = await self._values("penalty", wanted)
        now_us = self._clock.now_ns() // 1000
        return {
            account: int(until) * 1000
            for account, until in zip(wanted, found, strict=True)
            if until is not None and int(until) > now_us
        }

    async def incomplete(self, accounts: Iterable[AccountId]) -> frozenset[AccountId]:
        wanted = list(accounts)
        found = await self._values("since", wanted)
        return frozenset(
            account
            for account, since in zip(wanted, found, strict=True)
            if since is None or not since.endswith(b"c")
        )

    async def rebuild(self, sent: Mapping[AccountId, Sequence[int]], windows: Sequence[Window]) -> None:
        layout = layout_of(tuple(windows), self._jitter_ms)
        await self._rebuild.run([self._rebuild_call(layout, *each) for each in sent.items()])

    def _rebuild_call(self, layout: Layout, account: AccountId, times_ns: Sequence[int]) -> Call:
        arguments: list[object] = [
            self._now_us(),
            layout.lifetime_ms,
            len(layout.groups),
            len(layout.long),
        ]
        for each in zip(layout.list_keep, layout.list_lifetime_ms, strict=True):
            arguments += each
        for part in layout.parts:
            arguments += part
        arguments += (at // 1000 for at in sorted(times_ns))
        return (keys.bucket(account, "since"), *layout.store_keys(account)), arguments

    async def _values(self, part: str, accounts: Sequence[AccountId]) -> list[bytes | None]:
        with map_errors():
            async with self._redis.pipeline(transaction=False) as pipeline:
                for account in accounts:
                    pipeline.get(keys.bucket(account, part))
                found: list[bytes | None] = await pipeline.execute()
                return found

    def _now_us(self) -> int:
        return self._clock.now_ns() // 1000 if self._driven else 0


def _restamp_call(
    layout: Layout, lates: Sequence[Late], accounts: Sequence[tuple[AccountId, Sequence[int]]]
) -> Call:
    names: list[str] = []
    arguments: list[object] = []
    for account, mine in accounts:
        names += layout.list_keys(account)
        arguments.append(len(mine))
        for n in mine:
            late = lates[n]
            arguments += (bit_of(late.take.call), late.take.cost, late.stamp_us, late.by_us)
    return names, arguments


def _by_windows(takes: Iterable[Take]) -> dict[tuple[Window, ...], dict[AccountId, list[int]]]:
    """Their places, per set of windows and account."""
    found: dict[tuple[Window, ...], dict[AccountId, list[int]]] = {}
    for n, take in enumerate(takes):
        found.setdefault(take.windows, {}).setdefault(take.account_id, []).append(n)
    return found
