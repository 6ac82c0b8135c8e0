"""What the loader of named SQL refuses."""

import pytest

from paceline.adapters.postgres.queries import parse, sql


def test_a_block_is_its_name_its_description_and_its_statement() -> None:
    one = "-- name: one\n-- Says one.\nSELECT 1;\n"
    two = "-- name: two\n-- Says two,\n-- at length.\nSELECT\n2\n"
    text = f"-- What this file is.\n\n{one}\n{two}"
    assert parse(text) == {"one": "SELECT 1", "two": "SELECT\n2"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("-- name: one\n-- Says.\nSELECT 1\n-- name: one\n-- Says.\nSELECT 2", "one stands there twice"),
        ("-- name: one\nSELECT 1", "one lacks its description"),
        ("-- name: one\n-- Says.\n", "one is empty"),
        ("SELECT 1\n-- name: one\n-- Says.\nSELECT 1", "before the first name"),
    ],
)
def test_a_broken_file_is_refused_with_the_name(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse(text)


def test_an_unknown_name_fails_where_it_is_asked_for() -> None:
    with pytest.raises(KeyError, match="nobody"):
        sql("nobody")
