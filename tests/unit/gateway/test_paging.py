"""Marks of pages: read back as they were given, refused when they were not."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.adapters.wire.pages import next_page_token
from paceline.api.v1 import account_pb2
from paceline.domain.errors import Invalid
from paceline.runtime.paging import (
    mark_of,
    moment_and_text_of,
    number_and_text_of,
    number_of,
    only_order,
    paged,
    texts_of,
)

texts = st.text().filter(lambda text: "\0" not in text)
numbers = st.integers(-(2**63), 2**63 - 1)
moments = st.datetimes(timezones=st.just(UTC))


@given(numbers, moments, texts, texts, texts)
def test_a_mark_comes_back_as_it_was(number: int, moment: datetime, a: str, b: str, c: str) -> None:
    assert number_of(mark_of(number)) == number
    assert number_and_text_of(mark_of(number, a)) == (number, a)
    assert moment_and_text_of(mark_of(moment, a)) == (moment, a)
    assert texts_of(mark_of(a, b, c)) == (a, b, c)


@pytest.mark.parametrize("read", [number_of, number_and_text_of, moment_and_text_of, texts_of])
def test_the_first_page_has_no_mark(read: Callable[[str], object]) -> None:
    assert read("") is None


FOREIGN = ("{", "[]", "{}", "1", "[null]", "[1.5]", "[true]", f"[{2**63}]", '["x"]', "[1, 2]", '[[1], "a"]')
FOREIGN_MOMENTS = ('["yesterday", "a"]', '["2026-01-01T00:00:00", "a"]', '["2026-01-01T00:00:00+00:00", 1]')
ZONED = datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=5, minutes=30)))


@pytest.mark.parametrize("mark", [*FOREIGN, *FOREIGN_MOMENTS, '["a\\u0000", "b", "c"]'])
def test_a_foreign_mark_is_refused(mark: str) -> None:
    for read in (number_of, number_and_text_of, moment_and_text_of, texts_of):
        with pytest.raises(Invalid, match=r"^page_token: "):
            read(mark)


def problems_with(read: Callable[[str], object], mark: str) -> list[str]:
    try:
        read(mark)
    except Invalid as refused:
        return [each.field for each in refused.problems]
    return []


@given(st.text(min_size=1))
def test_no_text_breaks_a_reader(mark: str) -> None:
    for read in (number_of, number_and_text_of, moment_and_text_of, texts_of):
        assert problems_with(read, mark) in ([], ["page_token"])


def test_a_moment_keeps_its_zone() -> None:
    assert moment_and_text_of(mark_of(ZONED, "a")) == (ZONED, "a")


class Rows:
    """Letters, listed behind a mark."""

    def __init__(self, rows: str) -> None:
        self.rows = rows

    async def fetch(self, after: str, limit: int) -> Sequence[str]:
        return [row for row in self.rows if row > after][:limit]


@given(st.lists(st.characters(categories=["Ll"]), unique=True), st.integers(1, 5))
async def test_pages_hold_every_row_once_in_order(rows: list[str], size: int) -> None:
    source = Rows("".join(sorted(rows)))
    seen: list[str] = []
    request = account_pb2.ListAccountsRequest(page_size=size)
    while True:
        page, token = await paged(request, source.fetch, str)
        assert len(page) <= size
        seen += page
        if not token:
            break
        request.page_token = token
    assert seen == list(source.rows)


async def test_a_token_of_another_page_or_with_a_nul_is_refused() -> None:
    request = account_pb2.ListAccountsRequest()
    for token in (
        next_page_token(account_pb2.ListAccountGroupsRequest(), "a"),
        next_page_token(request, "\0"),
    ):
        request.page_token = token
        with pytest.raises(Invalid, match=r"^page_token: "):
            await paged(request, Rows("abc").fetch, str)


def test_one_order_is_offered() -> None:
    only_order("", "create_time desc")
    only_order("create_time desc", "create_time desc")
    with pytest.raises(Invalid, match=r"^order_by: "):
        only_order("create_time", "create_time desc")
