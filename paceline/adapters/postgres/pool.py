"""Opens PostgreSQL the one way every service uses it."""

import json
from dataclasses import dataclass
from typing import Any

import asyncpg

from paceline.adapters.postgres.database import Database, map_errors


@dataclass(frozen=True, slots=True)
class PoolOptions:
    min_size: int = 2
    max_size: int = 10
    connect_timeout_s: float = 5.0
    command_timeout_s: float = 15.0
    idle_lifetime_s: float = 300.0
    statement_cache: int = 512
    """0 behind a pooler that shares server connections between transactions."""
    application_name: str = "paceline"
    plan_each_time: bool = False
    """For lists with many optional filters: one plan for all of them would use no index."""


async def open_database(url: str, options: PoolOptions | None = None) -> Database:
    """Connects `min_size` times at once; `Unavailable` when the server cannot be reached."""
    chosen = options or PoolOptions()
    with map_errors():
        pool = await asyncpg.create_pool(
            url,
            min_size=chosen.min_size,
            max_size=chosen.max_size,
            timeout=chosen.connect_timeout_s,
            command_timeout=chosen.command_timeout_s,
            max_inactive_connection_lifetime=chosen.idle_lifetime_s,
            statement_cache_size=chosen.statement_cache,
            max_cached_statement_lifetime=0,
            server_settings={
                "application_name": chosen.application_name,
                "timezone": "UTC",
                "jit": "off",
                "plan_cache_mode": "force_custom_plan" if chosen.plan_each_time else "auto",
            },
            init=set_codecs,
            reset=_as_it_is,
        )
    return Database(pool)


async def _as_it_is(_connection: object) -> None:
    """No setting, lock or listener here outlives its transaction, which the pool itself ends; the usual reset
    would be a second round trip for each query.
    """


async def set_codecs(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """JSON documents as Python values, in binary form so that arrays of them work too."""
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", encoder=_encode_jsonb, decoder=_decode_jsonb, format="binary"
    )


def _encode_jsonb(value: Any) -> bytes:
    return b"\x01" + json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _decode_jsonb(data: bytes) -> Any:
    return json.loads(memoryview(data)[1:].tobytes())
