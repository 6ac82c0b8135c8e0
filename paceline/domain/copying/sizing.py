"""How much of a leader's quantity becomes a follower's: one ratio, frozen once per leader order."""

from decimal import Decimal

from paceline.domain.copying.decision import SizingInputs, SkipReason
from paceline.domain.copying.view import Copier, Equity
from paceline.domain.errors import FailedPrecondition
from paceline.domain.money import EXACT, IDEAL_QUANTUM
from paceline.domain.subscription import SizingMode


def size(copier: Copier, leader_equity: Equity | None, leader_quantity: Decimal) -> SizingInputs | SkipReason:
    """The inputs with the unrounded quantity, or why there is none."""
    ratio = copier.frozen.ratio if copier.frozen else _ratio(copier, leader_equity)
    if isinstance(ratio, SkipReason):
        return ratio
    unrounded = EXACT.multiply(ratio, leader_quantity)
    return _inputs(copier, leader_equity, ratio, unrounded)


def _ratio(copier: Copier, leader_equity: Equity | None) -> Decimal | SkipReason:
    sizing = copier.subscription.sizing
    if sizing.mode is SizingMode.FIXED_RATIO:
        return sizing.value
    if sizing.mode is SizingMode.EQUITY_RATIO:
        return _equity_ratio(sizing.value, copier.equity, leader_equity)
    raise FailedPrecondition(f"sizing mode {sizing.mode} cannot be planned")


def _equity_ratio(
    multiplier: Decimal, follower: Equity | None, leader: Equity | None
) -> Decimal | SkipReason:
    if follower is None or leader is None or follower.amount <= 0 or leader.amount <= 0:
        return SkipReason.EQUITY_UNKNOWN
    exact = EXACT.divide(EXACT.multiply(follower.amount, multiplier), leader.amount)
    return EXACT.quantize(exact, IDEAL_QUANTUM)


def _inputs(copier: Copier, leader: Equity | None, ratio: Decimal, unrounded: Decimal) -> SizingInputs:
    sizing = copier.subscription.sizing
    if copier.frozen is not None:
        first = copier.frozen
        return SizingInputs(
            first.mode,
            first.value,
            ratio,
            unrounded,
            first.leader_equity,
            first.leader_equity_age_ms,
            first.follower_equity,
            first.follower_equity_age_ms,
        )
    if sizing.mode is SizingMode.FIXED_RATIO:
        return SizingInputs(sizing.mode, sizing.value, ratio, unrounded)
    follower = copier.equity
    return SizingInputs(
        sizing.mode,
        sizing.value,
        ratio,
        unrounded,
        leader.amount if leader else None,
        leader.age_ms if leader else None,
        follower.amount if follower else None,
        follower.age_ms if follower else None,
    )
