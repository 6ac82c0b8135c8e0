"""The symbol master and the login, where their answers are not as they should be."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from paceline.adapters.brokers.fyers import Egresses, FyersLogins, FyersSettings, FyersSymbols
from paceline.adapters.brokers.fyers.symbols import read_master
from paceline.domain.errors import BrokerLoginNeeded, BrokerOutcomeUnknown, BrokerRejected, Unavailable
from paceline.domain.ids import BrokerAppId
from paceline.domain.instrument import Exchange, InstrumentKind, Segment
from paceline.domain.secret import Secret
from paceline.ports.broker import AppCredentials, Tokens
from tests.fakes.clock import FakeClock
from tests.unit.brokers.stand_in import answering, http, standing_in

SHARE: dict[str, Any] = {
    "fyToken": "10100000003045",
    "symTicker": "NSE:SBIN-EQ",
    "exchange": 10,
    "segment": 10,
    "minLotSize": 1,
    "tickSize": 0.05,
    "qtyFreeze": "100000",
    "upperPrice": 974.9,
    "lowerPrice": 649.9,
    "optType": "XX",
    "strikePrice": -1.0,
    "expiryDate": "",
    "underSym": "SBIN",
    "currencyCode": "INR",
}
OPTION: dict[str, Any] = SHARE | {
    "fyToken": "1011261124123",
    "symTicker": "NSE:NIFTY26NOV25900CE",
    "segment": 11,
    "minLotSize": 65,
    "qtyFreeze": 1800,
    "optType": "CE",
    "strikePrice": 25900.0,
    "expiryDate": "1795516200",
    "underSym": "NIFTY",
}


def test_a_share_and_an_option_are_read_whole() -> None:
    (share, option), skipped = read_master("X", json.dumps({"a": SHARE, "b": OPTION}).encode())
    assert skipped == 0
    assert share.native_id == "10100000003045"
    assert (share.instrument.exchange, share.instrument.segment) == (Exchange.NSE, Segment.CAPITAL_MARKET)
    assert (share.instrument.kind, share.instrument.strike, share.instrument.expiry) == (
        InstrumentKind.EQUITY,
        None,
        None,
    )
    assert (share.instrument.tick, share.instrument.freeze) == (Decimal("0.05"), Decimal(100_000))
    assert (share.instrument.lower_band, share.instrument.upper_band) == (Decimal("649.9"), Decimal("974.9"))
    assert (option.instrument.kind, option.instrument.lot) == (InstrumentKind.CALL, Decimal(65))
    assert (option.instrument.strike, option.instrument.expiry) == (Decimal(25_900), date(2026, 11, 24))


@pytest.mark.parametrize(
    "row",
    [
        {},
        7,
        SHARE | {"fyToken": ""},
        SHARE | {"exchange": 99},
        SHARE | {"segment": None},
        SHARE | {"minLotSize": 0},
        SHARE | {"tickSize": "none"},
        SHARE | {"expiryDate": 10**17},
        SHARE | {"strikePrice": [1]},
    ],
)
def test_a_row_that_cannot_be_read_is_counted_and_spoils_no_other(row: object) -> None:
    found, skipped = read_master("X", json.dumps({"bad": row, "good": SHARE}).encode())
    assert ([each.native_id for each in found], skipped) == (["10100000003045"], 1)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"a":'])
def test_a_file_that_is_no_master_is_unavailable(body: bytes) -> None:
    with pytest.raises(Unavailable, match="NSE_CM"):
        read_master("NSE_CM", body)


async def test_one_missing_file_is_no_master() -> None:
    good = http(json.dumps({"a": SHARE}).encode())
    async with standing_in(answering(good, http(b"", "404 Not Found"))) as stand_in:
        settings = FyersSettings(symbols_url=stand_in.url, symbol_masters=("NSE_CM", "NSE_FO"))
        egresses = Egresses(settings)
        with pytest.raises(Unavailable, match="404"):
            await FyersSymbols(settings, egresses).load()
        await egresses.aclose()


SHA256_OF_APP_AND_SECRET = b"b6749000080d4bf8051c9d1b5701911f6b537a86b6052d76915e068c0669d734"
APP = AppCredentials(BrokerAppId("a"), "APP-100", Secret("app-secret"), "http://127.0.0.1/back")


async def login(answer: bytes) -> tuple[Tokens | Exception, list[bytes]]:
    """What an exchange of a code comes to, and the requests it took."""
    async with standing_in(answering(answer)) as stand_in:
        settings = FyersSettings(auth_url=stand_in.url)
        egresses = Egresses(settings)
        try:
            tokens = await FyersLogins(settings, egresses, FakeClock()).exchange_code(APP, Secret("the-code"))
        except (BrokerRejected, BrokerLoginNeeded, BrokerOutcomeUnknown) as error:
            return error, stand_in.requests
        finally:
            await egresses.aclose()
        return tokens, stand_in.requests


async def test_a_token_without_expiry_lives_an_hour_and_the_secret_is_sent_as_a_hash_only() -> None:
    tokens, (request,) = await login(
        http(b'{"s":"ok","code":200,"access_token":"opaque","refresh_token":"r"}')
    )
    assert isinstance(tokens, Tokens)
    assert tokens.expires_at_ns == FakeClock().now_ns() + 3_600_000_000_000
    assert (tokens.access.reveal(), tokens.refresh.reveal(), tokens.client_id) == ("opaque", "r", "")
    assert b"app-secret" not in request
    assert b"authorization:" not in request.lower()
    assert SHA256_OF_APP_AND_SECRET in request


@pytest.mark.parametrize(
    "body",
    [
        b'{"s":"ok","code":200,"message":"try later"}',
        b'{"s":"ok","access_token":""}',
        b'{"s":"ok","access_token":7}',
    ],
)
async def test_a_login_that_says_yes_without_a_token_fails_with_words(body: bytes) -> None:
    error, _ = await login(http(body))
    assert isinstance(error, BrokerRejected)
    assert "no token" in error.words


@pytest.mark.parametrize("code", [-8, -15, -16, -17])
async def test_a_login_the_broker_does_not_know_needs_the_person(code: int) -> None:
    body = json.dumps({"s": "error", "code": code, "message": "words"}).encode()
    error, _ = await login(http(body, "401 Unauthorized"))
    assert isinstance(error, BrokerLoginNeeded)
    assert not error.retryable


async def test_a_login_whose_answer_is_lost_is_unknown() -> None:
    error, _ = await login(http(b"<html>", "502 Bad Gateway"))
    assert isinstance(error, BrokerOutcomeUnknown)


def test_a_link_escapes_what_it_carries() -> None:
    settings = FyersSettings(auth_url="https://auth.test/api/v3")
    logins = FyersLogins(settings, None, FakeClock())  # type: ignore[arg-type]  # a link needs no connection
    link = logins.login_link(APP, "a&b=c d")
    assert link.startswith("https://auth.test/api/v3/generate-authcode?client_id=APP-100&")
    assert "state=a%26b%3Dc" in link
