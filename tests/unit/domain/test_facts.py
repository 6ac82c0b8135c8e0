"""What facts are called is for ever: a release that named them anew would journal a day twice."""

from dataclasses import replace

from paceline.domain.facts import (
    baseline_identity,
    difference_identity,
    fill_identity,
    order_identity,
    standing_identity,
)
from paceline.domain.instrument import Exchange, Segment
from paceline.domain.position import PositionReport
from tests.unit.domain.given import KEY, LEADER, NOW, d, fill, report

ORDER = "fyers:LEADER:20231115:NSE:CAPITAL_MARKET:1"
HELD = PositionReport(LEADER, KEY, Exchange.NSE, Segment.CAPITAL_MARKET, d(10), d(100))


def test_a_fill_has_the_name_of_its_trade() -> None:
    assert fill_identity(fill(10, order="7", trade="t9")) == "fyers:LEADER:20231115:NSE:CAPITAL_MARKET:7:t9"


def test_a_state_has_the_name_of_its_order_and_a_hash_of_what_was_said() -> None:
    assert order_identity(report(), 3) == f"{ORDER}:state:3:a68547860a4f783ce5164f41"
    assert order_identity(report(at=NOW + 1), 3) == f"{ORDER}:state:3:17bcc65a07a5617a3c17d7e7"
    assert standing_identity(report()) == f"{ORDER}:stood:5eea509d1e47dc535da954c5"


def test_how_a_price_is_written_is_no_part_of_its_name() -> None:
    written = replace(report(), limit_price=d("100.00"), quantity=d("1e2"))
    assert order_identity(written, 1) == order_identity(report(), 1)
    assert standing_identity(written) == standing_identity(report())


def test_a_position_has_the_name_of_its_key_and_day() -> None:
    place = "fyers:LEADER:20231115:NSE:CAPITAL_MARKET:position:NSE:SBIN-EQ:INTRADAY"
    assert baseline_identity(HELD, NOW) == place
    assert difference_identity(HELD, NOW) == f"{place}:{NOW}"
