"""The vendor's login, its expired tokens, and what its SDK makes of a broker in trouble."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from simulator.faults import EVERY_CALL, FaultKind
from simulator.fyers.auth import TOKEN_EXPIRED
from simulator.fyers.face import DEFAULT_PIN

if TYPE_CHECKING:
    from tests.oracle.sdk import Sdk
    from tests.oracle.stage import Stage

pytestmark = [pytest.mark.oracle, pytest.mark.asyncio(loop_scope="module")]

NO_ANSWER = {"s": "error", "code": -99, "message": "Bad request"}


async def a_person_approves(address: str, stage: Stage) -> str:
    """Fills in the login page behind the SDK's link, and reads the code off the redirect."""
    async with aiohttp.ClientSession() as browser:
        async with browser.get(address) as page:
            text = await page.text()
        login_id = text.split('name="login_id" value="')[1].split('"')[0]
        form = {"login_id": login_id, "client_id": stage.client_id, "pin": DEFAULT_PIN, "totp": "000000"}
        submit = f"{stage.simulator.urls.auth_url}/generate-authcode"
        async with browser.post(submit, data=form, allow_redirects=False) as sent_back:
            answer = parse_qs(urlsplit(sent_back.headers["Location"]).query)
    assert answer["state"] == ["s1"]
    return answer["auth_code"][0]


async def test_a_login_by_a_person_gives_a_token_that_works(sdk: Sdk, stage: Stage) -> None:
    app = stage.client.app
    address = await sdk.call("login_address", app.redirect_uri, "s1")
    code = await a_person_approves(address, stage)
    answer = await sdk.call("login", app.secret, app.redirect_uri, code)
    assert answer["s"] == "ok"
    assert {"access_token", "refresh_token"} <= set(answer)
    assert (await sdk.call("get_profile"))["data"]["fy_id"] == stage.client_id


async def test_a_code_works_once_and_for_the_right_secret(sdk: Sdk, stage: Stage) -> None:
    app = stage.client.app
    code = stage.simulator.face.tokens.new_code(stage.client)
    assert (await sdk.call("login", "wrong", app.redirect_uri, code))["s"] == "error"
    assert (await sdk.call("login", app.secret, app.redirect_uri, code))["s"] == "ok"
    assert (await sdk.call("login", app.secret, app.redirect_uri, code))["s"] == "error"


async def test_an_expired_token_is_told_by_its_code(sdk: Sdk, stage: Stage) -> None:
    await sdk.call("use_token", stage.token())
    stage.simulator.face.tokens.spoil(stage.client_id, TOKEN_EXPIRED)
    assert (await sdk.call("orderbook"))["code"] == -8
    await sdk.call("use_token", stage.token())
    assert (await sdk.call("orderbook"))["s"] == "ok"


async def test_a_token_of_nobody_is_refused(sdk: Sdk, stage: Stage) -> None:
    await sdk.call("use_token", "a.b.c")
    assert (await sdk.call("funds"))["code"] == -15
    await sdk.call("use_token", stage.token())


async def test_after_logging_out_the_token_is_dead(sdk: Sdk, stage: Stage) -> None:
    await sdk.call("use_token", stage.token())
    assert (await sdk.call("logout"))["s"] == "ok"
    assert (await sdk.call("orderbook"))["code"] == -17
    await sdk.call("use_token", stage.token())


async def test_the_order_socket_refuses_a_bad_token_with_403(sdk: Sdk, stage: Stage) -> None:
    await sdk.call("use_token", "a.b.c")
    await sdk.call("open_order_socket", "OnOrders")
    complaint = await sdk.wait_for("order_error")
    assert "403" in str(complaint)
    await sdk.call("use_token", stage.token())


async def test_a_gateways_page_becomes_its_status(sdk: Sdk, stage: Stage) -> None:
    faults = stage.simulator.face.faults
    faults.add(FaultKind.SERVER_5XX, calls=EVERY_CALL, remaining=1)
    assert await sdk.call("orderbook") == {"s": "error", "code": 502, "message": "Bad request"}


async def test_a_limit_is_told_as_429(sdk: Sdk, stage: Stage) -> None:
    stage.simulator.face.faults.add(FaultKind.RATE_429, calls=EVERY_CALL, remaining=1)
    assert (await sdk.call("orderbook"))["code"] == -429


async def test_no_answer_is_99_whether_or_not_the_order_was_taken(sdk: Sdk, stage: Stage) -> None:
    faults = stage.simulator.face.faults
    body = {
        "symbol": "NSE:SBIN-EQ",
        "qty": 1,
        "type": 2,
        "side": 1,
        "productType": "INTRADAY",
        "validity": "DAY",
    }
    for kind, taken in ((FaultKind.DROP_AFTER_ACCEPT, 1), (FaultKind.DROP_BEFORE_ACCEPT, 0)):
        before = len(stage.account.orders)
        faults.add(kind, remaining=1)
        assert await sdk.call("place_order", body) == NO_ANSWER
        assert len(stage.account.orders) == before + taken


async def test_an_order_without_acknowledgement_is_201(sdk: Sdk, stage: Stage) -> None:
    stage.simulator.face.faults.add(FaultKind.CODE_201, remaining=1)
    body = {
        "symbol": "NSE:SBIN-EQ",
        "qty": 1,
        "type": 2,
        "side": 1,
        "productType": "INTRADAY",
        "validity": "DAY",
    }
    assert (await sdk.call("place_order", body))["code"] == 201
