"""What a token that is missing, refused or about to end leads to; one login serves every caller."""

from dataclasses import dataclass
from enum import StrEnum

from paceline.domain.errors import (
    BrokerError,
    BrokerLoginNeeded,
    BrokerNeverSent,
    BrokerRateLimited,
)

FAILURES_MAX = 2
"""So many logins failed in a row, and none is tried any more unless a person asks for it."""


class LoginFailed(BrokerLoginNeeded):
    """A login failed and is tried again by itself after the time it names."""

    def __init__(self, words: str, *, retry_after_ms: int) -> None:
        super().__init__(words)
        self.retry_after_ms = retry_after_ms


class LoginSuspended(BrokerLoginNeeded):
    """Two logins failed in a row: none is tried until a person acts."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of an account's logins at one moment."""

    token_version: int
    """Counts the tokens."""
    is_usable: bool
    """The newest token was not refused and has not ended."""
    can_renew: bool
    """There is something to get another token with, and the broker did not turn it down."""
    failed: int
    """Logins in a row."""
    retry_in_ms: int = 0
    """No attempt before."""
    is_claimed: bool = False
    """Somebody logs in just now."""
    failure: str = ""
    """The last one, in the broker's words."""

    @property
    def is_suspended(self) -> bool:
        return self.failed >= FAILURES_MAX


class Step(StrEnum):
    USE = "USE"
    """There is another token."""
    WAIT = "WAIT"
    """Somebody gets one."""
    LOG_IN = "LOG_IN"
    LATER = "LATER"
    """It failed a moment ago."""
    PERSON = "PERSON"
    """Only a person gets one."""
    SUSPENDED = "SUSPENDED"


def next_step(standing: Standing, after: int) -> Step:
    """For whoever wants a token newer than number `after`."""
    if standing.is_suspended:
        return Step.SUSPENDED
    if standing.is_usable and standing.token_version > after:
        return Step.USE
    if not standing.can_renew:
        return Step.PERSON
    if standing.is_claimed:
        return Step.WAIT
    return Step.LATER if standing.retry_in_ms > 0 else Step.LOG_IN


class Verdict(StrEnum):
    """What a login that brought no token means."""

    REFUSED = "REFUSED"
    """The broker wants the person: the same again will be refused again."""
    FAILED = "FAILED"
    UNTRIED = "UNTRIED"
    """The broker never judged it: no failure of the account."""


def verdict(problem: BrokerError) -> Verdict:
    match problem:
        case BrokerNeverSent() | BrokerRateLimited():
            return Verdict.UNTRIED
        case BrokerLoginNeeded():
            return Verdict.REFUSED
        case _:
            return Verdict.FAILED


@dataclass(frozen=True, slots=True)
class Ahead:
    """How long before it bites something is done about a token."""

    expiry_ns: int
    opening_ns: int
    spread_ns: int
    """Accounts are spread over so long before that."""


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Of a token: since when, until when; 0 is not known."""

    since_ns: int
    until_ns: int


def due_ns(token: Lifetime, opening_ns: int | None, day_end_ns: int, ahead: Ahead, share: float) -> int:
    """When to get another token: ahead of its end, and before the opening of a day that it would not outlive.

    Never in the first half of its life, and for an opening only once. `share` in [0, 1) spreads accounts.
    """
    spread_ns = round(ahead.spread_ns * share)
    half_ns = token.since_ns + (token.until_ns - token.since_ns) // 2
    by_end_ns = max(half_ns, token.until_ns - ahead.expiry_ns - spread_ns)
    if opening_ns is None or token.until_ns >= day_end_ns:
        return by_end_ns
    by_opening_ns = opening_ns - ahead.opening_ns - spread_ns
    if token.since_ns >= by_opening_ns:
        return by_end_ns
    return min(by_end_ns, by_opening_ns)
