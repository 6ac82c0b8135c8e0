"""Ready is who waits for nothing."""

from contextlib import suppress

from paceline.runtime.readiness import Readiness


def test_it_waits_for_every_reason_by_name() -> None:
    readiness = Readiness("start")
    readiness.block("PostgreSQL at db:5432")
    assert readiness.waiting_for() == ("start", "PostgreSQL at db:5432")
    readiness.unblock("start")
    assert not readiness.ready
    readiness.unblock("PostgreSQL at db:5432")
    assert readiness.ready


def test_a_block_ends_with_its_block_of_code_even_by_an_error() -> None:
    readiness = Readiness()
    with suppress(KeyError), readiness.blocked("Redis"):
        assert not readiness.ready
        raise KeyError("x")
    assert readiness.ready


def test_a_listener_hears_how_it_stands_and_every_change_and_no_repetition() -> None:
    readiness = Readiness("start")
    heard: list[bool] = []
    readiness.subscribe(heard.append)
    readiness.block("more")
    readiness.unblock("start")
    readiness.unblock("more")
    readiness.unblock("more")
    readiness.block("drain")
    assert heard == [False, True, False]
