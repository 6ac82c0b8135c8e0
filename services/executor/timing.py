"""Where the time of a copy went, and what it paid beside its leader, counted once its row says so."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

from paceline.domain.account import AccountType
from paceline.domain.copy_order import CopyOrder
from paceline.domain.copying.fold import Placed
from paceline.domain.ids import AccountId, Tag
from paceline.ports.copy_orders import CopyFill
from paceline.runtime.metric_names import COPY_SECONDS, SLIPPAGE_BPS, SLIPPAGE_MONEY
from paceline.runtime.metrics import Metrics
from services.executor.outcome import Outcome


class Timing:
    """The same moments stand on the row; these are their sums over all of them."""

    def __init__(self, metrics: Metrics, type_of: Callable[[AccountId], AccountType]) -> None:
        self._type_of = type_of
        self._seconds = metrics.histogram(COPY_SECONDS)
        self._bps = metrics.histogram(SLIPPAGE_BPS)
        self._money = metrics.counter(SLIPPAGE_MONEY)

    def accepted(self, outcome: Outcome) -> None:
        """Of an order that the broker said yes to."""
        if not isinstance(outcome.told, Placed):
            return
        order = outcome.order
        leader, sent, accepted = order.leader_time_ns, outcome.sent_ns, outcome.answered_ns
        self._part(order, "leader_to_seen", leader, order.seen_ns)
        self._part(order, "seen_to_planned", order.seen_ns, order.planned_ns)
        self._part(order, "planned_to_sent", order.planned_ns, sent)
        self._part(order, "sent_to_accepted", sent, accepted)
        self._part(order, "leader_to_accepted", leader, accepted)

    def traded(self, fills: Iterable[CopyFill], orders: Mapping[Tag, CopyOrder]) -> None:
        for fill in fills:
            order = orders[fill.tag]
            self._part(order, "leader_to_filled", order.leader_time_ns, fill.broker_time_ns)
            if fill.slippage_bps is not None and fill.slippage_money is not None:
                self._slipped(order, fill.slippage_bps, fill.slippage_money)

    def _slipped(self, order: CopyOrder, bps: Decimal, money: Decimal) -> None:
        type_ = self._type_of(order.account_id)
        self._bps.labels(type_).observe(float(bps))
        self._money.labels("worse" if money > 0 else "better", type_).inc(float(abs(money)))

    def _part(self, order: CopyOrder, part: str, since_ns: int, until_ns: int) -> None:
        """Of what is not known on both sides nothing is said; brokers' times are whole seconds."""
        if since_ns > 0 and until_ns > 0:
            type_ = self._type_of(order.account_id)
            self._seconds.labels(part, type_).observe(max(0, until_ns - since_ns) / 1e9)
