"""Margin, profit, netting, holdings, conversion."""

import pytest

from simulator.account import Account, Holding
from simulator.desk import convert, flatten
from simulator.exchange import Exchange, Refusal
from simulator.market import Liquidity
from simulator.orders import (
    OrderChange,
    OrderType,
    Product,
    RejectReason,
    Side,
    Source,
    Status,
)
from tests.simulator.kit import CALL, NIFTY, SBIN, limit, placed, wish

CASH = 1_000_000_000


@pytest.fixture(autouse=True)
def _no_spread(exchange: Exchange) -> None:
    exchange.set_liquidity(Liquidity(spread_ticks=0))


def test_intraday_binds_a_fifth_and_delivery_all(exchange: Exchange, account: Account) -> None:
    price = exchange.markets[SBIN].ltp
    placed(exchange, account, wish(qty=100))
    assert account.used == 20 * price

    placed(exchange, account, wish(qty=100, product=Product.CNC))
    assert account.used == 120 * price
    assert account.available == CASH - 120 * price


def test_a_working_order_blocks_what_it_would_open(exchange: Exchange, account: Account) -> None:
    order = placed(exchange, account, limit(79_000, qty=100))
    assert account.used == 20 * 79_000
    exchange.modify(order, OrderChange(qty=200))
    assert account.used == 40 * 79_000
    exchange.cancel(order)
    assert account.used == 0


def test_closing_blocks_nothing_and_frees_what_the_position_bound(
    exchange: Exchange, account: Account
) -> None:
    placed(exchange, account, wish(qty=100))
    bound = account.used
    exit_order = placed(exchange, account, limit(81_000, qty=100, side=Side.SELL))
    assert (exit_order.blocked, account.used) == (0, bound)

    exchange.move(SBIN, 81_000)

    assert exit_order.status is Status.TRADED
    assert account.used == 0


def test_a_second_exit_of_the_same_quantity_opens(exchange: Exchange, account: Account) -> None:
    placed(exchange, account, wish(qty=100))
    placed(exchange, account, limit(81_000, qty=100, side=Side.SELL))
    assert placed(exchange, account, limit(81_000, qty=100, side=Side.SELL)).blocked == 20 * 81_000


def test_profit_is_realised_against_the_average(exchange: Exchange, account: Account) -> None:
    exchange.move(SBIN, 80_000)
    placed(exchange, account, wish(qty=10))
    exchange.move(SBIN, 81_000)
    placed(exchange, account, wish(qty=10))
    exchange.move(SBIN, 82_000)
    placed(exchange, account, wish(qty=15, side=Side.SELL))

    position = account.positions[SBIN, Product.INTRADAY]
    assert (position.net, position.open_average) == (5, 80_500)
    assert position.realised == account.realised == 15 * 1_500
    assert position.unrealised(82_000) == 5 * 1_500


def test_a_reversal_closes_then_opens(exchange: Exchange, account: Account) -> None:
    exchange.move(SBIN, 80_000)
    placed(exchange, account, wish(qty=10))
    exchange.move(SBIN, 81_000)
    placed(exchange, account, wish(qty=25, side=Side.SELL))

    position = account.positions[SBIN, Product.INTRADAY]
    assert (position.net, position.open_value, position.realised) == (-15, 15 * 81_000, 10_000)
    exchange.move(SBIN, 80_000)
    assert position.unrealised(80_000) == 15_000


def test_products_are_netted_apart(exchange: Exchange, account: Account) -> None:
    placed(exchange, account, wish(qty=10))
    placed(exchange, account, wish(qty=3, product=Product.CNC))
    assert [(one.product, one.net) for one in account.open_positions()] == [
        (Product.INTRADAY, 10),
        (Product.CNC, 3),
    ]


def test_derivatives_bind_by_kind(exchange: Exchange, account: Account) -> None:
    future, call = exchange.markets[NIFTY], exchange.markets[CALL]
    placed(exchange, account, wish(NIFTY, 65))
    assert account.used == -(-65 * future.ltp * 1_500 // 10_000)

    before = account.used
    placed(exchange, account, wish(CALL, 65))
    assert account.used - before == 65 * call.ltp

    before = account.used
    writer = exchange.open_account("XA00009")
    placed(exchange, writer, wish(CALL, 65, side=Side.SELL))
    assert writer.used == -(-65 * call.instrument.strike * 1_200 // 10_000)
    assert account.used == before


def test_a_commodity_counts_by_its_multiplier(exchange: Exchange, account: Account) -> None:
    symbol = "MCX:CRUDEOIL26NOVFUT"
    price = exchange.markets[symbol].ltp
    placed(exchange, account, wish(symbol, 1))
    exchange.move(symbol, price + 1_000)
    placed(exchange, account, wish(symbol, 1, side=Side.SELL))
    assert account.realised == 100 * 1_000


def test_an_order_beyond_the_money_is_rejected_and_binds_nothing(exchange: Exchange) -> None:
    poor = exchange.open_account("XA00002", cash=100_000)
    order = placed(exchange, poor, wish(qty=100))

    assert (order.status, order.filled) == (Status.REJECTED, 0)
    assert order.reject is not None
    assert order.reject.reason is RejectReason.MARGIN
    assert (poor.used, poor.available) == (0, 100_000)


def test_a_modification_beyond_the_money_leaves_the_order_as_it_was(exchange: Exchange) -> None:
    poor = exchange.open_account("XA00002", cash=2_000_000)
    order = placed(exchange, poor, limit(79_000, qty=100))

    fault = exchange.modify(order, OrderChange(qty=1_000))

    assert fault is not None
    assert fault.reason is RejectReason.MARGIN
    assert (order.qty, order.status, poor.used) == (100, Status.PENDING, 20 * 79_000)


def test_delivery_sells_need_shares(exchange: Exchange, account: Account) -> None:
    sell = wish(qty=5, side=Side.SELL, product=Product.CNC)
    naked = placed(exchange, account, sell)
    assert naked.reject is not None
    assert naked.reject.reason is RejectReason.HOLDINGS

    instrument = exchange.markets[SBIN].instrument
    account.holdings[SBIN] = Holding(instrument, 5, 70_000)
    assert placed(exchange, account, sell).status is Status.TRADED
    assert account.used == 0
    assert placed(exchange, account, sell).status is Status.REJECTED


def test_a_position_moves_to_another_product_at_its_average(exchange: Exchange, account: Account) -> None:
    exchange.move(SBIN, 80_000)
    placed(exchange, account, wish(qty=10))
    source = account.positions[SBIN, Product.INTRADAY]

    assert convert(exchange, source, 4, Product.CNC) is None

    target = account.positions[SBIN, Product.CNC]
    assert (source.net, target.net) == (6, 4)
    assert (source.open_average, target.open_average) == (80_000, 80_000)
    assert account.used == 6 * 16_000 + 4 * 80_000
    assert convert(exchange, source, 6, Product.CNC) is None
    assert (source.open_value, source.margin, source.is_idle()) == (0, 0, True)


@pytest.mark.parametrize("target", [Product.INTRADAY, Product.CO, Product.MTF, Product.MARGIN])
def test_some_products_cannot_be_converted_into(
    exchange: Exchange, account: Account, target: Product
) -> None:
    placed(exchange, account, wish(qty=10))
    fault = convert(exchange, account.positions[SBIN, Product.INTRADAY], 4, target)
    assert fault is not None
    assert fault.reason is RejectReason.PRODUCT_SEGMENT


def test_a_conversion_needs_money_and_no_opposite_position(exchange: Exchange) -> None:
    poor = exchange.open_account("XA00002", cash=2_000_000)
    placed(exchange, poor, wish(qty=100))
    short = poor.positions[SBIN, Product.INTRADAY]
    fault = convert(exchange, short, 100, Product.CNC)
    assert fault is not None
    assert fault.reason is RejectReason.MARGIN

    poor.position(short.instrument, Product.CNC).net = -1
    fault = convert(exchange, short, 1, Product.CNC)
    assert fault is not None
    assert fault.reason is RejectReason.OPPOSITE_POSITION


def test_flattening_closes_each_position_in_pieces_of_the_freeze_quantity(
    exchange: Exchange, account: Account
) -> None:
    account.cash *= 100
    for _ in range(2):
        placed(exchange, account, wish(NIFTY, 1755))
    orders = flatten(exchange, account, source=Source.BROKER)

    assert [one.qty for one in orders] == [1755, 1755]
    assert account.open_positions() == []
    assert account.used == 0


def test_client_ids_are_told_apart(exchange: Exchange, account: Account) -> None:
    with pytest.raises(ValueError, match=account.client_id):
        exchange.open_account(account.client_id)


def test_an_unknown_symbol_is_refused(exchange: Exchange, account: Account) -> None:
    outcome = exchange.place(account, wish("NSE:NOBODY-EQ", type=OrderType.MARKET))
    assert isinstance(outcome, Refusal)
    assert outcome.reject.reason is RejectReason.BAD_SYMBOL


def test_what_closes_a_position_is_taken_however_little_money_is_left(
    exchange: Exchange, account: Account
) -> None:
    placed(exchange, account, wish(qty=100))
    account.cash = account.used // 2

    order = placed(exchange, account, wish(qty=100, side=Side.SELL))

    assert order.status is Status.TRADED
    assert not account.open_positions()
