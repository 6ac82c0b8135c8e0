"""The broker's word on whether a market is open judges the schedule, while it is fresh."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from paceline.domain.calendar import Calendar, Phase, Sessions
from paceline.domain.instrument import Exchange, Segment

Market = tuple[Exchange, Segment]


@dataclass(frozen=True, slots=True)
class Word:
    """What a broker says of a segment's normal market, and when that was read."""

    phase: Phase
    read_ns: int


def judged(own: Phase, market: Phase, said: Phase) -> Phase:
    """`market` is what the schedule says of the market that the word is about: agreeing with it is no news,
    so an auction goes on (`own`) while the normal market beside it closes on time.
    """
    return own if said.takes_copies == market.takes_copies else said


@dataclass(frozen=True, slots=True)
class Judged:
    """Sessions by schedule, unless the broker contradicts.

    A word may be `word_age_ns` old when it is read, and counts for as long again. One that may have been said
    before the schedule last changed says nothing of what came after: an opening is not missed for it.
    """

    own: Sessions
    market: Sessions
    words: Mapping[Market, Word]
    key: Market
    word_age_ns: int

    def phase(self, at_ns: int) -> Phase:
        own, word = self.own.phase(at_ns), self._word(at_ns)
        return own if word is None else judged(own, self.market.phase(at_ns), word.phase)

    def is_open(self, at_ns: int) -> bool:
        return self.phase(at_ns).takes_copies

    def next_open(self, at_ns: int) -> int | None:
        """By the schedule when it is closed: no broker tells when he will open."""
        if self.is_open(at_ns):
            return at_ns
        opening = self.own.next_open(at_ns)
        return None if opening == at_ns else opening

    def changed_ns(self, at_ns: int) -> int:
        return self.own.changed_ns(at_ns)

    def trades_on(self, day: date) -> bool:
        return self.own.trades_on(day)

    def knows(self, day: date) -> bool:
        return self.own.knows(day)

    def _word(self, at_ns: int) -> Word | None:
        word = self.words.get(self.key)
        if word is None or at_ns - word.read_ns > self.word_age_ns:
            return None
        said_ns = word.read_ns - self.word_age_ns
        return None if said_ns < self.market.changed_ns(at_ns) else word


def judged_by(calendar: Calendar, words: Mapping[Market, Word], word_age_ns: int) -> Calendar:
    """The same calendar, judged by `words`, which whoever listens to the broker keeps up to date."""

    def judge(market: Market, own: Sessions) -> Judged:
        return Judged(own, calendar.sessions[market], words, market, word_age_ns)

    return Calendar(
        {market: judge(market, own) for market, own in calendar.sessions.items()},
        {
            (exchange, segment, named): judge((exchange, segment), own)
            for (exchange, segment, named), own in calendar.classes.items()
        },
        calendar.underlyings,
    )
