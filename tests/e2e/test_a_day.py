"""A day on the whole stack: what the books say, and one trace from the leader's fill to each broker call."""

from collections import defaultdict

import pytest

from paceline.cli.processes import SERVICES
from tests.e2e.conftest import FILLS, FOLLOWERS, Traded
from tests.e2e.otlp import Span
from tests.e2e.stage import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("stack")]

STORES = {"postgres", "redis"}
"""Their logs are in words of their own."""


def test_every_decision_is_at_the_broker_once_or_has_its_reason(traded: Traded) -> None:
    verdict = traded.verdict
    assert verdict.sound, verdict
    assert verdict.planned == FOLLOWERS * FILLS
    assert verdict.accepted + verdict.skipped == verdict.planned
    assert (verdict.duplicates, verdict.missing, verdict.windows_breached) == (0, 0, 0)
    assert 0 < verdict.first_order_ms.p50 <= verdict.last_order_ms.p50


def test_one_fill_of_the_leader_is_one_trace_from_the_feed_to_the_broker(traded: Traded) -> None:
    wait_until(lambda: len(_calls(traded)) == traded.verdict.accepted, "every broker call is exported")
    wait_until(lambda: all(_origin(traded, call) for call in _calls(traded)), "every call leads to a fill")
    tags = {call.attributes["paceline.tag"] for call in _calls(traded)}
    assert len(tags) == traded.verdict.accepted
    by_trace: defaultdict[str, set[str]] = defaultdict(set)
    for call in _calls(traded):
        path = _path(traded, call)
        assert [span.name for span in path] == [
            "broker place",
            "executor send",
            "replicator plan",
            "feed fill",
        ]
        assert [span.service for span in path] == [
            "paceline-executor",
            "paceline-executor",
            "paceline-replicator",
            "paceline-feed",
        ]
        assert {span.trace for span in path} == {call.trace}
        plan, fill = path[2:]
        assert plan.attributes["paceline.event"] == fill.attributes["paceline.event"]
        assert plan.attributes["paceline.followers"] == str(FOLLOWERS)
        by_trace[call.trace].add(fill.attributes["paceline.event"])
    assert len(by_trace) == FILLS
    assert all(len(events) == 1 for events in by_trace.values())


def test_no_service_warned_or_failed_and_none_chattered(traded: Traded) -> None:
    ours = [each for each in sorted(traded.logs.glob("*.log")) if each.stem not in STORES]
    assert len(ours) >= len(SERVICES)
    for log in ours:
        for line in log.read_text().splitlines():
            assert "[error" not in line, f"{log.name}: {line}"
            assert "[warning" not in line, f"{log.name}: {line}"
            assert "Traceback" not in line, f"{log.name}: {line}"
            assert line.startswith("20"), f"{log.name} holds a line of another voice: {line}"


def _calls(traded: Traded) -> list[Span]:
    return [span for span in traded.receiver.spans() if span.name == "broker place"]


def _origin(traded: Traded, span: Span) -> bool:
    return _path(traded, span)[-1].name == "feed fill"


def _path(traded: Traded, span: Span) -> list[Span]:
    """The span and what it came of, as far as that has arrived here."""
    known = {each.span: each for each in traded.receiver.spans()}
    path = [span]
    while path[-1].parent in known:
        path.append(known[path[-1].parent])
    return path
