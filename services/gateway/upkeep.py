"""What goes on beside the requests: old answers are forgotten, lost keys are laid again."""

from collections.abc import Awaitable, Callable

import structlog

from paceline.domain.errors import Unavailable
from paceline.domain.subscription import SubscriptionState
from paceline.ports.changes import Changes
from paceline.ports.clock import Clock
from paceline.ports.presence import Relations
from paceline.ports.requests import Requests
from paceline.ports.views import SubscriptionFilter

_log = structlog.get_logger(__name__)

FORGET_EVERY_S = 3_600.0
RELATE_EVERY_S = 300.0
_PAGE = 500
_COPYING = SubscriptionFilter(states=frozenset({SubscriptionState.APPROVED, SubscriptionState.PAUSED}))


async def every(clock: Clock, pause_s: float, name: str, work: Callable[[], Awaitable[int]]) -> None:
    """Until cancelled; what cannot be done now is done the next time."""
    while True:
        try:
            _log.debug("upkeep.done", work=name, count=await work())
        except Unavailable as problem:
            _log.warning("upkeep.unreachable", work=name, problem=str(problem))
        await clock.sleep(pause_s)


def forgetting(requests: Requests, kept_h: int) -> Callable[[], Awaitable[int]]:
    async def forget() -> int:
        return await requests.forget_before(kept_h)

    return forget


def relating(changes: Changes, relations: Relations) -> Callable[[], Awaitable[int]]:
    """Lays the keys of all who copy, page by page; none can end between being read and being laid."""

    async def relate() -> int:
        count, after = 0, ""
        while True:
            async with changes.begin() as change:
                await change.holds.subscriptions()
                page = [
                    each.subscription for each in await change.views.subscriptions(_COPYING, after, _PAGE)
                ]
                await relations.rebuild((each.leader, each.follower) for each in page)
            count += len(page)
            if len(page) < _PAGE:
                return count
            after = page[-1].subscription_id

    return relate
