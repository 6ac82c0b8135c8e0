"""Compares an account's ledgers with its broker's book when asked: the executor that holds it looks."""

from collections.abc import Sequence
from dataclasses import dataclass

from paceline.domain.drift import NOT_COMPARED, LookOutcome
from paceline.ports.accounts import Accounts
from paceline.ports.clock import Clock
from paceline.ports.drift_looks import AskedLook, DriftLooks
from paceline.ports.drifts import Drift, Drifts

_AGAIN_S = 0.1
_WAIT_MAX_NS = 30_000_000_000
_SHOWN_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Compared:
    """What stands now, and why it says nothing, where it does."""

    drifts: Sequence[Drift]
    not_because: str = ""


class Comparisons:
    def __init__(self, looks: DriftLooks, drifts: Drifts, accounts: Accounts, clock: Clock) -> None:
        self._looks = looks
        self._drifts = drifts
        self._accounts = accounts
        self._clock = clock

    async def make(self, asked: AskedLook) -> Compared:
        """The same request again has the same answer. Raises `NotFound`; `Conflict` where it was another."""
        await self._accounts.get(asked.account_id)
        await self._looks.ask(asked)
        outcome = await self._outcome(asked.request_id)
        why = "no executor has looked yet: ask again by the same request_id"
        if outcome is not None:
            why = NOT_COMPARED.get(outcome, "")
        drifts = await self._drifts.page(account_id=asked.account_id, limit=_SHOWN_MAX)
        return Compared(drifts, why)

    async def _outcome(self, request_id: str) -> LookOutcome | None:
        until_ns = self._clock.monotonic_ns() + _WAIT_MAX_NS
        while (outcome := await self._looks.outcome(request_id)) is None:
            if self._clock.monotonic_ns() >= until_ns:
                return None
            await self._clock.sleep(_AGAIN_S)
        return outcome
