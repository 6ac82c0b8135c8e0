"""Which options a subscription enters: calls or puts, on indices or shares, by expiry and moneyness."""

from datetime import date
from decimal import Decimal

from paceline.domain.ids import InstrumentId
from paceline.domain.instrument import Instrument, InstrumentKind
from paceline.domain.money import BPS
from paceline.domain.subscription import OptionsFilter

OPTIONS = frozenset({InstrumentKind.CALL, InstrumentKind.PUT})
INDICES = {
    "NIFTY": "NSE:NIFTY50-INDEX",
    "BANKNIFTY": "NSE:NIFTYBANK-INDEX",
    "FINNIFTY": "NSE:FINNIFTY-INDEX",
    "MIDCPNIFTY": "NSE:MIDCPNIFTY-INDEX",
    "NIFTYNXT50": "NSE:NIFTYNXT50-INDEX",
    "SENSEX": "BSE:SENSEX-INDEX",
    "BANKEX": "BSE:BANKEX-INDEX",
    "SENSEX50": "BSE:SENSEX50-INDEX",
}
"""Underlyings of index options as contracts spell them, and the symbols they are quoted under; masters name
the former only.
"""


def underlying_of(option: Instrument) -> InstrumentId:
    """Under which symbol the price of an option's underlying is known."""
    index = INDICES.get(option.underlying)
    return InstrumentId(index or f"{option.exchange}:{option.underlying}-EQ")


def outside(
    options: OptionsFilter, instrument: Instrument, today: date, underlying_price: Decimal | None
) -> str:
    """Which part of the filter an option fails, in words; empty for one that passes, and for what is none."""
    if instrument.kind not in OPTIONS:
        return ""
    return (
        _wrong_kind(options, instrument)
        or _wrong_expiry(options, instrument, today)
        or _too_far(options, instrument, underlying_price)
    )


def _wrong_kind(options: OptionsFilter, instrument: Instrument) -> str:
    if options.kinds and instrument.kind not in options.kinds:
        return f"{instrument.kind.lower()}s are not accepted"
    on_index = instrument.underlying in INDICES
    if (options.index_options if on_index else options.stock_options) is False:
        return f"options on {'indices' if on_index else 'shares'} are not accepted"
    return ""


def _wrong_expiry(options: OptionsFilter, instrument: Instrument, today: date) -> str:
    least, most = options.min_days_to_expiry, options.max_days_to_expiry
    if least is None and most is None:
        return ""
    if instrument.expiry is None:
        return "the expiry is not known"
    days = (instrument.expiry - today).days
    if (least is not None and days < least) or (most is not None and days > most):
        return f"it expires in {days} days"
    return ""


def _too_far(options: OptionsFilter, instrument: Instrument, price: Decimal | None) -> str:
    if options.max_moneyness_bps is None:
        return ""
    if price is None or instrument.strike is None:
        return "the price of the underlying is not known"
    if abs(instrument.strike - price) * BPS > price * options.max_moneyness_bps:
        return f"the strike {instrument.strike} is too far from {price}"
    return ""
