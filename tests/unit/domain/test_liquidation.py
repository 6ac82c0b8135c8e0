"""What a liquidation does next: it never trades more than is held, never opens, and comes to an end."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.domain.copy_order import CopyOrder, CopyStatus, Lane
from paceline.domain.ids import BrokerOrderId, LiquidationId, SubscriptionId
from paceline.domain.instrument import InstrumentKey, Product
from paceline.domain.ledger import EntryKind
from paceline.domain.liquidation import (
    Liquidation,
    LiquidationCause,
    LiquidationLevel,
    LiquidationState,
    Market,
    Place,
    View,
    bounded,
    decide,
    lines_of,
    orders_of,
    to_flatten,
)
from paceline.domain.order import BrokerStatus, OrderReport, OrderType, Side, Validity
from tests.unit.domain.given import FOLLOWER, KEY, NOW, SBIN, S, d, instrument

_S = LiquidationState
FLATTEN = LiquidationLevel.FLATTEN
WHOLE = Liquidation(LiquidationId("liq"), FOLLOWER, FLATTEN, LiquidationCause.MARGIN)
DELIVERY = InstrumentKey(SBIN, Product.CNC)
MARGIN = InstrumentKey(SBIN, Product.MARGIN)
OPEN = Market(instrument(), is_open=True, last=d(100))


def placed(signed: int, *, key: InstrumentKey = KEY, round_: int = 0, **changes: object) -> CopyOrder:
    side = Side.BUY if signed > 0 else Side.SELL
    place = Place(key, side, d(abs(signed)), d(99), d(100), round_)
    (order,) = orders_of(WHOLE, place, instrument(), NOW)
    return replace(replace(order, status=CopyStatus.WORKING), **changes)  # type: ignore[arg-type]


def report(order: CopyOrder, limit: int | str = 99) -> OrderReport:
    spec = order.spec
    return OrderReport(
        account_id=FOLLOWER,
        order_id=BrokerOrderId(f"b-{order.tag}"),
        key=spec.key,
        exchange=OPEN.instrument.exchange if OPEN.instrument else instrument().exchange,
        segment=instrument().segment,
        side=spec.side,
        type=OrderType.LIMIT,
        status=BrokerStatus.PENDING,
        quantity=spec.quantity,
        filled=order.filled,
        limit_price=d(limit),
        trigger_price=d(0),
        average_price=d(0),
        validity=Validity.DAY,
        disclosed=d(0),
        offline=False,
        tag=order.tag,
        broker_time_ns=NOW,
    )


def view(
    held: Mapping[InstrumentKey, int] | None = None,
    *mine: CopyOrder,
    limit: int | str = 99,
    **changes: object,
) -> View:
    given_ = held or {}
    keys = {*given_, *(order.spec.key for order in mine)}
    return replace(
        View(
            now_ns=NOW,
            level=FLATTEN,
            mine=mine,
            book={each.tag: report(each, limit) for each in mine if each.status is CopyStatus.WORKING},
            held={key: d(quantity) for key, quantity in given_.items()},
            markets=dict.fromkeys(keys, OPEN),
        ),
        **changes,  # type: ignore[arg-type]
    )


def test_nothing_is_sold_while_an_order_is_open_or_of_unknown_fate() -> None:
    for todo in (decide(view({KEY: 10}, others=1)), decide(view({KEY: 10}, unsettled=1))):
        assert (todo.state, todo.places, todo.flat) == (_S.CANCELLING, (), False)


def test_short_of_flattening_positions_stay() -> None:
    stop = replace(view({KEY: 10}, others=3), level=LiquidationLevel.STOP_ENTRIES)
    assert decide(stop).flat
    cancel = replace(stop, level=LiquidationLevel.CANCEL_WORKING)
    assert not decide(cancel).flat
    assert decide(replace(cancel, others=0)).flat


def test_shorts_go_before_longs_and_each_is_one_order_of_what_is_held() -> None:
    first = decide(view({KEY: 10, MARGIN: -4}))
    assert [(each.key, each.side, each.quantity) for each in first.places] == [(MARGIN, Side.BUY, d(4))]
    (cover,) = first.places
    assert (cover.limit, cover.reference) == (d(101), d(100))
    covering = placed(4, key=MARGIN)
    fresh = view({KEY: 10, MARGIN: -4}, covering, now_ns=NOW + S)
    assert decide(fresh).places == (), "its cover had no fair chance yet"
    later = view({KEY: 10, MARGIN: -4}, covering, now_ns=NOW + 2 * S)
    assert [each.key for each in decide(later).places] == [KEY]
    assert [each.key for each in decide(view({KEY: 10})).places] == [KEY]


def test_a_key_of_which_an_order_works_or_whose_book_may_lag_is_not_ordered_again() -> None:
    assert decide(view({KEY: 10}, placed(-10))).places == ()
    unknown = placed(-10, status=CopyStatus.UNKNOWN)
    assert decide(view({KEY: 10}, unknown)).places == ()
    unsure = decide(view({KEY: 10}, unsure=frozenset({KEY})))
    assert (unsure.state, unsure.places, unsure.flat) == (_S.FLATTENING, (), False)


def test_what_is_left_is_another_order_of_another_name() -> None:
    ended = placed(-10, filled=d(6), status=CopyStatus.CANCELLED)
    (again,) = decide(view({KEY: 4}, ended)).places
    assert (again.quantity, again.round) == (d(4), 1)
    (order,) = orders_of(WHOLE, again, instrument(), NOW)
    assert order.tag != ended.tag
    assert orders_of(WHOLE, again, instrument(), NOW + S)[0].tag == order.tag


def test_an_order_follows_the_market_and_only_where_it_fell_behind() -> None:
    order = placed(-10)
    fallen = {KEY: replace(OPEN, bid=d(95), last=d(96))}
    early = view({KEY: 10}, order, now_ns=NOW + S, markets=fallen)
    assert decide(early).reprices == ()
    late = replace(early, now_ns=NOW + 2 * S)
    (change,) = decide(late).reprices
    assert (change.order_id, change.limit) == (f"b-{order.tag}", d("94.05"))
    touched = replace(late, touched_ns={order.tag: NOW + S})
    assert decide(touched).reprices == ()
    near = replace(late, markets={KEY: replace(OPEN, bid=d(99), last=d(100))})
    assert decide(near).reprices == (), "somebody buys there"


def test_what_somebody_else_closed_is_not_sold_after_him() -> None:
    order = placed(-10)
    assert decide(view({KEY: 4}, order)).excess == (f"b-{order.tag}",)
    assert decide(view({}, order)).excess == (f"b-{order.tag}",)
    assert decide(view({KEY: -3}, order)).excess == (f"b-{order.tag}",)
    assert decide(view({KEY: 10}, order)).excess == ()
    assert decide(view({KEY: 4}, order, unsure=frozenset({KEY}))).excess == ()


@pytest.mark.parametrize(
    ("market", "state"),
    [
        pytest.param(replace(OPEN, is_open=False), _S.WAITS_MARKET_CLOSED, id="market closed"),
        pytest.param(replace(OPEN, last=None), _S.WAITS_PRICE, id="no price"),
        pytest.param(Market(None, is_open=True), _S.WAITS_PRICE, id="unknown instrument"),
        pytest.param(Market(instrument(lot=25), True, d(100)), _S.WAITS_BROKER, id="no whole lot"),
    ],
)
def test_what_cannot_be_sold_now_waits_by_name_and_nothing_else_waits_for_it(
    market: Market, state: LiquidationState
) -> None:
    alone = decide(view({KEY: 10}, markets={KEY: market}))
    assert (alone.state, alone.places, alone.flat) == (state, (), False)
    assert state in alone.words
    both = decide(view({KEY: -10, MARGIN: 5}, markets={KEY: market, MARGIN: OPEN}))
    assert (both.state, [each.key for each in both.places]) == (_S.FLATTENING, [MARGIN])


def test_a_circuit_lock_leaves_the_order_at_the_band() -> None:
    locked = Market(instrument(band=(90, 110)), True, d(90))
    (place,) = decide(view({KEY: 10}, markets={KEY: locked})).places
    assert place.limit == d(90)
    rests = decide(view({KEY: 10}, placed(-10), limit=90, markets={KEY: locked}, now_ns=NOW + 9 * S))
    assert (rests.state, rests.reprices, rests.excess) == (_S.WAITS_CIRCUIT, (), ())


@pytest.mark.parametrize(
    ("key", "state"), [(KEY, _S.WAITS_BROKER), (DELIVERY, _S.WAITS_DELIVERY)], ids=["intraday", "delivery"]
)
def test_refusals_are_tried_again_ever_more_rarely(key: InstrumentKey, state: LiquidationState) -> None:
    first = placed(-10, key=key, status=CopyStatus.REJECTED)
    second = placed(-10, key=key, round_=1, status=CopyStatus.REJECTED)
    once = view({key: 10}, first, now_ns=NOW + S)
    assert decide(once).state is state
    assert decide(replace(once, now_ns=NOW + 2 * S)).places
    twice = view({key: 10}, first, second, now_ns=NOW + 3 * S)
    assert decide(twice).state is state
    assert decide(replace(twice, now_ns=NOW + 4 * S)).places


def test_delivery_that_was_sold_out_of_holdings_is_no_short() -> None:
    assert to_flatten({DELIVERY: d(-5), KEY: d(-5), MARGIN: d(0)}) == {KEY: d(-5)}


def test_copies_are_bounded_by_their_ledger_and_by_what_the_broker_shows() -> None:
    assert [int(bounded(d(10), d(net))) for net in (25, 4, 0, -3)] == [10, 4, 0, 0]
    assert [int(bounded(d(-10), d(net))) for net in (-25, -4, 0, 3)] == [-10, -4, 0, 0]


def test_orders_are_sliced_at_the_freeze_and_carry_their_ledger_line() -> None:
    copies = replace(WHOLE, subscription_id=SubscriptionId("s"))
    place = Place(KEY, Side.SELL, d(250), d(99), d(100), 0)
    orders = orders_of(copies, place, instrument(freeze=101), NOW)
    assert [int(order.spec.quantity) for order in orders] == [100, 100, 50]
    assert {order.lane for order in orders} == {Lane.LIQUIDATION}
    assert len({order.tag for order in orders}) == 3
    (line,) = lines_of(orders)
    assert (line.kind, line.quantity) == (EntryKind.PLANNED, d(-250))
    assert lines_of(orders_of(WHOLE, place, instrument(), NOW)) == []


@dataclass
class Venue:
    """A broker who may do to orders whatever he likes."""

    net: dict[InstrumentKey, Decimal]
    now_ns: int = NOW
    mine: list[CopyOrder] = field(default_factory=list)
    traded: dict[InstrumentKey, Decimal] = field(default_factory=dict)

    def turn(self) -> bool:
        """One look and what follows from it; whether it is flat."""
        open_ = [each for each in self.mine if each.status is CopyStatus.WORKING]
        todo = decide(
            View(
                now_ns=self.now_ns,
                level=FLATTEN,
                mine=tuple(self.mine),
                book={each.tag: report(each) for each in open_},
                held=to_flatten(self.net),
                markets=dict.fromkeys({*self.net}, OPEN),
            )
        )
        for index, each in enumerate(self.mine):
            if f"b-{each.tag}" in todo.excess:
                self.mine[index] = replace(each, status=CopyStatus.CANCELLED)
        for place in todo.places:
            assert place.quantity <= abs(self.net[place.key])
            for order in orders_of(WHOLE, place, instrument(freeze=40), self.now_ns):
                self.mine.append(replace(order, status=CopyStatus.WORKING))
        self.never_too_much()
        return todo.flat

    def never_too_much(self) -> None:
        """Whatever works now can fill whole, and opens nothing."""
        for key, net in self.net.items():
            rest = sum((each.rest for each in self.mine if self.works(each, key)), Decimal(0))
            assert rest * net <= 0
            assert abs(rest) <= abs(net)

    def works(self, order: CopyOrder, key: InstrumentKey) -> bool:
        return order.spec.key == key and order.status is CopyStatus.WORKING

    def happen(self, what: str, which: int, part: int) -> None:
        """To one of the orders that work, or to a position."""
        if what == "by hand":
            key = sorted(self.net, key=str)[which % len(self.net)]
            self.net[key] -= self.net[key] * part // 100
            return
        working = [index for index, each in enumerate(self.mine) if each.status is CopyStatus.WORKING]
        if not working:
            return
        index = working[which % len(working)]
        order = self.mine[index]
        if what == "fill":
            quantity = max(abs(order.rest) * part // 100, Decimal(1))
            self.net[order.spec.key] += quantity * int(order.spec.side)
            filled = order.filled + quantity
            status = CopyStatus.FILLED if filled == order.spec.quantity else CopyStatus.WORKING
            self.mine[index] = replace(order, filled=filled, status=status)
        else:
            self.mine[index] = replace(order, status=CopyStatus(what))


@given(
    net=st.dictionaries(
        st.sampled_from([KEY, MARGIN, DELIVERY]), st.integers(-120, 120).map(Decimal), min_size=1
    ),
    events=st.lists(
        st.tuples(
            st.sampled_from(["fill", "fill", "CANCELLED", "EXPIRED", "REJECTED", "by hand"]),
            st.integers(0, 9),
            st.integers(1, 100),
        ),
        max_size=30,
    ),
)
def test_whatever_happens_it_trades_no_more_than_is_held_and_ends(
    net: dict[InstrumentKey, Decimal], events: list[tuple[str, int, int]]
) -> None:
    left_alone = {key: held for key, held in net.items() if key == DELIVERY and held < 0}
    venue = Venue(dict(net))
    for event in events:
        venue.turn()
        venue.happen(*event)
        venue.now_ns += S
    for _ in range(20):
        venue.now_ns += 61 * S
        if venue.turn():
            break
        for _ in range(len(venue.mine)):
            venue.happen("fill", 0, 100)
    assert venue.turn(), "it comes to an end"
    assert not to_flatten(venue.net)
    assert all(abs(venue.net[key]) <= abs(held) for key, held in left_alone.items())
