"""The instruments that a simulated broker offers unless told otherwise."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import NamedTuple

from simulator.instruments import Instrument, Kind, Segment, Universe, Venue, fy_token
from simulator.money import PAISE, round_to_tick

EQUITY_TICK = 5
BAND_PERCENT = 20
CAPITAL_FREEZE = 100_000


class Share(NamedTuple):
    name: str
    token: int
    bse_token: int
    isin: str
    price: float
    description: str


SHARES = (
    Share("SBIN", 3045, 500112, "INE062A01020", 812.40, "STATE BANK OF INDIA"),
    Share("IDEA", 14366, 532822, "INE669E01016", 8.15, "VODAFONE IDEA LIMITED"),
    Share("RELIANCE", 2885, 500325, "INE002A01018", 1421.60, "RELIANCE INDUSTRIES LTD"),
    Share("TCS", 11536, 532540, "INE467B01029", 3184.00, "TATA CONSULTANCY SERV LT"),
    Share("INFY", 1594, 500209, "INE009A01021", 1512.30, "INFOSYS LIMITED"),
    Share("HDFCBANK", 1333, 500180, "INE040A01034", 978.55, "HDFC BANK LTD"),
    Share("ICICIBANK", 4963, 532174, "INE090A01021", 1390.10, "ICICI BANK LTD."),
    Share("AXISBANK", 5900, 532215, "INE238A01034", 1204.75, "AXIS BANK LIMITED"),
    Share("ITC", 1660, 500875, "INE154A01025", 402.35, "ITC LTD"),
    Share("LT", 11483, 500510, "INE018A01030", 3866.20, "LARSEN & TOUBRO LTD."),
    Share("TATASTEEL", 3499, 500470, "INE081A01020", 171.25, "TATA STEEL LIMITED"),
    Share("PNB", 10666, 532461, "INE160A01022", 117.90, "PUNJAB NATIONAL BANK"),
    Share("DALBHARAT", 8075, 542216, "INE00R701025", 2104.60, "DALMIA BHARAT LIMITED"),
    Share("BECTORFOOD", 1628, 543253, "INE495P01020", 1288.45, "MRS BECTORS FOOD SPE LTD"),
    Share("M&M", 2031, 500520, "INE101A01026", 3540.80, "MAHINDRA & MAHINDRA LTD"),
    Share("BAJAJ-AUTO", 16669, 532977, "INE917I01010", 8920.00, "BAJAJ AUTO LIMITED"),
    Share("COALINDIA", 20374, 533278, "INE522F01014", 388.20, "COAL INDIA LTD"),
    Share("BHARTIARTL", 10604, 532454, "INE397D01024", 2066.30, "BHARTI AIRTEL LIMITED"),
)
BSE_SHARES = ("SBIN", "RELIANCE", "TCS", "HDFCBANK")


class Underlying(NamedTuple):
    name: str
    venue: Venue
    lot: int
    freeze: int
    level: int
    strike_step: int
    index_symbol: str
    index_token: int
    option_premium: int


INDICES = (
    Underlying("NIFTY", Venue.NSE, 65, 1800, 25_900, 100, "NSE:NIFTY50-INDEX", 26000, 210),
    Underlying("BANKNIFTY", Venue.NSE, 30, 600, 58_200, 500, "NSE:NIFTYBANK-INDEX", 26009, 480),
    Underlying("SENSEX", Venue.BSE, 20, 1000, 84_600, 500, "BSE:SENSEX-INDEX", 1, 640),
)


class Commodity(NamedTuple):
    name: str
    multiplier: int
    price: int
    tick: int
    freeze: int


COMMODITIES = (
    Commodity("CRUDEOIL", 100, 5_320, 100, 100),
    Commodity("GOLDM", 10, 121_400, 100, 100),
    Commodity("SILVERMIC", 1, 152_300, 100, 600),
)


def last_tuesday(day: date) -> date:
    """The monthly expiry that follows, at least three days ahead."""
    month = day.replace(day=1)
    while True:
        following = (month + timedelta(days=32)).replace(day=1)
        last = following - timedelta(days=1)
        expiry = last - timedelta(days=(last.weekday() - 1) % 7)
        if expiry >= day + timedelta(days=3):
            return expiry
        month = following


def default_universe(seed: int, today: date) -> Universe:
    """About forty instruments; the seed moves every previous close by up to two percent."""
    rng = random.Random(seed)
    expiry = last_tuesday(today)
    shares = [_share(one, Venue.NSE, rng) for one in SHARES]
    bse = [_share(one, Venue.BSE, rng) for one in SHARES if one.name in BSE_SHARES]
    derived = [one for under in INDICES for one in _derivatives(under, expiry, rng)]
    commodities = [_commodity(one, expiry, rng) for one in COMMODITIES]
    return Universe([*shares, *bse, *derived, *commodities])


def _moved(rng: random.Random, price: int, tick: int) -> int:
    return max(tick, round_to_tick(round(price * rng.uniform(0.98, 1.02)), tick))


def _bands(close: int, tick: int, percent: int = BAND_PERCENT) -> tuple[int, int]:
    upper = close * (100 + percent) // 100 // tick * tick
    lower = -(-close * (100 - percent) // 100 // tick) * tick
    return upper, max(tick, lower)


def _share(share: Share, venue: Venue, rng: random.Random) -> Instrument:
    tick = 1 if share.price < 250 else EQUITY_TICK
    close = _moved(rng, round(share.price * PAISE), tick)
    upper, lower = _bands(close, tick)
    token = share.token if venue is Venue.NSE else share.bse_token
    suffix = "EQ" if venue is Venue.NSE else "A"
    fy = fy_token(venue, Segment.CAPITAL, token)
    return Instrument(
        symbol=f"{venue.name}:{share.name}-{suffix}",
        fy_token=fy,
        name=share.name,
        venue=venue,
        segment=Segment.CAPITAL,
        kind=Kind.EQUITY,
        token=token,
        type_code=0,
        description=share.description,
        isin=share.isin,
        lot=1,
        tick=tick,
        freeze=CAPITAL_FREEZE,
        previous_close=close,
        upper_band=upper,
        lower_band=lower,
        underlying=share.name,
        underlying_fy_token=fy,
    )


def _derivatives(under: Underlying, expiry: date, rng: random.Random) -> list[Instrument]:
    level = _moved(rng, under.level * PAISE, EQUITY_TICK)
    step = under.strike_step * PAISE
    middle = (level + step // 2) // step * step
    strikes = (middle - step, middle, middle + step)
    first = 35_000 + under.index_token % 1000 * 10
    index = _index(under, level)
    future = _contract(under, index, expiry, kind=Kind.FUTURE, strike=0, close=level, token=first)
    kinds = [(strike, kind) for strike in strikes for kind in (Kind.CALL, Kind.PUT)]
    options = [
        _contract(
            under,
            index,
            expiry,
            kind=kind,
            strike=strike,
            close=_premium(under, level, strike, kind),
            token=first + number,
        )
        for number, (strike, kind) in enumerate(kinds, 1)
    ]
    return [index, future, *options]


def _premium(under: Underlying, level: int, strike: int, kind: Kind) -> int:
    intrinsic = max(0, level - strike) if kind is Kind.CALL else max(0, strike - level)
    return round_to_tick(intrinsic + under.option_premium * PAISE, EQUITY_TICK)


def _index(under: Underlying, level: int) -> Instrument:
    upper, lower = _bands(level, EQUITY_TICK)
    short = under.index_symbol.split(":")[1]
    return Instrument(
        symbol=under.index_symbol,
        fy_token=fy_token(under.venue, Segment.CAPITAL, under.index_token),
        name=under.name,
        venue=under.venue,
        segment=Segment.CAPITAL,
        kind=Kind.INDEX,
        token=under.index_token,
        type_code=10,
        description=short,
        isin="",
        lot=1,
        tick=EQUITY_TICK,
        freeze=0,
        previous_close=level,
        upper_band=upper,
        lower_band=lower,
        underlying=under.name,
    )


def _contract(
    under: Underlying, index: Instrument, expiry: date, *, kind: Kind, strike: int, close: int, token: int
) -> Instrument:
    month = expiry.strftime("%y%b").upper()
    rupees = strike // PAISE
    tail = "FUT" if kind is Kind.FUTURE else f"{rupees}{kind.value}"
    words = "FUT" if kind is Kind.FUTURE else f"{rupees} {kind.value}"
    upper, lower = _bands(close, EQUITY_TICK, 90 if kind.is_option else 10)
    return Instrument(
        symbol=f"{under.venue.name}:{under.name}{month}{tail}",
        fy_token=fy_token(under.venue, Segment.DERIVATIVES, token, expiry),
        name=under.name,
        venue=under.venue,
        segment=Segment.DERIVATIVES,
        kind=kind,
        token=token,
        type_code=14 if kind.is_option else 11,
        description=f"{expiry.strftime('%y %b %d')} {words}",
        isin="",
        lot=under.lot,
        tick=EQUITY_TICK if kind.is_option else 10,
        freeze=under.freeze,
        previous_close=close if kind.is_option else round_to_tick(close, 10),
        upper_band=upper if kind.is_option else upper // 10 * 10,
        lower_band=lower if kind.is_option else -(-lower // 10) * 10,
        underlying=under.name,
        underlying_fy_token=index.fy_token,
        expiry=expiry,
        strike=strike,
    )


def _commodity(what: Commodity, expiry: date, rng: random.Random) -> Instrument:
    close = _moved(rng, what.price * PAISE, what.tick)
    upper, lower = _bands(close, what.tick, 9)
    token = 430_000 + COMMODITIES.index(what)
    month = expiry.strftime("%y%b").upper()
    return Instrument(
        symbol=f"MCX:{what.name}{month}FUT",
        fy_token=fy_token(Venue.MCX, Segment.COMMODITY, token, expiry),
        name=what.name,
        venue=Venue.MCX,
        segment=Segment.COMMODITY,
        kind=Kind.FUTURE,
        token=token,
        type_code=30,
        description=f"{what.name} {expiry.strftime('%y %b %d')} FUT",
        isin="",
        lot=1,
        tick=what.tick,
        freeze=what.freeze,
        previous_close=close,
        upper_band=upper,
        lower_band=lower,
        multiplier=what.multiplier,
        underlying=what.name,
        expiry=expiry,
    )
