"""Fyers' adapter at the simulator's Fyers face."""

import contextlib
from collections.abc import AsyncIterator

import aiohttp

import simulator
from paceline.adapters.brokers.fyers import (
    Egresses,
    Fyers,
    FyersLogins,
    FyersOrderStreams,
    FyersSettings,
    FyersSymbols,
    FyersTickStreams,
)
from paceline.adapters.clock import SystemClock
from tests.contract.brokers.venue import Control, Ports, Venue


@contextlib.asynccontextmanager
async def fyers_venue(*, binary_frames: bool = False) -> AsyncIterator[Venue]:
    async with contextlib.AsyncExitStack() as stack:
        settings = simulator.Settings(seed=7, binary_frames=binary_frames)
        served = await stack.enter_async_context(simulator.serve(settings))
        session = await stack.enter_async_context(aiohttp.ClientSession())

        def ports(**timeouts: int) -> Ports:
            urls = {name: url for name, url in served.urls.as_dict().items() if name != "control_url"}
            own = FyersSettings(**urls, **timeouts)  # type: ignore[arg-type]  # urls and milliseconds by name
            egresses, clock = Egresses(own), SystemClock()
            stack.push_async_callback(egresses.aclose)
            return Ports(
                Fyers(own, egresses, clock),
                FyersOrderStreams(own, egresses, clock),
                FyersTickStreams(own, egresses, clock),
                FyersLogins(own, egresses, clock),
                FyersSymbols(own, egresses),
            )

        yield Venue(
            name="fyers",
            control=Control(served.urls.control_url, session),
            ports=ports,
            place_path="POST /api/v3/orders/sync",
            modify_path="PATCH /api/v3/orders/sync",
            cancel_path="DELETE /api/v3/orders/sync",
            token_code="-8",
        )
