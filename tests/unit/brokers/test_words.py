"""What the broker's refusals mean, and what is asked of it."""

import base64
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paceline.adapters.brokers.fyers import money, placing, requests, tokens
from paceline.adapters.brokers.fyers.answers import Answer, as_object
from paceline.adapters.brokers.fyers.errors import map_errors
from paceline.adapters.brokers.fyers.fields import UnreadableRowError
from paceline.domain.copy_order import OrderSpec
from paceline.domain.errors import (
    BrokerAuthFailed,
    BrokerError,
    BrokerOutcomeUnknown,
    BrokerRateLimited,
    BrokerRejected,
)
from paceline.domain.ids import AccountId, BrokerOrderId, InstrumentId, Tag
from paceline.domain.instrument import InstrumentKey, Product
from paceline.domain.order import OrderType, Side, Validity
from paceline.ports.broker import OrderChange

HOUR_NS = 3_600_000_000_000


def meant(status: int, body: object, retry_after: str = "") -> BrokerError | None:
    answer = Answer(status, json.dumps(body).encode(), retry_after)
    return map_errors(answer, as_object(answer), retry_after_ms=1_000)


def refusal(code: int, message: str = "words") -> dict[str, object]:
    return {"s": "error", "code": code, "message": message}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, refusal(-8), BrokerAuthFailed),
        (200, refusal(-15), BrokerAuthFailed),
        (401, refusal(-16), BrokerAuthFailed),
        (401, refusal(-99), BrokerAuthFailed),
        (400, refusal(-17), BrokerAuthFailed),
        (400, refusal(-300, "Invalid symbol provided"), BrokerRejected),
        (400, refusal(-300, "Invalid app id"), BrokerAuthFailed),
        (400, refusal(-300, "invalid app_id"), BrokerAuthFailed),
        (400, refusal(-300, "Please provide a valid Token"), BrokerAuthFailed),
        (400, refusal(-300, "NSE:APPLE-EQ is no symbol"), BrokerRejected),
        (400, refusal(-50), BrokerRejected),
        (200, refusal(-99), BrokerRejected),
        (400, refusal(-352), BrokerRejected),
        (429, refusal(-99), BrokerRateLimited),
        (200, refusal(-429), BrokerRateLimited),
        (500, refusal(-50), BrokerOutcomeUnknown),
        (200, {"s": "ok", "code": 201}, BrokerOutcomeUnknown),
        (404, {"message": "no route"}, BrokerOutcomeUnknown),
        (200, "text", BrokerOutcomeUnknown),
    ],
)
def test_every_refusal_has_one_meaning(status: int, body: object, kind: type[BrokerError]) -> None:
    error = meant(status, body)
    assert type(error) is kind


def test_yes_is_no_error() -> None:
    assert meant(200, {"s": "ok", "code": 1101, "id": "1"}) is None


def test_a_rate_refusal_waits_as_told_else_as_set() -> None:
    for header, wait_ms in (("7", 7_000), ("", 1_000), ("soon", 1_000)):
        error = meant(429, refusal(-429), header)
        assert isinstance(error, BrokerRateLimited)
        assert error.retry_after_ms == wait_ms


def test_a_refusal_keeps_the_brokers_words_and_code() -> None:
    error = meant(400, refusal(-99, "RED:Margin Shortfall"))
    assert error is not None
    assert (error.words, error.code) == ("RED:Margin Shortfall", "-99")


@given(st.integers(100, 599), st.binary())
def test_no_answer_breaks_the_reader(status: int, body: bytes) -> None:
    answer = Answer(status, body)
    error = map_errors(answer, as_object(answer), retry_after_ms=1)
    assert error is None or isinstance(error, BrokerError)


KEY = InstrumentKey(InstrumentId("NSE:M&M-EQ"), Product.MARGIN)


def test_an_order_is_asked_for_in_the_brokers_words() -> None:
    spec = OrderSpec(
        KEY,
        Side.SELL,
        OrderType.STOP_LIMIT,
        Decimal(10),
        limit_price=Decimal("700.05"),
        trigger_price=Decimal("7E+2"),
        validity=Validity.IOC,
        disclosed=Decimal(2),
        offline=True,
    )
    assert json.loads(requests.place_body(spec, Tag("cp1"))) == {
        "symbol": "NSE:M&M-EQ",
        "qty": 10,
        "type": 4,
        "side": -1,
        "productType": "MARGIN",
        "limitPrice": 700.05,
        "stopPrice": 700,
        "validity": "IOC",
        "disclosedQty": 2,
        "offlineOrder": True,
        "orderTag": "cp1",
        "isSliceOrder": False,
    }


@pytest.mark.parametrize(
    ("spec", "tag"),
    [
        (
            OrderSpec(
                InstrumentKey(KEY.instrument_id, Product.COVER), Side.BUY, OrderType.MARKET, Decimal(1)
            ),
            "a",
        ),
        (
            OrderSpec(InstrumentKey(KEY.instrument_id, Product.SPOT), Side.BUY, OrderType.MARKET, Decimal(1)),
            "a",
        ),
        (OrderSpec(KEY, Side.BUY, OrderType.MARKET, Decimal("1.5")), "a"),
        (OrderSpec(KEY, Side.BUY, OrderType.LIMIT, Decimal(1), limit_price=Decimal("NaN")), "a"),
        (OrderSpec(KEY, Side.BUY, OrderType.MARKET, Decimal(1), validity=Validity.GTC), "a"),
        (OrderSpec(KEY, Side.BUY, OrderType.MARKET, Decimal(1)), ""),
        (OrderSpec(KEY, Side.BUY, OrderType.MARKET, Decimal(1)), "a" * 31),
        (OrderSpec(KEY, Side.BUY, OrderType.MARKET, Decimal(1)), "a-b"),
        (OrderSpec(KEY, Side.BUY, OrderType.MARKET, Decimal(1)), "é"),
    ],
)
def test_what_cannot_be_said_is_refused(spec: OrderSpec, tag: str) -> None:
    with pytest.raises(BrokerRejected):
        requests.place_body(spec, Tag(tag))


def test_a_change_names_only_what_changes() -> None:
    change = OrderChange(type=OrderType.LIMIT, limit_price=Decimal("1.5"), trigger_price=Decimal(0))
    body = json.loads(requests.modify_body(BrokerOrderId("7"), change))
    assert body == {"id": "7", "type": 1, "limitPrice": 1.5, "stopPrice": 0}


@pytest.mark.parametrize("data", [None, [], [{"body": {}}, {}, {}], "x"])
def test_a_basket_that_does_not_answer_for_every_order_is_unknown(data: object) -> None:
    answer = Answer(200, json.dumps({"s": "ok", "code": 200, "data": data}).encode())
    with pytest.raises(BrokerOutcomeUnknown):
        placing.basket(answer, 2, retry_after_ms=1)


def test_each_order_of_a_basket_has_its_own_outcome() -> None:
    data = [
        {"statusCode": 200, "body": {"s": "ok", "code": 1101, "id": "1"}},
        {"statusCode": 400, "body": refusal(-50)},
        {"statusCode": 200, "body": {"s": "ok", "code": 1101}},
        {"statusCode": 429, "body": refusal(-429)},
        "nonsense",
    ]
    answer = Answer(200, json.dumps({"s": "ok", "code": 200, "data": data}).encode())
    outcomes = placing.basket(answer, 5, retry_after_ms=1)
    kinds = [str, BrokerRejected, BrokerOutcomeUnknown, BrokerRateLimited, BrokerOutcomeUnknown]
    assert [type(each) for each in outcomes] == kinds


def jwt(payload: object) -> str:
    middle = base64.urlsafe_b64encode(json.dumps(payload).encode()).decode().rstrip("=")
    return f"header.{middle}.signature"


def test_a_token_tells_when_it_expires() -> None:
    assert tokens.expires_at_ns(jwt({"exp": 1_700_000_000}), 5) == 1_700_000_000_000_000_000
    assert tokens.expires_at_ns(f"APP-100:{jwt({'exp': 9})}", 5) == 9_000_000_000


@pytest.mark.parametrize(
    "token", ["", "a.b", "a.b.c", "a.!!.c", jwt([]), jwt({}), jwt({"exp": True}), jwt({"exp": "x"})]
)
def test_a_token_that_does_not_tell_is_good_for_an_hour(token: str) -> None:
    assert tokens.expires_at_ns(token, 5) == 5 + HOUR_NS


@given(st.text())
def test_no_token_breaks_the_reader(token: str) -> None:
    assert tokens.expires_at_ns(token, 5) > 0


def test_funds_are_both_pots_and_cash_is_without_profit_and_collateral() -> None:
    amounts = {1: 1_000, 2: 200, 4: 50, 5: 150, 10: 800}
    listed = [
        {"id": number, "equityAmount": amount, "commodityAmount": 1} for number, amount in amounts.items()
    ]
    funds = money.funds({"fund_limit": listed}, AccountId("a"))
    assert (funds.cash, funds.used_margin, funds.available) == (Decimal(799), Decimal(201), Decimal(801))
    assert (funds.realised, funds.collateral) == (Decimal(51), Decimal(151))


@pytest.mark.parametrize(
    "document", [{}, {"fund_limit": []}, {"fund_limit": [7]}, {"fund_limit": [{"id": 1}]}]
)
def test_funds_that_do_not_name_what_is_available_are_not_guessed(document: dict[str, object]) -> None:
    with pytest.raises(UnreadableRowError):
        money.funds(document, AccountId("a"))


def test_what_was_not_traded_yet_is_quoted_as_of_the_answer_and_spoils_no_other() -> None:
    values = {"lp": Decimal("101.5"), "bid": 101, "ask": 102}
    rows = [{"n": "A", "s": "ok", "v": values | {"tt": told}} for told in ("1700000000", "0", 0, "")]
    told, *untold = money.quotes({"d": rows}, HOUR_NS)
    assert told.broker_time_ns == 1_700_000_000_000_000_000
    assert {each.broker_time_ns for each in untold} == {HOUR_NS}
    assert {each.last for each in (told, *untold)} == {Decimal("101.5")}
