"""Each way in which the journal can be wrong is seen, and nothing is seen where it is right."""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from chaos.feed.judge import Evidence, Received, judge, order_of, trade_of
from chaos.verdict import Ill
from paceline.domain.event import Event
from paceline.domain.order import BrokerStatus
from tests.chaos.given import PLACE, event, fill, numbered, renumbered, report, whole


def test_a_journal_that_tells_the_book_breaks_nothing() -> None:
    assert judge(numbered(whole())) == ()


def without(number: int) -> Evidence:
    return numbered(renumbered([each for each in whole() if each.offset != number]))


def with_more(*more: Event) -> Evidence:
    return numbered(renumbered([*whole(), *more]))


def misnumbered() -> Evidence:
    events = whole()
    events[3] = replace(events[3], sequence=7)
    return numbered(events)


def streamed(change: Callable[[list[Received]], list[Received]]) -> Evidence:
    evidence = numbered(whole())
    return replace(evidence, received={PLACE: change(list(evidence.received[PLACE]))})


BROKEN = {
    "a fill is missing": (without(4), [(Ill.LOST, "a trade is an event")]),
    "a fill is told twice": (with_more(event(6, fill("2"))), [(Ill.DUPLICATED, "a trade is one event")]),
    "a fill was never made": (
        with_more(event(6, fill("3"))),
        [(Ill.DUPLICATED, "a fill that the broker never made")],
    ),
    "a fill is told otherwise": (
        numbered([*whole()[:3], event(4, replace(fill("2"), price=Decimal(1))), whole()[4]]),
        [(Ill.LAW_BREAK, "a fill is told as it was traded")],
    ),
    "the end of an order is missing": (
        without(5),
        [(Ill.LAW_BREAK, "the last event of an order is its state")],
    ),
    "an order goes back": (
        numbered([*whole()[:2], event(3, report(BrokerStatus.PENDING, 2), 2), *whole()[3:4],
                  event(5, report(BrokerStatus.PENDING, 1), 3), event(6, report(BrokerStatus.TRADED, 2), 4)]),
        [(Ill.LAW_BREAK, "the events of an order never go back")],
    ),
    "an offset is left out": (
        replace(numbered(whole()), heads={PLACE: 6}),
        [(Ill.LAW_BREAK, "offsets have no holes")],
    ),
    "a sequence is left out": (
        misnumbered(),
        [(Ill.LAW_BREAK, "sequences of an account have no holes and follow the offsets")],
    ),
    "the consumer misses one": (
        streamed(lambda got: got[:-1]),
        [(Ill.LOST, "a consumer is streamed every event")],
    ),
    "the consumer gets one twice": (
        streamed(lambda got: [*got, got[-1]]),
        [(Ill.DUPLICATED, "a consumer is streamed an event once")],
    ),
    "the consumer gets them out of order": (
        streamed(lambda got: [*got[:-2], got[-1], got[-2]]),
        [(Ill.LAW_BREAK, "a consumer is streamed events as journaled, in order")],
    ),
    "a session never came back": (
        replace(numbered(whole()), restless={"XL1": "CONNECTING"}),
        [(Ill.UNSETTLED, "every session is live again in the end")],
    ),
    "a frame was set aside": (
        replace(numbered(whole()), dead_letters=["XL1 bad value"]),
        [(Ill.LAW_BREAK, "what the broker rightly said can be read and kept")],
    ),
    "a window was breached": (
        replace(numbered(whole()), breaches=2),
        [(Ill.WINDOW_BREACHED, "the broker's limit windows are kept")],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("evidence", "expected"), BROKEN.values(), ids=BROKEN.keys())
def test_what_is_wrong_is_named(evidence: Evidence, expected: list[tuple[Ill, str]]) -> None:
    assert [(each.ill, each.law) for each in judge(evidence)] == expected


def test_an_order_that_no_event_tells_is_lost() -> None:
    evidence = replace(numbered([]), trades=[])
    assert [(each.ill, each.law) for each in judge(evidence)] == [(Ill.LOST, "an order is an event")]


def test_rows_of_the_control_door_are_read() -> None:
    trade = {
        "number": "77-3", "order_id": "77", "client_id": "XL1", "symbol": "NSE:SBIN-EQ", "side": -1,
        "qty": 5, "price": 812.4, "at": {"mono_ns": 1, "wall_ns": 2},
    }  # fmt: skip
    assert (trade_of(trade).name.trade, trade_of(trade).price, trade_of(trade).at_ns) == (
        "3",
        Decimal("812.4"),
        2,
    )
    order = {
        "id": "77", "client_id": "XL1", "status": 6, "type": 4, "qty": 5, "filled": 1, "limit": 8.5,
        "stop": 8.0, "received_at": {"mono_ns": 1, "wall_ns": 9},
    }  # fmt: skip
    state = order_of(order).state
    assert (state.status, state.limit, state.stop) == (BrokerStatus.PENDING, Decimal("8.5"), Decimal("8.0"))
