"""Six counts, the first break with what happened around it, and why a run proves nothing."""

from chaos.scopes import FEED
from chaos.verdict import Break, Done, Findings, Ill, Verdict

SECOND_NS = 1_000_000_000


def verdict(*breaks: Break, shortfalls: tuple[str, ...] = ()) -> Verdict:
    blows = [{"kind": "kill", "wall_ns": at * SECOND_NS} for at in (50, 100, 200)]
    done = Done({"kill": 3}, 3, blows, shortfalls)
    return Verdict("feed", 7, 3.0, Findings(10, 4, 99, breaks), done, "logs")


def test_nothing_broken_and_hard_enough_proves() -> None:
    assert verdict().proves
    assert verdict().first_broken() is None


def test_too_easy_a_run_is_sound_and_proves_nothing() -> None:
    easy = verdict(shortfalls=("too little",))
    assert easy.sound
    assert not easy.proves


def test_breaks_are_counted_by_what_they_are() -> None:
    broken = verdict(Break(Ill.LOST, "a", times=3), Break(Ill.LOST, "b"), Break(Ill.UNSETTLED, "c"))
    assert broken.counts == {
        "lost": 4,
        "duplicated": 0,
        "law_breaks": 0,
        "windows_breached": 0,
        "skips_without_reason": 0,
        "unsettled": 1,
    }
    assert not broken.proves


def test_the_first_break_is_the_earliest_with_what_was_done_around_it() -> None:
    late = Break(Ill.LOST, "late", {"order": "2"}, at_ns=190 * SECOND_NS)
    early = Break(Ill.LAW_BREAK, "early", {"order": "1"}, at_ns=105 * SECOND_NS)
    first = verdict(Break(Ill.UNSETTLED, "timeless"), late, early).first_broken()
    assert first is not None
    assert (first["law"], first["where"]) == ("early", {"order": "1"})
    assert [blow["wall_ns"] for blow in first["blows_around"]] == [100 * SECOND_NS]


def test_the_document_has_what_was_agreed() -> None:
    agreed = {"seed", "minutes", "orders", "copies", "kills", "faults", "first_broken", "log"}
    assert agreed | set(verdict().counts) <= set(verdict().as_json())


def test_a_scope_says_what_a_run_lacks() -> None:
    enough = {fault.kind: 6 for fault in FEED.faults}
    assert FEED.shortfalls(3, 1_500, "fills", enough) == []
    lacking = FEED.shortfalls(3, 1_499, "fills", enough | {"kill": 5})
    assert [each.partition(" ")[0] for each in lacking] == ["1499", "kill"]
