"""Silence is not hearing, and never not trading; what happened inside it is not entered afterwards."""

from hypothesis import given
from hypothesis import strategies as st

from paceline.domain.silence import Voice

S = 1_000_000_000
ALLOWED_MS = 30_000
MOMENTS = st.integers(1, 10_000).map(lambda seconds: seconds * S)


def test_who_was_heard_lately_is_not_silent_though_he_does_nothing() -> None:
    voice = Voice(1 * S)
    for second in range(2, 500, 10):
        voice = voice.after(second * S, ALLOWED_MS)
        assert not voice.close_only(second * S, (second + 29) * S, ALLOWED_MS)
    assert voice.silent_from_ns == 0


def test_longer_than_allowed_is_silent_and_each_follower_allows_his_own() -> None:
    voice = Voice(100 * S)
    assert not voice.close_only(100 * S, 130 * S, ALLOWED_MS)
    assert voice.close_only(100 * S, 131 * S, ALLOWED_MS)
    assert not voice.close_only(100 * S, 131 * S, 60_000)
    assert voice.silent_ms(131 * S) == 31_000
    assert voice.silent_ms(90 * S) == 0, "a clock that was set back"


def test_what_happened_inside_a_silence_waits_for_ever_and_what_happens_after_it_does_not() -> None:
    voice = Voice(100 * S).after(140 * S, ALLOWED_MS)
    assert voice.close_only(120 * S, 141 * S, ALLOWED_MS)
    assert not voice.close_only(141 * S, 141 * S, ALLOWED_MS)
    assert not voice.close_only(99 * S, 141 * S, ALLOWED_MS), "before it"
    assert not voice.close_only(120 * S, 141 * S, 50_000), "who allows more was never without him"


def test_a_silence_lies_between_two_words_and_neither_is_part_of_it() -> None:
    voice = Voice(100 * S).after(140 * S, ALLOWED_MS)
    happened = (100 * S, 100 * S + 1, 140 * S - 1, 140 * S)
    assert [voice.close_only(at_ns, 140 * S, ALLOWED_MS) for at_ns in happened] == [False, True, True, False]
    assert not voice.close_only(120 * S, 140 * S, 40_000), "just as long as he allows"
    assert voice.close_only(120 * S, 140 * S, 39_999)


def test_as_long_as_allowed_is_no_silence() -> None:
    assert Voice(100 * S).after(130 * S, ALLOWED_MS) == Voice(130 * S)
    assert Voice(100 * S).after(130 * S + 1, ALLOWED_MS) == Voice(130 * S + 1, 100 * S, 130 * S + 1)


def test_a_silence_is_remembered_through_the_words_that_follow() -> None:
    voice = Voice(100 * S).after(140 * S, ALLOWED_MS).after(150 * S, ALLOWED_MS).after(130 * S, ALLOWED_MS)
    assert voice == Voice(150 * S, 100 * S, 140 * S)


def test_time_in_which_nobody_could_listen_is_not_his() -> None:
    voice = Voice(100 * S).excused(60 * S)
    assert not voice.close_only(155 * S, 185 * S, ALLOWED_MS)


@given(st.lists(MOMENTS, min_size=1, max_size=20), MOMENTS, st.integers(0, 100))
def test_only_a_gap_longer_than_allowed_ever_closes(heard: list[int], now_ns: int, allowed_s: int) -> None:
    moments = sorted(heard)
    voice = Voice(moments[0])
    for at_ns in moments[1:]:
        voice = voice.after(at_ns, allowed_s * 1_000)
    gaps = [later - before for before, later in zip(moments, [*moments[1:], now_ns], strict=True)]
    for happened_ns in (moments[0] + 1, now_ns):
        if voice.close_only(happened_ns, now_ns, allowed_s * 1_000):
            assert max(gaps) > allowed_s * S
    if now_ns - moments[-1] > allowed_s * S:
        assert voice.close_only(now_ns, now_ns, allowed_s * 1_000)
