"""Where the ledgers of an account and its broker's position book differ, and what heals it.

own = the broker's net less all ledgers. What a follower trades himself is no drift: it lies beyond what is
copied, and the journal tells the same as the book. Nothing is said of a key in which something moves.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum

from paceline.domain.copy_order import CopyOrder
from paceline.domain.copying.adjustments import Adjusted, Adjustment, AdjustmentKind, closed
from paceline.domain.copying.attribution import Held, attribute
from paceline.domain.copying.surplus import Correction, sell_surplus
from paceline.domain.day_end import DELIVERED, BookRead, at_rest, local
from paceline.domain.ids import AccountId, SubscriptionId
from paceline.domain.instrument import Instrument, InstrumentKey
from paceline.domain.ledger import Ledger, beyond, toward
from paceline.domain.money import ZERO
from paceline.domain.subscription import AttributionPolicy, DriftPolicy

HEALS_MAX = 3
"""So often a surplus is sold in vain before only a person can help."""
_ALLOWANCE_BPS = Decimal(100)


class DriftKind(StrEnum):
    MISSING = "MISSING"
    """The broker shows less than the copies on their side."""
    SURPLUS = "SURPLUS"
    """Copies hold more than they should, and nothing is on its way that would lower it."""
    UNEXPLAINED = "UNEXPLAINED"
    """The broker shows more than the copies, and no fill in the journal tells why."""


class LookOutcome(StrEnum):
    """What came of looking at an account."""

    AGREED = "agreed"
    DIFFERED = "differed"
    PUT_OFF = "put_off"
    """Something moves, or nothing is copied: a book would prove nothing."""
    UNREAD = "unread"
    """The book could not be read, or not whole."""
    MOVED = "moved"
    """Somebody else holds the account by now."""


NOT_COMPARED = {
    LookOutcome.PUT_OFF: "nothing is copied, or something of it moves or moved a moment ago",
    LookOutcome.UNREAD: "the broker's position book could not be read whole",
}
"""Why nothing is said of ledgers and book, for people."""


@dataclass(frozen=True, slots=True)
class Share:
    """One subscription's part of what an account holds in a key."""

    subscription_id: SubscriptionId
    ledger: Ledger
    attribution: AttributionPolicy = AttributionPolicy.COPIES_FIRST
    policy: DriftPolicy = DriftPolicy.REPORT


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of one key; equal to an earlier one exactly when nothing moved."""

    shares: tuple[Share, ...]
    journal: Decimal = ZERO
    """The account's net by all fills ever journaled, tagged or not."""
    unrest: str = ""
    """What is on its way, or moved too lately for a book to be believed."""
    heals: int = 0
    """How often the drift that stands was healed."""

    @property
    def copied(self) -> Decimal:
        return sum((each.ledger.position for each in self.shares), ZERO)

    @property
    def moves(self) -> bool:
        """Also when a row has ended by the word of a report and its trades have still to be told."""
        return bool(self.unrest) or not all(at_rest(each.ledger) for each in self.shares)


@dataclass(frozen=True, slots=True)
class Look:
    """A position book, and how everything stood when it was read."""

    book: BookRead
    standings: Mapping[InstrumentKey, Standing]


@dataclass(frozen=True, slots=True)
class Difference:
    """Signed quantities; `amount` is what is missing, too much, or not explained."""

    kind: DriftKind
    copied: Decimal
    net: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Healing:
    """What brings ledgers and book together again; nothing else is traded."""

    adjustments: tuple[Adjustment, ...] = ()
    corrections: tuple[Correction, ...] = ()


def difference(standing: Standing, net: Decimal, lot: Decimal) -> Difference | None:
    """The worst of a key, where everything is at rest."""
    copied = standing.copied
    if missing := beyond(copied, toward(copied, net)):
        return Difference(DriftKind.MISSING, copied, net, missing)
    if surplus := sum((each.ledger.surplus(lot) for each in standing.shares), ZERO):
        return Difference(DriftKind.SURPLUS, copied, net, surplus)
    if net not in (copied, standing.journal):
        return Difference(DriftKind.UNEXPLAINED, copied, net, net - copied)
    return None


def judge(
    first: Look, second: Look, lots: Mapping[InstrumentKey, Decimal], settle_ns: int
) -> Mapping[InstrumentKey, Difference | None]:
    """Of the keys that two whole readings agree on and in which nothing moved; None is no difference.

    Delivery leaves the position book for the holdings by itself, so of it the book proves nothing.
    """
    reads = (first.book, second.book)
    if not all(each.whole for each in reads) or reads[1].taken_ns - reads[0].taken_ns < settle_ns:
        return {}
    found: dict[InstrumentKey, Difference | None] = {}
    for key, standing in second.standings.items():
        net = reads[1].net.get(key, ZERO)
        moved = first.standings.get(key) != standing or reads[0].net.get(key, ZERO) != net
        if key in lots and key.product not in DELIVERED and not moved and not standing.moves:
            found[key] = difference(standing, net, lots[key])
    return found


def doubtful(look: Look, lots: Mapping[InstrumentKey, Decimal]) -> bool:
    """Whether one reading shows a difference, so that a second is worth its call."""
    return any(judge(look, look, lots, 0).values())


def evidence_of(first: BookRead, second: BookRead, found: Difference) -> str:
    times = [f"{local(each.taken_ns):%H:%M:%S}" for each in (first, second)]
    return f"copies hold {found.copied}, the broker's book at {times[0]} and {times[1]} IST says {found.net}"


def converted(key: InstrumentKey, found: Difference, net: Mapping[InstrumentKey, Decimal]) -> bool:
    """The same instrument stands on that side under another product: moved there, and not gone."""
    others = (each for each in net if each.instrument_id == key.instrument_id and each != key)
    return any(toward(found.copied, net[each]) for each in others)


def lowered(
    key: InstrumentKey, standing: Standing, found: Difference, lot: Decimal, cause: str, evidence: str
) -> Healing:
    """What is gone is taken from the copies by the rule of attribution; only from those that heal.

    The journal must tell of it too: until it does, a lagging book is as likely as a lost position.
    """
    if found.kind is not DriftKind.MISSING or standing.journal != found.net:
        return Healing()
    held = {
        each.subscription_id: Held(each.ledger.position, each.attribution)
        for each in standing.shares
        if each.ledger.position
    }
    taken = attribute(-found.amount, held, ZERO, lot).copies
    adjustments = [
        closed(
            Adjusted(each.subscription_id, key, each.ledger, lot, cause, evidence),
            AdjustmentKind.GONE_AT_BROKER,
            taken[each.subscription_id],
        )
        for each in standing.shares
        if each.policy is DriftPolicy.HEAL and each.subscription_id in taken
    ]
    return Healing(adjustments=tuple(each for each in adjustments if each is not None))


def sold(
    standing: Standing,
    found: Difference,
    instrument: Instrument,
    newest: Mapping[SubscriptionId, CopyOrder],
    cause: str,
    last: Decimal,
    now_ns: int,
) -> Healing:
    """What is held and not wanted is sold by those that heal, in order, never more than the book shows."""
    if found.kind is not DriftKind.SURPLUS or standing.heals >= HEALS_MAX:
        return Healing()
    corrections: list[Correction] = []
    left = found.net
    for each in standing.shares:
        surplus = each.ledger.surplus(instrument.lot)
        order = newest.get(each.subscription_id)
        if each.policy is not DriftPolicy.HEAL or order is None or beyond(surplus, toward(surplus, left)):
            continue
        correction = sell_surplus(
            order,
            cause,
            each.ledger,
            instrument,
            reference=last,
            allowance_bps=_ALLOWANCE_BPS,
            now_ns=now_ns,
        )
        if correction is not None:
            corrections.append(correction)
            left -= surplus
    return Healing(corrections=tuple(corrections))


def under(standing: Standing, policy: DriftPolicy | None) -> Standing:
    """As if each subscription asked for this; None leaves it to them."""
    if policy is None:
        return standing
    return replace(standing, shares=tuple(replace(each, policy=policy) for each in standing.shares))


def cause_of(account_id: AccountId, key: InstrumentKey, second: BookRead) -> str:
    """Each healing has its own: the book that it stands on."""
    return f"drift:{account_id}:{key.instrument_id}:{key.product.value}:{second.taken_ns}"
