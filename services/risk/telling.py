"""Tells people what is laid out for them, beside the loop: claimed, tried, tried again, at last given up."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import structlog

from paceline.domain.alert import words
from paceline.domain.errors import Invalid, Unavailable
from paceline.domain.ids import Partition
from paceline.ports.alerts import Delivery, Outbox, Outcome
from paceline.ports.clock import Clock
from paceline.ports.notifier import Notifier, Untold
from paceline.ports.seal import Seal
from paceline.runtime.alert_targets import url_of
from paceline.runtime.log import RepeatGate
from paceline.runtime.metric_names import RISK_ALERTS
from paceline.runtime.metrics import Metrics

_log = structlog.get_logger(__name__)

_LOOK_S = 0.25
_AGAIN_S = 1.0
_PAUSE_MAX_S = 600.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How many are told side by side, how long a claim holds, and after how many attempts one is given up."""

    at_once: int
    hold_s: float
    attempts_max: int


def pause_s(attempts: int) -> float:
    """Twice as long each time: two seconds, four, eight, at most ten minutes."""
    return min(2.0 ** min(attempts, 20), _PAUSE_MAX_S)


class Teller:
    def __init__(
        self,
        outbox: Outbox,
        notifier: Notifier,
        seal: Seal,
        mine: Callable[[], Iterable[Partition]],
        clock: Clock,
        metrics: Metrics,
        patience: Patience,
    ) -> None:
        self._outbox = outbox
        self._notifier = notifier
        self._seal = seal
        self._mine = mine
        self._clock = clock
        self._patience = patience
        self._gate = RepeatGate(clock)
        self._counted = metrics.counter(RISK_ALERTS)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                pause = 0.0 if await self.turn() else _LOOK_S
            except Unavailable as problem:
                if self._gate.held_back("unreachable") is not None:
                    _log.warning("alerts.unreachable", problem=str(problem))
                pause = _AGAIN_S
            await self._clock.sleep(pause)

    async def turn(self) -> int:
        """One batch; how many."""
        patience = self._patience
        due = await self._outbox.claim(self._mine(), patience.at_once, patience.hold_s)
        if due:
            await self._outbox.settle(await self._tell(due))
        return len(due)

    async def _tell(self, due: Sequence[Delivery]) -> Sequence[Outcome]:
        return await asyncio.gather(*(self._one(each) for each in due))

    async def _one(self, delivery: Delivery) -> Outcome:
        problem, hopeless = "", False
        try:
            await self._notifier.tell(url_of(self._seal, delivery.target), *words(delivery.alert))
        except Untold as untold:
            problem = str(untold)
        except Invalid as sealed:
            problem, hopeless = f"the target does not open: {sealed}", True
        if not problem:
            self._counted.labels(outcome="told").inc()
            return Outcome(delivery)
        given_up = hopeless or delivery.attempts >= self._patience.attempts_max
        self._counted.labels(outcome="given_up" if given_up else "failed").inc()
        _log.warning(
            "alert.given_up" if given_up else "alert.untold",
            alert=delivery.alert.alert_id,
            target=delivery.target.display_name or delivery.target.target_id,
            attempts=delivery.attempts,
            problem=problem,
        )
        return Outcome(delivery, problem, None if given_up else pause_s(delivery.attempts))
