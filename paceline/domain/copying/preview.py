"""A dry run: what past events would have done for a follower, by the same rules and on a ledger in memory.

Every order is taken as filled at once, wholly, and at the leader's price; nothing is frozen, nothing kept.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from paceline.domain.calendar import Calendar
from paceline.domain.copying.decision import Decision, Outcome, SizingInputs, SkipReason
from paceline.domain.copying.fold import fold_result
from paceline.domain.copying.mapping import followers_key
from paceline.domain.copying.plan import plan_chunk
from paceline.domain.copying.view import (
    NO_LOT_RULE,
    Copier,
    Equity,
    LeaderOrder,
    LeaderState,
    LotRule,
    Market,
    fold_orders,
)
from paceline.domain.errors import FailedPrecondition
from paceline.domain.event import Event
from paceline.domain.ids import AccountId, BrokerOrderId, InstrumentId
from paceline.domain.instrument import Instrument, InstrumentKey, Segment
from paceline.domain.ledger import Ledger
from paceline.domain.money import BPS, EXACT, ZERO
from paceline.domain.order import Fill
from paceline.domain.position import PositionReport
from paceline.domain.subscription import CopyMode, SizingMode, Subscription, SubscriptionState

_SHOWN = Decimal("1e-6")
_BY_EQUITY = {
    SizingMode.EQUITY_RATIO: ("leader", "follower"),
    SizingMode.RISK_PERCENT: ("follower",),
}
_ALWAYS = (
    "The follower begins without any copied position; what the leader held before is not taken over.",
    "The subscription is approved and copying, the session usable and the account free, all the time.",
    "Every order is filled at once, wholly, at the leader's price: no slippage, rejects or missing margin.",
    "An event is planned at the moment it was journaled; the last price is that of the leader's newest fill.",
    "Lots, freeze quantities and expiries are those of the newest instrument master.",
    "Price bands, bans on new positions and the follower's other subscriptions are not looked at.",
)


@dataclass(frozen=True, slots=True)
class Costs:
    """As the caller gives them; nothing else is counted."""

    per_order: Decimal = ZERO
    bps: Decimal = ZERO
    """Of the money traded."""

    def of(self, orders: int, turnover: Decimal) -> Decimal:
        return EXACT.add(self.per_order * orders, EXACT.multiply(turnover, self.bps) / BPS)


@dataclass(frozen=True, slots=True)
class Assumed:
    """What the journal does not say."""

    leader_equity: Equity | None = None
    follower_equity: Equity | None = None
    equities_given: bool = False
    """By the caller, both of those that sizing needs; else they are as they were last reckoned."""
    segments: frozenset[Segment] | None = None
    """What the follower's account may trade; None is everything."""
    lot_rule: LotRule = NO_LOT_RULE
    costs: Costs = Costs()


@dataclass(frozen=True, slots=True)
class Step:
    """What one event would have led to."""

    event: Event
    decision: Decision
    leader_fill: Fill
    price: Decimal
    """At which the orders are taken as filled."""
    held: Decimal
    """Of the decision's key afterwards, signed."""
    cost: Decimal
    currency: str


@dataclass(slots=True)
class Holding:
    """What was traded of one key and is held of it; values are summed exactly."""

    currency: str = ""
    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    """Paid for what is held, signed like it."""
    realised: Decimal = ZERO
    turnover: Decimal = ZERO
    charges: Decimal = ZERO
    orders: int = 0

    @property
    def average_price(self) -> Decimal:
        """For people; per unit of quantity, as prices are quoted."""
        if not self.quantity:
            return ZERO
        return EXACT.quantize(EXACT.divide(self.cost, self.quantity), _SHOWN)

    def trade(self, signed: Decimal, price: Decimal, multiplier: Decimal) -> None:
        self.turnover = EXACT.add(self.turnover, abs(signed) * price * multiplier)
        closed = _closed(self.quantity, signed)
        if closed:
            paid = EXACT.divide(EXACT.multiply(self.cost, closed), self.quantity)
            gained = EXACT.subtract(closed * price, paid)
            self.realised = EXACT.add(self.realised, EXACT.multiply(gained, multiplier))
            self.cost = EXACT.subtract(self.cost, paid)
        self.cost = EXACT.add(self.cost, (signed + closed) * price)
        self.quantity += signed
        if not self.quantity:
            self.cost = ZERO


def _closed(held: Decimal, signed: Decimal) -> Decimal:
    """The part of what is held that a trade closes, signed like it."""
    if held * signed >= 0:
        return ZERO
    closed = min(abs(held), abs(signed))
    return closed if held > 0 else -closed


@dataclass(slots=True)
class Summary:
    events: int = 0
    orders: int = 0
    skips: int = 0
    skips_by_reason: Counter[SkipReason] = field(default_factory=Counter)
    holdings: dict[InstrumentKey, Holding] = field(default_factory=dict)

    @property
    def costs(self) -> Mapping[str, Decimal]:
        return self._by_currency("charges")

    @property
    def turnover(self) -> Mapping[str, Decimal]:
        return self._by_currency("turnover")

    @property
    def realised(self) -> Mapping[str, Decimal]:
        return self._by_currency("realised")

    def _by_currency(self, what: str) -> Mapping[str, Decimal]:
        sums: dict[str, Decimal] = {}
        for each in self.holdings.values():
            sums[each.currency] = EXACT.add(sums.get(each.currency, ZERO), getattr(each, what))
        return sums


def without_bands(instrument: Instrument) -> Instrument:
    """Those of today say nothing about another day."""
    return replace(instrument, lower_band=None, upper_band=None)


def require_previewable(subscription: Subscription) -> None:
    """Mirrored orders rest: the leader's journal does not say what of a copy would have been filled."""
    if subscription.mode is not CopyMode.ON_FILL:
        raise FailedPrecondition(
            f"copy mode {subscription.mode} cannot be previewed: which part of a resting copy would have been"
            " filled is not in the leader's journal"
        )


class Preview:
    """One follower through the events of his leader, in the order of the journal."""

    def __init__(
        self, subscription: Subscription, leader: LeaderState, assumed: Assumed, calendar: Calendar
    ) -> None:
        """`leader` is as he stood before the first event."""
        require_previewable(subscription)
        self.subscription = replace(subscription, state=SubscriptionState.APPROVED, auto_copy=True)
        self.assumed = assumed
        self.summary = Summary()
        self._leader = replace(leader, equity=assumed.leader_equity)
        self._calendar = calendar
        self._orders: dict[InstrumentKey, dict[BrokerOrderId, LeaderOrder]] = {}
        self._ledgers: dict[InstrumentKey, Ledger] = {}
        self._frozen: dict[BrokerOrderId, SizingInputs] = {}
        self._last: dict[InstrumentId, Decimal] = {}

    def take(self, event: Event, instruments: Mapping[InstrumentId, Instrument]) -> Step | None:
        """None where the event leads to no decision. `instruments` know those of leader and follower."""
        self.summary.events += 1
        body = event.fact.body
        step = self._follow(event, body, instruments) if isinstance(body, Fill) else None
        self._leader = self._leader.after(event)
        if not isinstance(body, PositionReport):
            orders = self._orders.setdefault(body.key, {})
            known = {body.order_id: orders[body.order_id]} if body.order_id in orders else {}
            orders.update(fold_orders(known, event))
        return step

    def _follow(
        self, event: Event, fill: Fill, instruments: Mapping[InstrumentId, Instrument]
    ) -> Step | None:
        self._last[fill.key.instrument_id] = fill.price
        leader = replace(self._leader, orders=self._orders.get(fill.key, {}))
        market = Market(instruments, event.journaled_ns, self._last)
        copier = self._copier(event, fill, instruments)
        decisions = plan_chunk(event, leader, [copier], market).decisions
        if not decisions:
            return None
        (decision,) = decisions
        if decision.sizing is not None:
            self._frozen.setdefault(fill.order_id, decision.sizing)
        return self._carried_out(event, fill, decision, instruments.get(decision.key.instrument_id))

    def _copier(self, event: Event, fill: Fill, instruments: Mapping[InstrumentId, Instrument]) -> Copier:
        key = followers_key(self.subscription, fill.key) or fill.key
        traded = instruments.get(key.instrument_id)
        now_ns = event.journaled_ns
        return Copier(
            subscription=self.subscription,
            ledger=self._ledgers.get(key, Ledger()),
            frozen=self._frozen.get(fill.order_id),
            equity=self.assumed.follower_equity,
            segments=self.assumed.segments,
            exposure=self._exposure(instruments),
            other_positions=sum(bool(each.held) for other, each in self._ledgers.items() if other != key),
            lot_rule=self.assumed.lot_rule,
            market_open=(
                self._calendar.trades(traded, now_ns)
                if traded is not None
                else self._calendar.is_open(fill.exchange, fill.segment, now_ns)
            ),
        )

    def _exposure(self, instruments: Mapping[InstrumentId, Instrument]) -> Decimal | None:
        """Money in everything held, at the last prices that the leader traded at."""
        if self.subscription.caps.max_exposure is None:
            return None
        return sum(
            (
                abs(ledger.held) * self._last[key.instrument_id] * instruments[key.instrument_id].multiplier
                for key, ledger in self._ledgers.items()
                if ledger.held
            ),
            ZERO,
        )

    def _carried_out(
        self, event: Event, fill: Fill, decision: Decision, instrument: Instrument | None
    ) -> Step:
        """With its lines on the ledger and its orders filled."""
        key, orders = decision.key, decision.orders
        price = self._last.get(key.instrument_id, fill.price)
        ledger = self._ledgers.get(key, Ledger()).with_lines(decision.entries)
        cost = ZERO
        if orders and instrument is not None:
            holding = self.summary.holdings.setdefault(key, Holding(instrument.currency))
            before = holding.turnover
            for number, order in enumerate(orders):
                trade = replace(fill, side=order.spec.side, quantity=order.spec.quantity)
                ledger = fold_result(order, trade, ledger, instrument.lot, orders[number + 1 :]).ledger
                holding.trade(trade.quantity * int(trade.side), price, instrument.multiplier)
            holding.orders += len(orders)
            cost = self.assumed.costs.of(len(orders), holding.turnover - before)
            holding.charges = EXACT.add(holding.charges, cost)
        self._ledgers[key] = ledger
        self._count(decision)
        return Step(
            event, decision, fill, price, ledger.held, cost, instrument.currency if instrument else ""
        )

    def _count(self, decision: Decision) -> None:
        self.summary.orders += len(decision.orders)
        if decision.outcome is Outcome.SKIPPED:
            self.summary.skips += 1
            if decision.reason is not None:
                self.summary.skips_by_reason[decision.reason] += 1


def equities_missing(
    subscription: Subscription, leader: Equity | None, follower: Equity | None
) -> frozenset[AccountId]:
    """Whose equity sizing needs and nobody gave."""
    given = {"leader": (subscription.leader, leader), "follower": (subscription.follower, follower)}
    needed = (given[whose] for whose in _BY_EQUITY.get(subscription.sizing.mode, ()))
    return frozenset(account for account, equity in needed if equity is None)


def assumptions(subscription: Subscription, assumed: Assumed) -> tuple[str, ...]:
    """What the figures take for granted, one sentence each."""
    sentences = list(_ALWAYS)
    needed = _BY_EQUITY.get(subscription.sizing.mode, ())
    if needed:
        sentences.append(_equity_sentence(needed, assumed))
    sentences.append(_cost_sentence(assumed.costs))
    return tuple(sentences)


def _equity_sentence(needed: tuple[str, ...], assumed: Assumed) -> str:
    known = {"leader": assumed.leader_equity, "follower": assumed.follower_equity}
    figures = " and ".join(
        f"{whose} {equity.amount.normalize():f}"
        if (equity := known[whose]) is not None
        else f"{whose} unknown"
        for whose in needed
    )
    if assumed.equities_given:
        return f"Sizes go by these equities, as given, all the time: {figures}."
    return f"Sizes go by equities as they are known now, not as they were then: {figures}."


def _cost_sentence(costs: Costs) -> str:
    parts = []
    if costs.per_order:
        parts.append(f"{costs.per_order.normalize():f} for each order")
    if costs.bps:
        parts.append(f"{costs.bps.normalize():f} basis points of the money traded")
    if not parts:
        return "No charges were given, so none are counted: brokerage, taxes and fees come on top."
    return f"Charges are {' and '.join(parts)}, as given; nothing else is counted."
