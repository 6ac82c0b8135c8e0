"""One leader event and what every follower does about it."""

from collections.abc import Sequence
from typing import TypeVar

from paceline.domain.copying.decision import Decision, Plan
from paceline.domain.copying.on_fill import FillPlanner
from paceline.domain.copying.on_order import OrderPlanner
from paceline.domain.copying.view import Copier, LeaderState, Market
from paceline.domain.event import Event
from paceline.domain.order import Fill
from paceline.domain.position import PositionReport
from paceline.domain.subscription import CopyMode

_T = TypeVar("_T")


def plan(event: Event, leader: LeaderState, copiers: Sequence[Copier], market: Market) -> Plan:
    """Every fill yields exactly one decision per copier of fills; what says nothing new yields none.

    `leader` is folded up to, and without, the event. Followers are served in an order that rotates.
    """
    return plan_chunk(event, leader, rotated(copiers, event.offset), market)


def plan_chunk(event: Event, leader: LeaderState, copiers: Sequence[Copier], market: Market) -> Plan:
    """The same for a part of the followers, in the order given: rotate all before cutting chunks."""
    body = event.fact.body
    if isinstance(body, PositionReport):
        return Plan(event, ())
    mirrors = any(copier.subscription.mode is CopyMode.ON_ORDER for copier in copiers)
    orders = OrderPlanner(event, body, leader, market) if mirrors else None
    fills = FillPlanner(event, body, leader, market) if isinstance(body, Fill) else None
    decisions: list[Decision] = []
    for copier in copiers:
        decided: Decision | None = None
        if copier.subscription.mode is CopyMode.ON_ORDER:
            decided = orders.decide(copier) if orders else None
        elif fills is not None:
            decided = fills.decide(copier)
        if decided is not None:
            decisions.append(decided)
    return Plan(event, tuple(decisions))


def rotated(followers: Sequence[_T], offset: int) -> Sequence[_T]:
    """Nobody is always first: the order of service moves on by one from event to event."""
    if not followers:
        return followers
    start = offset % len(followers)
    return [*followers[start:], *followers[:start]]
