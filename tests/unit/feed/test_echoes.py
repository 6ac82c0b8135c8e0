"""A process's own writes come back as notices, and are told from those of others."""

from services.feed.echoes import Echoes
from tests.unit.domain.given import FOLLOWER, LEADER


def test_each_write_explains_one_notice() -> None:
    echoes = Echoes()
    assert not echoes.is_own(LEADER)
    echoes.expect([LEADER, FOLLOWER])
    assert echoes.is_own(LEADER)
    assert not echoes.is_own(LEADER)
    assert echoes.is_own(FOLLOWER)


def test_another_writer_makes_one_notice_more_and_the_last_is_news() -> None:
    echoes = Echoes()
    echoes.expect([LEADER])
    assert [echoes.is_own(LEADER), echoes.is_own(LEADER)] == [True, False]


def test_what_was_not_written_explains_nothing() -> None:
    echoes = Echoes()
    echoes.expect([LEADER])
    assert echoes.not_written([LEADER]) == frozenset()
    assert not echoes.is_own(LEADER)


def test_a_notice_of_another_that_was_taken_for_a_write_that_failed_is_told_after_all() -> None:
    echoes = Echoes()
    echoes.expect([LEADER])
    assert echoes.is_own(LEADER)
    assert echoes.not_written([LEADER]) == {LEADER}


def test_after_a_time_of_deafness_every_notice_is_news() -> None:
    echoes = Echoes()
    echoes.expect([LEADER])
    echoes.forget()
    assert not echoes.is_own(LEADER)
