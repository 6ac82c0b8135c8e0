"""The vendor's data socket and ours are told the same prices, and a login gives both the same client."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import pytest

from paceline.adapters.brokers.fyers.auth import FyersLogins
from paceline.adapters.brokers.fyers.data_socket import FyersTickStreams
from paceline.adapters.brokers.fyers.symbols import FyersSymbols
from paceline.domain.ids import BrokerAppId, InstrumentId
from paceline.domain.secret import Secret
from paceline.ports.broker import AppCredentials
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from paceline.adapters.brokers.fyers.egress import Egresses
    from paceline.adapters.brokers.fyers.settings import FyersSettings
    from paceline.ports.broker import Credentials, Tick, TickConnection
    from tests.oracle.sdk import Sdk
    from tests.oracle.stage import Stage

pytestmark = [pytest.mark.oracle, pytest.mark.asyncio(loop_scope="module")]

SHARE, FUTURES_EXCHANGE, INDEX = "NSE:SBIN-EQ", "MCX:", "NSE:NIFTY50-INDEX"
UNKNOWN = "NSE:NOSUCH-EQ"
STEPS = 40
PATIENCE_S = 30.0


class Board:
    """The newest tick of ours for each symbol."""

    def __init__(self, ticks: TickConnection) -> None:
        self._ticks = ticks
        self.newest: dict[str, Tick] = {}

    async def shows(self, symbol: str, price: float) -> Tick:
        """Read on until the newest tick of the symbol says this price."""
        while symbol not in self.newest or float(self.newest[symbol].price) != price:
            await self.turn()
        return self.newest[symbol]

    async def turn(self) -> set[str]:
        """Take in one message; gives the symbols it told of."""
        async with asyncio.timeout(PATIENCE_S):
            some = await anext(aiter(self._ticks))
        self.newest |= {tick.instrument_id: tick for tick in some}
        return {tick.instrument_id for tick in some}


@pytest.mark.parametrize("seed", [41, 42])
async def test_both_are_told_every_price_of_a_seeded_walk(
    sdk: Sdk, stage: Stage, settings: FyersSettings, egresses: Egresses, credentials: Credentials, seed: int
) -> None:
    chance = random.Random(seed)
    commodity = next(one.symbol for one in stage.exchange.universe if one.symbol.startswith(FUTURES_EXCHANGE))
    symbols = [SHARE, INDEX, commodity]
    await sdk.call("open_data_socket", False)
    await sdk.call("subscribe_data", [*symbols, UNKNOWN], "SymbolUpdate")
    async with await FyersTickStreams(settings, egresses, FakeClock()).connect(credentials) as ticks:
        unknown = await ticks.subscribe([InstrumentId(one) for one in (*symbols, UNKNOWN)])
        assert unknown == {UNKNOWN}
        board = Board(ticks)
        for symbol in symbols:
            await board.shows(symbol, stage.last(symbol))
        for _ in range(STEPS):
            symbol = chance.choice(symbols)
            stage.move(symbol, chance.choice((-3, -2, -1, 1, 2, 3)))
            price = stage.last(symbol)
            theirs = await sdk.wait_for_newest("tick", symbol, price)
            ours = await board.shows(symbol, price)
            assert ours.broker_time_ns == theirs["exch_feed_time"] * 1_000_000_000


async def test_ours_is_silent_on_what_it_no_longer_watches(
    stage: Stage, settings: FyersSettings, egresses: Egresses, credentials: Credentials
) -> None:
    async with await FyersTickStreams(settings, egresses, FakeClock()).connect(credentials) as ticks:
        await ticks.subscribe([InstrumentId(SHARE), InstrumentId(INDEX)])
        board = Board(ticks)
        await board.shows(SHARE, stage.last(SHARE))
        await ticks.unsubscribe([InstrumentId(SHARE)])
        await stage.until(lambda: not stage.newest_data_connection().follows(SHARE))
        stage.move(SHARE, 5)
        stage.move(INDEX, 5)
        assert await board.turn() == {INDEX}


async def test_a_login_gives_both_a_token_of_the_same_client(
    sdk: Sdk, stage: Stage, settings: FyersSettings, egresses: Egresses
) -> None:
    app = stage.client.app
    logins = FyersLogins(settings, egresses, FakeClock())
    credentials = AppCredentials(BrokerAppId("app"), app.id, Secret(app.secret), app.redirect_uri)
    links = [logins.login_link(credentials, "s1"), await sdk.call("login_address", app.redirect_uri, "s1")]
    assert len({(urlsplit(link).path, frozenset(parse_qsl(urlsplit(link).query))) for link in links}) == 1
    tokens = stage.simulator.face.tokens
    ours = await logins.exchange_code(credentials, Secret(tokens.new_code(stage.client)))
    theirs = await sdk.call("login", app.secret, app.redirect_uri, tokens.new_code(stage.client))
    assert theirs["access_token"] != ours.access.reveal()
    await sdk.call("use_token", ours.access.reveal())
    assert (await sdk.call("get_profile"))["data"]["fy_id"] == stage.client_id
    assert ours.client_id in {"", stage.client_id}


async def test_our_symbol_master_names_what_the_broker_trades(
    stage: Stage, settings: FyersSettings, egresses: Egresses
) -> None:
    master = await FyersSymbols(settings, egresses).load()
    listed = {one.instrument.instrument_id: one.native_id for one in master.listings}
    assert sum(file.skipped for file in master.files.values()) == 0
    assert listed == {InstrumentId(one.symbol): one.fy_token for one in stage.exchange.universe}
