"""What leaders do comes from the seed alone, holds every kind of order, and is enough to count."""

from chaos.feed.load import LEADERS
from chaos.feed.script import Cancel, Fill, Modify, Place, Trade, ideas
from chaos.scopes import FEED
from paceline.cli.demo.script import Traded

MARKET = [Traded("NSE:SBIN-EQ", 1), Traded("NSE:TCS-EQ", 1)]
SECONDS = 180.0


def test_a_seed_draws_the_same_and_another_leader_draws_otherwise() -> None:
    first = list(ideas(3, 1, SECONDS, MARKET))
    assert first == list(ideas(3, 1, SECONDS, MARKET))
    assert first != list(ideas(3, 2, SECONDS, MARKET))
    assert [idea.at_s for idea in first] == sorted(idea.at_s for idea in first)


def test_all_leaders_together_do_everything_often() -> None:
    steps = [
        step for leader in range(LEADERS) for idea in ideas(3, leader, SECONDS, MARKET) for step in idea.steps
    ]
    by_hand = sum(step.parts for step in steps if isinstance(step, Trade | Fill))
    assert by_hand > FEED.load_a_minute * SECONDS / 60
    placed = {step.type for step in steps if isinstance(step, Place)}
    assert placed == {"LIMIT", "MARKET", "STOP_LIMIT"}
    assert {Modify, Cancel} <= {type(step) for step in steps}
