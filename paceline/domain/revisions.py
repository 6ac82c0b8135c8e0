"""Which of two reports about one order is the later one, and what two of them say together."""

from dataclasses import replace
from enum import StrEnum

from paceline.domain.calendar import NS_PER_S
from paceline.domain.facts import material
from paceline.domain.order import BrokerStatus, OrderReport


class Verdict(StrEnum):
    NEWS = "NEWS"
    DUPLICATE = "DUPLICATE"
    STALE = "STALE"
    UNCLEAR = "UNCLEAR"
    """It contradicts what is known, and nothing says which is later: read the order."""


LATE_MAX_NS = 5 * NS_PER_S
"""Frames overtake each other by less; what is older by more may come from a clock that was put back."""

_RANK = {BrokerStatus.IN_TRANSIT: 0, BrokerStatus.PENDING: 1}


def _rank(status: BrokerStatus) -> int:
    return _RANK.get(status, 2)


def judge(last: OrderReport, report: OrderReport, *, read: bool = False) -> Verdict:
    """A report against the last known state of its order; `read` marks a row of a book we asked for.

    Broker time first; but neither the filled quantity nor an ended state ever goes back, so a report that is
    further in these is later, whatever its clock says (books stamp the order, sockets the change).
    """
    if material(last) == material(report):
        return Verdict.DUPLICATE
    if report.broker_time_ns < last.broker_time_ns:
        return _judge_older(last, report, read=read)
    ahead, behind = _progress(last, report)
    if behind and not ahead:
        return Verdict.STALE
    if behind:
        return Verdict.NEWS if read else Verdict.UNCLEAR
    later = report.broker_time_ns > last.broker_time_ns and not last.status.terminal
    return Verdict.NEWS if ahead or later else Verdict.UNCLEAR


def _judge_older(last: OrderReport, report: OrderReport, *, read: bool) -> Verdict:
    """A book that says something else under an older time lags, or stamps differently: ask once more."""
    _, behind = _progress(last, report)
    if report.filled > last.filled or (report.status.terminal and not last.status.terminal):
        return Verdict.NEWS if read or not behind else Verdict.UNCLEAR
    if behind:
        return Verdict.STALE
    is_far_back = last.broker_time_ns - report.broker_time_ns > LATE_MAX_NS
    return Verdict.UNCLEAR if read or is_far_back else Verdict.STALE


def _progress(last: OrderReport, report: OrderReport) -> tuple[bool, bool]:
    """Whether the report is ahead of, and behind, what is known in something that never goes back."""
    same_second = report.broker_time_ns == last.broker_time_ns
    filled = report.filled - last.filled
    rank = _rank(report.status) - _rank(last.status)
    back = rank < 0 and (same_second or last.status.terminal)
    return filled > 0 or rank > 0, filled < 0 or back


def confirmed(last: OrderReport, report: OrderReport) -> OrderReport:
    """The same state told again: what was missing is filled in, the later time stands."""
    return told_at(_named(report, last), max(last.broker_time_ns, report.broker_time_ns))


def merged(last: OrderReport, report: OrderReport) -> OrderReport:
    """The later report, with what never goes back; a source that leaves a name out does not take it back."""
    ended = last.status if last.status.terminal and not report.status.terminal else report.status
    newest = _named(last, report)
    if ended is newest.status and newest.filled >= last.filled:
        return newest
    return replace(newest, filled=max(last.filled, report.filled), status=ended)


def told_at(report: OrderReport, broker_time_ns: int) -> OrderReport:
    """The same under another time; copying is what a busy session spends most on."""
    if report.broker_time_ns == broker_time_ns:
        return report
    return replace(report, broker_time_ns=broker_time_ns)


def _named(last: OrderReport, report: OrderReport) -> OrderReport:
    if (
        (report.tag or not last.tag)
        and (report.parent_id or not last.parent_id)
        and (report.exchange_order_id or not last.exchange_order_id)
    ):
        return report
    return replace(
        report,
        tag=report.tag or last.tag,
        parent_id=report.parent_id or last.parent_id,
        exchange_order_id=report.exchange_order_id or last.exchange_order_id,
    )
