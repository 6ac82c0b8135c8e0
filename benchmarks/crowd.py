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
    first = made[0]
    await open_app(database, seal, first["app_id"], first["redirect_uri"], first["secret"])
    await together(
        enrol(database, seal, row["client_id"], AccountType.STRATEGY_PROVIDER, row["access_token"])
        for row in made
    )
    return Crowd([row["client_id"] for row in made])


async def open_app(
    database: Database, seal: KeyringSeal, app_id: str, redirect_uri: str, secret: str
) -> None:
    """The broker's app through which all of them log in."""
    app = BrokerApp(_APP, Broker.FYERS, app_id, redirect_uri)
    await PostgresBrokerApps(database).create(app, seal.seal(secret.encode(), app_context(_APP)))


async def enrol(
    database: Database, seal: KeyringSeal, client: str, type_: AccountType, access_token: str
) -> None:
    """An active account with a token."""
    account_id = AccountId(f"{Broker.FYERS.value}:{client}")
    segments = frozenset({Segment.CAPITAL_MARKET})
    await PostgresAccounts(database).create(
        Account(account_id, Broker.FYERS, client, type_, AccountState.ACTIVE, segments, _APP)
    )
    session = SessionId(account_id)
    tokens = Tokens(Secret(access_token), NO_SECRET, time.time_ns() + _LIVES_NS, client)
    await PostgresSessions(database).set_tokens(session, sealed_tokens(seal, session, tokens))


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
