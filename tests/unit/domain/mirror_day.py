"""A leader whose orders are mirrored, one follower, and the follower's broker."""

from dataclasses import replace
from decimal import Decimal

from paceline.domain.copy_order import CommandKind, CopyOrder, Intent
from paceline.domain.copying.decision import Decision
from paceline.domain.copying.fold import Placed
from paceline.domain.copying.view import LeaderPosition, LeaderState
from paceline.domain.ids import BrokerOrderId
from paceline.domain.ledger import Ledger
from paceline.domain.order import BrokerStatus, Fill, OrderReport, Side
from paceline.domain.subscription import (
    CopyMode,
    Subscription,
)
from tests.unit.domain.given import (
    KEY,
    LEADER,
    d,
    fill,
    instrument,
    report,
    subscription,
)
from tests.unit.domain.trading_world import World


def mirroring(ratio: str = "0.5", **how: object) -> Subscription:
    return replace(subscription(ratio=ratio), mode=CopyMode.ON_ORDER, **how)  # type: ignore[arg-type]


class Day:
    """A leader, one follower who mirrors him, and the follower's broker."""

    def __init__(self, settings: Subscription | None = None, lot: int = 1, freeze: int | None = None) -> None:
        self.world = World(instrument(lot=lot, freeze=freeze), [settings or mirroring()])
        (self.books,) = self.world.books.values()
        self.last = report()

    def tells(self, body: OrderReport | Fill) -> Decision | None:
        decisions = self.world.leader_tells(body)
        return decisions[0] if decisions else None

    def says(self, status: BrokerStatus = BrokerStatus.PENDING, **said: object) -> Decision | None:
        """The same order again, a moment later."""
        self.last = replace(self.last, status=status, broker_time_ns=self.last.broker_time_ns + 1, **said)  # type: ignore[arg-type]
        return self.tells(self.last)

    def places(
        self, quantity: int = 100, side: Side = Side.BUY, order: str = "1", **said: object
    ) -> Decision:
        self.last = replace(report(order=order, side=side, quantity=quantity), **said)  # type: ignore[arg-type]
        decision = self.tells(self.last)
        assert decision is not None
        return decision

    def fills(self, signed: int, trade: str, order: str = "1") -> Decision | None:
        return self.tells(fill(signed, trade=trade, order=order))

    def holds(self, leader: int, follower: int) -> None:
        """Both held this before."""
        state = LeaderState(LEADER, {KEY: LeaderPosition(d(leader))})
        self.world.leaders[LEADER] = state
        self.books.ledger = Ledger(ideal=d(follower), entry_planned=d(follower), entry_filled=d(follower))

    def at_broker(self) -> CopyOrder:
        """The newest copy, taken by the broker."""
        order = self.books.open[-1]
        self.world.tell(self.books, order.tag, Placed(BrokerOrderId(order.tag)))
        return self.books.orders[order.tag]


def asked(decision: Decision) -> list[tuple[Intent, int]]:
    return [(order.intent, int(order.spec.quantity) * int(order.spec.side)) for order in decision.orders]


def changed(decision: Decision | None) -> list[tuple[CommandKind, int | None]]:
    assert decision is not None
    return [(each.kind, int(each.spec.quantity) if each.spec else None) for each in decision.commands]


def numbers(*values: Decimal) -> tuple[float, ...]:
    return tuple(map(float, values))
