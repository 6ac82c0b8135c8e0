"""Page tokens fit their own list only."""

import pytest
from hypothesis import given

from paceline.adapters.wire.pages import SIZE_DEFAULT, SIZE_MAX, Page, next_page_token, page_of
from paceline.api.v1 import account_pb2, common_pb2, query_pb2
from paceline.domain.errors import Invalid
from tests.unit.wire.strategies import names

FYERS = account_pb2.AccountFilter(broker=common_pb2.BROKER_FYERS)


def test_the_first_page_begins_at_the_beginning() -> None:
    assert page_of(account_pb2.ListAccountsRequest()) == Page("", SIZE_DEFAULT)


@pytest.mark.parametrize(("asked", "given_"), [(1, 1), (SIZE_MAX, SIZE_MAX), (SIZE_MAX + 1, SIZE_MAX)])
def test_a_page_is_at_most_so_large(asked: int, given_: int) -> None:
    assert page_of(account_pb2.ListAccountsRequest(page_size=asked)).size == given_


@given(names)
def test_the_next_page_begins_behind_the_last_thing(last: str) -> None:
    first = account_pb2.ListAccountsRequest(filter=FYERS, page_size=10)
    token = next_page_token(first, last)
    second = account_pb2.ListAccountsRequest(filter=FYERS, page_size=20, page_token=token)
    assert page_of(second) == Page(last, 20)
    assert next_page_token(second, last) == token


@pytest.mark.parametrize(
    "other",
    [
        account_pb2.ListAccountsRequest(),
        account_pb2.ListAccountsRequest(filter=FYERS, order_by="create_time"),
        query_pb2.ListReadinessRequest(),
    ],
)
def test_a_token_of_another_list_is_refused(
    other: account_pb2.ListAccountsRequest | query_pb2.ListReadinessRequest,
) -> None:
    other.page_token = next_page_token(account_pb2.ListAccountsRequest(filter=FYERS), "fyers:XP1")
    with pytest.raises(Invalid, match="page_token: belongs to another list"):
        page_of(other)


@given(names)
def test_whatever_else_comes_as_a_token_is_refused(token: str) -> None:
    request = account_pb2.ListAccountsRequest(page_token=token)
    with pytest.raises(Invalid, match="page_token"):
        page_of(request)


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(Invalid, match="page_size: must not be negative"):
        page_of(account_pb2.ListAccountsRequest(page_size=-1))
