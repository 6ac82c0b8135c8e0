"""The vendor's data socket against the simulator: the prices its callbacks get are the exchange's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from simulator.fyers import hsm

if TYPE_CHECKING:
    from tests.oracle.sdk import Sdk
    from tests.oracle.stage import Stage

pytestmark = [pytest.mark.oracle, pytest.mark.asyncio(loop_scope="module")]

SBIN = "NSE:SBIN-EQ"
TCS = "NSE:TCS-EQ"
NIFTY = "NSE:NIFTY50-INDEX"


def of(kind: str, symbol: str, **values: object) -> Any:
    def matches(tick: dict[str, Any]) -> bool:
        same = tick.get("type") == kind and tick.get("symbol") == symbol
        return same and all(tick.get(name) == value for name, value in values.items())

    return matches


def answered(kind: str, message: str) -> Any:
    return lambda told: told == {"type": kind, "code": 200, "message": message, "s": "ok"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def live(sdk: Sdk) -> Sdk:
    """The SDK in full mode, following a share's price and depth, an index, and one symbol nobody knows."""
    await sdk.call("open_data_socket", False)
    await sdk.wait_for("tick", answered("cn", "Authentication done"))
    await sdk.wait_for("tick", answered("ful", "Full Mode On"))
    await sdk.call("subscribe_data", [SBIN, NIFTY, "NSE:NOSUCH-EQ"], "SymbolUpdate")
    await sdk.call("subscribe_data", [SBIN, NIFTY], "DepthUpdate")
    await sdk.wait_for("tick", of("dp", SBIN))
    return sdk


async def test_snapshots_show_the_market_as_it_is(live: Sdk, stage: Stage) -> None:
    share = await live.wait_for("tick", of("sf", SBIN))
    index = await live.wait_for("tick", of("if", NIFTY))
    depth = await live.wait_for("tick", of("dp", SBIN))
    assert share["prev_close_price"] == stage.market(SBIN).previous_close / 100
    assert index["prev_close_price"] == stage.market(NIFTY).previous_close / 100
    assert {name.rstrip("12345") for name in depth} >= {name.rstrip("12345") for name in hsm.DEPTH_FIELDS}
    assert depth["bid_price1"] < depth["ask_price1"]


async def test_each_feed_follows_the_exchange(live: Sdk, stage: Stage) -> None:
    stage.move(SBIN, 40)
    stage.move(NIFTY, -30)
    share = await live.wait_for("tick", of("sf", SBIN, ltp=stage.last(SBIN)))
    index = await live.wait_for("tick", of("if", NIFTY, ltp=stage.last(NIFTY)))
    bid, ask = stage.best(SBIN)
    await live.wait_for("tick", of("dp", SBIN, bid_price1=bid, ask_price1=ask))
    assert (share["bid_price"], share["ask_price"]) == (bid, ask)
    assert (share["high_price"], index["low_price"]) == (stage.last(SBIN), stage.last(NIFTY))


async def test_many_moves_end_at_the_last_price_and_are_acknowledged(live: Sdk, stage: Stage) -> None:
    for _ in range(3 * stage.acknowledge_every):
        stage.move(SBIN, 1)
        await live.wait_for("tick", of("sf", SBIN, ltp=stage.last(SBIN)))
    await stage.until(lambda: stage.data_connection().acknowledged >= 2 * stage.acknowledge_every)


async def test_unknown_symbols_and_the_depth_of_an_index_are_named(live: Sdk) -> None:
    unknown = await live.wait_for("data_error", lambda told: "invalid_symbols" in told)
    assert unknown["invalid_symbols"] == ["NSE:NOSUCH-EQ"]
    await live.wait_for("data_error", lambda told: told["message"] == "Index does not have market depth")


async def test_a_channel_pauses_and_resumes(live: Sdk, stage: Stage) -> None:
    await live.call("pause_and_resume", 12)
    await live.wait_for("tick", answered("cp", "Channel Paused"))
    await live.wait_for("tick", answered("cr", "Channel Resumed"))
    stage.move(SBIN, 7)
    await live.wait_for("tick", of("sf", SBIN, ltp=stage.last(SBIN)))


async def test_after_unsubscribing_a_symbol_is_silent(live: Sdk, stage: Stage) -> None:
    await live.call("subscribe_data", [TCS], "SymbolUpdate")
    await live.wait_for("tick", of("sf", TCS))
    await live.call("unsubscribe_data", [TCS], "SymbolUpdate")
    await live.wait_for("tick", answered("unsub", "Unsubscribed"))
    stage.move(TCS, 5)
    stage.move(SBIN, 5)
    await live.wait_for("tick", of("sf", SBIN, ltp=stage.last(SBIN)))
    assert not any(of("sf", TCS, ltp=stage.last(TCS))(tick) for tick in live.seen("tick"))


async def test_lite_mode_tells_the_last_price_alone(live: Sdk, stage: Stage) -> None:
    await live.call("open_data_socket", True)
    await live.wait_for("tick", answered("lit", "Lite Mode On"))
    await live.call("subscribe_data", [SBIN, NIFTY], "SymbolUpdate")
    stage.move(SBIN, 9)
    stage.move(NIFTY, 9)
    for kind, symbol in (("sf", SBIN), ("if", NIFTY)):
        lite = {"ltp": stage.last(symbol), "symbol": symbol, "type": kind}
        await live.wait_for("tick", lite.__eq__)
