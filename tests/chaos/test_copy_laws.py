"""Each way in which copies of orders can be wrong is seen, and nothing is seen where they are right."""

from dataclasses import replace
from decimal import Decimal

import pytest

from chaos.copy.judge import with_windows
from chaos.copy.laws import Asked, Booked, Copy, Decided, Evidence, Follower, Traded, judge
from chaos.verdict import Break, Ill

SYMBOL = "NSE:SBIN-EQ"
LEADER, MIRROR, FILLER = "XL2", "XM1", "XM2"


def event(order: str, about: str) -> str:
    return f"fyers:{LEADER}:20261121:NSE:CAPITAL_MARKET:{order}:{about}"


def whole() -> Evidence:
    """The leader buys ten and sells them; one mirrors half of it, another copies the fills."""
    orders = ((MIRROR, "b1", 1), (MIRROR, "s1", -1), (FILLER, "b2", 1), (FILLER, "s2", -1))
    trades = [Traded(LEADER, "7", "1", SYMBOL, 1, 10, 1), Traded(LEADER, "8", "1", SYMBOL, -1, 10, 5)]
    trades += [Traded(client, tag, "1", SYMBOL, side, 5, 4 - 2 * side) for client, tag, side in orders]
    bought, sold = event("7", "state:1:x"), event("8", "state:1:x")
    filled = event("7", "1"), event("8", "1")
    causes = {"b1": bought, "s1": sold, "b2": filled[0], "s2": filled[1]}
    return Evidence(
        leader=LEADER,
        sides={SYMBOL: 1},
        followers=[Follower(MIRROR, Decimal("0.5"), True), Follower(FILLER, Decimal("0.5"), False)],
        asked=[Asked("7", SYMBOL, 1, 10, 10, True), Asked("8", SYMBOL, -1, 10, 10, True)],
        booked=[Booked(tag, client, SYMBOL, side, 5, 5) for client, tag, side in orders],
        trades=trades,
        copies=[Copy(tag, causes[tag], client, SYMBOL, side, 5) for client, tag, side in orders],
        decisions=[
            *(Decided(each, MIRROR) for each in (bought, sold)),
            *(Decided(each, FILLER) for each in filled),
        ],
    )


def booked(**change: object) -> Evidence:
    """The first order of the mirroring follower is otherwise in the book."""
    first, *others = whole().booked
    return replace(whole(), booked=[replace(first, **change), *others])  # type: ignore[arg-type]


def without_decision(number: int) -> Evidence:
    made = list(whole().decisions)
    del made[number]
    return replace(whole(), decisions=made)


def with_decision(more: Decided) -> Evidence:
    return replace(whole(), decisions=[*whole().decisions, more])


def turned() -> Evidence:
    """The mirroring follower sold more than he had, and bought it back."""
    gone = Traded(MIRROR, "s9", "1", SYMBOL, -1, 6, 8), Traded(MIRROR, "b9", "1", SYMBOL, 1, 6, 9)
    return replace(whole(), trades=[*whole().trades, *gone])


def asking(most: int) -> Evidence:
    """The leader had asked for no more than this."""
    first, *others = whole().asked
    return replace(whole(), asked=[replace(first, most=most, filled=most), *others])


BROKEN = {
    "a tag names two orders": (
        replace(whole(), booked=[*whole().booked, whole().booked[0]]),
        [(Ill.DUPLICATED, "one tag names one order at the broker")],
    ),
    "an order was never planned": (
        replace(whole(), booked=[*whole().booked, Booked("zz", MIRROR, SYMBOL, 1, 5, 0)]),
        [(Ill.LAW_BREAK, "no order without a plan")],
    ),
    "a plan never came to the broker": (
        replace(whole(), booked=whole().booked[1:]),
        [(Ill.LOST, "a plan is at the broker, or was given up by name")],
    ),
    "an order is open at the end": (
        booked(working=True),
        [(Ill.UNSETTLED, "no copy is left open at the broker")],
    ),
    "an order was refused": (
        booked(rejected="margin"),
        [(Ill.LAW_BREAK, "no copy is refused by the broker")],
    ),
    "an order is at another account": (
        booked(client=FILLER),
        [(Ill.LAW_BREAK, "an order is placed as planned")],
    ),
    "a fill was not noticed": (
        booked(filled=4),
        [(Ill.LAW_BREAK, "what a copy filled is told as the book shows it")],
    ),
    "something is left": (
        replace(whole(), trades=[each for each in whole().trades if each.order_id != "s1"]),
        [(Ill.LAW_BREAK, "flat is flat")],
    ),
    "an exit goes through zero": (
        turned(),
        [(Ill.LAW_BREAK, "an exit never opens the other side")],
    ),
    "more is held than is copied": (
        asking(6),
        [(Ill.LAW_BREAK, "nobody holds more than he copies")] * 2,
    ),
    "a mirrored order is not decided": (
        without_decision(0),
        [(Ill.LOST, "an order is decided for who mirrors")],
    ),
    "a fill is not decided": (
        without_decision(2),
        [(Ill.LOST, "a fill is decided for who copies it")],
    ),
    "a fill is decided twice": (
        with_decision(Decided(event("7", "1"), FILLER)),
        [(Ill.DUPLICATED, "one decision per fill and follower")],
    ),
    "a skip has no reason": (
        with_decision(Decided(event("9", "1"), FILLER, skipped=True, acts=False)),
        [(Ill.SKIP_WITHOUT_REASON, "every decision that does nothing has its reason")],
    ),
    "nothing is done and nobody says why": (
        with_decision(Decided(event("9", "state:1:x"), MIRROR, acts=False, reason="UNSPECIFIED")),
        [(Ill.SKIP_WITHOUT_REASON, "every decision that does nothing has its reason")],
    ),
}  # fmt: skip


def named(breaks: tuple[Break, ...]) -> list[tuple[Ill, str]]:
    return [(each.ill, each.law) for each in breaks]


def test_a_day_that_is_right_breaks_nothing() -> None:
    assert judge(whole()) == ()


@pytest.mark.parametrize(("evidence", "expected"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_wrong_is_named(evidence: Evidence, expected: list[tuple[Ill, str]]) -> None:
    assert named(judge(evidence)) == expected


def test_a_plan_that_was_given_up_and_a_stop_that_came_too_late_are_no_breaks() -> None:
    given_up = Copy("x", event("7", "state:2:x"), MIRROR, SYMBOL, 1, 0, unsent=True)
    late = Booked("y", MIRROR, SYMBOL, -1, 5, 0, rejected="trigger passed")
    of_late = Copy("y", event("8", "state:2:x"), MIRROR, SYMBOL, -1, 0)
    day = whole()
    day = replace(day, booked=[*day.booked, late], copies=[*day.copies, given_up, of_late])
    assert judge(day) == ()


def test_fills_may_carry_less_than_a_lot_over_and_orders_may_not() -> None:
    assert [each.where["account"] for each in judge(asking(9))] == [MIRROR]


def test_a_breached_window_is_told_with_its_account() -> None:
    peak = {"second": 11, "minute": 90, "day": 90}
    over = {"client_id": MIRROR, "breaches": {"second": 2, "minute": 0, "day": 0}, "peak": peak}
    kept = {"client_id": FILLER, "breaches": {"second": 0, "minute": 0, "day": 0}, "peak": peak}
    other = Break(Ill.LOST, "a plan is sent", {"tag": "x"})
    found = [other, Break(Ill.WINDOW_BREACHED, "the broker's limit windows are kept", times=2)]
    same, windows = with_windows(found, [over, kept])
    assert same == other
    assert windows.where == {MIRROR: {"breaches": over["breaches"], "peak": peak}}
