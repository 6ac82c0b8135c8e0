"""A protected limit: the leader's price with an allowance, never a bare market order."""

from decimal import Decimal

from paceline.domain.instrument import Exchange, Instrument
from paceline.domain.money import BPS, ceil_to, floor_to, round_protective
from paceline.domain.order import OrderType, Side
from paceline.domain.subscription import ExecutionStyle, Protection, ProtectionKind

BY_ALLOWANCE = Protection()


def protected_limit(
    instrument: Instrument,
    side: Side,
    reference: Decimal,
    allowance_bps: Decimal,
    protection: Protection = BY_ALLOWANCE,
) -> Decimal:
    """The reference moved against us as far as is allowed, on the tick, inside the band."""
    worst = _worst(instrument, side, reference, allowance_bps, protection)
    return _within_band(instrument, max(round_protective(worst, instrument.tick, side), instrument.tick))


def _worst(
    instrument: Instrument, side: Side, reference: Decimal, allowance_bps: Decimal, protection: Protection
) -> Decimal:
    if protection.kind is ProtectionKind.TICKS:
        return reference + instrument.tick * protection.ticks * int(side)
    band = instrument.upper_band if side is Side.BUY else instrument.lower_band
    if protection.kind is ProtectionKind.BAND and band is not None:
        return band
    return reference + reference * allowance_bps * int(side) / BPS


def _within_band(instrument: Instrument, price: Decimal) -> Decimal:
    if instrument.upper_band is not None and price > instrument.upper_band:
        return floor_to(instrument.upper_band, instrument.tick)
    if instrument.lower_band is not None and price < instrument.lower_band:
        return ceil_to(instrument.lower_band, instrument.tick)
    return price


def order_type(instrument: Instrument, style: ExecutionStyle) -> OrderType:
    """Plain market orders stand only where the exchange fills them without protection."""
    if style is ExecutionStyle.MARKET and instrument.exchange is Exchange.CRYPTO:
        return OrderType.MARKET
    return OrderType.LIMIT


def locked(instrument: Instrument, last: Decimal, side: Side) -> bool:
    """At the end of its band nobody is on the other side."""
    if side is Side.BUY:
        return instrument.upper_band is not None and last >= instrument.upper_band
    return instrument.lower_band is not None and last <= instrument.lower_band
