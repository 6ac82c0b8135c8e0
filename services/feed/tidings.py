"""What is said aloud of sessions: each change once, of one that flaps a line a minute with the count."""

from collections import Counter

import structlog

from paceline.domain.account import SessionState
from paceline.domain.ids import AccountId
from paceline.domain.session_states import WAITS_FOR_A_PERSON
from paceline.ports.clock import Clock

_log = structlog.get_logger(__name__)

_EVERY_NS = 60_000_000_000
_ON_THE_WAY = frozenset({SessionState.CONNECTING, SessionState.RECOVERING})


class Tidings:
    """`flush`, called often, says the last word of a session whose minute of silence is over."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._spoke_ns: dict[AccountId, int] = {}
        self._was: dict[AccountId, SessionState] = {}
        self._lived: set[AccountId] = set()
        self._held: Counter[AccountId] = Counter()
        self._last: dict[AccountId, tuple[SessionState, str]] = {}

    def tell(self, account_id: AccountId, state: SessionState, reason: str) -> None:
        """The steps of coming to life are no news; that a person is needed is said at once, and louder of one
        that was live before."""
        before, self._was[account_id] = self._was.get(account_id), state
        if state is SessionState.LIVE:
            self._lived.add(account_id)
        if state in _ON_THE_WAY and before is not SessionState.LIVE and not reason:
            _log.debug("session.state", account=account_id, state=state)
            return
        if state is before and state not in _ON_THE_WAY:
            return
        if state in WAITS_FOR_A_PERSON:
            never_in = state is SessionState.LOGIN_NEEDED and account_id not in self._lived
            say = _log.info if never_in else _log.warning
            say("session.state", account=account_id, state=state, reason=reason)
            return
        self._last[account_id] = (state, reason)
        if self._is_due(account_id):
            self._say(account_id)
        else:
            self._held[account_id] += 1

    def flush(self) -> None:
        for account_id in [each for each in self._held if self._is_due(each)]:
            self._say(account_id)

    def forget(self, account_id: AccountId) -> None:
        """It runs here no more."""
        self._lived.discard(account_id)
        for each in (self._spoke_ns, self._was, self._held, self._last):
            each.pop(account_id, None)

    def _is_due(self, account_id: AccountId) -> bool:
        spoke_ns = self._spoke_ns.get(account_id)
        return spoke_ns is None or self._clock.monotonic_ns() - spoke_ns >= _EVERY_NS

    def _say(self, account_id: AccountId) -> None:
        state, reason = self._last[account_id]
        held_back = self._held.pop(account_id, 0)
        self._spoke_ns[account_id] = self._clock.monotonic_ns()
        _log.info("session.state", account=account_id, state=state, reason=reason, held_back=held_back)
