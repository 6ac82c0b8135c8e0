"""One leader event and what every follower does about it."""

from collections.abc import Sequence
from typing import TypeVar

from paceline.domain.copying.decision import Plan
from paceline.domain.copying.on_fill import FillPlanner
from paceline.domain.copying.view import Copier, LeaderState, Market
from paceline.domain.errors import FailedPrecondition
from paceline.domain.event import Event
from paceline.domain.order import Fill
from paceline.domain.subscription import CopyMode

_T = TypeVar("_T")


def plan(event: Event, leader: LeaderState, copiers: Sequence[Copier], market: Market) -> Plan:
    """Every fill yields exactly one decision per copier; other events yield none and move the leader's state.

    `leader` is folded up to, and without, the event. Followers are served in an order that rotates.
    """
    return plan_chunk(event, leader, rotated(copiers, event.offset), market)


def plan_chunk(event: Event, leader: LeaderState, copiers: Sequence[Copier], market: Market) -> Plan:
    """The same for a part of the followers, in the order given: rotate all before cutting chunks."""
    for copier in copiers:
        require_planned_mode(copier.subscription.mode)
    body = event.fact.body
    if not isinstance(body, Fill):
        return Plan(event, ())
    planner = FillPlanner(event, body, leader, market)
    return Plan(event, tuple(planner.decide(copier) for copier in copiers))


def rotated(followers: Sequence[_T], offset: int) -> Sequence[_T]:
    """Nobody is always first: the order of service moves on by one from event to event."""
    if not followers:
        return followers
    start = offset % len(followers)
    return [*followers[start:], *followers[:start]]


def require_planned_mode(mode: CopyMode) -> None:
    if mode is not CopyMode.ON_FILL:
        raise FailedPrecondition(f"copy mode {mode} cannot be planned yet")
