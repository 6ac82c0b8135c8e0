"""`paceline preview`: what a leader's past events would have done for a follower with given settings."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

import grpc
import grpc.aio
import typer
from rich.console import Console
from rich.markup import escape

from paceline.api.v1 import subscription_pb2, subscription_pb2_grpc
from paceline.cli.demo.control import ControlError
from paceline.cli.ending import Ended, end_on_signals, run_until_ended
from paceline.cli.output import STDOUT, write_json
from paceline.cli.ports import GRPC
from paceline.cli.preview_demo import PreviewDemoError, run_preview_demo
from paceline.cli.preview_request import SizingName, Written, request_of
from paceline.cli.preview_show import document_of, show
from paceline.cli.processes import SERVICES, StackError
from paceline.domain.calendar import IST
from paceline.domain.errors import Invalid
from paceline.runtime.grpc_status import status_of

EXAMPLES = (
    "paceline preview --demo --value 0.5 --cost-per-order 20",
    "paceline preview fyers:XL1001 --value 0.5",
    "paceline preview fyers:XL1001 --day 2026-11-20 --sizing fixed-notional --value 50000",
    "paceline preview fyers:XL1001 --from 2026-11-02 --to 2026-11-07T15:30 --json - | jq .summary",
)
GATEWAY = f"127.0.0.1:{GRPC + SERVICES.index('gateway')}"
_FAILED = 1
_USAGE = 2
_PLAIN_WIDTH = 150
_PROBLEMS = (StackError, ControlError, PreviewDemoError, TimeoutError)

Leader = Annotated[str, typer.Argument(help="Whose events: his account. Not needed with --demo.")]
Follower = Annotated[str, typer.Option(help="For whom: his segments and group rules count. Else for anyone.")]
Day = Annotated[str, typer.Option(metavar="YYYY-MM-DD", help="Which day in India; else today.")]
Since = Annotated[str, typer.Option("--from", metavar="MOMENT", help="Instead of a day; Indian time.")]
Until = Annotated[str, typer.Option("--to", metavar="MOMENT", help="Where it ends; else now.")]
Sizing = Annotated[SizingName, typer.Option(help="How quantities are reckoned.")]
Value = Annotated[str, typer.Option(help="Ratio, multiplier, quantity, money or percent: as --sizing.")]
RoundUp = Annotated[bool, typer.Option("--round-up", help="Less than one lot becomes one.")]
Reverse = Annotated[bool, typer.Option("--reverse", help="Buy where the leader sells.")]
Block = Annotated[list[str] | None, typer.Option(help="An instrument that is not entered; again for more.")]
MaxLots = Annotated[str, typer.Option(help="Most lots for one order of the leader.")]
MaxNotional = Annotated[str, typer.Option(help="Most money for one order of the leader.")]
LeaderEquity = Annotated[str, typer.Option(help="For sizing; else as it is known now.")]
FollowerEquity = Annotated[str, typer.Option(help="For sizing; else as it is known now.")]
CostPerOrder = Annotated[str, typer.Option(help="Charged for each order; else nothing is.")]
CostBps = Annotated[str, typer.Option(help="Charged of the money traded, in basis points; else nothing is.")]
Gateway = Annotated[str, typer.Option(envvar="PACELINE_GATEWAY", show_envvar=True, help="Where Paceline is.")]
Demo = Annotated[bool, typer.Option("--demo", help="Start everything, let a leader trade, try it on that.")]
Rows = Annotated[int, typer.Option(min=0, help="How many decisions are shown: the newest.")]
JsonFile = Annotated[
    str | None,
    typer.Option("--json", metavar="FILE", help="Write all of it there; `-` is standard output."),
]


@dataclass(slots=True)
class Told:
    """The answer as it came."""

    decisions: list[subscription_pb2.PreviewDecision] = field(default_factory=list)
    summary: subscription_pb2.PreviewSummary = field(default_factory=subscription_pb2.PreviewSummary)


def preview(
    leader: Leader = "",
    follower: Follower = "",
    day: Day = "",
    since: Since = "",
    until: Until = "",
    sizing: Sizing = SizingName.FIXED_RATIO,
    value: Value = "1",
    round_up: RoundUp = False,
    reverse: Reverse = False,
    block: Block = None,
    max_lots: MaxLots = "",
    max_notional: MaxNotional = "",
    leader_equity: LeaderEquity = "",
    follower_equity: FollowerEquity = "",
    cost_per_order: CostPerOrder = "",
    cost_bps: CostBps = "",
    gateway: Gateway = GATEWAY,
    demo: Demo = False,
    rows: Rows = 40,
    json_file: JsonFile = None,
) -> None:
    """Try settings on what a leader really did: orders, skips with reasons, positions, charges.

    By the same rules that copy, on a ledger in memory: nothing is ordered, nothing is written. Every order is
    taken as filled at the leader's price; what else is taken for granted stands below the figures.
    """
    written = Written(
        leader=leader,
        follower=follower,
        day=day,
        since=since,
        until=until,
        sizing=sizing,
        value=value,
        round_up=round_up,
        reverse=reverse,
        blocked=block or (),
        max_lots=max_lots,
        max_notional=max_notional,
        leader_equity=leader_equity,
        follower_equity=follower_equity,
        cost_per_order=cost_per_order,
        cost_bps=cost_bps,
    )
    request = _request(written, demo=demo)
    console = _console(json_file)
    told = _told(console, request, gateway, demo=demo)
    show(console, request, told.decisions, told.summary, rows)
    write_json(json_file, document_of(request, told.decisions, told.summary))


def _request(written: Written, *, demo: bool) -> subscription_pb2.PreviewSubscriptionRequest:
    if bool(written.leader) == demo:
        typer.echo("name the leader, or give --demo, not both", err=True)
        raise typer.Exit(_USAGE)
    try:
        return request_of(written, datetime.now(IST).date())
    except Invalid as problem:
        typer.echo("; ".join(f"--{each.field} {each.rule}" for each in problem.problems), err=True)
        raise typer.Exit(_USAGE) from None


def _console(json_file: str | None) -> Console:
    """Wide enough for a table where no terminal says how wide it is."""
    console = Console(stderr=json_file == STDOUT, highlight=False)
    if console.is_terminal:
        return console
    return Console(stderr=json_file == STDOUT, highlight=False, width=_PLAIN_WIDTH)


def _told(
    console: Console, request: subscription_pb2.PreviewSubscriptionRequest, gateway: str, *, demo: bool
) -> Told:
    def say(words: str) -> None:
        console.print(f"[dim]·[/dim] {escape(words)}", soft_wrap=True)

    end_on_signals()
    try:
        if demo:
            return run_preview_demo(request, lambda address: ask(address, request), say)
        return run_until_ended(ask(gateway, request))
    except grpc.aio.AioRpcError as problem:
        console.print(f"[red]{escape(words_of(problem, gateway))}[/red]", soft_wrap=True)
    except _PROBLEMS as problem:
        console.print(f"[red]{escape(str(problem))}[/red]", soft_wrap=True)
    except Ended as ended:
        console.print("[dim]·[/dim] ended before all of it was told")
        raise typer.Exit(ended.exit_code) from None
    raise typer.Exit(_FAILED)


async def ask(gateway: str, request: subscription_pb2.PreviewSubscriptionRequest) -> Told:
    told = Told()
    async with grpc.aio.insecure_channel(gateway) as channel:
        stub = subscription_pb2_grpc.SubscriptionServiceStub(channel)
        async for piece in stub.PreviewSubscription(request):
            if piece.HasField("summary"):
                told.summary = piece.summary
            else:
                told.decisions.append(piece.decision)
    return told


def words_of(problem: grpc.aio.AioRpcError, gateway: str) -> str:
    """Each broken rule by its field; who does not answer is named."""
    status = status_of(problem)
    if status.violations:
        return "; ".join(f"{each.field} {each.rule}" for each in status.violations)
    if not status.reason:
        return f"nobody answers at {gateway} ({status.code.name}): name the gateway, or try --demo"
    return status.message
