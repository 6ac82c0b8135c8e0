"""Who may enter: each rule has a name, and the first that fails is kept on the plan.

Exits pass here untouched: only an unusable session or a closed market holds them back.
"""

from decimal import Decimal

from paceline.domain.copying.decision import SkipReason
from paceline.domain.copying.view import Copier, Market
from paceline.domain.event import Event
from paceline.domain.instrument import Instrument, Product
from paceline.domain.money import BPS, ZERO
from paceline.domain.order import Fill
from paceline.domain.subscription import Filters, SubscriptionState

UNTAGGABLE = frozenset({Product.COVER, Product.BRACKET})
"""Brokers store no tag beside these, so a copy of them could not be told from a stranger's order."""
DELIVERY = frozenset({Product.CNC, Product.MTF})
_NS_PER_MS = 1_000_000


def withheld_entry(
    event: Event, fill: Fill, instrument: Instrument, copier: Copier, market: Market
) -> SkipReason | None:
    """The first rule that an entry of this follower breaks; None when he may enter."""
    return (
        _unready(copier)
        or _unlisted(copier, instrument, fill)
        or _untradable(copier, instrument, market)
        or _late_or_far(event, fill, copier.subscription.filters, market)
    )


def held_exit(copier: Copier) -> SkipReason | None:
    """Why an exit must wait, planned and first in line."""
    if not copier.session_usable:
        return SkipReason.SESSION_UNUSABLE
    if not copier.market_open:
        return SkipReason.MARKET_CLOSED
    return None


def opposite_held(copier: Copier, entry: Decimal, product: Product) -> bool:
    """Whether an entry would net away what the follower's other subscriptions hold in the same key."""
    if copier.others_held * entry >= ZERO:
        return False
    return product in DELIVERY or not copier.subscription.allow_opposite


def _unready(copier: Copier) -> SkipReason | None:  # noqa: PLR0911  # one line a rule
    subscription = copier.subscription
    if subscription.state is not SubscriptionState.APPROVED:
        return SkipReason.NOT_APPROVED
    if not subscription.auto_copy:
        return SkipReason.AUTO_COPY_OFF
    if copier.liquidating:
        return SkipReason.LIQUIDATING
    if copier.account_frozen:
        return SkipReason.ACCOUNT_FROZEN
    if copier.close_only:
        return SkipReason.CLOSE_ONLY
    if not copier.session_usable:
        return SkipReason.SESSION_UNUSABLE
    return None


def _unlisted(copier: Copier, instrument: Instrument, fill: Fill) -> SkipReason | None:
    filters = copier.subscription.filters
    for accepted in (filters.segments, copier.segments):
        if accepted is not None and instrument.segment not in accepted:
            return SkipReason.SEGMENT_NOT_ACCEPTED
    if filters.allowed is not None and instrument.instrument_id not in filters.allowed:
        return SkipReason.INSTRUMENT_NOT_ALLOWED
    if instrument.instrument_id in filters.blocked:
        return SkipReason.INSTRUMENT_BLOCKED
    if fill.key.product in UNTAGGABLE:
        return SkipReason.PRODUCT_NOT_COPYABLE
    return None


def _untradable(copier: Copier, instrument: Instrument, market: Market) -> SkipReason | None:
    if instrument.instrument_id in market.banned:
        return SkipReason.BANNED_FOR_ENTRIES
    if not copier.market_open:
        return SkipReason.MARKET_CLOSED
    return None


def _late_or_far(event: Event, fill: Fill, filters: Filters, market: Market) -> SkipReason | None:
    if market.now_ns - event.fact.broker_time_ns > filters.max_age_ms * _NS_PER_MS:
        return SkipReason.EVENT_TOO_OLD
    last = market.last_prices.get(fill.key.instrument_id)
    if last is not None and abs(last - fill.price) * BPS > fill.price * filters.allowance_bps:
        return SkipReason.PRICE_TOO_FAR
    return None
