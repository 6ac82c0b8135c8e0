"""Every reason has a sentence."""

import pytest

from paceline.domain.copying.decision import SkipReason
from paceline.domain.copying.explain import SENTENCES, explain


def test_every_reason_is_explained_and_no_two_alike() -> None:
    assert SENTENCES.keys() == set(SkipReason)
    assert len(set(SENTENCES.values())) == len(SENTENCES)


@pytest.mark.parametrize("reason", SkipReason)
def test_a_sentence_begins_and_ends_like_one(reason: SkipReason) -> None:
    sentence = explain(reason)
    assert sentence[0].isupper()
    assert sentence.endswith(".")
    assert reason not in sentence
    assert sentence == f"{SENTENCES[reason]}.", "nothing is known of the case"


def test_what_is_known_of_the_case_follows() -> None:
    assert explain(SkipReason.NO_STOP, "of 1") == (
        "The leader has no working stop that the risk could be reckoned from: of 1."
    )
