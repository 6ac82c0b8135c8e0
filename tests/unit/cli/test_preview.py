"""`paceline preview`: what a trader reads, what a program gets, and what is said when it cannot be."""

import asyncio
import io
import json
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from typing import Any

import grpc
import grpc.aio
import pytest
from rich.console import Console
from typer.testing import CliRunner

from paceline.adapters.wire.previews import step_to_wire, summary_to_wire
from paceline.api.v1 import subscription_pb2, subscription_pb2_grpc
from paceline.cli.__main__ import app
from paceline.cli.ending import SIGNALS
from paceline.cli.preview_request import SizingName, Written, request_of
from paceline.cli.preview_show import show
from paceline.domain.calendar import always_open
from paceline.domain.copying.preview import Assumed, Costs, Preview, assumptions
from paceline.domain.copying.view import LeaderState
from paceline.domain.errors import Invalid
from tests.unit.domain.given import LEADER, SBIN, SHARE, d, event, fill, subscription

TODAY = date(2026, 11, 20)
WIDE = {"COLUMNS": "170", "TERM": "dumb"}


def answered() -> tuple[list[subscription_pb2.PreviewDecision], subscription_pb2.PreviewSummary]:
    """Bought, half sold, and an odd share that is less than one lot."""
    assumed, wanted = Assumed(costs=Costs(d(20), d(3))), subscription(ratio="0.5")
    preview = Preview(wanted, LeaderState(LEADER), assumed, always_open())
    day = (
        fill(100, trade="1", order="1", price=800),
        fill(-50, trade="2", order="2", price=810),
        fill(1, trade="3", order="3", price=812),
    )
    steps = [preview.take(event(body, offset=n), {SBIN: SHARE}) for n, body in enumerate(day, start=1)]
    wires = [step_to_wire(step) for step in steps if step is not None]
    return wires, summary_to_wire(preview.summary, assumptions(wanted, assumed))


class Door(subscription_pb2_grpc.SubscriptionServiceServicer):
    def __init__(self) -> None:
        self.asked: list[subscription_pb2.PreviewSubscriptionRequest] = []

    async def PreviewSubscription(  # noqa: N802 - the interface's name
        self, request: subscription_pb2.PreviewSubscriptionRequest, context: Any
    ) -> AsyncIterator[subscription_pb2.PreviewSubscriptionResponse]:
        self.asked.append(request)
        decisions, summary = answered()
        for each in decisions:
            yield subscription_pb2.PreviewSubscriptionResponse(decision=each)
        yield subscription_pb2.PreviewSubscriptionResponse(summary=summary)


@contextmanager
def a_gateway(door: Door) -> Iterator[str]:
    """In a thread: the command line runs a loop of its own."""
    ready, loop, address = threading.Event(), asyncio.new_event_loop(), [""]
    done = asyncio.Event()

    async def serve() -> None:
        server = grpc.aio.server()
        subscription_pb2_grpc.add_SubscriptionServiceServicer_to_server(door, server)
        address[0] = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        ready.set()
        await done.wait()
        await server.stop(None)

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        assert ready.wait(30)
        yield address[0]
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(30)
        loop.close()


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """The command line takes them for itself."""
    before = {each: signal.getsignal(each) for each in SIGNALS}
    yield
    for each, handler in before.items():
        signal.signal(each, handler)


def drawn(rows: int = 40) -> str:
    out = io.StringIO()
    console = Console(file=out, width=150, highlight=False, color_system=None)
    request = request_of(Written(leader=LEADER, value="0.5", day="2026-11-20"), TODAY)
    show(console, request, *answered(), rows)
    return out.getvalue()


def line_with(text: str, words: str) -> str:
    found = next(each for each in text.splitlines() if words in each)
    return " ".join(found.split())


def test_a_trader_reads_what_would_have_been_done_and_why_not() -> None:
    text = drawn()
    assert text.startswith(
        "Had someone followed fyers:LEADER (fixed ratio 0.5, from 20 Nov 2026 00:00 until 21 Nov 2026 00:00)"
    )
    assert "buys 100 NSE:SBIN-EQ 800.00 buys 50 1 50" in line_with(text, "buys 100")
    assert "sells 50 NSE:SBIN-EQ 810.00 sells 25 (exit) 1 25" in line_with(text, "sells 50")
    assert "812.00 skips 25 BELOW_ONE_LOT It comes to less than one lot" in line_with(text, "812.00")
    assert line_with(text, "  orders                ") == "orders 2"
    assert line_with(text, "  traded  ") == "traded 60,250.00 INR"
    assert line_with(text, "before charges") == "profit taken, before charges 250.00 INR"
    assert line_with(text, "  charges ") == "charges 58.08 INR"
    assert line_with(text, "INTRADAY") == "NSE:SBIN-EQ INTRADAY 25 800.00 250.00 2 60,250.00 INR"
    assert "· Every order is filled at once, wholly, at the leader's price" in text
    assert "as given; nothing else is counted." in text


def test_only_the_newest_are_shown_and_that_is_said() -> None:
    text = drawn(rows=1)
    assert "2 earlier decisions are not shown" in text
    assert "buys 100" not in text


def test_it_asks_the_gateway_and_writes_for_programs() -> None:
    door = Door()
    with a_gateway(door) as address:
        told = CliRunner().invoke(
            app,
            [
                *("preview", LEADER, "--gateway", address, "--value", "0.5", "--day", "2026-11-20"),
                *("--max-lots", "3", "--block", "NSE:TCS-EQ", "--cost-bps", "3", "--json", "-"),
            ],
        )
    assert told.exit_code == 0, told.output
    document = json.loads(told.stdout)
    (asked,) = door.asked
    assert (asked.subscription.leader_id, asked.subscription.sizing.value.value) == (LEADER, "0.5")
    assert list(asked.subscription.filters.blocked_instrument_ids) == ["NSE:TCS-EQ"]
    assert (asked.subscription.caps.max_lots_per_order.value, asked.assumptions.cost_bps.value) == ("3", "3")
    assert asked.range.start_time.ToJsonString() == "2026-11-19T18:30:00Z"
    assert asked.range.end_time.ToJsonString() == "2026-11-20T18:30:00Z"
    assert [each.get("quantity") for each in document["decisions"]] == ["50", "25", None]
    assert document["decisions"][2]["reason"] == "SKIP_REASON_BELOW_ONE_LOT"
    assert document["summary"]["costs"] == [{"amount": "58.075", "currency": "INR"}]
    assert "Had someone followed" in told.stderr


def test_nobody_there_is_said_with_a_way_out() -> None:
    told = CliRunner().invoke(app, ["preview", LEADER, "--gateway", "127.0.0.1:1"], env=WIDE)
    assert told.exit_code == 1
    assert "nobody answers at 127.0.0.1:1 (UNAVAILABLE): name the gateway, or try --demo" in told.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name the leader, or give --demo, not both"),
        ([LEADER, "--demo"], "not both"),
        ([LEADER, "--value", "much"], "--value must be a decimal number"),
        ([LEADER, "--day", "yesterday"], "--day must be a date or moment"),
        ([LEADER, "--to", "2026-11-20"], "--from must be given where --to is"),
        ([LEADER, "--day", "2026-11-20", "--from", "2026-11-20"], "--day must not be given beside --from"),
    ],
)
def test_what_cannot_be_read_is_named_by_its_option(arguments: list[str], words: str) -> None:
    told = CliRunner().invoke(app, ["preview", *arguments], env=WIDE)
    assert told.exit_code == 2
    assert words in told.output


def test_moments_are_indian_unless_they_say_and_a_range_may_be_open() -> None:
    written = Written(leader=LEADER, since="2026-11-20T09:15", sizing=SizingName.RISK_PERCENT)
    request = request_of(written, TODAY)
    assert request.range.start_time.ToJsonString() == "2026-11-20T03:45:00Z"
    assert not request.range.HasField("end_time")
    assert request.subscription.sizing.mode == subscription_pb2.SIZING_MODE_RISK_PERCENT
    there = request_of(replace(written, until="2026-11-20T10:00+00:00"), TODAY)
    assert there.range.end_time.ToJsonString() == "2026-11-20T10:00:00Z"
    today = request_of(Written(leader=LEADER), TODAY)
    assert today.range.start_time.ToJsonString() == "2026-11-19T18:30:00Z"
    with pytest.raises(Invalid, match="cost-per-order"):
        request_of(Written(leader=LEADER, cost_per_order="cheap"), TODAY)
