"""The default instruments and the public files that list them."""

from datetime import date

import pytest

from simulator.clock import moment
from simulator.fyers.symbols import MASTERS
from simulator.instruments import Kind, Segment, Universe, Venue, fy_token
from simulator.universe import default_universe, last_tuesday
from tests.simulator.fields import MASTER_ROW
from tests.simulator.kit import CALL, NIFTY, SBIN, Broker, Row


@pytest.fixture(scope="module")
def universe() -> Universe:
    return default_universe(1, date(2026, 11, 2))


def test_every_venue_and_segment_has_something_to_trade(universe: Universe) -> None:
    assert {one.master for one in universe} == set(MASTERS)
    assert len(universe) > 40
    assert len({one.fy_token for one in universe}) == len(universe)


def test_lots_and_freezes_are_those_of_the_exchange(universe: Universe) -> None:
    nifty = universe.get(NIFTY)
    bank = universe.get("NSE:BANKNIFTY26NOVFUT")
    assert nifty is not None
    assert bank is not None
    assert ((nifty.lot, nifty.freeze), (bank.lot, bank.freeze)) == ((65, 1800), (30, 600))


def test_tokens_are_in_fyers_style(universe: Universe) -> None:
    assert fy_token(Venue.NSE, Segment.CAPITAL, 3045) == "10100000003045"
    assert fy_token(Venue.NSE, Segment.DERIVATIVES, 35000, date(2026, 11, 24)) == "101126112435000"
    sbin = universe.by_token("10100000003045")
    assert sbin is not None
    assert sbin.symbol == SBIN
    assert universe.by_token("1") is None


def test_prices_are_on_the_tick_and_inside_the_bands(universe: Universe) -> None:
    for one in universe:
        assert one.within_bands(one.previous_close), one.symbol
        assert one.lower_band % one.tick == 0, one.symbol
        assert one.upper_band % one.tick == 0, one.symbol
        if one.tradable:
            assert one.previous_close % one.tick == 0, one.symbol


def test_the_seed_moves_the_closes() -> None:
    day = date(2026, 11, 2)
    closes = [[one.previous_close for one in default_universe(seed, day)] for seed in (1, 1, 2)]
    assert closes[0] == closes[1] != closes[2]


def test_expiries_are_last_tuesdays_still_to_come() -> None:
    assert last_tuesday(date(2026, 11, 2)) == date(2026, 11, 24)
    assert last_tuesday(date(2026, 11, 22)) == date(2026, 12, 29)


async def test_the_masters_carry_the_real_fields(broker: Broker) -> None:
    rows: dict[str, Row] = {}
    for name in MASTERS:
        async with broker.session.get(f"{broker.served.urls.symbols_url}/{name}_sym_master.json") as response:
            assert response.status == 200
            rows |= await response.json()
    assert len(rows) == len(broker.exchange.universe)
    assert all(set(row) == MASTER_ROW for row in rows.values())
    assert rows[SBIN]["fyToken"] == "10100000003045"
    assert (rows[SBIN]["expiryDate"], rows[SBIN]["strikePrice"], rows[SBIN]["optType"]) == ("", -1.0, "XX")
    call = rows[CALL]
    assert (call["minLotSize"], call["qtyFreeze"], call["optType"], call["strikePrice"]) == (
        65,
        "1800",
        "CE",
        26300.0,
    )
    assert int(call["expiryDate"]) == moment("2026-11-24T15:30:00") // 1_000_000_000
    assert rows["NSE:NIFTY50-INDEX"]["tradeStatus"] == 0
    assert rows["BSE:SBIN-A"]["exSeries"] == "A"


async def test_index_names_lead_to_the_data_socket(broker: Broker) -> None:
    async with broker.session.get(f"{broker.served.urls.symbols_url}/index_hsm_mapping.json") as response:
        assert (await response.json())["NSE:NIFTY50-INDEX"] == "Nifty 50"


def test_kinds_know_what_is_an_option(universe: Universe) -> None:
    assert Kind.CALL.is_option
    assert not Kind.FUTURE.is_option
    assert {one.kind for one in universe} == set(Kind)
