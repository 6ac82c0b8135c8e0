"""Price, then time: against resting orders, against the synthetic depth, in parts as large as told."""

import pytest

from simulator.account import Account
from simulator.exchange import Exchange
from simulator.market import Liquidity, Lock, Refill
from simulator.orders import OrderChange, OrderType, Reject, RejectReason, Side, Status, Validity
from tests.simulator.kit import NIFTY, SBIN, Recorder, limit, placed, wish

TICK = 5


def quote(exchange: Exchange, symbol: str = SBIN) -> tuple[int, int]:
    market = exchange.markets[symbol]
    return market.best(Side.BUY), market.best(Side.SELL)


def test_a_market_order_takes_the_other_side_of_the_quote(exchange: Exchange, account: Account) -> None:
    bid, ask = quote(exchange)

    bought = placed(exchange, account, wish())
    sold = placed(exchange, account, wish(side=Side.SELL))

    assert (bought.status, bought.average) == (Status.TRADED, ask)
    assert (sold.status, sold.average) == (Status.TRADED, bid)


def test_a_limit_order_rests_until_the_price_comes_to_it(exchange: Exchange, account: Account) -> None:
    bid, _ = quote(exchange)
    order = placed(exchange, account, limit(bid - 10 * TICK))
    assert order.status is Status.PENDING

    exchange.move(SBIN, bid - 11 * TICK)

    assert (order.status, order.average) == (Status.TRADED, bid - 10 * TICK)


def test_a_limit_order_that_crosses_trades_at_the_better_price(exchange: Exchange, account: Account) -> None:
    _, ask = quote(exchange)
    assert placed(exchange, account, limit(ask + 20 * TICK)).average == ask


def test_resting_orders_are_met_best_price_first_and_oldest_first(
    exchange: Exchange, account: Account
) -> None:
    bid, ask = quote(exchange)
    inside = (bid + ask) // 2
    other = exchange.open_account("XA00002")
    late = placed(exchange, account, limit(ask - TICK, side=Side.SELL))
    later = placed(exchange, account, limit(ask - TICK, side=Side.SELL))
    best = placed(exchange, account, limit(inside, side=Side.SELL)) if inside < ask - TICK else None

    placed(exchange, other, wish(qty=10 if best is None else 20))

    assert late.status is Status.TRADED
    assert later.status is Status.PENDING
    assert best is None or best.status is Status.TRADED


def test_a_resting_order_goes_before_the_synthetic_depth_at_its_price(
    exchange: Exchange, account: Account
) -> None:
    _, ask = quote(exchange)
    resting = placed(exchange, account, limit(ask, side=Side.SELL))

    taker = placed(exchange, exchange.open_account("XA00002"), wish(qty=25))

    assert resting.status is Status.TRADED
    assert (taker.filled, taker.average) == (25, ask)


def test_orders_meet_each_other_at_the_price_that_rested(exchange: Exchange, account: Account) -> None:
    exchange.set_liquidity(Liquidity(lots_per_level=0))
    resting = placed(exchange, account, limit(80_000))

    taker = placed(exchange, exchange.open_account("XA00002"), limit(79_900, qty=4, side=Side.SELL))

    assert (resting.filled, resting.remaining) == (4, 6)
    assert taker.average == 80_000
    assert exchange.markets[SBIN].ltp == 80_000


def test_one_order_fills_in_as_many_trades_as_the_largest_part_makes(
    exchange: Exchange, account: Account, recorder: Recorder
) -> None:
    exchange.set_liquidity(Liquidity(max_fill_lots=2), [NIFTY])

    order = placed(exchange, account, wish(NIFTY, 65 * 7))

    assert [qty for qty, _ in recorder.of("trade")] == [130, 130, 130, 65]
    assert order.status is Status.TRADED


def test_scarce_depth_is_swept_level_by_level_and_what_is_left_rests(
    exchange: Exchange, account: Account, recorder: Recorder
) -> None:
    exchange.set_liquidity(Liquidity(lots_per_level=3, refill=Refill.BY_HAND), [SBIN])
    _, ask = quote(exchange)

    order = placed(exchange, account, wish(qty=20))

    assert recorder.of("trade") == [(3, ask + n * TICK) for n in range(5)]
    assert (order.status, order.remaining, order.resting_price) == (Status.PENDING, 5, ask + 4 * TICK)


def test_depth_comes_back_with_each_order_with_each_tick_or_by_hand(
    exchange: Exchange, account: Account
) -> None:
    for refill, after_order, after_tick in (
        (Refill.EACH_ORDER, True, True),
        (Refill.EACH_TICK, False, True),
        (Refill.BY_HAND, False, False),
    ):
        exchange.set_liquidity(Liquidity(lots_per_level=1, refill=refill), [SBIN])
        market = exchange.markets[SBIN]
        placed(exchange, account, wish(qty=5, validity=Validity.IOC))

        second = placed(exchange, account, wish(qty=1, validity=Validity.IOC))
        assert (second.status is Status.TRADED) == after_order
        exchange.move(SBIN, market.price)
        third = placed(exchange, account, wish(qty=1, validity=Validity.IOC))
        assert (third.status is Status.TRADED) == after_tick


def test_immediate_or_cancel_keeps_what_it_got(exchange: Exchange, account: Account) -> None:
    exchange.set_liquidity(Liquidity(lots_per_level=1), [SBIN])

    order = placed(exchange, account, wish(qty=20, validity=Validity.IOC))

    assert (order.status, order.filled) == (Status.CANCELLED, 5)


def test_a_stop_sleeps_until_the_last_price_reaches_it(
    exchange: Exchange, account: Account, recorder: Recorder
) -> None:
    ltp = exchange.markets[SBIN].ltp
    stop = placed(exchange, account, wish(type=OrderType.STOP_MARKET, stop=ltp + 20 * TICK))
    exchange.move(SBIN, ltp + 19 * TICK)
    assert stop.status is Status.PENDING

    exchange.move(SBIN, ltp + 20 * TICK)

    assert (stop.status, stop.average) == (Status.TRADED, ltp + 21 * TICK)
    assert recorder.of("order")[:3] == [(Status.TRANSIT, 0), (Status.PENDING, 0), (Status.PENDING, 0)]


def test_a_stop_limit_becomes_a_limit_order(exchange: Exchange, account: Account) -> None:
    ltp = exchange.markets[SBIN].ltp
    request = wish(side=Side.SELL, type=OrderType.STOP_LIMIT, stop=ltp - 10 * TICK, limit=ltp - 12 * TICK)
    order = placed(exchange, account, request)

    exchange.move(SBIN, ltp - 30 * TICK)
    assert (order.triggered, order.status) == (True, Status.PENDING)
    exchange.move(SBIN, ltp - 10 * TICK)

    assert (order.status, order.average) == (Status.TRADED, ltp - 12 * TICK)


def test_one_stop_may_wake_the_next(exchange: Exchange, account: Account) -> None:
    exchange.set_liquidity(Liquidity(lots_per_level=1, refill=Refill.BY_HAND), [SBIN])
    ltp = exchange.markets[SBIN].ltp
    first = placed(exchange, account, wish(qty=3, type=OrderType.STOP_MARKET, stop=ltp + 2 * TICK))
    second = placed(exchange, account, wish(qty=1, type=OrderType.STOP_MARKET, stop=ltp + 4 * TICK))

    exchange.move(SBIN, ltp + 2 * TICK)

    assert (first.status, second.triggered) == (Status.TRADED, True)


def test_a_locked_market_has_one_side_only(exchange: Exchange, account: Account) -> None:
    exchange.lock(SBIN, Lock.UPPER)
    market = exchange.markets[SBIN]
    buyer = placed(exchange, account, wish())
    seller = placed(exchange, exchange.open_account("XA00002"), wish(qty=4, side=Side.SELL))

    assert market.ltp == market.instrument.upper_band
    assert (buyer.filled, seller.status) == (4, Status.TRADED)

    exchange.lock(SBIN, Lock.NONE)
    assert buyer.status is Status.TRADED


def test_a_modified_order_goes_to_the_back_of_its_new_price(exchange: Exchange, account: Account) -> None:
    exchange.set_liquidity(Liquidity(lots_per_level=0))
    first, second = (placed(exchange, account, limit(80_000)) for _ in range(2))

    assert exchange.modify(first, OrderChange(qty=12)) is None
    placed(exchange, exchange.open_account("XA00002"), limit(80_000, qty=10, side=Side.SELL))

    assert (first.filled, second.filled) == (0, 10)
    assert (first.qty, first.modifications) == (12, 1)


def test_a_modification_can_change_the_kind_of_order(exchange: Exchange, account: Account) -> None:
    order = placed(exchange, account, limit(79_000))
    assert exchange.modify(order, OrderChange(type=OrderType.MARKET)) is None
    assert (order.status, order.limit) == (Status.TRADED, 0)


def test_what_has_ended_cannot_be_changed(exchange: Exchange, account: Account) -> None:
    order = placed(exchange, account, limit(79_000))
    assert exchange.cancel(order) is None
    assert exchange.cancel(order) == Reject(RejectReason.ORDER_IS_FINAL)
    assert exchange.modify(order, OrderChange(qty=5)) == Reject(RejectReason.ORDER_IS_FINAL)
    assert order.status is Status.CANCELLED


def test_a_modification_may_not_go_below_what_is_filled(exchange: Exchange, account: Account) -> None:
    exchange.set_liquidity(Liquidity(lots_per_level=1, refill=Refill.BY_HAND), [SBIN])
    order = placed(exchange, account, wish(qty=10))
    fault = exchange.modify(order, OrderChange(qty=5))
    assert fault is not None
    assert fault.reason is RejectReason.BELOW_FILLED


def test_a_held_order_fills_by_hand_alone_in_exact_parts(
    exchange: Exchange, account: Account, recorder: Recorder
) -> None:
    order = placed(exchange, account, wish(NIFTY, 650, held=True))
    exchange.move(NIFTY, exchange.markets[NIFTY].price)
    assert order.filled == 0

    exchange.fill(order, 455, parts=3, price=2_600_000)

    assert recorder.of("trade") == [(195, 2_600_000), (130, 2_600_000), (130, 2_600_000)]
    assert (order.status, order.remaining) == (Status.PENDING, 195)


@pytest.mark.parametrize(("qty", "parts"), [(0, 1), (660, 1), (64, 1), (65, 2), (65, 0)])
def test_a_fill_by_hand_must_come_out_in_lots(
    exchange: Exchange, account: Account, qty: int, parts: int
) -> None:
    order = placed(exchange, account, wish(NIFTY, 650, held=True))
    with pytest.raises(ValueError, match=r"parts|qty"):
        exchange.fill(order, qty, parts=parts)


def test_a_resting_order_filled_in_part_by_hand_keeps_resting(exchange: Exchange, account: Account) -> None:
    order = placed(exchange, account, limit(79_000))
    exchange.fill(order, 4)
    exchange.move(SBIN, 78_900)
    assert (order.status, order.average) == (Status.TRADED, 79_000)


def test_depth_shows_synthetic_and_resting_together(exchange: Exchange, account: Account) -> None:
    exchange.set_liquidity(Liquidity(lots_per_level=100), [SBIN])
    bid, ask = quote(exchange)
    placed(exchange, account, limit(bid, qty=7))

    bids = exchange.markets[SBIN].depth(Side.BUY)
    asks = exchange.markets[SBIN].depth(Side.SELL)

    assert bids[0] == (bid, 107, 2)
    assert [price for price, _, _ in asks] == [ask + n * TICK for n in range(5)]


def test_the_same_seed_walks_the_same_way(exchange: Exchange) -> None:
    from simulator.walk import Walk

    start = exchange.markets[SBIN].price
    walks = []
    for _ in range(2):
        exchange.move(SBIN, start)
        Walk(exchange, 5, [SBIN]).step(20)
        walks.append(exchange.markets[SBIN].price)
    assert walks[0] == walks[1] != start


def test_listeners_hear_every_move_until_they_leave(exchange: Exchange) -> None:
    heard: list[int] = []
    leave = exchange.subscribe_quotes(lambda market: heard.append(market.ltp))
    exchange.move(SBIN, 80_100)
    leave()
    leave()
    exchange.move(SBIN, 80_200)
    assert heard == [80_100]
