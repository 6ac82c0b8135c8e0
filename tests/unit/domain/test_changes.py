"""Orders as they are built, the changes on their way to them, and how they are taken back or go on."""

from dataclasses import replace
from decimal import Decimal

import pytest

from paceline.domain.copy_order import Cause, CauseKind, CopyOrder, CopyStatus, Intent, Lane
from paceline.domain.copying.build import LEG_EXIT, OrderShape, Origin, build, line, shape
from paceline.domain.copying.changes import OpenRow, cancelled, commanded, growing, modified, withdrawals
from paceline.domain.copying.chase import replacement
from paceline.domain.copying.tags import decision_id_of, tag_of
from paceline.domain.ids import BrokerOrderId, SubscriptionId
from paceline.domain.instrument import Exchange
from paceline.domain.ledger import EntryKind, Ledger
from paceline.domain.order import OrderType, Side
from paceline.domain.subscription import ExecutionStyle
from tests.unit.domain.given import FOLLOWER, KEY, NOW, SHARE, d, instrument

CAUSE = Cause(CauseKind.EVENT, "fill-1")
S1 = SubscriptionId("s1")
ORIGIN = Origin(CAUSE, decision_id_of("fill-1", S1), S1, FOLLOWER, KEY, d(100), 1, 2, 3, "trace-7")
HIS = BrokerOrderId("his")


def shaped(side: Side = Side.BUY, intent: Intent = Intent.ENTRY, leg: int = 1) -> OrderShape:
    style = ExecutionStyle.PROTECTED_LIMIT
    return shape(SHARE, side, intent, leg, reference=d(100), style=style, allowance_bps=d(100))


def order(signed: int | str, intent: Intent = Intent.ENTRY, *, planned_ns: int = 0) -> CopyOrder:
    quantity = d(signed)
    side = Side.BUY if quantity > 0 else Side.SELL
    (built,) = build(ORIGIN, replace(shaped(side, intent), instrument=instrument(lot="0.5")), abs(quantity))
    return replace(built, tag=tag_of(CAUSE, S1, leg=1, slice_=0, step=planned_ns), planned_ns=planned_ns)


def row(
    signed: int | str, to: int | None = None, *, filled: int = 0, at: int = 0, his: bool = False
) -> OpenRow:
    """An entry of `signed`, that shall be of the quantity `to`; zero is a cancellation on its way."""
    standing = replace(order(signed, planned_ns=at), filled=d(filled), leader_order_id=HIS if his else None)
    if to is None:
        return OpenRow(standing)
    changed = modified(ORIGIN, standing, replace(standing.spec, quantity=d(to)))
    return OpenRow(standing, changed if to else cancelled(ORIGIN, standing))


LEAVING = OpenRow(order(-3, Intent.EXIT), cancelled(ORIGIN, order(-3, Intent.EXIT)))


@pytest.mark.parametrize(
    ("rows", "off", "on"),
    [
        ([row(10)], 0, 0),
        ([row(10, 6)], 4, 0),
        ([row(10, 0, filled=4)], 6, 0),
        ([row(10, 14, filled=4)], -4, 4),
        ([row(-10, 14)], 4, -4),
        ([row(10, 6), row(10, 14), LEAVING], 0, 4),
    ],
    ids=["as it stands", "cut down", "leaving", "growing", "growing short", "one each, and an exit"],
)
def test_what_changes_take_off_and_add_to_entries(rows: list[OpenRow], off: int, on: int) -> None:
    assert (commanded(rows, Intent.ENTRY), growing(rows)) == (d(off), d(on))


@pytest.mark.parametrize(
    ("rows", "unwanted", "taken"),
    [
        ([row(10)], 4, [6]),
        ([row(10)], 10, [None]),
        ([row(-10)], -4, [6]),
        ([row(5, at=1), row(5, at=2)], 6, [None, 4]),
        ([row(5, at=2), row(5, at=1)], 5, [None]),
        ([row(10, 6)], 4, [2]),
        ([row(10, filled=4)], 4, [6]),
        ([row(-10, at=2), row(10, at=1)], 4, [6]),
        ([row(10, at=2, his=True), row(10, at=1)], 4, [6]),
        ([LEAVING, row(10, 0, at=1)], 4, []),
        ([row("0.5")], d("0.5"), [None]),
    ],
    ids=[
        *(
            "shrinks",
            "cancels",
            "buys less back",
            "the newest first",
            "and no more",
            "what shall come counts",
        ),
        *("what filled stays", "the other side stays", "his stay", "exits and what leaves stay", "fractions"),
    ],
)
def test_entries_that_nobody_wants_are_taken_back(
    rows: list[OpenRow], unwanted: int | Decimal, taken: list[int | None]
) -> None:
    commands = withdrawals(ORIGIN, rows, Decimal(unwanted), {HIS})
    assert [each.spec and each.spec.quantity for each in commands] == taken


def test_a_change_knows_what_it_is_of_and_where_it_came_from() -> None:
    changes = [cancelled(ORIGIN, order(9)), modified(ORIGIN, order(9), order(9).spec)]
    leaving = modified(ORIGIN, order(-9, Intent.EXIT), order(-9).spec)
    assert [each.lane for each in (*changes, leaving)] == [Lane.CANCEL, Lane.MODIFY, Lane.EXIT]
    for each in changes:
        assert (each.tag, each.copy_order_id, each.cause) == (order(9).tag, order(9).copy_order_id, CAUSE)
        assert (each.leader_time_ns, each.seen_ns, each.planned_ns, each.traceparent) == (1, 2, 3, "trace-7")


def test_a_slice_is_named_by_what_it_is_part_of() -> None:
    looks = replace(shaped(), instrument=instrument(freeze=101), mirrors=HIS, disclosed=d(30))
    first, second = build(ORIGIN, looks, d(120), expires_ns=9)
    assert [(each.spec.quantity, each.spec.disclosed) for each in (first, second)] == [
        (d(100), d(30)),
        (d(20), d(20)),
    ]
    assert [each.tag for each in (first, second)] == [
        tag_of(CAUSE, S1, leg=1, slice_=0),
        tag_of(CAUSE, S1, leg=1, slice_=1),
    ]
    for number, each in enumerate((first, second)):
        assert (each.step, each.slice, each.leg, each.leader_order_id) == (0, number, 1, HIS)
        assert each.copy_order_id == f"{ORIGIN.decision_id}1{number:05x}00"
        assert (each.leader_time_ns, each.seen_ns, each.planned_ns, each.expires_ns) == (1, 2, 3, 9)
    assert build(ORIGIN, shaped(), d(5))[0].spec.disclosed == 0


def test_a_limit_that_stands_for_a_market_order_says_so() -> None:
    assert shaped().spec(KEY, d(1)).protected
    crypto = instrument(exchange=Exchange.CRYPTO)
    style = ExecutionStyle.MARKET
    bare = shape(crypto, Side.BUY, Intent.ENTRY, 1, reference=d(100), style=style, allowance_bps=d(1))
    assert (bare.type, bare.limit_price, bare.spec(KEY, d(1)).protected) == (OrderType.MARKET, d(0), False)


def test_a_line_says_what_it_is_for() -> None:
    written = line(ORIGIN, EntryKind.PLANNED, Intent.ENTRY, d(5))
    assert (written.subscription_id, written.key, written.quantity, written.reason) == (S1, KEY, d(5), "")
    assert written.cause == CAUSE.identity


TOO_MUCH = Ledger(ideal=d(0), entry_planned=d(10), entry_filled=d(10))
SOLD = replace(
    build(ORIGIN, shaped(Side.SELL, Intent.EXIT, LEG_EXIT), d(8))[0],
    status=CopyStatus.CANCELLED,
    broker_order_id=HIS,
    filled=d(2),
    average_price=d(99),
    ends_as="CANCELLED",
)


def test_a_cancelled_exit_goes_on_as_the_next_step_of_itself() -> None:
    following = replacement(SOLD, TOO_MUCH, SHARE, d("97.5"), NOW)
    assert following is not None
    (again,) = following.orders
    assert (again.spec.quantity, again.spec.limit_price, again.spec.side) == (d(6), d("97.5"), Side.SELL)
    assert (again.step, again.tag) == (1, tag_of(CAUSE, S1, leg=LEG_EXIT, slice_=0, step=1))
    assert again.copy_order_id == f"{ORIGIN.decision_id}{LEG_EXIT:01x}0000001"
    assert (again.status, again.broker_order_id, again.ends_as) == (CopyStatus.PLANNED, None, "")
    assert (again.filled, again.average_price, again.planned_ns) == (d(0), d(0), NOW)
    (planned,) = following.lines
    assert (planned.kind, planned.intent, planned.quantity) == (EntryKind.PLANNED, Intent.EXIT, d(-6))
    assert (planned.subscription_id, planned.key, planned.cause) == (S1, KEY, again.tag)


@pytest.mark.parametrize(
    ("exits", "ledger", "quantity"),
    [
        (SOLD, replace(TOO_MUCH, ideal=d(7)), 3),
        (SOLD, replace(TOO_MUCH, ideal=d(9)), 1),
        (SOLD, replace(TOO_MUCH, ideal=d(10)), None),
        (SOLD, Ledger(entry_planned=d(-10), entry_filled=d(-10)), None),
        (replace(SOLD, intent=Intent.ENTRY), TOO_MUCH, None),
        (replace(SOLD, subscription_id=None), TOO_MUCH, None),
        (replace(SOLD, filled=d(8)), TOO_MUCH, None),
    ],
    ids=[
        "at most the surplus",
        "a single one",
        "no surplus",
        "short",
        "an entry",
        "nobody's",
        "all of it sold",
    ],
)
def test_what_is_not_held_too_much_is_not_sold_again(
    exits: CopyOrder, ledger: Ledger, quantity: int | None
) -> None:
    following = replacement(exits, ledger, SHARE, d(97), NOW)
    assert (following and following.orders[0].spec.quantity) == quantity
