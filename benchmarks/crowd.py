"""Many accounts, logged in: made at the simulated broker and written where the services find them."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from paceline.adapters.postgres.accounts import PostgresAccounts, PostgresBrokerApps
from paceline.adapters.postgres.database import Database
from paceline.adapters.postgres.sessions import PostgresSessions
from paceline.adapters.seal import KeyringSeal
from paceline.cli.demo.control import Control
from paceline.cli.demo.people import together
from paceline.domain.account import Account, AccountState, AccountType, Broker
from paceline.domain.ids import AccountId, BrokerAppId
from paceline.domain.instrument import Segment
from paceline.domain.secret import Secret
from paceline.ports.accounts import BrokerApp
from paceline.ports.broker import NO_SECRET, Tokens
from paceline.ports.sessions import SessionId
from paceline.runtime.credentials import app_context, sealed_tokens

_APP = BrokerAppId("bench")
_LIVES_NS = 3_600_000_000_000
_CASH = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Crowd:
    clients: Sequence[str]
    """Their names at the broker."""


async def enrolled(control: Control, database: Database, seal: KeyringSeal, count: int) -> Crowd:
    """So many leaders, each with a good token."""
    made = await at_broker(control, "XF", count)
    await _app(database, seal, made[0])
    accounts, sessions = PostgresAccounts(database), PostgresSessions(database)

    async def enrol(row: dict[str, Any]) -> None:
        client = row["client_id"]
        account_id = AccountId(f"{Broker.FYERS.value}:{client}")
        await accounts.create(
            Account(
                account_id,
                Broker.FYERS,
                client,
                AccountType.STRATEGY_PROVIDER,
                AccountState.ACTIVE,
                frozenset({Segment.CAPITAL_MARKET}),
                _APP,
            )
        )
        session = SessionId(account_id)
        tokens = Tokens(Secret(row["access_token"]), NO_SECRET, time.time_ns() + _LIVES_NS, client)
        await sessions.set_tokens(session, sealed_tokens(seal, session, tokens))

    await together(enrol(row) for row in made)
    return Crowd([row["client_id"] for row in made])


async def at_broker(control: Control, prefix: str, count: int) -> list[dict[str, Any]]:
    body = {"count": count, "prefix": prefix, "cash": _CASH}
    made: list[dict[str, Any]] = (await control.post("/accounts", body))["accounts"]
    return made


async def until_live(database: Database, count: int, since_s: float, within_s: float) -> float:
    """When all have been live since a moment of the wall clock; raises TimeoutError with how many are not."""
    live = 0
    try:
        async with asyncio.timeout(within_s):
            while live < count:
                live = await database.value(
                    "SELECT count(*) FROM sessions"
                    " WHERE state = 'LIVE' AND connected_since >= to_timestamp($1)",
                    since_s,
                )
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise TimeoutError(f"{count - live} of {count} sessions are not live after {within_s:g} s") from None
    return time.time()


async def _app(database: Database, seal: KeyringSeal, row: dict[str, Any]) -> None:
    app = BrokerApp(_APP, Broker.FYERS, row["app_id"], row["redirect_uri"])
    await PostgresBrokerApps(database).create(app, seal.seal(row["secret"].encode(), app_context(_APP)))
