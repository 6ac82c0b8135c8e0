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
    return replace(_named(report, last), broker_time_ns=max(last.broker_time_ns, report.broker_time_ns))


def merged(last: OrderReport, report: OrderReport) -> OrderReport:
    """The later report, with what never goes back; a source that leaves a name out does not take it back."""
    ended = last.status if last.status.terminal and not report.status.terminal else report.status
    return replace(_named(last, report), filled=max(last.filled, report.filled), status=ended)


def _named(last: OrderReport, report: OrderReport) -> OrderReport:
    return replace(
        report,
        tag=report.tag or last.tag,
        parent_id=report.parent_id or last.parent_id,
        exchange_order_id=report.exchange_order_id or last.exchange_order_id,
    )
