"""A price is a pass of whom it touches, at once; everyone has his turn all the same."""

import asyncio
from decimal import Decimal

from paceline.domain.ids import AccountId
from paceline.runtime.metrics import Metrics
from services.risk.passes import Passes
from services.risk.portfolios import portfolio_of
from services.risk.scale import price_units
from tests.fakes.clock import FakeClock
from tests.unit.risk.given import SBIN, board, fill, funds

ME = AccountId("fyers:F1")


async def test_prices_of_one_moment_are_one_pass_and_whoever_waits_sees_it() -> None:
    clock, made = FakeClock(), board("F1", "F2")
    made.fold(fill(ME, 10, "100"))
    made.set_funds(funds(ME, 1000), clock.now_ns(), clock.now_ns())
    passes = Passes(made, clock, Metrics(), pass_ms=200)
    passes.turn()
    following = asyncio.create_task(passes.follow_prices())
    waiting = asyncio.create_task(passes.after(passes.count))
    everyone = asyncio.create_task(passes.next())
    for price in (110, 120):
        made.set_price(SBIN.instrument_id, price_units(price, 0), clock.now_ns())
        passes.moved()
    assert await asyncio.wait_for(waiting, 30) == 2
    assert portfolio_of(made, made.seats[ME]).unrealised == Decimal(200)
    assert await passes.after(1) == 2, "what was missed is not waited for"
    assert not everyone.done()
    passes.turn()
    await asyncio.wait_for(everyone, 30)
    following.cancel()


def test_a_price_that_nobody_holds_is_no_pass() -> None:
    clock, made = FakeClock(), board("F1")
    passes = Passes(made, clock, Metrics(), pass_ms=200)
    made.set_price(SBIN.instrument_id, price_units(110, 0), clock.now_ns())
    passes.turn_moved()
    assert passes.count == 0
