"""What is alive now, in keys that die by themselves; and who follows whom, for others to read."""

from collections.abc import Iterable, Mapping, Sequence

from redis.asyncio import Redis

from paceline.adapters.redis import keys
from paceline.adapters.redis.connection import HashFields, map_errors, text
from paceline.domain.account import SessionState
from paceline.domain.calendar import Phase
from paceline.domain.ids import AccountId
from paceline.domain.instrument import Exchange, Segment
from paceline.ports.broker import MarketPhase, MarketStatus
from paceline.ports.presence import ExchangePhase, SessionPresence


class RedisPresence:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def put_sessions(
        self, sessions: Sequence[SessionPresence], ttl_ms: int, unchanged: Sequence[AccountId] = ()
    ) -> Sequence[AccountId]:
        with map_errors():
            async with self._redis.pipeline(transaction=False) as pipeline:
                for account in unchanged:
                    pipeline.pexpire(keys.session(account), ttl_ms)
                for each in sessions:
                    key = keys.session(each.account_id)
                    pipeline.hset(key, mapping=_fields(each))
                    pipeline.pexpire(key, ttl_ms)
                lives: list[int] = await pipeline.execute()
        return [account for account, lived in zip(unchanged, lives, strict=False) if not lived]

    async def sessions(self, accounts: Iterable[AccountId]) -> Mapping[AccountId, SessionPresence]:
        wanted = list(accounts)
        with map_errors():
            async with self._redis.pipeline(transaction=False) as pipeline:
                for account in wanted:
                    pipeline.hgetall(keys.session(account))
                found: list[dict[bytes, bytes]] = await pipeline.execute()
        return {
            account: _presence(account, fields)
            for account, fields in zip(wanted, found, strict=True)
            if fields
        }

    async def put_market(self, statuses: Sequence[MarketStatus], ttl_ms: int) -> None:
        with map_errors():
            async with self._redis.pipeline(transaction=False) as pipeline:
                for each in statuses:
                    key = keys.market_status(each.exchange, each.segment, each.market)
                    pipeline.set(key, each.phase.value, px=ttl_ms)
                await pipeline.execute()

    async def put_phases(self, phases: Sequence[ExchangePhase], ttl_ms: int) -> None:
        with map_errors():
            async with self._redis.pipeline(transaction=False) as pipeline:
                for each in phases:
                    key = keys.exchange_phase(each.exchange, each.segment)
                    pipeline.hset(key, mapping={"phase": each.phase.value, "since_ns": each.since_ns})
                    pipeline.pexpire(key, ttl_ms)
                await pipeline.execute()

    async def phase(self, exchange: Exchange, segment: Segment) -> ExchangePhase | None:
        with map_errors():
            phase, since_ns = await self._redis.hmget(
                keys.exchange_phase(exchange, segment), ["phase", "since_ns"]
            )
        if phase is None or since_ns is None:
            return None
        return ExchangePhase(exchange, segment, Phase(text(phase)), int(since_ns))

    async def market(
        self, exchange: Exchange, segment: Segment, market: str = "NORMAL"
    ) -> MarketStatus | None:
        with map_errors():
            phase = await self._redis.get(keys.market_status(exchange, segment, market))
        return None if phase is None else MarketStatus(exchange, segment, market, MarketPhase(text(phase)))


class RedisRelations:
    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def follow(self, leader: AccountId, follower: AccountId) -> None:
        await self.rebuild([(leader, follower)])

    async def unfollow(self, leader: AccountId, follower: AccountId) -> None:
        with map_errors():
            async with self._redis.pipeline(transaction=False) as pipeline:
                pipeline.srem(keys.followers(leader), follower)
                pipeline.srem(keys.provider(follower), leader)
                await pipeline.execute()

    async def followers(self, leader: AccountId) -> frozenset[AccountId]:
        with map_errors():
            members = await self._redis.smembers(keys.followers(leader))
        return frozenset(AccountId(text(member)) for member in members)

    async def rebuild(self, pairs: Iterable[tuple[AccountId, AccountId]]) -> None:
        with map_errors():
            async with self._redis.pipeline(transaction=False) as pipeline:
                for leader, follower in pairs:
                    pipeline.sadd(keys.followers(leader), follower)
                    pipeline.sadd(keys.provider(follower), leader)
                await pipeline.execute()


def _fields(presence: SessionPresence) -> HashFields:
    return {
        "state": presence.state.value,
        "reason": presence.reason,
        "since_ns": presence.since_ns,
        "last_frame_ns": presence.last_frame_ns,
        "token_expires_ns": presence.token_expires_ns,
    }


def _presence(account: AccountId, fields: Mapping[bytes, bytes]) -> SessionPresence:
    return SessionPresence(
        account_id=account,
        state=SessionState(fields[b"state"].decode()),
        reason=fields[b"reason"].decode(),
        since_ns=int(fields[b"since_ns"]),
        last_frame_ns=int(fields[b"last_frame_ns"]),
        token_expires_ns=int(fields.get(b"token_expires_ns", b"0")),
    )
