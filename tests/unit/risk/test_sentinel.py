"""One alert per crossing for any way the prices go, whoever looks and however often he is replaced."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.api.v1 import feed_pb2
from paceline.domain.alert import Alert, AlertKind
from paceline.domain.calendar import always_open
from paceline.domain.errors import NotOwner, Unavailable
from paceline.domain.ids import AccountId, Epoch, Partition
from paceline.domain.liquidation import LiquidationCause
from paceline.domain.risk import Thresholds
from paceline.ports.risk_states import Standing, Turn
from paceline.runtime.metric_names import LIQUIDATIONS, RISK_WARNINGS, RISK_WITHHELD
from paceline.runtime.metrics import Metrics
from services.risk.assess import Ages
from services.risk.board import Board
from services.risk.passes import Passes
from services.risk.scale import UnrepresentableError, price_units
from services.risk.sentinel import Sentinel
from services.risk.ticks import sound
from tests.fakes.clock import FakeClock
from tests.unit.risk.given import SBIN, account, baseline, fill, funds

ME = AccountId("fyers:F1")
MS = 1_000_000


@dataclass
class States:
    """As the database keeps them."""

    rows: dict[AccountId, Standing] = field(default_factory=dict)
    turns: list[Turn] = field(default_factory=list)
    told: dict[str, Alert] = field(default_factory=dict)
    away: bool = False

    async def of(self, accounts: Iterable[AccountId]) -> Mapping[AccountId, Standing]:
        self._here()
        return {each: self.rows.get(each, Standing(each)) for each in accounts}

    async def write(self, epochs: Mapping[Partition, Epoch], turns: Sequence[Turn]) -> frozenset[AccountId]:
        self._here()
        taken = set()
        for turn in turns:
            name = turn.standing.account_id
            if turn.partition in epochs and self._turn(name) == turn.standing.turn - 1:
                self.rows[name] = turn.standing
                self.turns.append(turn)
                self.told |= {each.alert_id: each for each in turn.alerts}
                taken.add(name)
        return frozenset(taken)

    async def tell(self, alerts: Sequence[Alert]) -> None:
        self._here()
        self.told |= {each.alert_id: each for each in alerts}

    def kinds(self) -> list[AlertKind]:
        return [each.kind for each in self.told.values()]

    def _turn(self, account_id: AccountId) -> int:
        return self.rows.get(account_id, Standing(account_id)).turn

    def _here(self) -> None:
        if self.away:
            raise Unavailable("the database is away")


class Stage:
    """One account: 20,000 of cash, 100 SBIN bought at 800, 16,000 of margin; at a price p its level is
    (20,000 + 100 (p - 800)) / 160 percent.
    """

    def __init__(self, states: States | None = None, clock: FakeClock | None = None) -> None:
        self.clock, self.states, self.metrics = clock or FakeClock(), states or States(), Metrics()
        self.board = Board(Ages(price_max_ms=60_000, funds_max_ms=180_000))
        self.board.know(SBIN.instrument_id, Decimal(1))
        self.board.admit(account("F1"))
        self.board.fold(fill(ME, 100, "800"))
        self.epoch: Epoch | None = Epoch(1)
        self.hurried: list[AccountId] = []
        self.wanted = 0
        self.sentinel = Sentinel(
            self.board,
            Passes(self.board, self.clock, self.metrics, 200),
            self.states,
            self._held,
            always_open(),
            self.clock,
            self.metrics,
            hurry=self.hurried.append,
            wanted=self._want,
        )
        self.price(800)
        self.funds()
        self.funds()

    def _held(self, partition: Partition) -> Epoch:
        if self.epoch is None:
            raise NotOwner(f"partition {partition}")
        return self.epoch

    def _want(self) -> None:
        self.wanted += 1

    def price(self, price: float) -> None:
        self.board.set_price(SBIN.instrument_id, price_units(round(price * 100), 2), self.clock.now_ns())

    def funds(self, cash: str = "20000", used: str = "16000") -> None:
        now_ns = self.clock.now_ns()
        self.board.set_funds(funds(ME, cash, used=used), now_ns, now_ns)

    async def look(self) -> None:
        self.board.assess(self.clock.now_ns())
        await self.sentinel.look()

    async def at(self, *prices: float) -> None:
        for price in prices:
            self.price(price)
            await self.look()

    @property
    def state(self) -> str:
        return self.board.seats[ME].state.name


def price_at(level: float) -> float:
    return level * 1.6 + 600


async def test_a_warning_is_given_once_and_armed_again_above_its_line() -> None:
    stage = Stage()
    await stage.at(price_at(51), price_at(50), price_at(30), price_at(55), price_at(49))
    assert stage.states.kinds() == [AlertKind.WARNING]
    await stage.at(price_at(55.1), price_at(50))
    assert stage.states.kinds() == [AlertKind.WARNING] * 2
    assert [each.action for each in stage.states.turns] == ["risk.warned", "risk.recovered", "risk.warned"]
    assert stage.metrics.value(RISK_WARNINGS) == 2
    assert stage.states.turns[0].cause["prices"] == {SBIN.instrument_id: "680.0000"}


async def test_a_liquidation_is_wanted_once_by_a_name_of_its_crossing() -> None:
    stage = Stage()
    await stage.at(price_at(10), price_at(5), price_at(200))
    (turn,) = stage.states.turns
    assert turn.request is not None
    assert turn.request.liquidation_id == f"margin:{ME}:1"
    assert stage.states.kinds() == [AlertKind.WARNING]
    assert (turn.request.cause, turn.request.evidence) == (LiquidationCause.MARGIN, turn.cause)
    assert (stage.state, stage.wanted) == ("LIQUIDATING", 1)
    assert stage.metrics.value(LIQUIDATIONS, cause="margin") == 1


async def test_a_liquidation_that_is_over_is_concluded_by_funds_asked_for_since() -> None:
    stage = Stage()
    await stage.at(price_at(5))
    stage.clock.advance(5)
    stage.states.rows[ME] = replace(stage.states.rows[ME], ended_ns=stage.clock.now_ns())
    stage.sentinel.hear(ME)
    await stage.at(price_at(5))
    assert (stage.state, stage.hurried) == ("LIQUIDATING", [ME])
    stage.clock.advance(1)
    stage.board.fold(fill(ME, -100, price=str(price_at(5))))
    stage.funds("800", "0")
    await stage.look()
    assert stage.state == "CALM"
    await stage.look()
    assert len(stage.states.turns) == 2


async def test_one_reading_of_the_funds_that_lies_liquidates_nobody() -> None:
    stage = Stage()
    await stage.at(800)
    stage.funds("0", "16000")
    await stage.look()
    assert (stage.state, stage.hurried) == ("WARNED", [ME])
    stage.funds("20000", "16000")
    await stage.look()
    assert stage.state == "CALM"

    stage.funds("0", "16000")
    stage.funds("0", "16000")
    await stage.look()
    assert stage.state == "LIQUIDATING"


async def test_a_lie_does_not_confirm_itself_while_the_truth_waits_for_its_pass() -> None:
    stage = Stage()
    await stage.at(800)
    stage.funds("0", "16000")
    await stage.look()
    stage.clock.advance(1)
    stage.funds("20000", "16000")
    await stage.sentinel.look()
    assert stage.state == "WARNED"
    await stage.look()
    assert stage.state == "CALM"


@pytest.mark.parametrize("fault", ["old", "unsound", "unlisted", "contradicted", "broken"])
async def test_what_is_not_sound_is_told_and_asked_and_never_acted_on(fault: str) -> None:
    stage = Stage()
    await stage.at(800)
    stage.price(price_at(5))
    match fault:
        case "old":
            stage.clock.advance(61)
        case "unsound":
            stage.board.distrust(SBIN.instrument_id)
        case "unlisted":
            stage.board.know(SBIN.instrument_id, None)
        case "contradicted":
            stage.board.doubt(stage.board.seats[ME], stage.clock.now_ns() + 1)
        case _:
            stage.board.break_off(stage.board.seats[ME], UnrepresentableError("too much"))
    await stage.look()
    await stage.look()
    assert stage.states.turns == []
    assert stage.states.kinds() == [AlertKind.NOT_JUDGED]
    assert ME in stage.hurried
    assert stage.metrics.value(RISK_WITHHELD) == 1
    if fault != "broken":
        stage.clock.advance(1)
        stage.board.know(SBIN.instrument_id, Decimal(1))
        stage.funds()
        await stage.at(price_at(5))
        assert stage.state == "LIQUIDATING"


@pytest.mark.parametrize(
    "tick",
    [
        {"last": 0},
        {"last": -5},
        {"last": 5, "bid": 7, "ask": 6},
        {"last": 5, "bid": -1},
        {"last": 5, "scale": 400},
    ],
)
def test_what_no_market_can_have_told_is_no_price(tick: dict[str, Any]) -> None:
    with pytest.raises(UnrepresentableError):
        sound(feed_pb2.Tick(instrument_id=SBIN.instrument_id, **tick))


@pytest.mark.parametrize(("cash", "used"), [("NaN", "0"), ("Infinity", "1"), ("1", "-1"), ("1e300", "0")])
def test_funds_that_cannot_be_money_are_refused_and_the_old_ones_stay(cash: str, used: str) -> None:
    stage = Stage()
    with pytest.raises(UnrepresentableError):
        stage.funds(cash, used)
    row = stage.board.seats[ME].row
    assert (stage.board.accounts.cash[row], stage.board.accounts.used_margin[row]) == (
        200_000_000,
        160_000_000,
    )


async def test_a_position_book_that_contradicts_moves_the_position_and_is_said() -> None:
    stage = Stage()
    await stage.at(800)
    stage.board.fold(baseline(ME, 500, "800"))
    stage.board.doubt(stage.board.seats[ME], stage.clock.now_ns() + 1)
    await stage.at(price_at(5))
    assert stage.states.turns == []


async def test_lines_are_the_accounts_own_and_heard_of_when_they_change() -> None:
    stage = Stage()
    await stage.at(price_at(60))
    stage.states.rows[ME] = Standing(ME, thresholds=Thresholds(Decimal(80), Decimal(90), Decimal(20)))
    stage.sentinel.hear(ME)
    await stage.look()
    assert stage.state == "WARNED"
    await stage.at(price_at(20))
    assert stage.state == "LIQUIDATING"


async def test_what_cannot_be_written_is_not_done_and_is_done_later() -> None:
    stage = Stage()
    await stage.at(800)
    stage.states.away = True
    stage.price(price_at(5))
    stage.board.assess(stage.clock.now_ns())
    with pytest.raises(Unavailable):
        await stage.sentinel.look()
    assert (stage.state, stage.wanted) == ("CALM", 0)
    stage.states.away = False
    await stage.look()
    assert stage.state == "LIQUIDATING"


async def test_without_the_lease_nothing_is_taken() -> None:
    stage = Stage()
    stage.epoch = None
    await stage.at(price_at(5))
    assert (stage.states.turns, stage.state) == ([], "CALM")


async def test_two_who_look_at_once_take_a_turn_once() -> None:
    stage = Stage()
    await stage.at(800)
    other = Stage(stage.states, stage.clock)
    await other.at(800)
    await stage.at(price_at(5))
    await other.at(price_at(5))
    await other.look()
    assert (len(stage.states.turns), other.wanted) == (1, 0)
    assert other.state == "LIQUIDATING"


levels = st.integers(-20, 120).map(lambda n: n + 0.5)


@given(st.lists(st.one_of(levels, st.just("restart")), max_size=40))
async def test_any_path_with_any_restarts_tells_each_crossing_once(path: list[float | str]) -> None:
    states, stage = States(), Stage()
    stage = Stage(states)
    armed, warnings, liquidated = True, 0, False
    for each in path:
        if isinstance(each, str):
            stage = Stage(states, stage.clock)
            continue
        await stage.at(price_at(each))
        if liquidated:
            continue
        if each > 55:
            armed = True
        elif each <= 50 and armed:
            armed, warnings = False, warnings + 1
        liquidated = each <= 10
    assert states.kinds().count(AlertKind.WARNING) == warnings
    assert sum(turn.request is not None for turn in states.turns) == liquidated


async def test_who_is_being_sold_has_his_margin_back_as_he_has_his_losses() -> None:
    """Ninety of a hundred go at 640: 5,600 are left at cost, for a tenth of the margin."""
    stage = Stage()
    await stage.at(price_at(30))
    stage.board.fold(fill(ME, -90, "640"))
    await stage.at(640, 300)
    assert (stage.state, stage.wanted) == ("WARNED", 0)
    await stage.at(256)
    assert (stage.state, stage.wanted) == ("LIQUIDATING", 1)
