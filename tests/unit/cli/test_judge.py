"""The verdict: each way in which books and decisions can disagree is seen and named."""

from dataclasses import replace

import pytest

from paceline.cli.demo.judge import Booked, Copied, Decided, Evidence, Frame, Quantiles, judge, quantiles

MS = 1_000_000
EVENT = "fyers:XL1:20261121:NSE:CAPITAL_MARKET:77:5"


def decided(number: int, **changes: object) -> Decided:
    made = Decided(EVENT, f"s{number}", skipped=False, reason="", tags=(f"tag{number}",))
    return replace(made, **changes)  # type: ignore[arg-type]


def copied(number: int) -> Copied:
    return Copied(f"tag{number}", EVENT, f"XF{number}", side=1, quantity=10)


def booked(number: int, **changes: object) -> Booked:
    made = Booked(
        f"tag{number}",
        f"XF{number}",
        side=1,
        quantity=10,
        rejected=False,
        received_ns=(100 + number) * MS,
        accepted_ns=(103 + number) * MS,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


SOUND = Evidence(
    followers=2,
    events=1,
    seed=7,
    decisions=[decided(1), decided(2)],
    copies=[copied(1), copied(2)],
    booked=[booked(1), booked(2)],
    open_positions=0,
    frames=[Frame("77", "77-5", 96 * MS)],
    breaches=0,
)


def test_agreement_is_sound() -> None:
    verdict = judge(SOUND)
    assert verdict.sound
    assert (verdict.planned, verdict.accepted, verdict.skipped) == (2, 2, 0)
    assert verdict.first_order_ms == Quantiles(5.0, 5.0)
    assert verdict.last_order_ms == Quantiles(9.0, 9.0)


def test_a_skip_is_counted_under_its_reason() -> None:
    skip = decided(2, skipped=True, reason="BELOW_ONE_LOT", tags=())
    evidence = replace(SOUND, decisions=[decided(1), skip], copies=[copied(1)], booked=[booked(1)])
    verdict = judge(evidence)
    assert verdict.sound
    assert (verdict.accepted, verdict.skipped, verdict.skips) == (1, 1, {"BELOW_ONE_LOT": 1})


@pytest.mark.parametrize(
    ("evidence", "fault", "count"),
    [
        (replace(SOUND, booked=[booked(1), booked(1), booked(2)]), "duplicates", 1),
        (replace(SOUND, booked=[booked(1), booked(2), booked(9)]), "duplicates", 1),
        (replace(SOUND, booked=[booked(1), booked(2), booked(9, tag="")]), "duplicates", 1),
        (replace(SOUND, copies=[copied(1), copied(2), copied(2)]), "duplicates", 1),
        (replace(SOUND, booked=[booked(1)]), "missing", 1),
        (replace(SOUND, booked=[]), "missing", 2),
        (replace(SOUND, decisions=[decided(1)]), "missing", 1),
        (replace(SOUND, booked=[booked(1), booked(2, quantity=11)]), "altered", 1),
        (replace(SOUND, booked=[booked(1), booked(2, side=-1)]), "altered", 1),
        (replace(SOUND, booked=[booked(1), booked(2, client="XF1")]), "altered", 1),
        (replace(SOUND, booked=[booked(1), booked(2, rejected=True)]), "rejected", 1),
        (replace(SOUND, open_positions=3), "positions_off", 3),
        (replace(SOUND, breaches=2), "windows_breached", 2),
    ],
)
def test_each_disagreement_is_named_and_unsound(evidence: Evidence, fault: str, count: int) -> None:
    verdict = judge(evidence)
    assert verdict.as_json()[fault] == count
    assert not verdict.sound


def test_more_decisions_than_followers_are_unsound() -> None:
    assert not judge(replace(SOUND, decisions=[*SOUND.decisions, decided(3, tags=("tag1",))])).sound


def test_every_slice_of_a_decision_must_be_there() -> None:
    sliced = decided(2, tags=("tag2", "tag3"))
    evidence = replace(SOUND, decisions=[decided(1), sliced], copies=[*SOUND.copies, copied(3)])
    assert (judge(evidence).accepted, judge(evidence).missing) == (1, 1)
    whole = judge(replace(evidence, booked=[*SOUND.booked, booked(3)]))
    assert (whole.accepted, whole.missing) == (2, 0)


def test_a_decision_that_undid_what_was_not_filled_yet_needs_no_order() -> None:
    undone = decided(2, tags=())
    verdict = judge(replace(SOUND, decisions=[decided(1), undone], copies=[copied(1)], booked=[booked(1)]))
    assert (verdict.accepted, verdict.withdrawn) == (1, 1)
    assert verdict.sound


def test_an_order_that_was_taken_back_before_it_was_sent_is_not_missing() -> None:
    taken_back = replace(copied(2), withdrawn=True)
    verdict = judge(replace(SOUND, copies=[copied(1), taken_back], booked=[booked(1)]))
    assert (verdict.accepted, verdict.withdrawn, verdict.missing) == (1, 1, 0)
    assert verdict.sound
    assert judge(replace(SOUND, copies=[copied(1), taken_back])).accepted == 2


def test_an_order_that_was_given_up_unsent_is_told_apart_and_is_no_good_day() -> None:
    dropped = replace(copied(2), given_up=True)
    verdict = judge(replace(SOUND, copies=[copied(1), dropped], booked=[booked(1)]))
    assert (verdict.accepted, verdict.given_up, verdict.missing) == (1, 1, 0)
    assert not verdict.sound


def test_latencies_are_of_events_whose_frame_is_known() -> None:
    verdict = judge(replace(SOUND, frames=[Frame("77", "77-6", 0)]))
    assert verdict.first_order_ms == verdict.last_order_ms == Quantiles(0.0, 0.0)


def test_the_verdict_in_json_has_the_promised_fields() -> None:
    document = judge(SOUND).as_json()
    assert {
        "followers",
        "events",
        "planned",
        "accepted",
        "skipped",
        "duplicates",
        "missing",
    } <= document.keys()
    assert document["first_order_ms"] == {"p50": 5.0, "p99": 5.0}


def test_quantiles_are_nearest_ranks() -> None:
    assert quantiles([float(each) for each in range(1, 101)]) == Quantiles(51.0, 100.0)
    assert quantiles([]) == Quantiles(0.0, 0.0)
