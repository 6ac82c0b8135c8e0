"""Accounts are flattened once, whoever dies when, and nothing else leaves meanwhile."""

from paceline.domain.liquidation import LiquidationState
from tests.integration.executor.flattening import a_stage


async def test_longs_shorts_and_open_orders_are_gone_and_everything_was_traded_once(
    postgres_url: str, redis_url: str
) -> None:
    async with a_stage(postgres_url, redis_url) as stage, stage.world.executor():
        await stage.world.until_owned()
        await stage.trade(30)
        await stage.trade(-7, "NSE:TCS-EQ")
        await stage.rest(-5, 900.0)
        (copy,) = await stage.world.working([stage.follower])
        assert stage.net() == {"NSE:SBIN-EQ": 30, "NSE:TCS-EQ": -7}
        steps = await stage.liquidate(equity={"amount": {"value": "812.50"}, "currency": "INR"})
        assert stage.net() == {}
        assert stage.open() == []
        assert stage.sold() == {"NSE:SBIN-EQ": -30, "NSE:TCS-EQ": 7}
        assert [each.instrument.symbol for each in stage.ours()] == ["NSE:TCS-EQ", "NSE:SBIN-EQ"]
        assert stage.world.at_broker(copy).filled == 0
        assert [each.number for each in steps] == list(range(1, len(steps) + 1))
        acts = await stage.acts()
        assert acts[:2] == ["liquidation.stored", "liquidation.state"]
        assert acts[-1] == "liquidation.done"
        assert (acts.count("liquidation.cancel"), acts.count("liquidation.place")) == (2, 2)
        assert await stage.liquidate() == steps, "asked again, it is told again"
        assert len(stage.ours()) == 2
        assert await stage.state() is LiquidationState.DONE
