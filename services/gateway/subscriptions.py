"""Subscriptions: who follows whom, and the one way through their states."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from paceline.domain.account import AccountState
from paceline.domain.errors import FailedPrecondition, Invalid, NotFound, Problem, Problems
from paceline.domain.ids import InstrumentId, SubscriptionId
from paceline.domain.subscription import (
    LIVING,
    EndPolicy,
    Subscription,
    SubscriptionState,
    problems_of,
    require_supported,
)
from paceline.ports.changes import Change
from paceline.ports.instruments import Instruments
from paceline.ports.presence import Relations
from paceline.ports.views import SubscriptionView
from services.gateway.accounts import require_version

MAX_AGE_MAX_MS = 86_400_000
_WIRE_NAMES = {
    "follower": "follower_id",
    "leader": "leader_id",
    "filters.max_age_ms": "filters.max_age",
    "filters.blocked": "filters.blocked_instrument_ids",
}


@dataclass(frozen=True, slots=True)
class Step:
    """From some states to one."""

    name: str
    before: frozenset[SubscriptionState]
    after: SubscriptionState


class Move(Enum):
    """The state machine: PENDING → APPROVED ⇄ PAUSED → ENDING → ENDED; of the last two `end` takes care."""

    APPROVE = Step("approve", frozenset({SubscriptionState.PENDING}), SubscriptionState.APPROVED)
    PAUSE = Step("pause", frozenset({SubscriptionState.APPROVED}), SubscriptionState.PAUSED)
    RESUME = Step("resume", frozenset({SubscriptionState.PAUSED}), SubscriptionState.APPROVED)


_OVER = frozenset({SubscriptionState.ENDING, SubscriptionState.ENDED})


class SubscriptionDesk:
    """Each method works inside a change that somebody else began."""

    def __init__(self, relations: Relations, instruments: Instruments) -> None:
        self._relations = relations
        self._instruments = instruments

    async def create(self, change: Change, subscription: Subscription) -> SubscriptionView:
        check_settings(subscription)
        await self._check_instruments(subscription, {})
        await _check_accounts(change, subscription)
        await change.subscriptions.create(subscription)
        return await change.views.subscription(subscription.subscription_id)

    async def update(
        self,
        change: Change,
        subscription_id: SubscriptionId,
        version: int,
        edit: Callable[[Subscription], Subscription],
    ) -> SubscriptionView:
        """`version` 0 overwrites whatever is there."""
        current = await _current(change, subscription_id, version)
        if current.state in _OVER:
            raise FailedPrecondition(
                f"subscription {subscription_id!r} is {current.state}: it has no settings"
            )
        wanted = replace(edit(current), version=current.version)
        check_settings(wanted)
        _check_lasting(current, wanted)
        await self._check_instruments(wanted, instruments_of(current))
        await change.subscriptions.update(wanted)
        return await change.views.subscription(subscription_id)

    async def move(
        self, change: Change, subscription_id: SubscriptionId, version: int, move: Move
    ) -> SubscriptionView:
        """`FailedPrecondition` where the state does not allow it."""
        current = await _current(change, subscription_id, version)
        step = move.value
        if current.state not in step.before:
            raise FailedPrecondition(
                f"subscription {subscription_id!r} is {current.state}: {step.name} needs "
                + " or ".join(sorted(step.before))
            )
        await change.subscriptions.update(replace(current, state=step.after))
        if move is Move.APPROVE:
            await self._relations.follow(current.leader, current.follower)
        return await change.views.subscription(subscription_id)

    async def end(
        self,
        change: Change,
        subscription_id: SubscriptionId,
        version: int,
        policy: EndPolicy | None,
        successor: SubscriptionId | None,
    ) -> SubscriptionView:
        """No policy is as the subscription says. What never copied has ended at once."""
        current = await _current(change, subscription_id, version)
        if current.state is SubscriptionState.ENDED:
            raise FailedPrecondition(f"subscription {subscription_id!r} is ENDED: end needs one that is not")
        policy = policy or current.at_end
        await _check_successor(change, current, policy, successor)
        began = current.state is not SubscriptionState.PENDING
        after = SubscriptionState.ENDING if began else SubscriptionState.ENDED
        await change.subscriptions.update(replace(current, state=after, ending=policy, successor=successor))
        await self._relations.unfollow(current.leader, current.follower)
        return await change.views.subscription(subscription_id)

    async def _check_instruments(self, subscription: Subscription, known: Mapping[InstrumentId, str]) -> None:
        """What nobody can trade is a slip of the pen; what was taken before may have expired since."""
        named = {each: at for each, at in instruments_of(subscription).items() if each not in known}
        if not named:
            return
        found = await self._instruments.get_many(named)
        problems = Problems()
        for each, at in named.items():
            problems.require(each in found, at, f"names {each}, which is no instrument")
        problems.raise_any()


def check_settings(subscription: Subscription) -> None:
    """`Invalid` for what can never work, by its wire name; `FailedPrecondition` for what cannot yet."""
    problems = Problems()
    for problem in problems_of(subscription):
        problems.add(f"subscription.{_WIRE_NAMES.get(problem.field, problem.field)}", problem.rule)
    for problem in _impossible(subscription):
        problems.add(f"subscription.{problem.field}", problem.rule)
    problems.raise_any()
    require_supported(subscription)


def _impossible(subscription: Subscription) -> tuple[Problem, ...]:
    problems = Problems()
    problems.require(
        subscription.filters.max_age_ms <= MAX_AGE_MAX_MS, "filters.max_age", "must not be above one day"
    )
    return problems.found


def instruments_of(subscription: Subscription) -> dict[InstrumentId, str]:
    """Every instrument that the settings name, with the field that names it."""
    filters = subscription.filters
    named = dict.fromkeys(sorted(filters.allowed or ()), "subscription.filters.allowed")
    named |= dict.fromkeys(sorted(filters.blocked), "subscription.filters.blocked_instrument_ids")
    for number, mapping in enumerate(subscription.instrument_mappings):
        at = f"subscription.instrument_mappings[{number}]"
        named[mapping.leader] = f"{at}.leader_instrument_id"
        named[mapping.follower] = f"{at}.follower_instrument_id"
    return named


def _check_lasting(current: Subscription, wanted: Subscription) -> None:
    """What is held under one name would never be left under another."""
    if current.state is SubscriptionState.PENDING:
        return
    problems = Problems()
    for field in ("mode", "instrument_mappings", "product_mappings", "reverse", "take_over"):
        same = getattr(current, field) == getattr(wanted, field)
        problems.require(same, f"subscription.{field}", "must not change once the subscription was approved")
    problems.raise_any()


async def _current(change: Change, subscription_id: SubscriptionId, version: int) -> Subscription:
    await change.holds.subscriptions()
    current = await change.subscriptions.get(subscription_id)
    require_version("subscription", subscription_id, current.version, version)
    return current


async def _check_successor(
    change: Change, ending: Subscription, policy: EndPolicy, successor: SubscriptionId | None
) -> None:
    """Copies stay in the account they are in, so whoever takes them over is of the same follower."""
    if policy is not EndPolicy.HAND_OVER:
        if successor is not None:
            raise Invalid("successor_id", "must be empty unless policy is END_POLICY_HAND_OVER")
        return
    if successor is None:
        raise Invalid("successor_id", "must be set where copies are handed over")
    try:
        taker = await change.subscriptions.get(successor)
    except NotFound:
        raise Invalid("successor_id", "names no subscription") from None
    problems = Problems()
    problems.require(successor != ending.subscription_id, "successor_id", "must not be the one that ends")
    problems.require(
        taker.follower == ending.follower, "successor_id", "must be a subscription of the same follower"
    )
    problems.raise_any()
    if taker.state not in LIVING:
        raise FailedPrecondition(f"subscription {successor!r} is {taker.state}: it takes nothing over")


async def _check_accounts(change: Change, subscription: Subscription) -> None:
    named = {"subscription.leader_id": subscription.leader, "subscription.follower_id": subscription.follower}
    standing = await change.holds.accounts(named.values())
    problems = Problems()
    for field, account_id in named.items():
        problems.require(account_id in standing, field, "names no account")
    problems.raise_any()
    for account_id, account in standing.items():
        if account.state is AccountState.CLOSED:
            raise FailedPrecondition(f"account {account_id!r} is closed")
