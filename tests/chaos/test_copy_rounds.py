"""What the leader of orders does comes from the seed alone, on one side of a symbol, and ends flat."""

from collections import Counter
from itertools import chain

from chaos.copy.rounds import LANES, Close, Nibble, Round, rounds, sides
from chaos.feed.script import Cancel, Fill, Modify, Move, Pause, Place, Trade

SYMBOLS = ["NSE:A-EQ", "NSE:B-EQ", "NSE:C-EQ", "NSE:D-EQ"]
SECONDS = 180.0


def drawn(seed: int, seconds: float = SECONDS) -> list[list[Round]]:
    return [list(rounds(seed, lane, seconds, SYMBOLS)) for lane in range(LANES)]


def test_a_seed_draws_the_same_and_another_draws_otherwise() -> None:
    assert drawn(3) == drawn(3)
    assert drawn(3) != drawn(4)


def test_lanes_share_no_symbol_and_are_done_in_time() -> None:
    lanes = drawn(5)
    symbols = Counter(chain.from_iterable({one.symbol for one in lane} for lane in lanes))
    assert set(symbols.values()) == {1}
    assert all(sum(one.seconds for one in lane) < SECONDS + 9 for lane in lanes)


def test_every_round_holds_its_side_and_ends_flat() -> None:
    side_of = sides(SYMBOLS)
    for one in chain.from_iterable(drawn(7)):
        first = next(step for step in one.steps if isinstance(step, Place | Trade))
        assert first.side == side_of[one.symbol]
        assert isinstance(one.steps[-2], Close)


def test_a_minute_holds_every_kind_of_step() -> None:
    steps = {type(step) for one in chain.from_iterable(drawn(11, 60.0)) for step in one.steps}
    assert steps == {Place, Trade, Fill, Modify, Cancel, Move, Pause, Nibble, Close}
