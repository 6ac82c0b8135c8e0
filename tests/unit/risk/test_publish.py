"""One packed value a partition each pass; an account's own key when it moved, or grew old."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from paceline.adapters.wire.packed_portfolios import Packed, unpack
from paceline.domain.account import AccountType
from paceline.domain.errors import Unavailable
from paceline.domain.ids import AccountId, Partition
from paceline.domain.partitioning import partition_of
from paceline.ports.portfolios import Portfolio
from paceline.runtime.metric_names import (
    RISK_ACCOUNTS,
    RISK_PASS_LAG_SECONDS,
    RISK_PASS_SECONDS,
    STALE_PRICES,
)
from paceline.runtime.metrics import Metrics
from services.risk.board import Board
from services.risk.passes import Passes
from services.risk.publish import Material, Publisher
from services.risk.scale import price_units
from tests.fakes.clock import FakeClock
from tests.unit.risk.given import SBIN, account, board, fill, funds


@dataclass
class Redis:
    """What was told, newest last."""

    values: dict[Partition, bytes] = field(default_factory=dict)
    puts: list[list[Portfolio]] = field(default_factory=list)
    away: bool = False
    full: bool = False

    async def put(self, portfolios: Sequence[Portfolio]) -> None:
        if self.full:
            raise Unavailable("Redis takes no keys")
        self.puts.append(list(portfolios))

    async def get(self, accounts: Mapping[AccountId, AccountType]) -> Mapping[AccountId, Portfolio]:
        return {}

    async def create_empty(self, account_id: AccountId, type: AccountType) -> None:  # noqa: A002
        raise AssertionError("accounts are made elsewhere")

    async def publish(self, packed: Mapping[Partition, bytes]) -> None:
        if self.away:
            raise Unavailable("Redis is away")
        self.values.update(packed)

    async def packed(self, partitions: Iterable[Partition]) -> Mapping[Partition, bytes]:
        return {}


class Stage:
    def __init__(self, *names: str, puts_max: int = 100) -> None:
        self.clock, self.redis, self.metrics = FakeClock(), Redis(), Metrics()
        self.board: Board = board(*names)
        self.passes = Passes(self.board, self.clock, self.metrics, pass_ms=200)
        rules = Material(change_bps=10, refresh_ms=20_000, unknown_ms=180_000, puts_max=puts_max)
        self.publisher = Publisher(self.board, self.passes, self.redis, self.clock, rules)

    def fund(self, name: str, cash: int = 1_000, used: int = 0) -> None:
        now = self.clock.now_ns()
        self.board.set_funds(funds(AccountId(f"fyers:{name}"), cash, used=used), now, now)

    def price(self, rupees: str) -> None:
        self.board.set_price(
            SBIN.instrument_id, price_units(int(Decimal(rupees) * 100), 2), self.clock.now_ns()
        )

    async def turn(self, seconds: float = 0.2) -> list[str]:
        """One pass, told; whose own keys were written."""
        self.clock.advance(seconds)
        self.passes.turn()
        before = len(self.redis.puts)
        await self.publisher.publish()
        return sorted(each.account_id for puts in self.redis.puts[before:] for each in puts)

    def packed(self, name: str) -> Packed:
        return unpack(self.redis.values[partition_of(AccountId(f"fyers:{name}"))])


async def test_every_pass_tells_every_partition() -> None:
    stage = Stage("F1", "F2", "F3")
    stage.fund("F1", 1_000, used=100)
    await stage.turn()
    await stage.turn()
    assert stage.redis.values.keys() == {partition_of(AccountId(f"fyers:F{n}")) for n in (1, 2, 3)}
    (told,) = stage.packed("F1").known
    assert (told.equity, told.margin_level, told.stale) == (Decimal(1_000), Decimal(1_000), False)
    assert told.computed_ns == stage.clock.now_ns()
    assert stage.packed("F2").known == ()
    assert stage.packed("F2").account_ids == ("fyers:F2",)


async def test_an_own_key_is_written_when_it_moved_or_grew_old() -> None:
    stage = Stage("F1", "F2")
    stage.fund("F1")
    stage.board.fold(fill(AccountId("fyers:F1"), 1, "100"))
    stage.price("100")
    assert await stage.turn() == ["fyers:F1"]
    assert await stage.turn() == []
    stage.price("100.90")
    assert await stage.turn() == []
    stage.price("101.50")
    assert await stage.turn() == ["fyers:F1"]
    stage.fund("F1", used=10)
    assert await stage.turn() == ["fyers:F1"]
    assert await stage.turn(19) == []
    assert await stage.turn(2) == ["fyers:F1"]
    assert stage.redis.puts[-1][0].computed_ns == stage.clock.now_ns()


async def test_becoming_stale_is_told() -> None:
    stage = Stage("F1")
    stage.fund("F1")
    await stage.turn()
    await stage.turn(179)
    stage.redis.puts.clear()
    assert await stage.turn(2) == ["fyers:F1"]
    assert stage.redis.puts[0][0].stale


async def test_without_funds_what_stands_there_ages_and_is_then_overwritten_once() -> None:
    stage = Stage("F1")
    assert await stage.turn() == []
    assert await stage.turn(170) == []
    assert await stage.turn(11) == ["fyers:F1"]
    (told,) = stage.redis.puts[0]
    assert (told.equity, told.stale) == (Decimal(0), True)
    assert await stage.turn(500) == []


async def test_no_more_than_so_many_keys_at_once_the_longest_waiting_first() -> None:
    stage = Stage(*(f"F{n}" for n in range(5)), puts_max=2)
    for n in range(5):
        stage.fund(f"F{n}")
    turns = [await stage.turn() for _ in range(4)]
    assert [len(each) for each in turns] == [2, 2, 1, 0]
    assert len({name for each in turns for name in each}) == 5


async def test_what_redis_did_not_take_is_told_again() -> None:
    stage = Stage("F1")
    stage.fund("F1")
    stage.redis.full = True
    with pytest.raises(Unavailable):
        await stage.turn()
    stage.redis.full = False
    assert await stage.turn() == ["fyers:F1"]


async def test_who_comes_and_goes_is_told_of_and_no_more() -> None:
    stage = Stage("F1")
    await stage.turn()
    stage.board.remove(AccountId("fyers:F1"))
    stage.board.admit(account("F2"))
    stage.redis.values.clear()
    await stage.turn()
    assert stage.redis.values.keys() == {partition_of(AccountId("fyers:F2"))}


async def test_passes_go_on_without_redis_and_are_told_when_it_is_back() -> None:
    stage = Stage("F1")
    stage.redis.away = True
    tasks = [asyncio.create_task(stage.publisher.run()), asyncio.create_task(stage.passes.run())]
    await stage.clock.settle()
    for _ in range(5):
        stage.clock.advance(0.2)
        await stage.clock.settle()
    assert stage.board.turns == 6
    assert not stage.redis.values
    stage.redis.away = False
    stage.clock.advance(0.2)
    await stage.clock.settle()
    assert len(stage.redis.values) == 1
    for task in tasks:
        assert not task.done()
        task.cancel()


async def test_a_late_pass_is_not_made_up_for_and_its_lag_is_told() -> None:
    stage = Stage("F1")
    stage.board.fold(fill(AccountId("fyers:F1"), 1, "100"))
    task = asyncio.create_task(stage.passes.run())
    await stage.clock.settle()
    stage.clock.advance(1.1)
    await stage.clock.settle()
    assert stage.board.turns == 2
    assert stage.metrics.value(RISK_PASS_SECONDS) == 2
    assert stage.metrics.value(RISK_PASS_LAG_SECONDS) == 2
    assert (stage.metrics.value(RISK_ACCOUNTS), stage.metrics.value(STALE_PRICES)) == (1, 1)
    task.cancel()
