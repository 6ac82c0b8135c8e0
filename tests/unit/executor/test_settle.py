"""News about copy orders, folded inside the transaction that writes them: one case per rule."""

from dataclasses import replace
from decimal import Decimal

import pytest

from paceline.domain.copy_order import (
    CommandKind,
    CommandStatus,
    CopyCommand,
    CopyOrder,
    CopyStatus,
    Intent,
)
from paceline.domain.copying.build import Origin
from paceline.domain.copying.changes import cancelled
from paceline.domain.copying.fold import GivenUp, Placed, Resized, SurelyAbsent, Told
from paceline.domain.copying.plan import plan
from paceline.domain.copying.view import Copier
from paceline.domain.errors import BrokerOutcomeUnknown, BrokerRejected
from paceline.domain.ids import AccountId, BrokerOrderId, EventIdentity, InstrumentId, Offset, Tag
from paceline.domain.ledger import EntryKind, Ledger
from paceline.domain.order import BrokerStatus, OrderReport, Side
from paceline.domain.partitioning import partition_of
from paceline.domain.subscription import CopyMode
from paceline.ports.copy_commands import CommandResult
from paceline.ports.plans import LedgerKey
from paceline.ports.settlement import Decided, Standing
from services.executor.settle import News, Settling, slippage
from tests.unit.domain.given import (
    FOLLOWER,
    KEY,
    NOW,
    SBIN,
    SHARE,
    copier,
    d,
    event,
    fill,
    leader,
    market,
    subscription,
)
from tests.unit.domain.given import report as a_report

ENTRY = plan(event(fill(10)), leader(), [copier()], market()).decisions[0]
ORDER = ENTRY.orders[0]
HOME = partition_of(ORDER.account_id)
assert ORDER.subscription_id is not None
LEDGER_KEY: LedgerKey = (ORDER.subscription_id, KEY)
PLANNED = Ledger().with_lines(ENTRY.entries)
UNWANTED = replace(PLANNED, ideal=d(0))


def news(told: Told, *, offset: int = 0, tag: str = ORDER.tag, account: AccountId = FOLLOWER) -> News:
    identity = EventIdentity(f"fact-{offset}") if offset else None
    return News(HOME, account, ORDER.tag, told, identity, Offset(offset), attempts=1, words="said", code="c")


def standing(order: CopyOrder = ORDER, ledger: Ledger = PLANNED, done: int = 0) -> Standing:
    return Standing({order.tag: order}, {LEDGER_KEY: [order]}, {LEDGER_KEY: ledger}, {HOME: Offset(done)})


def settle(*all_news: News, on: Standing | None = None, stale: bool = False) -> tuple[Decided, Settling]:
    settling = Settling(all_news, {SBIN: SHARE}, NOW)
    return settling(on or standing(), frozenset({HOME}) if stale else frozenset()), settling


def trade(signed: int, name: str = "f1", price: int = 101) -> Told:
    return fill(signed, trade=name, order="b1", account=FOLLOWER, tag=ORDER.tag, price=price)


def lines(decided: Decided) -> dict[EntryKind, int]:
    return {line.kind: int(line.quantity) for line in decided.lines}


@pytest.mark.parametrize(
    ("order", "ledger", "told", "status", "expected"),
    [
        pytest.param(
            ORDER, PLANNED, BrokerRejected("no"), CopyStatus.REJECTED, {"RELEASED": 10, "FORGONE": -10},
            id="a refusal releases and forgoes",
        ),
        pytest.param(
            ORDER, PLANNED, GivenUp("TOO_OLD"), CopyStatus.FAILED, {"RELEASED": 10, "FORGONE": -10},
            id="what is given up is forgone too",
        ),
        pytest.param(ORDER, PLANNED, BrokerOutcomeUnknown("lost"), CopyStatus.UNKNOWN, {}, id="lost"),
        pytest.param(ORDER, PLANNED, Placed(BrokerOrderId("b1")), CopyStatus.WORKING, {}, id="accepted"),
        pytest.param(
            ORDER, PLANNED, SurelyAbsent(), CopyStatus.PLANNED, {}, id="absent and wanted: planned again"
        ),
        pytest.param(
            replace(ORDER, status=CopyStatus.UNKNOWN), UNWANTED, SurelyAbsent(), CopyStatus.CANCELLED,
            {"RELEASED": 10}, id="absent and wanted no more: taken back",
        ),
        pytest.param(
            ORDER, replace(PLANNED, ideal=d(4)), SurelyAbsent(), CopyStatus.PLANNED, {},
            id="wanted in part: sent, the surplus is sold later",
        ),
    ],
)  # fmt: skip
def test_answers_of_ours(
    order: CopyOrder, ledger: Ledger, told: Told, status: CopyStatus, expected: dict[str, int]
) -> None:
    decided, settling = settle(news(told), on=standing(order, ledger))
    assert settling.orders[order.tag].status is status
    assert {kind.value: quantity for kind, quantity in lines(decided).items()} == expected
    (result,) = decided.results
    assert (result.status, result.attempts, result.error_text, result.error_code) == (status, 1, "said", "c")
    assert (decided.moves, decided.fills) == ([], [])


def test_a_fill_moves_the_row_the_ledger_and_tells_its_slippage() -> None:
    decided, _ = settle(news(trade(4), offset=5))
    (partition, move), (filled,) = decided.moves[0], decided.fills
    assert (partition, move.status, move.filled) == (HOME, CopyStatus.PARTIAL, d(4))
    assert (move.slippage_bps, move.slippage_money) == (d(100), d(4))
    assert (filled.trade_id, filled.quantity, filled.event) == ("f1", d(4), "fact-5")
    assert lines(decided) == {EntryKind.FILLED: 4}
    assert decided.results == []


def test_two_fills_in_one_batch_add_up() -> None:
    decided, settling = settle(news(trade(4), offset=5), news(trade(6, "f2"), offset=6))
    assert settling.orders[ORDER.tag].status is CopyStatus.FILLED
    assert settling.orders[ORDER.tag].filled == d(10)
    assert [move.filled for _, move in decided.moves] == [d(4), d(10)]


def test_a_stretch_that_comes_again_tells_nothing_new() -> None:
    half = replace(ORDER, status=CopyStatus.PARTIAL, filled=d(4))
    decided, settling = settle(
        news(trade(4), offset=5), news(trade(1, "f2"), offset=6), on=standing(half, done=5)
    )
    assert settling.orders[ORDER.tag].filled == d(5)
    assert [each.trade_id for each in decided.fills] == ["f2"]


def test_reports_of_the_socket_move_the_row_with_the_brokers_words() -> None:
    said = replace(a_report(BrokerStatus.REJECTED, account=FOLLOWER, quantity=10), message="no margin")
    decided, settling = settle(news(said, offset=5))
    assert settling.orders[ORDER.tag].status is CopyStatus.REJECTED
    assert decided.moves[0][1].error_text == "no margin"
    assert decided.moves[0][1].slippage_bps is None


@pytest.mark.parametrize(
    ("said", "learned"),
    [
        (BrokerStatus.PENDING, True),
        (BrokerStatus.CANCELLED, True),
        (BrokerStatus.REJECTED, False),
        (BrokerStatus.IN_TRANSIT, False),
    ],
)
def test_what_no_answer_said_was_accepted_is_learned_from_whatever_shows_it(
    said: BrokerStatus, *, learned: bool
) -> None:
    shown = a_report(said, account=FOLLOWER, quantity=10)
    by_socket, settling = settle(news(shown, offset=5))
    by_book, _ = settle(
        replace(news(shown), event=None), on=standing(replace(ORDER, status=CopyStatus.UNKNOWN))
    )
    when = settling.now_ns if learned else None
    assert (by_socket.moves[0][1].accepted_ns, by_book.results[0].accepted_ns) == (when, when)
    (traded, _) = settle(news(trade(10), offset=5))
    assert traded.moves[0][1].accepted_ns == settling.now_ns


def test_a_late_fill_beyond_the_target_is_sold() -> None:
    decided, _ = settle(news(trade(10), offset=5), on=standing(ledger=UNWANTED))
    ((correction,),) = (decided.corrections,)
    (sale,) = correction.orders
    assert (sale.intent, int(sale.spec.side), sale.spec.quantity) == (Intent.EXIT, -1, d(10))


def test_nothing_is_sold_where_all_is_wanted() -> None:
    assert settle(news(trade(10), offset=5))[0].corrections == []


@pytest.mark.parametrize(
    "unfit",
    [
        pytest.param(replace(news(trade(4), offset=5), tag=ENTRY.decision_id), id="no such row"),  # type: ignore[arg-type]
        pytest.param(news(trade(4), offset=5, account=AccountId("fyers:STRANGER")), id="a stranger's"),
        pytest.param(news(GivenUp("TOO_OLD")), id="what its state rules out"),
    ],
)
def test_what_does_not_fit_is_left_out_and_holds_nobody_up(unfit: News) -> None:
    working = replace(ORDER, status=CopyStatus.WORKING)
    decided, settling = settle(unfit, news(trade(4), offset=6), on=standing(working))
    assert settling.orders[ORDER.tag].filled == d(4)
    assert len(decided.moves) == 1
    assert decided.results == []


def test_an_instrument_that_nobody_knows_is_refused_and_holds_nobody_up() -> None:
    nowhere = replace(KEY, instrument_id=InstrumentId("NSE:NOBODY-EQ"))
    strange = replace(ORDER, tag=Tag(ORDER.tag[::-1]), spec=replace(ORDER.spec, key=nowhere))
    both = Standing({ORDER.tag: ORDER, strange.tag: strange}, {}, {LEDGER_KEY: PLANNED})
    unknown = replace(news(trade(4), offset=5), tag=strange.tag)
    decided, settling = settle(unknown, news(trade(4), offset=6), on=both)
    assert settling.orders[strange.tag] == strange
    assert settling.orders[ORDER.tag].filled == d(4)
    assert len(decided.moves) == 1


def test_nothing_of_a_stale_partition_is_decided() -> None:
    decided, settling = settle(news(trade(4), offset=5), stale=True)
    assert decided == Decided([], [], [], [], [], [], [], [], [])
    assert settling.orders[ORDER.tag] == ORDER


def test_the_same_decision_twice_is_the_same() -> None:
    """The transaction may be tried again."""
    settling = Settling([news(trade(4), offset=5)], {SBIN: SHARE}, NOW)
    first, second = settling(standing(), frozenset()), settling(standing(), frozenset())
    assert first == second


def test_an_order_of_nobodys_subscription_has_no_ledger() -> None:
    manual = replace(ORDER, subscription_id=None)
    decided, settling = settle(news(trade(10), offset=5), on=Standing({ORDER.tag: manual}, {}, {}))
    assert settling.orders[ORDER.tag].status is CopyStatus.FILLED
    assert decided.lines == []


def test_no_slippage_is_told_without_both_prices() -> None:
    assert slippage(replace(ORDER, leader_price=Decimal(0)), d(100), d(1), d(1)) == (None, None)


MIRROR = replace(subscription(), mode=CopyMode.ON_ORDER)


def mirrored(side: Side = Side.BUY) -> CopyOrder:
    """A copy of an order that the leader has working, taken by the broker."""
    placed = event(a_report(order="7", side=side, quantity=10), offset=1)
    held = Ledger(ideal=d(10), entry_planned=d(10), entry_filled=d(10)) if side is Side.SELL else Ledger()
    planned = plan(placed, leader(10 if side is Side.SELL else 0), [Copier(MIRROR, held)], market())
    return replace(planned.decisions[0].orders[0], status=CopyStatus.WORKING)


def changing(order: CopyOrder, kind: CommandKind, quantity: int = 0) -> CopyCommand:
    made = cancelled(ORIGIN, order)
    spec = replace(order.spec, quantity=d(quantity)) if quantity else None
    return replace(made, kind=kind, spec=spec)


ORIGIN = Origin(
    ORDER.cause, ORDER.decision_id, ORDER.subscription_id, FOLLOWER, KEY, d(100), NOW, NOW, NOW, ""
)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param([], {"FILLED": 4, "FORGONE": -10}, id="nothing else is coming"),
        pytest.param([(CommandKind.MODIFY, 20)], {"FILLED": 4}, id="a change on its way adds the rest"),
    ],
)
def test_what_a_change_on_its_way_will_add_is_not_forgone(
    change: list[tuple[CommandKind, int]], expected: dict[str, int]
) -> None:
    """The leader has filled twenty already: ten stand at the broker, and ten more are on their way."""
    order = mirrored()
    ledger = Ledger(ideal=d(20), entry_planned=d(10))
    commands = [changing(order, kind, quantity) for kind, quantity in change]
    on = replace(standing(order, ledger), commands={each.tag: each for each in commands})
    told = replace(news(trade(4), offset=5), tag=order.tag)
    decided, _ = settle(told, on=on)
    assert {kind.value: quantity for kind, quantity in lines(decided).items()} == expected


@pytest.mark.parametrize(
    ("told", "status"),
    [
        pytest.param(Resized, CommandStatus.DONE, id="by the answer"),
        pytest.param(OrderReport, None, id="by the socket, before the answer"),
    ],
)
def test_a_change_that_is_carried_out_adds_nothing_more(told: type, status: CommandStatus | None) -> None:
    """Of thirty that are wanted twenty stand once it is carried out; the rest has nobody to bring it."""
    order = mirrored()
    command = changing(order, CommandKind.MODIFY, 20)
    assert command.spec is not None
    on = replace(standing(order, Ledger(ideal=d(30), entry_planned=d(10))), commands={order.tag: command})
    said = a_report(order="b1", quantity=20, account=FOLLOWER, tag=order.tag)
    body: Told = Resized(command.spec, command.command_id) if told is Resized else said
    one = replace(news(body, offset=0 if status else 5), tag=order.tag)
    if status:
        one = replace(one, change=CommandResult(command.command_id, HOME, status))
    decided, settling = settle(one, on=on)
    assert lines(decided) == {EntryKind.PLANNED: 10, EntryKind.FORGONE: -10}
    assert settling.orders[order.tag].spec.quantity == 20


def test_what_a_cancelled_exit_will_not_sell_is_sold_by_what_fills_beside_it() -> None:
    """Ten are held and wanted no more; an exit for them rests, and is being cancelled."""
    leaving, entry = mirrored(Side.SELL), replace(ORDER, status=CopyStatus.WORKING)
    ledger = replace(PLANNED, ideal=d(0), entry_planned=d(20), entry_filled=d(10), exit_planned=d(-10))
    on = Standing(
        {entry.tag: entry},
        {LEDGER_KEY: [entry, leaving]},
        {LEDGER_KEY: ledger},
        commands={leaving.tag: changing(leaving, CommandKind.CANCEL)},
    )
    decided, _ = settle(news(trade(10), offset=5), on=on)
    (correction,) = decided.corrections
    assert [(order.intent, order.spec.quantity) for order in correction.orders] == [(Intent.EXIT, d(20))]


def test_what_a_mirrored_exit_sold_ahead_of_its_leader_leaves_nothing_unwanted() -> None:
    exit_ = mirrored(Side.SELL)
    ledger = Ledger(ideal=d(4), entry_planned=d(10), entry_filled=d(10), exit_planned=d(-2))
    small = replace(exit_, spec=replace(exit_.spec, quantity=d(2)))
    sold = replace(news(trade(-1), offset=5), tag=small.tag)
    decided, _ = settle(sold, on=standing(small, ledger))
    (correction,) = decided.corrections
    assert [order.spec.quantity for order in correction.orders] == [d(4)]
