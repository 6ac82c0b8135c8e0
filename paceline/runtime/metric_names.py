"""Every metric of every service, once: dashboards, alerts and `docs/metrics.md` are compared with it."""

from dataclasses import dataclass
from enum import Enum


class MetricKind(Enum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Unit(Enum):
    NONE = ""
    SECONDS = "seconds"
    BYTES = "bytes"
    RATIO = "ratio"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: what it is called, what it counts, by what."""

    name: str
    kind: MetricKind
    help: str
    labels: tuple[str, ...] = ()
    unit: Unit = Unit.NONE
    buckets: tuple[float, ...] = ()


FAST_S = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.015, 0.03, 0.06, 0.125, 0.25, 0.5, 1.0, 2.5, 10.0)
"""For what happens inside the platform."""
WIRE_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 6.0, 12.0, 30.0)
"""For what waits for a broker."""
SLIPS = (-100.0, -50.0, -20.0, -10.0, -5.0, 0.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)
"""Basis points, below zero for the better."""
SIZES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)


def _counter(name: str, about: str, *labels: str) -> Metric:
    return Metric(name, MetricKind.COUNTER, about, labels)


def _gauge(name: str, about: str, *labels: str, unit: Unit = Unit.NONE) -> Metric:
    return Metric(name, MetricKind.GAUGE, about, labels, unit)


def _seconds(name: str, about: str, *labels: str, buckets: tuple[float, ...] = FAST_S) -> Metric:
    return Metric(name, MetricKind.HISTOGRAM, about, labels, Unit.SECONDS, buckets)


def _sizes(name: str, about: str, *labels: str) -> Metric:
    return Metric(name, MetricKind.HISTOGRAM, about, labels, Unit.NONE, SIZES)


# Every process
BUILD = _gauge("paceline_build_info", "Always 1; what runs here.", "service", "version", "environment")
READY = _gauge("paceline_ready", "1 while this process takes work.")
DEPENDENCY_WAITS = _counter(
    "paceline_dependency_attempts_failed_total",
    "Attempts to reach a store that failed at start.",
    "dependency",
)
TASK_FAILURES = _counter(
    "paceline_task_failures_total", "Supervised tasks that ended by an error.", "task", "essential"
)
LOOP_LAG_SECONDS = _seconds("paceline_loop_lag_seconds", "How late the event loop runs what is due.")

# gRPC
GRPC_SERVER_HANDLED = _counter("paceline_grpc_server_handled_total", "RPCs answered.", "method", "code")
GRPC_SERVER_SECONDS = _seconds(
    "paceline_grpc_server_handling_seconds", "Time from an RPC's arrival to its status; unary only.", "method"
)
GRPC_SERVER_OPEN = _gauge("paceline_grpc_server_open", "RPCs in flight, streams included.", "method")
GRPC_CLIENT_HANDLED = _counter(
    "paceline_grpc_client_handled_total", "RPCs made, by their outcome.", "method", "code"
)
GRPC_CLIENT_SECONDS = _seconds(
    "paceline_grpc_client_handling_seconds", "Time from a call to its status; unary only.", "method"
)

# Partitions and leases
LEASES_HELD = _gauge("paceline_leases_held", "Partitions this process owns.", "service")
LEASE_LOSSES = _counter(
    "paceline_lease_losses_total", "Partitions lost before they were given up.", "service"
)
LEASE_RENEWAL_SECONDS = _seconds(
    "paceline_lease_renewal_seconds", "One renewal of all held leases.", "service"
)

# Feed
SESSIONS = _gauge("paceline_feed_sessions", "Broker sessions by state.", "broker", "state")
SESSIONS_NOT_READY = _gauge(
    "paceline_feed_sessions_not_ready",
    "Sessions that could not trade now, or whose token ends before the next opening.",
    "broker",
)
TOKEN_EXPIRES_SECONDS = _gauge(
    "paceline_feed_token_expires_seconds",
    "Until the first token of a live session ends; 0 where none is live.",
    "broker",
    unit=Unit.SECONDS,
)
SESSION_RECONNECTS = _counter(
    "paceline_feed_reconnects_total", "Order sockets dialled again.", "broker", "reason"
)
FRAMES = _counter("paceline_feed_frames_total", "Frames received from brokers.", "broker", "kind")
EVENTS_JOURNALED = _counter(
    "paceline_feed_events_journaled_total", "Events written to the journal.", "kind", "recovered"
)
JOURNAL_SECONDS = _seconds("paceline_feed_journal_seconds", "One group commit of events.")
JOURNAL_BATCH = _sizes("paceline_feed_journal_batch_events", "Events in one group commit.")
BACKSTOP_READS = _counter(
    "paceline_feed_backstop_reads_total",
    "Slow readings of a live account's books, by their outcome.",
    "broker",
    "outcome",
)
BACKSTOP_REPAIRS = _counter(
    "paceline_feed_backstop_repairs_total",
    "Facts that a slow reading of the books found before the stream told them, if it ever did.",
    "broker",
    "kind",
)
DEAD_LETTERS = _counter(
    "paceline_feed_dead_letters_total", "Frames kept aside because they make no event.", "reason"
)
SEEN_SECONDS = _seconds(
    "paceline_feed_seen_seconds", "From the broker's own time of a fact to its arrival here.", buckets=WIRE_S
)
CLOCK_ERROR_SECONDS = _gauge(
    "paceline_feed_broker_clock_ahead_seconds",
    "How far a broker's clock is ahead of ours; 0 while the difference proves nothing.",
    "broker",
    unit=Unit.SECONDS,
)
STREAM_CONSUMERS = _gauge("paceline_stream_consumers", "Open consumers of a stream.", "stream")
STREAM_LAG = _gauge(
    "paceline_stream_lag_events", "Events journaled and not yet taken by the slowest consumer.", "stream"
)
MASTER_REFUSED = _gauge(
    "paceline_feed_master_refused",
    "1 while the newest instrument master was refused or could not be read; the last good one stands.",
    "broker",
)
PRICES_LEFT_OUT = _gauge(
    "paceline_feed_prices_left_out", "Instruments that are held or followed and fit into no data socket."
)
PRICES_STALE = _gauge(
    "paceline_feed_prices_stale", "Watched instruments whose price is too old while their market is open."
)
TICKS = _counter("paceline_feed_ticks_total", "Price ticks received, before they are coalesced.", "broker")

# Replicator
PLANS = _counter("paceline_replicator_plans_total", "Leader events planned.", "kind")
DECISIONS = _counter("paceline_replicator_decisions_total", "Decisions for followers.", "outcome", "reason")
PLAN_SECONDS = _seconds(
    "paceline_replicator_plan_seconds", "From an event's arrival to its last chunk's commit."
)
COMMIT_SECONDS = _seconds("paceline_replicator_commit_seconds", "One chunk's transaction.")
DISPATCHED = _counter("paceline_replicator_dispatched_orders_total", "Copy orders sent to an executor.")
DISPATCH_DROPPED = _counter(
    "paceline_replicator_dispatch_dropped_orders_total",
    "Copy orders that no message brought; the executor's sweep finds them.",
)
SILENT_LEADERS = _gauge(
    "paceline_replicator_silent_leaders", "Followed leaders who are silent: entries wait, exits go on."
)

# Executor
ORDERS_SENT = _counter(
    "paceline_executor_orders_total", "Commands to brokers by outcome.", "command", "outcome", "account_type"
)
CHANGES = _counter(
    "paceline_executor_changes_total", "Changes to copy orders by what became of them.", "command", "outcome"
)
BROKER_CALL_SECONDS = _seconds(
    "paceline_executor_broker_call_seconds", "One HTTP call to a broker.", "broker", "call", buckets=WIRE_S
)
BUCKET_WAIT_SECONDS = _seconds(
    "paceline_executor_bucket_wait_seconds",
    "Time a command waited for its limit windows.",
    "lane",
    buckets=WIRE_S,
)
ORDERS_UNKNOWN = _gauge(
    "paceline_executor_unknown_orders", "Copy orders whose fate at the broker is not known."
)
RECONCILES = _counter(
    "paceline_executor_reconciles_total", "Order-book reads that settled a fate.", "cause", "outcome"
)
BREAKER_OPEN = _gauge(
    "paceline_executor_breaker_open",
    "1 while a broker cannot be reached through an egress, and entries fail at once.",
    "broker",
    "egress",
)
CHASE_STEPS = _counter(
    "paceline_executor_chase_steps_total",
    "Protected limits that rested and were moved, replaced or given up.",
    "intent",
    "outcome",
)
CHASE_WAITING = _gauge(
    "paceline_executor_chase_waiting", "Protected limits that rest just now, by why.", "reason", "intent"
)
DRIFTS = _gauge(
    "paceline_executor_drifts", "Keys in which ledgers and the broker's position book differ just now."
)
DRIFT_LOOKS = _counter(
    "paceline_executor_drift_looks_total", "Accounts compared with their position book.", "outcome"
)
DRIFTS_HEALED = _counter("paceline_executor_drifts_healed_total", "Drifts that were healed.", "kind")
LIQUIDATIONS_RUNNING = _gauge(
    "paceline_executor_liquidations_running", "Liquidations that are not done, by state.", "state"
)
QUEUE_DEPTH = _gauge("paceline_executor_queue_commands", "Commands waiting to be sent.", "lane")
PLATFORM_SECONDS = _seconds(
    "paceline_executor_platform_seconds",
    "From a leader event seen to the follower's order sent.",
    "account_type",
)
COPY_SECONDS = _seconds(
    "paceline_executor_copy_seconds",
    "Where the time of a copy went, from its leader's trade on, by part.",
    "part",
    "account_type",
    buckets=WIRE_S,
)
SLIPPAGE_BPS = Metric(
    "paceline_executor_slippage_basis_points",
    MetricKind.HISTOGRAM,
    "Difference of a copy's fill to its leader's price; above zero is worse.",
    ("account_type",),
    Unit.NONE,
    SLIPS,
)
SLIPPAGE_MONEY = _counter(
    "paceline_executor_slippage_money_total",
    "That difference in money, worse and better apart.",
    "direction",
    "account_type",
)
LOGINS = _counter("paceline_broker_logins_total", "Logins at brokers.", "broker", "outcome")

# Risk
RISK_PASS_SECONDS = _seconds("paceline_risk_pass_seconds", "One re-pricing of every held account.")
RISK_REPRICED_SECONDS = _seconds(
    "paceline_risk_repriced_seconds",
    "From a price received by the feed to all who hold the instrument reckoned anew.",
    buckets=(0.002, 0.004, 0.006, 0.008, 0.01, 0.012, 0.015, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 2.0),
)
RISK_PASS_LAG_SECONDS = _seconds("paceline_risk_pass_lag_seconds", "How late a pass began.")
RISK_ACCOUNTS = _gauge("paceline_risk_accounts", "Accounts in the loop.")
STALE_PRICES = _gauge("paceline_risk_stale_prices", "Held instruments whose price is too old to act on.")
RISK_UNSOUND_PRICES = _counter(
    "paceline_risk_unsound_prices_total", "Ticks that no market can have told: not acted on."
)
RISK_WITHHELD = _gauge(
    "paceline_risk_withheld_accounts",
    "Accounts at or below a line by what is known, not judged because that is stale or contradictory.",
)
RISK_ALERTS = _counter(
    "paceline_risk_alerts_total", "Attempts to tell an alert to one target, by what came of it.", "outcome"
)
RISK_WARNINGS = _counter("paceline_risk_warnings_total", "Margin warnings given.")
GUARD_TRIPS = _counter("paceline_risk_guard_trips_total", "Guards that tripped.", "kind")
LIQUIDATIONS = _counter("paceline_risk_liquidations_total", "Liquidations begun.", "cause")


def catalogue() -> tuple[Metric, ...]:
    """All of them, by name."""
    return tuple(
        sorted((each for each in globals().values() if isinstance(each, Metric)), key=lambda each: each.name)
    )


def as_markdown() -> str:
    """`docs/metrics.md`."""
    lines = [
        "# Metrics",
        "",
        "Served by every process on `PACELINE_METRICS_PORT` under `/metrics`. This page is written from",
        "`paceline/runtime/metric_names.py` with `python -m` on it; a test compares the two.",
        "",
        "| name | kind | labels | what it says |",
        "| --- | --- | --- | --- |",
    ]
    return "\n".join([*lines, *(_row(each) for each in catalogue())]) + "\n"


def _row(metric: Metric) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {metric.kind.value} | {labels} | {metric.help} |"


if __name__ == "__main__":
    import sys

    sys.stdout.write(as_markdown())
