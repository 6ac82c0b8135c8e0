"""What two reports about one order say together, and which of them is the later one."""

from dataclasses import replace

import pytest

from paceline.domain.order import BrokerStatus, OrderReport
from paceline.domain.revisions import LATE_MAX_NS, Verdict, confirmed, judge, merged, told_at
from tests.unit.domain.given import NOW, S, d, report

P, T, C = BrokerStatus.PENDING, BrokerStatus.TRADED, BrokerStatus.CANCELLED
NAMED = replace(report(tag="tag"), parent_id="parent", exchange_order_id="x1")


@pytest.mark.parametrize("left_out", ["tag", "parent_id", "exchange_order_id"])
def test_a_name_that_is_left_out_is_not_taken_back(left_out: str) -> None:
    later = replace(NAMED, limit_price=d(101))
    assert merged(NAMED, replace(later, **{left_out: ""})) == later  # type: ignore[arg-type]


@pytest.mark.parametrize("left_out", ["tag", "parent_id", "exchange_order_id"])
def test_a_name_that_is_told_later_is_filled_in(left_out: str) -> None:
    unnamed = replace(NAMED, **{left_out: ""})  # type: ignore[arg-type]
    assert confirmed(unnamed, NAMED) == NAMED
    assert confirmed(NAMED, unnamed) == NAMED


def test_the_same_told_again_keeps_the_later_time() -> None:
    later = replace(NAMED, broker_time_ns=NOW + S)
    assert confirmed(NAMED, later) == confirmed(later, NAMED) == later
    assert told_at(NAMED, NOW + S) == later
    assert told_at(NAMED, NOW) == NAMED


@pytest.mark.parametrize(
    ("last", "told", "both"),
    [
        pytest.param(report(P, filled=4), report(P, filled=6), report(P, filled=6), id="more"),
        pytest.param(report(P, filled=6), report(P, filled=4), report(P, filled=6), id="less"),
        pytest.param(report(T, filled=100), report(P), report(T, filled=100), id="an end stays"),
        pytest.param(report(C, filled=5), report(T, filled=100), report(T, filled=100), id="another end"),
        pytest.param(report(P, filled=9), report(C, filled=5), report(C, filled=9), id="ended with less"),
        pytest.param(
            report(C, filled=5), report(P, filled=9), report(C, filled=9), id="more, and the end stays"
        ),
    ],
)
def test_neither_an_end_nor_what_is_filled_goes_back(
    last: OrderReport, told: OrderReport, both: OrderReport
) -> None:
    assert merged(last, told) == both


@pytest.mark.parametrize(
    ("last", "told", "by_frame", "by_book"),
    [
        pytest.param(report(), report(), Verdict.DUPLICATE, Verdict.DUPLICATE, id="the same"),
        pytest.param(report(), report(limit=101), Verdict.UNCLEAR, Verdict.UNCLEAR, id="of one second"),
        pytest.param(report(), report(limit=101, at=NOW + 1), Verdict.NEWS, Verdict.NEWS, id="later"),
        pytest.param(report(filled=5), report(filled=4), Verdict.STALE, Verdict.STALE, id="less filled"),
        pytest.param(
            report(filled=5), report(T, filled=4), Verdict.UNCLEAR, Verdict.NEWS, id="ended, with less"
        ),
        pytest.param(report(C), report(T, filled=9), Verdict.NEWS, Verdict.NEWS, id="filled after its end"),
        pytest.param(report(C), report(P, filled=9), Verdict.UNCLEAR, Verdict.NEWS, id="works again, filled"),
        pytest.param(report(C), report(P, at=NOW + S), Verdict.STALE, Verdict.STALE, id="works again"),
        pytest.param(
            report(C), report(T, at=NOW + S), Verdict.UNCLEAR, Verdict.UNCLEAR, id="another end, later"
        ),
        pytest.param(report(), report(limit=101, at=NOW - 1), Verdict.STALE, Verdict.UNCLEAR, id="older"),
        pytest.param(
            report(),
            report(limit=101, at=NOW - LATE_MAX_NS),
            Verdict.STALE,
            Verdict.UNCLEAR,
            id="just late",
        ),
        pytest.param(
            report(),
            report(limit=101, at=NOW - LATE_MAX_NS - 1),
            Verdict.UNCLEAR,
            Verdict.UNCLEAR,
            id="of a clock that was put back",
        ),
        pytest.param(
            report(), report(filled=1, at=NOW - S), Verdict.NEWS, Verdict.NEWS, id="older, but filled"
        ),
        pytest.param(report(), report(C, at=NOW - S), Verdict.NEWS, Verdict.NEWS, id="older, but ended"),
        pytest.param(
            report(filled=5),
            report(C, filled=4, at=NOW - S),
            Verdict.UNCLEAR,
            Verdict.NEWS,
            id="older, ended, less filled",
        ),
        pytest.param(
            report(filled=5),
            report(filled=4, at=NOW - S),
            Verdict.STALE,
            Verdict.STALE,
            id="older, less filled",
        ),
    ],
)
def test_which_is_the_later_one(
    last: OrderReport, told: OrderReport, by_frame: Verdict, by_book: Verdict
) -> None:
    assert (judge(last, told), judge(last, told, read=True)) == (by_frame, by_book)
