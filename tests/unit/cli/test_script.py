"""The scripted day: the same from the same seed, whole lots, and flat at the end."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from paceline.cli.demo.script import Traded, day, habits

TRADED = (Traded("NSE:SBIN-EQ", 1), Traded("NSE:NIFTY26NOVFUT", 75), Traded("NSE:ITC-EQ", 1))


@given(seed=st.integers(), events=st.integers(min_value=1, max_value=80))
def test_the_day_has_its_fills_in_whole_lots_and_ends_flat(seed: int, events: int) -> None:
    steps = day(seed, events, TRADED)
    lots = {each.symbol: each.lot for each in TRADED}
    held: defaultdict[str, int] = defaultdict(int)
    for step in steps:
        assert step.quantity > 0
        assert step.quantity % lots[step.symbol] == 0
        held[step.symbol] += step.side * step.quantity
    assert len(steps) == events
    if events > 1:
        assert set(held.values()) == {0}


def test_the_same_seed_is_the_same_day_and_another_is_another() -> None:
    assert day(7, 40, TRADED) == day(7, 40, TRADED)
    assert day(7, 40, TRADED) != day(8, 40, TRADED)
    assert list(habits(7, 50, TRADED)) == list(habits(7, 50, TRADED))


def test_some_followers_block_pause_or_switch_off_and_most_copy() -> None:
    all_of_them = list(habits(1, 1_000, TRADED))
    plain = [each for each in all_of_them if not each.blocked and each.auto_copy and not each.paused]
    assert 800 < len(plain) < 880
    assert any(each.blocked for each in all_of_them)
    assert any(not each.auto_copy for each in all_of_them)
    assert any(each.paused for each in all_of_them)
