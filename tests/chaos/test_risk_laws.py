"""Each way in which liquidations can be wrong is seen, and nothing is seen where they are right."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from chaos.copy.laws import Booked, Traded
from chaos.risk.laws import Alerted, Book, Crossing, Evidence, Row, Stand, Vain, Wanted, judge
from chaos.verdict import Ill

S = "NSE:SBIN-EQ"
LEADER, COPIER, OTHER = "XL", "XF", "XB"
ROOT = "margin:fyers:XL:2"
PAID = Decimal(100)
PRICES = [{S: Decimal(92)}, {S: Decimal(86)}]
"""The leader comes to 35 % and then to 5 %, who copies him to 45 % and 15 %."""


def book(held: int, total: int) -> Book:
    return Book(Decimal(total), held * PAID / 5, {S: held} if held else {}, {S: PAID} if held else {})


def traded(client: str, tag: str, signed: int, at_ns: int) -> Traded:
    return Traded(client, tag, "1", S, 1 if signed > 0 else -1, abs(signed), at_ns)


def crossing() -> Crossing:
    return Crossing(
        house=0,
        symbol=S,
        leader=LEADER,
        followers=[COPIER],
        others=[OTHER],
        own={LEADER: 0, COPIER: 7, OTHER: 7},
        before={LEADER: book(100, 1_500), COPIER: book(107, 1_819), OTHER: book(7, 900)},
        after={LEADER: book(0, 100), COPIER: book(7, 419), OTHER: book(7, 900)},
        prices=PRICES,
        began_ns=10,
        ended_ns=100,
    )


def alerts(*more: Alerted) -> list[Alerted]:
    found = [Alerted(client, "WARNING", 15) for client in (LEADER, COPIER)]
    found += [Alerted(client, "LIQUIDATION_BEGUN", 20) for client in (LEADER, COPIER)]
    found += [Alerted(client, "LIQUIDATION_ENDED", 50) for client in (LEADER, COPIER)]
    return [*found, *more]


def whole() -> Evidence:
    """The leader falls, and is flattened with the copies of whoever follows him; the third looks on."""
    return Evidence(
        crossings=[crossing()],
        stands=[Stand(S, {COPIER: 7}, {COPIER: 7}, 150)],
        sides={S: 1},
        booked=[
            Booked("c1", COPIER, S, 1, 100, 100, at_ns=3),
            Booked("l1", LEADER, S, -1, 100, 100, at_ns=30),
            Booked("l2", COPIER, S, -1, 100, 100, at_ns=31),
        ],
        trades=[
            *(traded(client, "hand", 7, 1) for client in (COPIER, OTHER)),
            traded(LEADER, "hand", 100, 2),
            traded(COPIER, "c1", 100, 4),
            traded(LEADER, "l1", -60, 32),
            traded(LEADER, "l1", -40, 33),
            traded(COPIER, "l2", -100, 34),
        ],
        wanted=[
            Wanted(ROOT, LEADER, "MARGIN", "turn 2", True, 20, 25, True, True),
            Wanted(f"{ROOT}/1", COPIER, "CASCADE", ROOT, False, 20, 26, True, True),
        ],
        rows=[
            Row("c1", COPIER, 100, unsent=False, ended=True),
            Row("l1", LEADER, 100, unsent=False, ended=True, liquidation=ROOT),
            Row("l2", COPIER, 100, unsent=False, ended=True, liquidation=f"{ROOT}/1"),
        ],
        alerts=alerts(),
    )


def after(**books: Book) -> Evidence:
    one = crossing()
    return replace(whole(), crossings=[replace(one, after={**one.after, **books})])


def with_trades(*more: Traded) -> Evidence:
    return replace(whole(), trades=[*whole().trades, *more])


def with_wanted(*wanted: Wanted) -> Evidence:
    return replace(whole(), wanted=list(wanted))


def with_orders(booked: Sequence[Booked] | None = None, rows: Sequence[Row] | None = None) -> Evidence:
    day = whole()
    return replace(
        day,
        booked=day.booked if booked is None else booked,
        rows=day.rows if rows is None else rows,
    )


ROOTED, COPIED = whole().wanted
OWN = Wanted("margin:fyers:XB:2", OTHER, "MARGIN", "turn 2", True, 20, 25, True, True)
FLAT = (Ill.LAW_BREAK, "whoever had to be flat is flat")
TWICE = (Ill.DUPLICATED, "nobody is sold twice")
TOUCHED = (Ill.LAW_BREAK, "nobody else is touched")
TURNED = (Ill.LAW_BREAK, "no position is turned over")
MISSED = (Ill.LOST, "who crosses the last line is liquidated, and whoever follows him")
AGAIN = (Ill.DUPLICATED, "one crossing is one liquidation")
WRONGLY = (Ill.LAW_BREAK, "nobody is liquidated who did not cross")
STORED = (Ill.LAW_BREAK, "a liquidation is stored before its first order")
CAUSED = (Ill.LAW_BREAK, "a liquidation is stored with its cause, after it was wanted")
TOLD = "each liquidation is told once when it begins and once when it ends"
BROKEN = {
    "the leader is not flat": (after(XL=book(40, 1_500)), [FLAT]),
    "the leader has an order open": (
        after(XL=replace(book(0, 100), working=frozenset({"1"}))),
        [FLAT],
    ),
    "a copy is not flat": (after(XF=book(57, 1_819)), [FLAT]),
    "what is a follower's own is sold too": (
        replace(
            after(XF=book(0, 419)),
            trades=[*whole().trades, traded(COPIER, "l2", -7, 35)],
        ),
        [FLAT, TWICE],
    ),
    "the leader is sold twice": (with_trades(traded(LEADER, "l1", -5, 40)), [TWICE, TURNED]),
    "one is sold twice and bought back": (
        with_trades(traded(COPIER, "l2", -5, 40), traded(COPIER, "l3", 5, 41)),
        [TWICE],
    ),
    "one is sold twice after all was over": (
        with_trades(traded(LEADER, "l1", -5, 400)),
        [TURNED],
    ),
    "who looks on is sold": (
        replace(after(XB=book(0, 900)), trades=[*whole().trades, traded(OTHER, "l9", -7, 40)]),
        [TOUCHED, TOUCHED],
    ),
    "who looks on buys": (
        with_trades(traded(OTHER, "l9", 3, 40), traded(OTHER, "l9", -3, 41)),
        [TOUCHED],
    ),
    "an order of somebody else is cancelled": (
        replace(
            whole(),
            crossings=[
                replace(
                    crossing(),
                    before={
                        **crossing().before,
                        OTHER: replace(book(7, 900), working=frozenset({"1"})),
                    },
                )
            ],
        ),
        [TOUCHED],
    ),
    "the leader is not liquidated": (
        with_wanted(replace(COPIED, cause_id=ROOT)),
        [MISSED, MISSED, AGAIN, STORED, (Ill.DUPLICATED, TOLD), (Ill.DUPLICATED, TOLD)],
    ),
    "a copy is not drawn in": (
        with_wanted(ROOTED),
        [MISSED, STORED, (Ill.DUPLICATED, TOLD), (Ill.DUPLICATED, TOLD)],
    ),
    "the leader is liquidated twice": (
        with_wanted(ROOTED, COPIED, replace(ROOTED, name="margin:fyers:XL:4")),
        [AGAIN, (Ill.LOST, TOLD), (Ill.LOST, TOLD)],
    ),
    "a copy is drawn in twice": (
        with_wanted(ROOTED, COPIED, replace(COPIED, name=f"{ROOT}/2")),
        [AGAIN, (Ill.LOST, TOLD), (Ill.LOST, TOLD)],
    ),
    "who did not cross is liquidated": (
        with_wanted(ROOTED, COPIED, OWN),
        [WRONGLY, (Ill.LOST, TOLD), (Ill.LOST, TOLD)],
    ),
    "somebody is liquidated when nothing fell": (
        with_wanted(ROOTED, COPIED, replace(OWN, wanted_ns=500, stored_ns=501)),
        [WRONGLY, (Ill.LOST, TOLD), (Ill.LOST, TOLD)],
    ),
    "a liquidation is stored after its first order": (
        with_wanted(replace(ROOTED, stored_ns=31), COPIED),
        [STORED],
    ),
    "a liquidation is stored before it was wanted": (
        with_wanted(replace(ROOTED, stored_ns=19), COPIED),
        [CAUSED],
    ),
    "a liquidation has no cause": (with_wanted(replace(ROOTED, told=False), COPIED), [CAUSED]),
    "a liquidation does not end": (
        with_wanted(replace(ROOTED, done=False), COPIED),
        [(Ill.UNSETTLED, "a liquidation comes to its end")],
    ),
    "somebody is warned twice": (
        replace(whole(), alerts=alerts(Alerted(LEADER, "WARNING", 16))),
        [(Ill.DUPLICATED, "one crossing is one warning")],
    ),
    "somebody is not warned": (
        replace(whole(), alerts=alerts()[1:]),
        [(Ill.LOST, "who crosses the first line is warned")],
    ),
    "who did not cross is warned": (
        replace(whole(), alerts=alerts(Alerted(OTHER, "WARNING", 16))),
        [(Ill.DUPLICATED, "one crossing is one warning")],
    ),
    "somebody is warned when nothing fell": (
        replace(whole(), alerts=alerts(Alerted(OTHER, "WARNING", 500))),
        [(Ill.LAW_BREAK, "nobody is warned who did not cross")],
    ),
    "a beginning is told twice": (
        replace(whole(), alerts=alerts(Alerted(LEADER, "LIQUIDATION_BEGUN", 21))),
        [(Ill.DUPLICATED, TOLD)],
    ),
    "a tag names two orders": (
        with_orders(booked=[*whole().booked, whole().booked[0]]),
        [(Ill.DUPLICATED, "one tag names one order at the broker")],
    ),
    "an order was never planned": (
        with_orders(booked=[*whole().booked, Booked("zz", OTHER, S, -1, 5, 0, at_ns=40)]),
        [(Ill.LAW_BREAK, "no order without a plan")],
    ),
    "a fill was not noticed": (
        with_orders(rows=[replace(whole().rows[0], filled=99), *whole().rows[1:]]),
        [(Ill.LAW_BREAK, "what an order filled is told as the book shows it")],
    ),
    "a plan never came to the broker": (
        with_orders(booked=whole().booked[1:]),
        [(Ill.LOST, "a plan is at the broker, or was given up by name")],
    ),
    "an order has no end": (
        with_orders(rows=[*whole().rows[:2], replace(whole().rows[2], ended=False)]),
        [(Ill.UNSETTLED, "every order comes to an end")],
    ),
    "what was liquidated comes back": (
        replace(whole(), stands=[Stand(S, {COPIER: 57}, {COPIER: 7}, 150)]),
        [(Ill.LAW_BREAK, "everyone else copies as before")],
    ),
    "something never came": (
        replace(whole(), vain=[Vain(0, "flat books", 90)]),
        [(Ill.UNSETTLED, "whatever follows is done in time")],
    ),
    "somebody stays frozen": (
        replace(whole(), restless={LEADER: "LIQUIDATING, FROZEN"}),
        [(Ill.UNSETTLED, "everyone is calm again in the end")],
    ),
    "a skip has no reason": (
        replace(whole(), nameless_skips=["d1"]),
        [(Ill.SKIP_WITHOUT_REASON, "every skip has its reason")],
    ),
    "a window was breached": (
        replace(whole(), breaches=2),
        [(Ill.WINDOW_BREACHED, "the broker's limit windows are kept")],
    ),
}  # fmt: skip


def test_a_fall_that_is_followed_rightly_breaks_nothing() -> None:
    assert judge(whole()) == ()


@pytest.mark.parametrize(("evidence", "expected"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_wrong_is_named(evidence: Evidence, expected: list[tuple[Ill, str]]) -> None:
    found = sorted((each.ill, each.law) for each in judge(evidence))
    assert found == sorted(expected)


def test_levels_are_reckoned_from_the_broker_s_own_book() -> None:
    one = crossing()
    assert [round(one.level(LEADER, step)) for step in (0, 1)] == [35, 5]
    assert [round(one.level(COPIER, step)) for step in (0, 1)] == [45, 15]
    assert one.after[LEADER].level(PRICES[0]) == Decimal("Infinity")


def test_whom_the_broker_lied_to_may_be_warned_and_not_liquidated() -> None:
    lied = replace(whole(), lied_to=frozenset({OTHER}), alerts=alerts(Alerted(OTHER, "WARNING", 16)))
    assert judge(lied) == ()
    assert [each.law for each in judge(replace(lied, wanted=[*lied.wanted, OWN]))].count(WRONGLY[1]) == 1


def test_who_falls_with_his_leader_is_flat_wholly_or_in_what_he_copied() -> None:
    """Whichever comes first: once his copies are gone, he may be above the line."""
    fallen = replace(crossing(), before={**crossing().before, COPIER: book(107, 1_600)})
    assert judge(replace(whole(), crossings=[fallen])) == ()
    both = replace(fallen, after={**fallen.after, COPIER: book(0, 100)})
    own = replace(OWN, client=COPIER, name="margin:fyers:XF:2")
    more = (Alerted(COPIER, "LIQUIDATION_BEGUN", 20), Alerted(COPIER, "LIQUIDATION_ENDED", 50))
    sold = [*whole().trades, traded(COPIER, "l3", -7, 35)]
    day = replace(whole(), crossings=[both], alerts=alerts(*more), trades=sold)
    assert judge(replace(day, wanted=[*day.wanted, own])) == ()
    assert FLAT in [(each.ill, each.law) for each in judge(day)]
