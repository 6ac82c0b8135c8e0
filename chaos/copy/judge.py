"""The demo's judgement as breaks of laws. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from chaos.verdict import Break, Ill
from paceline.cli.demo.judge import Evidence, Verdict, judge

_NO_REASON = ("", "UNSPECIFIED")


def breaks(evidence: Evidence, open_orders: list[str]) -> Iterator[Break]:
    """What the day came to, by law; each with the first that it is true of, where there is one."""
    verdict = judge(evidence)
    yield from _counted(verdict, evidence)
    nameless = [each for each in evidence.decisions if each.skipped and each.reason in _NO_REASON]
    if nameless:
        where = {"event": nameless[0].event, "subscription": nameless[0].subscription}
        yield Break(Ill.SKIP_WITHOUT_REASON, "every skip has its reason", where, times=len(nameless))
    if open_orders:
        law = "every copy order comes to an end"
        yield Break(Ill.UNSETTLED, law, {"first": open_orders[0]}, times=len(open_orders))


def with_windows(found: Iterable[Break], limits: Iterable[Mapping[str, Any]]) -> Iterator[Break]:
    """The same, with whose windows were breached, by the broker's own rows."""
    over = [row for row in limits if any(row["breaches"].values())]
    whose = {row["client_id"]: {"breaches": row["breaches"], "peak": row["peak"]} for row in over}
    for each in found:
        yield replace(each, where=whose) if each.ill is Ill.WINDOW_BREACHED else each


def _counted(verdict: Verdict, evidence: Evidence) -> Iterator[Break]:
    booked = Counter(order.tag for order in evidence.booked)
    planned = {copy.tag for copy in evidence.copies}
    surplus = verdict.planned - verdict.followers * verdict.events
    unbooked = (copy.tag for copy in evidence.copies if copy.tag not in booked and not copy.unsent)
    twice = (tag for tag, count in booked.items() if count > (tag in planned))
    laws = (
        (Ill.DUPLICATED, "one tag names one order at the broker", verdict.duplicates, next(twice, None)),
        (Ill.LOST, "every fill is decided and every plan is sent", verdict.missing, next(unbooked, None)),
        (Ill.LAW_BREAK, "one decision per fill and follower", max(0, surplus), None),
        (Ill.LAW_BREAK, "an order is sent as planned", verdict.altered, None),
        (Ill.LAW_BREAK, "no copy is refused by the broker", verdict.rejected, None),
        (Ill.LAW_BREAK, "flat is flat", verdict.positions_off, None),
        (Ill.WINDOW_BREACHED, "the broker's limit windows are kept", verdict.windows_breached, None),
    )
    for ill, law, count, tag in laws:
        if count:
            yield Break(ill, law, {"tag": tag} if tag else {}, times=count)
