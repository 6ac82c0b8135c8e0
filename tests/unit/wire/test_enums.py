"""Domain and wire have the same words."""

import pytest

from paceline.adapters.wire import enums
from paceline.adapters.wire.enums import EnumMap
from paceline.api.v1 import common_pb2
from paceline.domain.errors import Invalid
from paceline.domain.order import Side

MAPS = {name: each for name, each in vars(enums).items() if isinstance(each, EnumMap)}


@pytest.mark.parametrize("name", MAPS)
def test_no_word_is_missing_on_either_side(name: str) -> None:
    assert MAPS[name].missing == set()


@pytest.mark.parametrize("name", MAPS)
def test_each_word_comes_back(name: str) -> None:
    each = MAPS[name]
    assert {word: each.read(number, "field") for word, number in each.wire.items()} == {
        word: word for word in each.wire
    }


@pytest.mark.parametrize("number", [0, 99, -1])
def test_not_given_and_not_known_are_refused_with_what_there_is(number: int) -> None:
    with pytest.raises(Invalid, match="side: must be one of SIDE_BUY, SIDE_SELL"):
        enums.SIDE.read(number, "side")


def test_where_not_given_has_a_meaning_it_is_taken() -> None:
    assert enums.SIDE.read_or(0, "side", Side.SELL) is Side.SELL
    assert enums.SIDE.read_or(common_pb2.SIDE_BUY, "side", Side.SELL) is Side.BUY


def test_a_filter_reads_some() -> None:
    assert enums.SIDE.read_some([common_pb2.SIDE_BUY], "sides") == {Side.BUY}
    assert enums.SIDE.read_some([], "sides") == frozenset()
