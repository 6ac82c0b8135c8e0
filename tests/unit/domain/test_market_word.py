"""What the broker says of a market judges the schedule, while it is fresh and about this part of the day."""

from datetime import date

import pytest

from paceline.domain.calendar import Calendar, Phase, Sessions, TradingClass
from paceline.domain.instrument import Exchange
from paceline.domain.market_word import Market, Word, judged_by
from tests.unit.domain.test_calendar import AUCTIONED, NSE, SHARES, at

MINUTE_NS = 60_000_000_000
NOON = at(2026, 9, 7, 12, 0)
SUNDAY = at(2026, 9, 6, 12, 0)


def shares(word: Word | None, trading_class: TradingClass = TradingClass.REGULAR) -> Sessions:
    words: dict[Market, Word] = {} if word is None else {SHARES: word}
    calendar = Calendar({SHARES: NSE}, {(*SHARES, TradingClass.AUCTIONED): AUCTIONED})
    return judged_by(calendar, words, MINUTE_NS).of(*SHARES, trading_class)


@pytest.mark.parametrize("said", [Phase.CLOSED, Phase.PRE_OPEN, Phase.POST_CLOSE])
def test_a_market_that_the_broker_calls_shut_is_shut(said: Phase) -> None:
    assert shares(Word(said, NOON)).phase(NOON) is said
    assert not shares(Word(said, NOON)).is_open(NOON)


def test_a_market_that_the_broker_calls_open_is_open() -> None:
    assert shares(Word(Phase.NORMAL, SUNDAY)).is_open(SUNDAY)
    assert shares(Word(Phase.NORMAL, SUNDAY), TradingClass.AUCTIONED).is_open(SUNDAY)


def test_silence_leaves_the_schedule_as_it_is() -> None:
    assert shares(None).is_open(NOON)
    assert not shares(None).is_open(SUNDAY)


def test_what_is_traded_by_its_underlying_stays_so() -> None:
    calendar = Calendar({SHARES: NSE}, underlyings={(Exchange.MCX, "COTTON"): TradingClass.AGRI})
    assert judged_by(calendar, {}, MINUTE_NS).underlyings == calendar.underlyings


def test_an_old_word_counts_for_nothing() -> None:
    word = Word(Phase.CLOSED, NOON)
    assert not shares(word).is_open(NOON + MINUTE_NS)
    assert shares(word).is_open(NOON + MINUTE_NS + 1)


def test_what_may_have_been_said_before_the_opening_does_not_delay_it() -> None:
    opening = at(2026, 9, 7, 9, 15)
    assert shares(Word(Phase.CLOSED, opening + MINUTE_NS - 1)).is_open(opening + MINUTE_NS)
    assert not shares(Word(Phase.CLOSED, opening + MINUTE_NS)).is_open(opening + MINUTE_NS)


def test_what_was_said_before_the_close_does_not_put_it_off() -> None:
    closing = at(2026, 9, 7, 15, 30)
    assert not shares(Word(Phase.NORMAL, closing - 1)).is_open(closing)


def test_an_auction_goes_on_while_the_normal_market_closes_on_time() -> None:
    auction = at(2026, 9, 7, 15, 32)
    word = Word(Phase.CLOSED, auction)
    assert shares(word, TradingClass.AUCTIONED).phase(auction) is Phase.CLOSING_AUCTION
    halted = Word(Phase.CLOSED, at(2026, 9, 7, 15, 20))
    assert not shares(halted, TradingClass.AUCTIONED).is_open(at(2026, 9, 7, 15, 20))


def test_the_next_opening_is_the_schedules() -> None:
    assert shares(None).next_open(NOON) == NOON
    assert shares(None).next_open(SUNDAY) == at(2026, 9, 7, 9, 15)
    assert shares(Word(Phase.NORMAL, SUNDAY)).next_open(SUNDAY) == SUNDAY
    assert shares(Word(Phase.CLOSED, NOON)).next_open(NOON) is None


def test_days_are_the_schedules() -> None:
    sessions = shares(Word(Phase.CLOSED, NOON))
    assert sessions.trades_on(date(2026, 9, 7))
    assert sessions.knows(date(2026, 9, 7))
    assert not sessions.knows(date(2027, 9, 7))
    assert sessions.changed_ns(NOON) == at(2026, 9, 7, 9, 15)
