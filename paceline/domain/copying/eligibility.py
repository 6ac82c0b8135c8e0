"""Who may enter: each rule has a name, and the first that fails is kept on the plan.

Exits pass here untouched: only an unusable session or a closed market holds them back.
"""

from decimal import Decimal

from paceline.domain.calendar import trading_day
from paceline.domain.copying.decision import Refusal, SkipReason
from paceline.domain.copying.options import OPTIONS, outside, underlying_of
from paceline.domain.copying.protect import locked
from paceline.domain.copying.view import Copier, Lead, Market
from paceline.domain.instrument import Instrument, Product
from paceline.domain.money import BPS, ZERO
from paceline.domain.order import Side
from paceline.domain.subscription import Filters, SubscriptionState

UNTAGGABLE = frozenset({Product.COVER, Product.BRACKET})
"""Brokers store no tag beside these, so a copy of them could not be told from a stranger's order."""
DELIVERY = frozenset({Product.CNC, Product.MTF})
_NS_PER_MS = 1_000_000


def withheld_entry(
    lead: Lead, instrument: Instrument, product: Product, copier: Copier, market: Market
) -> Refusal | None:
    """The first rule that an entry of this follower breaks; None when he may enter.

    `instrument` and `product` are the follower's.
    """
    reason = (
        _unready(copier)
        or _unlisted(copier, lead, instrument, product)
        or _untradable(copier, instrument, market, _side(copier, lead))
        or _late_or_far(lead, copier.subscription.filters, market)
    )
    if reason is not None:
        return Refusal(reason)
    return _outside_options(copier.subscription.filters, instrument, market)


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
    if copier.killed:
        return SkipReason.KILL_SWITCH
    if copier.guard_tripped:
        return SkipReason.GUARD_TRIPPED
    if copier.liquidating or copier.liquidation_wanted:
        return SkipReason.LIQUIDATING
    if copier.account_frozen:
        return SkipReason.ACCOUNT_FROZEN
    if copier.close_only:
        return SkipReason.CLOSE_ONLY
    if not copier.session_usable:
        return SkipReason.SESSION_UNUSABLE
    return None


def _unlisted(copier: Copier, lead: Lead, instrument: Instrument, product: Product) -> SkipReason | None:
    """Lists name the leader's instruments; segments and products are those the follower trades in."""
    filters = copier.subscription.filters
    for accepted in (filters.segments, copier.segments):
        if accepted is not None and instrument.segment not in accepted:
            return SkipReason.SEGMENT_NOT_ACCEPTED
    if filters.allowed is not None and lead.key.instrument_id not in filters.allowed:
        return SkipReason.INSTRUMENT_NOT_ALLOWED
    if lead.key.instrument_id in filters.blocked:
        return SkipReason.INSTRUMENT_BLOCKED
    if product in UNTAGGABLE or lead.key.product in UNTAGGABLE:
        return SkipReason.PRODUCT_NOT_COPYABLE
    return None


def _untradable(copier: Copier, instrument: Instrument, market: Market, side: Side) -> SkipReason | None:
    if instrument.instrument_id in market.banned:
        return SkipReason.BANNED_FOR_ENTRIES
    if not copier.market_open:
        return SkipReason.MARKET_CLOSED
    last = market.last_prices.get(instrument.instrument_id)
    return SkipReason.CIRCUIT_LOCKED if last is not None and locked(instrument, last, side) else None


def _late_or_far(lead: Lead, filters: Filters, market: Market) -> SkipReason | None:
    if market.now_ns - lead.broker_time_ns > filters.max_age_ms * _NS_PER_MS:
        return SkipReason.EVENT_TOO_OLD
    last = market.last_prices.get(lead.key.instrument_id)
    if last is None or not lead.at_market or not lead.price:
        return None
    if abs(last - lead.price) * BPS > lead.price * filters.allowance_bps:
        return SkipReason.PRICE_TOO_FAR
    return None


def _outside_options(filters: Filters, instrument: Instrument, market: Market) -> Refusal | None:
    if filters.options is None or instrument.kind not in OPTIONS:
        return None
    today = trading_day(instrument.exchange, market.now_ns)
    words = outside(filters.options, instrument, today, market.last_prices.get(underlying_of(instrument)))
    return Refusal(SkipReason.OPTIONS_FILTER, words) if words else None


def _side(copier: Copier, lead: Lead) -> Side:
    return lead.side.opposite if copier.subscription.reverse else lead.side
