"""What a dry run looks like: a table for a trader, a document for a program."""

from collections.abc import Iterable, Sequence
from datetime import UTC
from decimal import Decimal
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from paceline.api.v1 import common_pb2, subscription_pb2
from paceline.domain.calendar import IST

Decision = subscription_pb2.PreviewDecision
Summary = subscription_pb2.PreviewSummary
Request = subscription_pb2.PreviewSubscriptionRequest

_BUY = common_pb2.SIDE_BUY
_EXIT = common_pb2.INTENT_EXIT


def document_of(request: Request, decisions: Sequence[Decision], summary: Summary) -> dict[str, Any]:
    """Decimals as texts, names as the interface has them."""
    return {
        "request": _plain(request),
        "decisions": [_plain(each) for each in decisions],
        "summary": _plain(summary),
    }


def _plain(message: Message) -> Any:
    return _flat(MessageToDict(message, preserving_proto_field_name=True))


def _flat(document: Any) -> Any:
    if isinstance(document, dict):
        if document.keys() == {"value"}:
            return document["value"]
        return {name: _flat(each) for name, each in document.items()}
    return [_flat(each) for each in document] if isinstance(document, list) else document


def show(
    console: Console, request: Request, decisions: Sequence[Decision], summary: Summary, rows: int
) -> None:
    tried = request.subscription
    console.print(
        f"[bold]Had {escape(tried.follower_id or 'someone')} followed {escape(tried.leader_id)}[/bold] "
        f"({_sized(tried)}, {_from_until(request)})",
        soft_wrap=True,
    )
    shown = decisions[-rows:] if rows else []
    if shown:
        console.print(_decisions(shown))
    if len(decisions) > len(shown):
        left = len(decisions) - len(shown)
        console.print(f"[dim]{left:,} earlier decisions are not shown: --rows, or --json for all[/dim]")
    console.print()
    console.print(_totals(summary))
    if summary.positions:
        console.print()
        console.print(_positions(summary))
    console.print()
    for sentence in summary.assumptions:
        console.print(f"[dim]· {escape(sentence)}[/dim]", soft_wrap=True)


def _decisions(decisions: Iterable[Decision]) -> Table:
    table = Table(box=None, padding=(0, 1), header_style="dim")
    table.add_column("time (IST)", no_wrap=True)
    table.add_column("leader", no_wrap=True)
    table.add_column("instrument", no_wrap=True)
    table.add_column("price", justify="right", no_wrap=True)
    table.add_column("follower", no_wrap=True)
    table.add_column("orders", justify="right")
    table.add_column("held", justify="right", no_wrap=True)
    table.add_column("why", overflow="fold")
    for each in decisions:
        moment = each.event_time.ToDatetime(tzinfo=UTC).astimezone(IST)
        table.add_row(
            f"{moment:%d %b %H:%M:%S}",
            _trade(each.leader_side, each.leader_quantity),
            each.key.instrument_id,
            _money(each.price.value),
            _done(each),
            str(each.order_count or ""),
            _number(each.held.value or "0"),
            _why(each),
        )
    return table


def _trade(side: common_pb2.Side.ValueType, quantity: common_pb2.Decimal) -> str:
    words = "[green]buys[/green]" if side == _BUY else "[red]sells[/red]"
    return f"{words} {_number(quantity.value)}"


def _done(decision: Decision) -> str:
    if not decision.HasField("quantity"):
        return "[yellow]skips[/yellow]"
    leaves = " [dim](exit)[/dim]" if decision.intent == _EXIT else ""
    return _trade(decision.side, decision.quantity) + leaves


def _why(decision: Decision) -> str:
    if not decision.reason:
        return f"[dim]{escape(decision.detail)}[/dim]" if decision.detail else ""
    return f"[yellow]{_reason(decision.reason)}[/yellow] [dim]{escape(decision.detail)}[/dim]"


def _reason(reason: subscription_pb2.SkipReason.ValueType) -> str:
    return subscription_pb2.SkipReason.Name(reason).removeprefix("SKIP_REASON_")


def _totals(summary: Summary) -> Table:
    table = Table(box=None, padding=(0, 2), show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_row("events of the leader", f"{summary.events:,}")
    table.add_row("orders", f"{summary.orders:,}")
    table.add_row("skips", f"{summary.skips:,}")
    for each in summary.skips_by_reason:
        table.add_row(f"  {_reason(each.reason)}", f"{each.count:,}")
    table.add_row("traded", _moneys(summary.turnover))
    table.add_row("profit taken, before charges", _moneys(summary.realised))
    table.add_row("charges", _moneys(summary.costs) if summary.costs else "none counted")
    return table


def _positions(summary: Summary) -> Table:
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for name in (
        "instrument",
        "product",
        "held at the end",
        "average price",
        "profit taken",
        "orders",
        "traded",
    ):
        table.add_column(name, justify="left" if name in ("instrument", "product") else "right", no_wrap=True)
    for each in summary.positions:
        table.add_row(
            each.key.instrument_id,
            common_pb2.Product.Name(each.key.product).removeprefix("PRODUCT_"),
            _number(each.quantity.value or "0"),
            _money(each.average_price.value) if each.HasField("average_price") else "",
            _money(each.realised.value or "0"),
            f"{each.orders:,}",
            _moneys([each.turnover]),
        )
    return table


def _moneys(amounts: Iterable[common_pb2.Money]) -> str:
    return ", ".join(f"{_money(each.amount.value)} {each.currency}" for each in amounts) or "0"


def _money(text: str) -> str:
    return f"{Decimal(text or 0):,.2f}"


def _number(text: str) -> str:
    return f"{Decimal(text):,f}"


def _sized(tried: subscription_pb2.Subscription) -> str:
    mode = subscription_pb2.SizingMode.Name(tried.sizing.mode).removeprefix("SIZING_MODE_")
    words = f"{mode.lower().replace('_', ' ')} {tried.sizing.value.value}"
    return f"{words}, reversed" if tried.reverse else words


def _from_until(request: Request) -> str:
    start = request.range.start_time.ToDatetime(tzinfo=UTC).astimezone(IST)
    if not request.range.HasField("end_time"):
        return f"from {start:%d %b %Y %H:%M} until now"
    end = request.range.end_time.ToDatetime(tzinfo=UTC).astimezone(IST)
    return f"from {start:%d %b %Y %H:%M} until {end:%d %b %Y %H:%M}"
