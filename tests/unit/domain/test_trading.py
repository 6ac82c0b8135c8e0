"""Prices and quantities that an exchange accepts; instruments found by whole names only."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.domain.account import Broker
from paceline.domain.copying.protect import order_type, protected_limit
from paceline.domain.errors import AlreadyExists, NotFound
from paceline.domain.ids import InstrumentId
from paceline.domain.instrument import Exchange
from paceline.domain.instrument_master import InstrumentMaster, Listing, canonical
from paceline.domain.order import OrderType, Side
from paceline.domain.subscription import ExecutionStyle
from paceline.domain.trading import largest_order, price_problems, quantity_problems, slices
from tests.unit.domain.given import SBIN, SHARE, d, instrument

BANDED = instrument(lot=25, freeze=1801, band=(90, 110))


@pytest.mark.parametrize(
    ("price", "rules"),
    [
        ("100.05", []),
        ("100.03", ["must be a multiple of the tick 0.05"]),
        ("89.95", ["must not be below the lower band 90"]),
        ("110.03", ["must be a multiple of the tick 0.05", "must not be above the upper band 110"]),
        ("0", ["must be positive"]),
        ("NaN", ["must be positive"]),
    ],
)
def test_a_price_breaks_every_rule_by_name(price: str, rules: list[str]) -> None:
    assert [problem.rule for problem in price_problems(BANDED, Decimal(price))] == rules


@pytest.mark.parametrize(
    ("quantity", "rules"),
    [
        ("1800", []),
        ("30", ["must be a multiple of the lot 25"]),
        ("1825", ["must be below the freeze quantity 1801"]),
        ("-25", ["must be positive"]),
        ("Infinity", ["must be positive"]),
    ],
)
def test_a_quantity_breaks_every_rule_by_name(quantity: str, rules: list[str]) -> None:
    assert [problem.rule for problem in quantity_problems(BANDED, Decimal(quantity))] == rules


def test_nothing_freezes_where_no_freeze_is_set() -> None:
    assert largest_order(SHARE) is None
    assert slices(SHARE, d(10**9)) == (d(10**9),)


@given(st.integers(1, 500), st.sampled_from([1, 15, 25, 75]), st.integers(1, 2000))
def test_slices_add_up_and_each_can_be_ordered(lots: int, lot: int, freeze: int) -> None:
    share = instrument(lot=lot, freeze=freeze)
    parts = slices(share, d(lots * lot))
    assert sum(parts) == lots * lot
    assert all(part % lot == 0 and part > 0 for part in parts)
    assert all(part < freeze for part in parts) or freeze <= lot
    assert len(set(parts[:-1])) <= 1


@given(
    st.decimals("91", "109", places=2),
    st.integers(0, 1500),
    st.sampled_from(Side),
)
def test_a_protected_limit_is_on_the_tick_in_the_band_and_within_the_allowance(
    price: Decimal, bps: int, side: Side
) -> None:
    limit = protected_limit(BANDED, side, price, d(bps))
    assert limit % BANDED.tick == 0
    assert 90 <= limit <= 110
    assert (limit - price) * int(side) <= price * bps / 10_000


def test_a_limit_is_never_below_one_tick() -> None:
    assert protected_limit(SHARE, Side.BUY, d("0.02"), d(0)) == d("0.05")


def test_a_reference_outside_the_band_is_brought_to_its_edge() -> None:
    odd = instrument(band=(90, 110))
    assert protected_limit(odd, Side.BUY, d(120), d(0)) == 110
    assert protected_limit(odd, Side.SELL, d(80), d(0)) == 90


def test_a_bare_market_order_stands_only_where_exchanges_fill_it() -> None:
    crypto = instrument(exchange=Exchange.CRYPTO)
    assert order_type(crypto, ExecutionStyle.MARKET) is OrderType.MARKET
    assert order_type(crypto, ExecutionStyle.PROTECTED_LIMIT) is OrderType.LIMIT
    assert order_type(SHARE, ExecutionStyle.MARKET) is OrderType.LIMIT


def listing(symbol: str, token: str = "", name: InstrumentId = SBIN) -> Listing:
    share = instrument()
    return Listing(
        type(share)(name, share.exchange, share.segment, share.kind, d(1), d("0.05")),
        Broker.FYERS,
        symbol,
        token,
    )


def test_one_instrument_has_many_names_and_each_leads_to_it() -> None:
    master = InstrumentMaster.of([listing("NSE:SBIN-EQ", "10100000003045")])
    for name in ("NSE:SBIN-EQ", " nse:sbin-eq ", "10100000003045"):
        assert master.native(Broker.FYERS, name).instrument_id == SBIN
    assert master.get(SBIN).lot == 1
    assert master.listing(Broker.FYERS, SBIN).token == "10100000003045"


def test_no_part_of_a_symbol_is_stripped() -> None:
    assert canonical("nse:dalbharat-eq") == "NSE:DALBHARAT-EQ"
    master = InstrumentMaster.of([listing("NSE:SBIN-EQ")])
    with pytest.raises(NotFound, match="NSE:SBIN"):
        master.native(Broker.FYERS, "NSE:SBIN")


def test_what_is_not_listed_is_said() -> None:
    master = InstrumentMaster.of([listing("NSE:SBIN-EQ")])
    with pytest.raises(NotFound):
        master.get(InstrumentId("NSE:IDEA-EQ"))
    with pytest.raises(NotFound):
        master.listing(Broker.DHAN, SBIN)


def test_two_instruments_cannot_claim_one_name() -> None:
    with pytest.raises(AlreadyExists, match="NSE:SBIN-EQ"):
        InstrumentMaster.of([listing("NSE:SBIN-EQ"), listing("nse:sbin-eq", "", InstrumentId("other"))])
