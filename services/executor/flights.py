"""Requests on their way, and what follows from their answers: written, tried again, held, or given up."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from random import Random

import structlog

from paceline.domain.copying.fold import GivenUp, Placed
from paceline.domain.errors import (
    BrokerAuthFailed,
    BrokerError,
    BrokerNeverSent,
    BrokerOutcomeUnknown,
    BrokerRateLimited,
    Unavailable,
)
from paceline.domain.execution import Command
from paceline.domain.ids import AccountId, Epoch, Partition
from paceline.domain.partitioning import partition_of
from paceline.ports.clock import Clock
from paceline.runtime.meter import Meter, Ticket
from paceline.runtime.partitions import Partitions
from paceline.runtime.retry import Backoff
from services.executor.desk import Desk, Tries
from services.executor.freezes import Hold
from services.executor.outcome import Answer, Outcome, Said
from services.executor.settings import Settings

_log = structlog.get_logger(__name__)

_NS_PER_MS = 1_000_000
_LEASE_LOOK_NS = 200_000_000
_GRANT_LIVES_NS = 500_000_000
"""A grant that is older is lost: what it promised may be over."""
_LANDING_LOOK_S = 0.005

Send = Callable[[Command], Awaitable[Said]]
"""One request; raises a `BrokerError`."""
Relogin = Callable[[AccountId], Awaitable[bool]]
"""Whether there is another token than the one that was refused."""
Refusal = Callable[[Command], str | Hold | None]
"""Why a command may not leave now; a name gives it up."""


def nothing_refused(_command: Command) -> None:
    """Nobody freezes."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how often."""

    need_ms: int
    """So much of the lease must be left when a request leaves."""
    sends_max: int
    attempts_max: int
    held_exit_retry_ms: int
    backoff_s: Callable[[int], float]


def patience_of(settings: Settings, random: Random) -> Patience:
    backoff = Backoff(settings.retry_first_ms / 1000, longest_s=settings.retry_longest_ms / 1000)
    return Patience(
        need_ms=settings.broker_request_max_ms,
        sends_max=settings.sends_max,
        attempts_max=settings.attempts_max,
        held_exit_retry_ms=settings.held_exit_retry_ms,
        backoff_s=lambda attempt: backoff.wait_s(attempt, random),
    )


class Flights:
    """One task per request; tells `news` when a desk may go on."""

    def __init__(
        self,
        send: Send,
        relogin: Relogin,
        meter: Meter,
        partitions: Partitions,
        clock: Clock,
        put: Callable[[Outcome], None],
        answered: Callable[[Answer], None],
        patience: Patience,
        news: Callable[[], None],
        refusal: Refusal = nothing_refused,
    ) -> None:
        self._send = send
        self._relogin = relogin
        self._meter = meter
        self._partitions = partitions
        self._clock = clock
        self._put = put
        self._answered = answered
        self._patience = patience
        self._news = news
        self._refusal = refusal
        self._tasks: dict[asyncio.Task[None], Partition] = {}
        self._in_air: Counter[Partition] = Counter()
        self._login_waits = 0

    @property
    def room(self) -> int:
        """How many more may leave now; who waits for a login takes nobody's place."""
        return max(0, self._patience.sends_max - len(self._tasks) + self._login_waits)

    def launch(self, desk: Desk, command: Command, epoch: Epoch, ticket: Ticket) -> None:
        """The windows granted it just now."""
        partition = partition_of(desk.account_id)
        flight = asyncio.create_task(self._fly(desk, command, epoch, ticket))
        flight.add_done_callback(lambda _: self._meter.land(ticket))
        self._tasks[flight] = partition
        self._in_air[partition] += 1
        flight.add_done_callback(self._landed)

    async def landed(self, partitions: Collection[Partition]) -> None:
        """Wait until nothing of them is in the air."""
        while any(self._in_air[each] for each in partitions):
            await self._clock.sleep(_LANDING_LOOK_S)

    async def cut(self, partitions: Collection[Partition] | None = None) -> None:
        """Wait for no answer any more, of some partitions or of all: what is in the air becomes UNKNOWN."""
        cut = [task for task, at in self._tasks.items() if partitions is None or at in partitions]
        for task in cut:
            task.cancel()
        await asyncio.gather(*cut, return_exceptions=True)

    def _landed(self, flight: asyncio.Task[None]) -> None:
        partition = self._tasks.pop(flight)
        self._in_air[partition] -= 1
        if not self._in_air[partition]:
            del self._in_air[partition]
        self._news()

    async def _fly(self, desk: Desk, command: Command, epoch: Epoch, ticket: Ticket) -> None:
        """Lease, grant and freeze are looked at in the same step in which the request leaves."""
        tries = desk.tries(command)
        if not self._partitions.usable(partition_of(desk.account_id), self._patience.need_ms):
            desk.again(command, self._clock.now_ns() + _LEASE_LOOK_NS)
            return
        if self._clock.monotonic_ns() - ticket.granted_ns > _GRANT_LIVES_NS:
            desk.again(command)
            return
        if (refusal := self._refusal(command)) is not None:
            self._refused(desk, command, refusal, epoch)
            return
        tries.sent += 1
        sent_ns = self._clock.now_ns()
        told = await self._told(command, epoch, tries.sent, sent_ns)
        self._meter.land(ticket)
        again_ns = await self._again_at(desk, command, tries, told)
        if again_ns is not None:
            desk.again(command, again_ns)
            return
        desk.landed(command)
        self._tell(command, told, epoch, tries.sent, sent_ns)

    def _refused(self, desk: Desk, command: Command, refusal: str | Hold, epoch: Epoch) -> None:
        """It surely did not happen: held where it may still be wanted, else given up by its name."""
        if isinstance(refusal, Hold):
            desk.again(command, self._clock.now_ns() + _LEASE_LOOK_NS)
            return
        attempts = desk.tries(command).sent
        desk.landed(command)
        self._put(Outcome(command.order, GivenUp(refusal), epoch, attempts))

    async def _told(self, command: Command, epoch: Epoch, attempts: int, sent_ns: int) -> Said | BrokerError:
        order = command.order
        try:
            return await self._send(command)
        except BrokerError as problem:
            return problem
        except Exception as error:  # noqa: BLE001 - whatever broke, the order may stand at the broker
            _log.exception("flights.broken", account=order.account_id, tag=order.tag)
            return BrokerOutcomeUnknown(f"the request broke: {type(error).__name__}")
        except asyncio.CancelledError:
            lost = BrokerOutcomeUnknown("nobody waited for the answer any more")
            self._tell(command, lost, epoch, attempts, sent_ns)
            raise

    async def _again_at(
        self, desk: Desk, command: Command, tries: Tries, told: Said | BrokerError
    ) -> int | None:
        """When it is sent again, which only what surely did not happen is; None when it is settled."""
        now_ns = self._clock.now_ns()
        match told:
            case BrokerRateLimited():
                until_ns = now_ns + told.retry_after_ms * _NS_PER_MS
                desk.block(until_ns)
                await self._penalize(desk.account_id, until_ns)
                return until_ns
            case BrokerAuthFailed():
                tries.refused_logins += 1
                if tries.refused_logins < self._patience.attempts_max and await self._relogged(desk):
                    return now_ns
                return self._held_until(command, told)
            case BrokerNeverSent() if not told.away:
                tries.never_sent += 1
                if tries.never_sent < self._patience.attempts_max:
                    return now_ns + round(self._patience.backoff_s(tries.never_sent) * 1e9)
                return self._held_until(command, told)
        return None

    def _held_until(self, command: Command, problem: BrokerError) -> int | None:
        """An exit or a change that cannot be sent is held and alarmed, for as long as it takes; an entry is
        given up.
        """
        if command.enters:
            return None
        order = command.order
        _log.error(
            "flights.held",
            command=command.kind,
            account=order.account_id,
            tag=order.tag,
            problem=problem.words,
        )
        return self._clock.now_ns() + self._patience.held_exit_retry_ms * _NS_PER_MS

    def _tell(
        self, command: Command, told: Said | BrokerError, epoch: Epoch, attempts: int, sent_ns: int
    ) -> None:
        if isinstance(told, Placed) or (command.change is None and isinstance(told, BrokerError)):
            self._put(self._outcome(command, told, epoch, attempts, sent_ns))
        else:
            self._answered(Answer(command, told, attempts, sent_ns))

    def _outcome(
        self, command: Command, told: Placed | BrokerError, epoch: Epoch, attempts: int, sent_ns: int
    ) -> Outcome:
        order = command.order
        if isinstance(told, BrokerAuthFailed):
            return Outcome(order, GivenUp("LOGIN_NEEDED"), epoch, attempts, because=told)
        if isinstance(told, BrokerNeverSent):
            name = "BROKER_AWAY" if told.away else "NEVER_SENT"
            return Outcome(order, GivenUp(name), epoch, attempts, because=told)
        return Outcome(order, told, epoch, attempts, sent_ns, self._clock.now_ns())

    async def _relogged(self, desk: Desk) -> bool:
        self._login_waits += 1
        desk.login_waits += 1
        self._news()
        try:
            return await self._relogin(desk.account_id)
        except Unavailable as problem:
            _log.warning("flights.no_login", account=desk.account_id, problem=str(problem))
            return False
        finally:
            self._login_waits -= 1
            desk.login_waits -= 1

    async def _penalize(self, account_id: AccountId, until_ns: int) -> None:
        try:
            await self._meter.penalize(account_id, until_ns)
        except Unavailable as problem:
            _log.warning("flights.no_penalty", account=account_id, problem=str(problem))
