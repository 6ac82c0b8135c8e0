"""Which weeks are old enough, and who still has to read them."""

from datetime import date, timedelta

from paceline.domain.ids import Offset, Partition
from paceline.domain.retention import READERS, Stretch, first_known_day, unread, weeks_due

MONDAY = date(2026, 1, 5)
ONE = Stretch(Partition(1), Offset(3), Offset(9), 7)
TWO = Stretch(Partition(2), Offset(1), Offset(1), 1)


def test_a_week_is_due_when_its_last_day_is_old_enough_and_the_oldest_goes_first() -> None:
    weeks = [MONDAY + timedelta(weeks=2), MONDAY, MONDAY + timedelta(weeks=1)]
    ended = MONDAY + timedelta(weeks=1)
    assert weeks_due(weeks, ended + timedelta(days=29), 30) == []
    assert weeks_due(weeks, ended + timedelta(days=30), 30) == [MONDAY]
    assert weeks_due(weeks, ended + timedelta(days=37), 30) == sorted(weeks)[:2]


def test_everyone_who_reads_all_and_everyone_with_a_place_must_be_past_it() -> None:
    done = {Partition(1): Offset(9), Partition(2): Offset(1)}
    places = {name: dict(done) for name in READERS}
    assert unread([ONE, TWO], places) == {}
    places["slow"] = {Partition(1): Offset(8), Partition(2): Offset(1)}
    del places["risk"]
    assert unread([ONE, TWO], places) == {"slow": 1, "risk": 1}
    places["slow"] = {Partition(1): Offset(9)}
    assert unread([ONE, TWO], places)["slow"] == 2


def test_names_are_never_forgotten_before_their_events() -> None:
    today = date(2026, 11, 21)
    assert first_known_day(today, 30, []) == date(2026, 10, 22)
    assert first_known_day(today, 30, [date(2026, 11, 2)]) == date(2026, 10, 22)
    assert first_known_day(today, 30, [date(2026, 11, 2), MONDAY]) == MONDAY
