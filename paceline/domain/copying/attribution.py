"""Whose position a fill takes down that no copy asked for: the copies' share of it, in whole lots.

Brokers net per symbol and product, so what is the follower's own is the broker's net less all ledgers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from paceline.domain.ids import SubscriptionId
from paceline.domain.ledger import toward
from paceline.domain.money import ZERO
from paceline.domain.subscription import AttributionPolicy


@dataclass(frozen=True, slots=True)
class Held:
    """What one subscription holds in the key, and whether it goes down before the follower's own."""

    position: Decimal
    """Signed."""
    policy: AttributionPolicy = AttributionPolicy.COPIES_FIRST


@dataclass(frozen=True, slots=True)
class Attribution:
    """Signed as the fill trades; together they are the fill."""

    copies: Mapping[SubscriptionId, Decimal]
    own: Decimal


def attribute(
    traded: Decimal, held: Mapping[SubscriptionId, Held], own: Decimal, lot: Decimal
) -> Attribution:
    """Copies on the side that the fill opposes go down pro rata, then his own; or the other way round."""
    opposed = {name: each for name, each in held.items() if each.position * traded < 0}
    first = _of_policy(opposed, AttributionPolicy.COPIES_FIRST)
    last = _of_policy(opposed, AttributionPolicy.OWN_FIRST)
    left = abs(traded)
    taken = _pro_rata(left, first, lot)
    left -= sum(taken.values(), ZERO)
    owned = min(left, abs(toward(-traded, own)))
    left -= owned
    taken |= _pro_rata(left, last, lot)
    sign = Decimal(1) if traded > 0 else Decimal(-1)
    copies = {name: quantity * sign for name, quantity in taken.items() if quantity}
    return Attribution(copies, traded - sum(copies.values(), ZERO))


def _of_policy(
    held: Mapping[SubscriptionId, Held], policy: AttributionPolicy
) -> dict[SubscriptionId, Decimal]:
    return {name: abs(each.position) for name, each in sorted(held.items()) if each.policy is policy}


def _pro_rata(
    quantity: Decimal, shares: Mapping[SubscriptionId, Decimal], lot: Decimal
) -> dict[SubscriptionId, Decimal]:
    """Whole lots by the largest remainder, ties by name; never more than each has."""
    whole = sum(shares.values(), ZERO)
    if quantity >= whole:
        return dict(shares)
    exact = {name: quantity * share / whole for name, share in shares.items()}
    taken = {name: part // lot * lot for name, part in exact.items()}
    left = quantity - sum(taken.values(), ZERO)
    for name in sorted(exact, key=lambda each: (taken[each] - exact[each], each)):
        more = min(lot, left, shares[name] - taken[name])
        taken[name] += more
        left -= more
    return taken
