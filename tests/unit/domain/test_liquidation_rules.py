"""What a liquidation covers, orders, writes down and waits for, in whole values and at every limit."""

from dataclasses import replace
from decimal import Decimal

import pytest

from paceline.domain.copy_order import Cause, CauseKind, CopyOrder, CopyStatus, Intent, Lane, OrderSpec
from paceline.domain.copying.tags import copy_order_id_of, decision_id_of, tag_of
from paceline.domain.ids import BrokerOrderId, LiquidationId, SubscriptionId
from paceline.domain.instrument import InstrumentKey
from paceline.domain.ledger import EntryKind, LedgerEntry
from paceline.domain.liquidation import (
    Liquidation,
    LiquidationCause,
    LiquidationLevel,
    LiquidationState,
    Market,
    Place,
    Reprice,
    Todo,
    bounded,
    covers,
    decide,
    lines_of,
    orders_of,
    to_flatten,
)
from paceline.domain.order import BrokerStatus, OrderType, Side
from tests.unit.domain.given import FOLLOWER, KEY, NOW, S, d, instrument
from tests.unit.domain.test_liquidation import DELIVERY, MARGIN, OPEN, WHOLE, placed, report, view

_S = LiquidationState
COPIES = SubscriptionId("s1")
OF_COPIES = replace(WHOLE, subscription_id=COPIES)
OF_ONE_KEY = replace(OF_COPIES, key=KEY)


@pytest.mark.parametrize(
    ("liquidation", "subscription", "key", "within"),
    [
        (WHOLE, COPIES, KEY, True),
        (WHOLE, None, MARGIN, True),
        (OF_COPIES, COPIES, KEY, True),
        (OF_COPIES, COPIES, MARGIN, True),
        (OF_COPIES, SubscriptionId("s2"), KEY, False),
        (OF_COPIES, None, KEY, False),
        (OF_ONE_KEY, COPIES, KEY, True),
        (OF_ONE_KEY, COPIES, MARGIN, False),
        (OF_ONE_KEY, SubscriptionId("s2"), KEY, False),
    ],
)
def test_its_scope_is_an_account_a_subscription_or_one_key_of_it(
    liquidation: Liquidation, subscription: SubscriptionId | None, key: InstrumentKey, within: bool
) -> None:
    assert covers(liquidation, subscription, key) is within


@pytest.mark.parametrize(
    ("copied", "net", "left"),
    [
        ("0.5", "1", "0.5"),
        ("1", "0.5", "0.5"),
        ("-0.5", "-1", "-0.5"),
        ("-1", "-0.5", "-0.5"),
        ("0.5", "0", "0"),
        ("0", "5", "0"),
        ("1", "-1", "0"),
    ],
)
def test_copies_are_bounded_in_fractions_too(copied: str, net: str, left: str) -> None:
    assert bounded(Decimal(copied), Decimal(net)) == Decimal(left)


def test_a_fraction_of_delivery_is_closed_like_any_other() -> None:
    half = {DELIVERY: d("0.5"), KEY: d("-0.5")}
    assert to_flatten(half) == half


def test_a_fraction_that_is_held_is_sold() -> None:
    coin = replace(OPEN, instrument=instrument(lot="0.1"))
    (place,) = decide(replace(view({KEY: 1}, markets={KEY: coin}), held={KEY: d("0.55")})).places
    assert place == Place(KEY, Side.SELL, d("0.5"), d(99), d(100), 0)


@pytest.mark.parametrize(
    ("bid", "ask", "last", "sells_at", "buys_at"),
    [
        (99, 101, 100, 99, 101),
        (None, 101, 100, 100, 101),
        (99, None, 100, 99, 100),
        (99, 101, None, 99, 101),
        (None, None, None, None, None),
        (0, 0, 100, 100, 100),
        (0, 0, 0, None, None),
    ],
)
def test_the_reference_is_the_other_side_else_the_last_price(
    bid: int | None, ask: int | None, last: int | None, sells_at: int | None, buys_at: int | None
) -> None:
    known = [None if price is None else d(price) for price in (last, bid, ask)]
    market = Market(instrument(), True, *known)
    assert (market.reference(Side.SELL), market.reference(Side.BUY)) == (sells_at, buys_at)


@pytest.mark.parametrize(
    ("last", "selling", "buying"),
    [(90, True, False), (91, False, False), (109, False, False), (110, False, True)],
)
def test_a_market_is_locked_at_the_end_of_its_band_for_one_side(
    last: int, selling: bool, buying: bool
) -> None:
    market = Market(instrument(band=(90, 110)), True, d(last))
    assert (market.locked(Side.SELL), market.locked(Side.BUY)) == (selling, buying)


def test_without_band_price_or_instrument_nothing_is_locked() -> None:
    for market in (OPEN, Market(instrument(band=(90, 110)), True), Market(None, True, d(90))):
        assert not market.locked(Side.SELL)
        assert not market.locked(Side.BUY)


def test_what_is_in_its_way_is_counted_in_words() -> None:
    assert decide(view({KEY: 10}, others=2, unsettled=1)) == Todo(
        _S.CANCELLING, words="2 open orders, 1 of unknown fate"
    )


def test_where_nothing_waits_nothing_is_said() -> None:
    place = Place(KEY, Side.SELL, d(10), d(99), d(100), 0)
    assert decide(view({KEY: 10})) == Todo(_S.FLATTENING, places=(place,))
    assert decide(view({})) == Todo(_S.SETTLING, flat=True)


def test_all_that_waits_is_named_with_its_reason() -> None:
    closed = {KEY: replace(OPEN, is_open=False), MARGIN: replace(OPEN, last=None)}
    waiting = decide(view({KEY: 10, MARGIN: 5}, markets=closed))
    assert waiting == Todo(
        _S.WAITS_MARKET_CLOSED, words="NSE:SBIN-EQ: WAITS_MARKET_CLOSED, NSE:SBIN-EQ: WAITS_PRICE"
    )


def test_an_order_holds_all_that_it_was_made_of() -> None:
    place = Place(KEY, Side.SELL, d(150), d(99), d(100), 2)
    cause = Cause(CauseKind.LIQUIDATION, "liq|NSE:SBIN-EQ:INTRADAY:2")
    decision = decision_id_of(cause.identity, COPIES)
    assert orders_of(OF_COPIES, place, instrument(freeze=101), NOW) == [
        CopyOrder(
            copy_order_id=copy_order_id_of(decision, 0, number, 0),
            decision_id=decision,
            cause=cause,
            subscription_id=COPIES,
            account_id=FOLLOWER,
            spec=OrderSpec(KEY, Side.SELL, OrderType.LIMIT, d(part), d(99)),
            intent=Intent.EXIT,
            lane=Lane.LIQUIDATION,
            leg=0,
            slice=number,
            step=0,
            tag=tag_of(cause, COPIES, leg=0, slice_=number),
            leader_price=d(100),
            leader_time_ns=NOW,
            seen_ns=NOW,
            planned_ns=NOW,
        )
        for number, part in enumerate((100, 50))
    ]


@pytest.mark.parametrize(("side", "planned"), [(Side.SELL, -150), (Side.BUY, 150)])
def test_copies_that_are_liquidated_are_planned_to_leave(side: Side, planned: int) -> None:
    place = Place(KEY, side, d(150), d(99), d(100), 2)
    assert lines_of(orders_of(OF_COPIES, place, instrument(freeze=101), NOW)) == [
        LedgerEntry(
            COPIES,
            KEY,
            EntryKind.PLANNED,
            Intent.EXIT,
            d(planned),
            "liq|NSE:SBIN-EQ:INTRADAY:2",
            "LIQUIDATED",
        )
    ]


def test_of_an_order_that_filled_in_part_only_the_rest_counts() -> None:
    half = placed(-10, filled=d(6))
    assert decide(view({KEY: 4}, half)).excess == ()
    assert decide(view({KEY: 3}, half)).excess == (f"b-{half.tag}",)


def test_an_order_that_ended_in_the_book_trades_no_more() -> None:
    order = placed(-10)
    ended = replace(report(order), status=BrokerStatus.CANCELLED)
    fallen = {KEY: replace(OPEN, last=d(95))}
    told = view({KEY: 4}, order, book={order.tag: ended}, markets=fallen, now_ns=NOW + 9 * S)
    assert decide(told) == Todo(_S.FLATTENING)


def test_keys_are_looked_at_shorts_first_and_then_by_name() -> None:
    flat, long = placed(-5, key=MARGIN), placed(-10)
    todo = decide(view({KEY: 4}, flat, long))
    assert todo.excess == (f"b-{long.tag}", f"b-{flat.tag}")


def test_an_order_of_a_key_that_may_be_flat_holds_up_no_long() -> None:
    todo = decide(view({KEY: 10}, placed(-5, key=MARGIN), unsure=frozenset({MARGIN})))
    assert [place.key for place in todo.places] == [KEY]


@pytest.mark.parametrize(
    ("market", "now", "state"),
    [
        (OPEN, NOW + 9 * S, _S.FLATTENING),
        (replace(OPEN, is_open=False, last=d(95)), NOW + 9 * S, _S.WAITS_MARKET_CLOSED),
        (Market(instrument(band=(90, 110)), False, d(90)), NOW + 9 * S, _S.WAITS_CIRCUIT),
    ],
)
def test_a_working_order_waits_by_name_and_is_left_where_it_is(
    market: Market, now: int, state: LiquidationState
) -> None:
    todo = decide(view({KEY: 10}, placed(-10), limit=90, markets={KEY: market}, now_ns=now))
    assert (todo.state, todo.reprices, todo.excess, todo.places) == (state, (), (), ())


@pytest.mark.parametrize(("last", "limit"), [("99.05", None), ("98.95", "98")])
def test_a_sale_is_behind_only_below_its_limit(last: str, limit: str | None) -> None:
    order = placed(-10)
    late = view({KEY: 10}, order, markets={KEY: replace(OPEN, last=d(last))}, now_ns=NOW + 2 * S)
    expected = () if limit is None else (Reprice(order, BrokerOrderId(f"b-{order.tag}"), d(limit)),)
    assert decide(late).reprices == expected


@pytest.mark.parametrize(("last", "limit"), [("98.95", None), ("99.05", "100")])
def test_a_cover_is_behind_only_above_its_limit(last: str, limit: str | None) -> None:
    order = placed(10)
    late = view({KEY: -10}, order, markets={KEY: replace(OPEN, last=d(last))}, now_ns=NOW + 2 * S)
    expected = () if limit is None else (Reprice(order, BrokerOrderId(f"b-{order.tag}"), d(limit)),)
    assert decide(late).reprices == expected


def test_a_limit_at_the_end_of_its_band_is_not_sent_again() -> None:
    order = placed(-10)
    banded = Market(instrument(band=(99, 110)), True, last=d("99.05"), bid=d("98.5"))
    assert decide(view({KEY: 10}, order, markets={KEY: banded}, now_ns=NOW + 9 * S)).reprices == ()


def test_a_row_whose_fate_is_unknown_holds_up_the_longs_however_old_it_is() -> None:
    unknown = placed(5, key=MARGIN, status=CopyStatus.UNKNOWN)
    assert decide(view({KEY: 10, MARGIN: -5}, unknown, now_ns=NOW + 99 * S)).places == ()


@pytest.mark.parametrize(("rounds", "rests"), [(1, 2), (2, 4), (5, 32), (6, 60), (9, 60)])
def test_refused_rounds_rest_for_powers_of_two_up_to_a_minute(rounds: int, rests: int) -> None:
    refused = [placed(-10, round_=number, status=CopyStatus.REJECTED) for number in range(rounds)]
    early = view({KEY: 10}, *refused, now_ns=NOW + rests * S - 1)
    assert decide(early) == Todo(_S.WAITS_BROKER, words="NSE:SBIN-EQ: WAITS_BROKER")
    (again,) = decide(replace(early, now_ns=NOW + rests * S)).places
    assert again.round == rounds


def test_a_round_that_filled_anything_was_not_refused() -> None:
    filled = placed(-10, round_=0, status=CopyStatus.REJECTED, filled=d(4))
    assert decide(view({KEY: 6}, filled)).places
    before = placed(-10, round_=0, status=CopyStatus.REJECTED)
    after = placed(-10, round_=1, status=CopyStatus.CANCELLED)
    assert decide(view({KEY: 6}, before, after)).places, "the last one was taken"


def test_every_name_of_a_cause_begins_with_its_liquidation() -> None:
    named = Liquidation(LiquidationId("x"), FOLLOWER, LiquidationLevel.FLATTEN, LiquidationCause.MANUAL)
    (order,) = orders_of(named, Place(KEY, Side.SELL, d(1), d(99), d(100), 0), instrument(), NOW)
    assert (named.prefix, order.cause.identity) == ("x|", "x|NSE:SBIN-EQ:INTRADAY:0")


def test_an_order_of_which_the_market_is_not_known_waits_for_it() -> None:
    todo = decide(view({KEY: 10}, placed(-10), markets={}, now_ns=NOW + 9 * S))
    assert (todo.state, todo.reprices) == (_S.WAITS_MARKET_CLOSED, ())
