"""What an executor is told of a wanted liquidation is what he stores."""

from dataclasses import replace
from decimal import Decimal

from paceline.adapters.wire.liquidations import liquidation_from_wire
from paceline.domain.ids import AccountId, InstrumentId, LiquidationId, SubscriptionId
from paceline.domain.liquidation import LiquidationCause, LiquidationLevel
from paceline.ports.liquidation_requests import Request
from services.risk.summons import request_to_wire

ME = AccountId("fyers:XLEADER")
EVIDENCE = {
    "equity": "800.5000",
    "used_margin": "16000.0000",
    "level": "5.00",
    "currency": "INR",
    "prices": {"NSE:SBIN-EQ": "608.0000"},
}
WANTED = Request(
    LiquidationId(f"margin:{ME}:1"),
    ME,
    LiquidationCause.MARGIN,
    "turn 1",
    "the margin level is 5 %",
    EVIDENCE,
)


def test_a_whole_account_with_its_evidence() -> None:
    heard = liquidation_from_wire(request_to_wire(WANTED))
    assert (heard.liquidation_id, heard.account_id, heard.whole) == (WANTED.liquidation_id, ME, True)
    assert (heard.cause, heard.cause_id, heard.reason) == (WANTED.cause, "turn 1", WANTED.reason)
    assert (heard.equity, heard.currency, heard.margin_level) == (Decimal("800.5"), "INR", Decimal(5))
    assert heard.prices == {InstrumentId("NSE:SBIN-EQ"): Decimal(608)}
    assert heard.level is LiquidationLevel.FLATTEN


def test_copies_of_a_subscription_and_what_is_not_known() -> None:
    copies = replace(
        WANTED,
        subscription_id=SubscriptionId("s1"),
        cause=LiquidationCause.CASCADE,
        evidence={"level": "infinite", "prices": {"NSE:SBIN-EQ": "NaN"}},
    )
    heard = liquidation_from_wire(request_to_wire(copies))
    assert (heard.subscription_id, heard.cause) == ("s1", LiquidationCause.CASCADE)
    assert (heard.equity, heard.margin_level, heard.prices) == (None, None, {})
    assert liquidation_from_wire(request_to_wire(replace(copies, evidence={}))).prices == {}
